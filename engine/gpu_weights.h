/* A model's weights on a GPU: one piece of device memory, cut into matrices and vectors.
 *
 * Made from raw weights (weights.h): matrices of one input, width and type lie in one (query, key
 * and value; gate and up), a layer's experts in one a kind, expert after expert. Immutable once
 * loaded. The caller has chosen the device (cuda_use). */
#ifndef ENGINE_GPU_WEIGHTS_H
#define ENGINE_GPU_WEIGHTS_H

#include "engine/weights.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/matrix.h"

/* Products of one input whose outputs lie side by side: one matrix where the types allow it. */
struct gpu_group {
    struct cuda_matrix matrices[WEIGHTS_GROUP];
    int count;
};

struct gpu_expert {
    struct gpu_group gate_up;
    struct cuda_matrix down;
};

/* Vectors are floats on the device, NULL where the architecture has none; as in weights.h. */
struct gpu_layer {
    float *attention_norm, *attention_post_norm, *query_norm, *key_norm, *qkv_bias, *output_bias;
    float *feed_forward_norm, *feed_forward_post_norm, *shared_gate;
    struct gpu_group qkv;
    struct cuda_matrix output, router;
    struct gpu_expert feed_forward; /* of a dense layer, or of all experts: rows by expert */
    struct gpu_expert shared;
};

struct gpu_weights {
    uint8_t *memory;
    size_t bytes, widest; /* widest: the largest row's */
    int layer_count;
    struct gpu_layer *layers;
    struct cuda_matrix embedding, output;
    float *output_norm;
    double *frequencies[ROPE_KINDS]; /* (rotary / 2) each, by rope_kind; NULL: not used */
};

/* Everything but the data: sizes, types and `bytes`, without touching the device. On failure
 * `weights` is empty. */
bool gpu_weights_plan(struct gpu_weights *weights, const struct config *config,
                      const struct weights *raw, struct engine_error *error);

/* Gives what was planned its places in `memory` (now its own) and fills in nothing: for weights
 * that are made on the device (tests/gpu). */
bool gpu_weights_place(struct gpu_weights *weights, const struct config *config,
                       const struct weights *raw, uint8_t *memory, struct engine_error *error);

/* Takes the memory of what was planned, packs and uploads. */
bool gpu_weights_load(struct gpu_weights *weights, const struct config *config,
                      const struct weights *raw, struct threads *threads,
                      struct cuda_stream *stream, struct engine_error *error);
void gpu_weights_done(struct gpu_weights *weights);

/* Fills in an error of the device: `doing` is what failed. Returns false. */
bool gpu_fail(struct engine_error *error, int status, const char *doing);

#endif
