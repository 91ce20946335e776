/* What kind of model a GGUF file holds: its architecture's facts and its sizes, checked.
 *
 * An architecture is a row of facts in a table (config.c); the forward pass knows no names. A new
 * dense family is a new row. Plain values, immutable once read. Limits: 1,024 layers, 2^20 columns,
 * 1,024 experts, 64 used at once. */
#ifndef ENGINE_CONFIG_H
#define ENGINE_CONFIG_H

#include "engine/engine.h"
#include "kernels/kernels.h"

struct gguf;

enum {
    CONFIG_MAX_LAYERS = 1024,
    CONFIG_MAX_WIDTH = 1 << 20,
    CONFIG_MAX_EXPERTS = 1024,
    CONFIG_MAX_USED = 64,
    CONFIG_DEFAULT_CONTEXT = 8192, /* a longer context must be asked for: its KV cache is large */
};

/* A tensor that a family never has, may have, or must have. */
enum presence { ABSENT, OPTIONAL, REQUIRED };

/* How the router's choice becomes weights. */
enum routing {
    ROUTING_NONE,        /* dense */
    ROUTING_PLAIN,       /* softmax over all experts, the chosen ones' shares as they are */
    ROUTING_RENORMALISED /* the same, scaled to sum to 1 */
};

enum qk_norm { QK_NORM_NONE, QK_NORM_HEAD, QK_NORM_FULL };

enum activation { ACTIVATION_SILU, ACTIVATION_GELU };

struct architecture {
    const char *name; /* general.architecture */
    enum kernel_rope pairing;
    enum presence qkv_bias, output_bias;
    enum qk_norm qk_norm;
    bool fused_gate_up; /* ffn_up holds gate, then up */
    bool post_norms; /* norms after attention and feed-forward too, before the residual is added */
    enum activation activation;
    bool scaled_embedding;                  /* by sqrt(width) */
    float attention_softcap, final_softcap; /* where the file does not say; 0: none */
    enum routing routing;
    enum presence experts;
    bool shared_expert;     /* one more expert for every token, behind a gate of its own */
    int window_period;      /* where the file does not say: the last of every so many layers sees
                               everything, the others a window; 0: all see all */
    int default_window;     /* where the file does not say */
    double local_rope_base; /* of the layers with a window; 0: as the others */
    int no_rope_period;     /* the last of every so many layers has no rotary positions; 0: none */
    int wide_scale_layers;  /* a model of so many layers scales attention by width / heads, not by
                               the head's size */
};

/* Rotary positions of one kind of layer. */
struct config_rope {
    double base, scale, magnitude;
    float *factors; /* rotary / 2 divisors, or NULL; owned by the config */
};

enum rope_kind {
    ROPE_GLOBAL,      /* most layers; for phi3, requests that stay within the original context */
    ROPE_GLOBAL_LONG, /* those layers for longer requests, where the file has factors for them */
    ROPE_LOCAL,       /* layers with a window */
    ROPE_KINDS,
    ROPE_NONE = ROPE_KINDS
};

struct config {
    const struct architecture *architecture;
    int layers, width, heads, kv_heads, head_dim, feed_forward, vocabulary, context;
    int rotary;
    double norm_epsilon;
    struct config_rope rope[ROPE_KINDS];
    int original_context; /* a request that may grow past it uses ROPE_GLOBAL_LONG; 0: there is none
                           */
    int window;
    bool windowed[CONFIG_MAX_LAYERS]; /* the layers that see only the window */
    bool renormalised;                /* the chosen experts' shares are scaled to sum to 1 */
    float attention_scale, attention_softcap, final_softcap, embedding_scale;
    int experts, experts_used, expert_feed_forward, shared_feed_forward;
};

/* Reads and checks; `config` is for config_done, also after a failure. `facts` NULL: the table's
 * row of the file's architecture (tests give a changed one, which must outlive the config). */
bool config_read(struct config *config, const struct gguf *file, const struct architecture *facts,
                 struct engine_error *error);
void config_done(struct config *config);

/* Does this layer see only a window? */
bool config_layer_has_window(const struct config *config, int layer);

/* Which rotary positions this layer has; `is_long`: for a request that may grow past
 * original_context. */
enum rope_kind config_layer_rope(const struct config *config, int layer, bool is_long);

/* The row of that name, or NULL. */
const struct architecture *config_architecture(const char *name);

#endif
