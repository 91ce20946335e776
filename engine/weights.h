/* A model's weights: every tensor found, checked and named, its matrices packed for the CPU's
 * kernels or, for a backend that packs them its own way, left as they lie in the file.
 *
 * Packed, everything is copied out of the file (by all threads): experts when a token is first sent
 * to them, for which the file stays open, all else at load. Raw matrices (rows of blocks as GGUF
 * has them) borrow from the file. A tensor may have any type that the kernels know; norms, biases
 * and gates of one row become floats. A tensor that is missing, misshapen or not known to the
 * architecture is an error that names it. Immutable once loaded, but for experts that wait. */
#ifndef ENGINE_WEIGHTS_H
#define ENGINE_WEIGHTS_H

#include "engine/config.h"
#include "engine/slab.h"
#include "engine/threads.h"

enum { WEIGHTS_GROUP = 3 };

/* Matrices of one input whose outputs lie side by side: query, key, value (or a fused tensor, a
 * group of one); gate and up, always two. */
struct weights_group {
    struct kernel_matrix matrices[WEIGHTS_GROUP];
    int count;
};

enum { EXPERT_GATE, EXPERT_UP, EXPERT_DOWN, EXPERT_PARTS };

/* An expert of a file that stays is packed when a token is first sent to it: until then its parts
 * wait in the file, and no memory is touched for it. */
struct weights_expert {
    struct weights_group gate_up;
    struct kernel_matrix down;
    const void *waiting[EXPERT_PARTS]; /* NULL: packed */
};

struct weights_layer {
    float *attention_norm, *attention_post_norm; /* (width) */
    float *query_norm, *key_norm;                /* (head_dim), or over the whole projection */
    float *qkv_bias;    /* (query + key + value rows); zeros for parts that have none */
    float *output_bias; /* (width) */
    struct weights_group qkv;
    struct kernel_matrix output; /* (heads * head_dim) to (width) */
    float *feed_forward_norm, *feed_forward_post_norm;
    struct weights_expert feed_forward; /* of a dense layer */
    struct kernel_matrix router;        /* (width) to (experts) */
    struct weights_expert *experts;     /* NULL in a dense layer */
    struct weights_expert shared;
    float *shared_gate; /* (width) */
};

struct weights {
    int layer_count;
    struct slab slab;  /* holds the data of all matrices */
    struct gguf *file; /* where experts wait; NULL: nowhere */
    struct weights_layer *layers;
    struct kernel_matrix embedding;
    struct kernel_matrix output; /* its data is the embedding's where they are tied */
    float *output_norm;
    uint64_t parameters;
    uint64_t layer_parameters; /* of the layers' matrices, with as many experts as one token uses */
    size_t bytes;              /* packed, all */
    size_t bytes_a_token;      /* read for one token at batch 1 */
    const char *type;          /* the type of most parameters */
};

struct weights_options {
    const char
        *quantize; /* the type that float weights are given at load ("q8_0", "q4_1"), or NULL */
    bool raw;      /* matrices' data points to rows as a file has them */
    bool partial;  /* the file may hold layers past config->layers: they are left out */
};

/* On failure `weights` is empty. */
bool weights_load(struct weights *weights, const struct config *config, const struct gguf *file,
                  const struct weights_options *options, struct threads *threads,
                  struct engine_error *error);
void weights_done(struct weights *weights);

/* Packs what of an expert still waits. One thread at a time, while nobody reads the expert. Fails
 * where the file can no longer be read (it was cut short); what is packed stays. */
bool weights_pack_expert(const struct weights *weights, struct weights_expert *expert,
                         struct threads *threads, struct engine_error *error);

int weights_group_rows(const struct weights_group *group);
int weights_group_panels(const struct weights_group *group);

#endif
