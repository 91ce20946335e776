/* Models of real shapes with random weights, made on the device: for measuring, where a file of
 * that size would take longer to read than to measure. */
#ifndef TESTS_GPU_SHAPES_H
#define TESTS_GPU_SHAPES_H

#include "engine/gpu_forward.h"

struct shape_facts {
    const char *name, *architecture;
    enum kernel_type type;
    int layers, width, heads, kv_heads, head_dim, feed_forward, vocabulary;
    int experts, used;
    bool tied;
};

struct shape_model {
    const struct shape_facts *facts;
    struct config config;
    struct gpu_weights weights;
    struct gpu_forward *forward;
    struct gpu_places places;
    struct gpu_step steps[2];
    struct cuda_stream *stream;
    int pages; /* of KV */
    /* Counted: bytes of weights read for one token, and of each expert's; multiply-adds a token. */
    double dense_bytes, expert_bytes, head_bytes, kv_bytes_a_position, dense_work, head_work;
};

/* Exits with a message where it fails. `positions`: of KV, over all requests. */
void shape_open(struct shape_model *model, const struct shape_facts *facts,
                const struct cuda_info *device, int positions);
void shape_close(struct shape_model *model);

/* Bytes read for a decode step of `rows` requests at `position`. */
double shape_step_bytes(const struct shape_model *model, int rows, int position);

/* Operations of a step: `rows` tokens, `drawn` of which go through the output matrix, that look at
 * `looked` positions together. */
double shape_step_work(const struct shape_model *model, int rows, int drawn, double looked);

#endif
