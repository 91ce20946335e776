/* What the checkpoint's reader is made of: facts of a family (checkpoint.c), its tensors
 * (checkpoint_tensors.c, those of 8-bit floats checkpoint_float8.c) and its tokenizer
 * (checkpoint_tokenizer.c). */
#ifndef ENGINE_CHECKPOINT_INTERNAL_H
#define ENGINE_CHECKPOINT_INTERNAL_H

#include "engine/gguf_build.h"
#include "engine/json_tree.h"
#include "engine/safetensors.h"

/* Which layers see only a window, where config.json has no layer_types. */
enum checkpoint_windows {
    WINDOWS_NONE,   /* sliding_window means nothing */
    WINDOWS_ALL,    /* every layer */
    WINDOWS_LATE,   /* those from max_window_layers on, if use_sliding_window says so */
    WINDOWS_PATTERN /* all but the last of every so many */
};

/* How a family's checkpoint differs from its GGUF form. */
struct checkpoint_family {
    const char *type;         /* model_type in config.json */
    const char *architecture; /* the engine's name */
    bool permuted;            /* GGUF keeps rotary pairs side by side, the checkpoint apart */
    bool norm_less_one;       /* norms are kept as what is added to 1 */
    bool four_norms; /* post_attention_layernorm is a norm of its own, not the feed-forward's */
    bool topk;       /* norm_topk_prob says whether experts' shares are made to sum to 1 */
    enum checkpoint_windows windows;
};

struct checkpoint {
    const char *folder;
    const struct checkpoint_family *family;
    struct json_tree *config;
    const struct json_tree_value *facts; /* config.json, or its text_config */
    int64_t layers, heads, kv_heads, experts, head_dim;
    int64_t rows; /* of the embedding; 0 where there is none */
    struct gguf_build metadata;
    struct engine_error *error;
};

/* A place of its own for what could not stay mapped. */
struct checkpoint_store {
    struct safetensors *files;
    void **made;
    size_t count, capacity;
};

/* Frees a store, mapped files included: what gguf_assemble calls at the end. */
void checkpoint_store_free(void *store);

/* The tensors in GGUF's names and forms, malloc'd; memory made for them goes to `store`. */
bool checkpoint_tensors(const struct checkpoint *checkpoint, struct checkpoint_store *store,
                        struct gguf_tensor **tensors, size_t *count);

/* Adds a tensor of floats that the checkpoint says in words (rotary factors). Takes `values`. */
bool checkpoint_add_floats(const struct checkpoint *checkpoint, struct checkpoint_store *store,
                           const char *name, float *values, size_t length,
                           struct gguf_tensor **tensors, size_t *count);

/* Memory that lives as long as the model's file; NULL with the error filled. */
void *checkpoint_store_get(const struct checkpoint *checkpoint, struct checkpoint_store *store,
                           size_t size);

/* The scales among a checkpoint's tensors, sorted by name. `list` is malloc'd. */
struct checkpoint_scales {
    const struct safetensor **list;
    size_t count;
};
bool checkpoint_list_scales(const struct checkpoint *checkpoint, const struct safetensors *files,
                            struct checkpoint_scales *scales);

/* Is it a scale of weights, or of activations (which are not rounded to 8 bits here)? */
bool checkpoint_is_scale(const struct safetensor *tensor);

/* A matrix of F8_E4M3 and its scale as Q8_0, in memory of the store. */
bool checkpoint_convert_float8(const struct checkpoint *checkpoint, struct checkpoint_store *store,
                               const struct checkpoint_scales *scales,
                               const struct safetensor *weight, struct safetensor *out);

/* tokenizer.json and tokenizer_config.json into metadata. */
bool checkpoint_tokenizer(struct checkpoint *checkpoint);

#endif
