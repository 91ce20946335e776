/* What computes a model: weights and KV pages behind an opaque handle, and steps.
 *
 * A step is a set of slices, each some consecutive tokens of one request. The backend writes their
 * keys and values into the pages that the slice names and, where samples are wanted, draws the next
 * tokens itself: sampling is part of the step, so that a device can do it without a round trip.
 * submit starts a step, wait ends it; everything the step points to must stay between them. One
 * step at a time a model; a model `on_device` takes a second one before the first was waited for,
 * whose slices may follow the first's draws without anybody having seen them (of this model's
 * steps, tokens and pages may change once submit has returned). wait ends the older one. All calls
 * for the models of a backend come from one thread, except load, which any thread may call.
 *
 * A backend's results do not depend on how requests are put into steps (design, invariant 7). */
#ifndef ENGINE_BACKEND_H
#define ENGINE_BACKEND_H

#include "engine/config.h"

struct gguf;
struct sampler;

/* Some tokens of one request, at positions `position` and on. Queries see everything before them
 * through `pages`. */
struct backend_slice {
    const int32_t *tokens; /* NULL: one token, the last that the step before draws for its slice */
    int follows;           /* … of this number */
    int count, position;
    const int32_t
        *pages;   /* page i holds positions 32 i to 32 i + 31; enough for position + count */
    bool is_long; /* the request may grow past the original context (config_layer_rope) */

    /* The last `samples` tokens want a successor: 0 inside a prompt, 1 at its end and for each
     * token of the answer, more where the tokens after the first of them are guesses. Draws go on
     * as long as the drawn token is the guess that follows. */
    int samples;
    struct sampler *sampler; /* told of each drawn token */
    uint64_t draw;           /* number of the first draw */
    int tops;                /* likeliest tokens wanted at each draw */

    /* Results: room for `samples` (`samples * tops`) of each. */
    int made_count;
    int32_t *made;
    float *logprobs;            /* NULL: not wanted */
    struct engine_logprob *top; /* NULL: not wanted */
    float *logits;              /* NULL: not wanted; else `count` rows of the vocabulary's size */
};

struct backend_step {
    struct backend_slice *slices;
    int count;
};

struct backend_load {
    const char *quantize; /* weights' type at load, or NULL */
    size_t kv_bytes;   /* at most; the backend says how many pages that makes; 0: its own choice */
    bool partial;      /* config->layers may be fewer than the file has: for a check of some */
    enum kernel_kv kv; /* how keys and values are kept */
};

struct backend_ops;

/* Device names and the like are the backend's; both structs are the first member of its own. */
struct backend {
    const struct backend_ops *ops;
    char name[128]; /* "cpu (avx512)" */
};

struct backend_model {
    struct backend *backend;
    int pages;        /* KV pages there are */
    int step_tokens;  /* most in a step, over all slices: bounds a step's time, and with it a
                         cancel's delay */
    int mixed_tokens; /* prompts' share of a step that also decodes: keeps the pause between a
                         decoder's tokens short */
    bool on_device;   /* steps run beside the thread that waits for them, two in a row */
    size_t page_bytes;
    uint64_t parameters;
    uint64_t
        layer_parameters; /* used for every token: one token's experts, no embedding and output */
    size_t weight_bytes;  /* read for one token at batch 1 */
    const char *type;
};

struct backend_ops {
    /* Returns new; borrows config (for the model's life), the file only for the call. */
    struct backend_model *(*load)(struct backend *backend, const struct config *config,
                                  const struct gguf *file, const struct backend_load *options,
                                  struct engine_error *error);
    void (*unload)(struct backend_model *model);
    bool (*submit)(struct backend_model *model, const struct backend_step *step,
                   struct engine_error *error);
    bool (*wait)(struct backend_model *model, struct engine_error *error);
    void (*free)(struct backend *backend);
};

#endif
