/* Matrix products cut into panels over the team of threads. Several products with a common moment
 * (query, key and value; every chosen expert) are one loop: one barrier, and pieces small enough to
 * balance.
 *
 * No state; the caller owns all buffers. */
#ifndef ENGINE_PRODUCT_H
#define ENGINE_PRODUCT_H

#include "engine/threads.h"
#include "engine/weights.h"

struct product {
    const struct kernel_matrix *matrix;
    const struct kernel_activations *input;
    float *out; /* row t at out + t * stride */
    size_t stride;
};

void products_run(struct threads *threads, const struct kernels *kernels,
                  const struct product *products, int count);

/* The first half of a feed-forward: act(gate x) * (up x), in int8 too if its second half wants
 * that. The rows of `inner` hold gate's outputs, then up's. */
struct gated {
    const struct weights_expert *expert;
    const struct kernel_activations *input, *inner;
};

void products_run_gated(struct threads *threads, const struct kernels *kernels,
                        enum activation activation, const struct gated *gated, int count);

/* From the next loop on, threads that wait fetch their share of these matrices: the product after
 * it. */
void products_ahead(struct threads *threads, const struct kernel_matrix *matrices, int count);

/* Appends a group's products to `list`, outputs side by side; returns the new count. */
int product_add_group(struct product *list, int count, const struct weights_group *group,
                      const struct kernel_activations *input, float *out, size_t stride);

/* Floats from one row of outputs to the next. Rows a multiple of 4 KiB apart would meet in the same
 * sets of the first cache: those are given 64 bytes more. */
static inline size_t product_stride(size_t columns)
{
    return columns % 1024 ? columns : columns + 16;
}

/* Does any matrix of the group take int8 inputs? */
bool product_group_wants_int8(const struct weights_group *group);

#endif
