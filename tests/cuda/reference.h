/* The scalar kernels as references of products: inputs, and what a matrix makes of them. */
#ifndef TESTS_CUDA_REFERENCE_H
#define TESTS_CUDA_REFERENCE_H

#include "tests/cuda/data.h"

static const enum kernel_type TYPES[] = {
    KERNEL_F32,  KERNEL_F16,  KERNEL_BF16, KERNEL_Q8_0, KERNEL_Q4_0,   KERNEL_Q4_1,  KERNEL_Q5_0,
    KERNEL_Q5_1, KERNEL_Q4_K, KERNEL_Q5_K, KERNEL_Q6_K, KERNEL_IQ4_NL, KERNEL_MXFP4,
};
enum { TYPE_COUNT = sizeof TYPES / sizeof *TYPES };

/* --- The reference --- */

/* Input rows as cuda_input describes them, by the scalar kernels. */
static inline float *reference_input(const struct cuda_input *in, int rows)
{
    const struct kernels *k = kernels_choose("scalar");
    float *x = host_new((size_t)rows * (size_t)in->stride * sizeof *x);
    float *y = host_new((size_t)in->stride * sizeof *y);
    for (int t = 0; t < rows; t++) {
        float *row = x + (size_t)t * (size_t)in->stride;
        memcpy(row, in->values + (size_t)t * (size_t)in->stride, (size_t)in->columns * sizeof *row);
        if (in->y) {
            memcpy(y, in->y + (size_t)t * (size_t)in->stride, (size_t)in->columns * sizeof *y);
            if (in->y_bias)
                k->add(y, y, in->y_bias, in->columns);
            if (in->y_norm)
                k->rmsnorm(y, y, in->y_norm, in->columns, in->epsilon);
            k->add(row, row, y, in->columns);
        }
        if (in->sum_out)
            memcpy(in->sum_out + (size_t)t * (size_t)in->stride, row,
                   (size_t)in->columns * sizeof *row);
        if (in->norm)
            k->rmsnorm(row, row, in->norm, in->columns, in->epsilon);
    }
    free(y);
    return x;
}

/* out (rows of x, rows of the matrix). */
static inline float *reference_product(enum kernel_type type, int rows, int columns,
                                       const uint8_t *tensor, const float *x, int stride,
                                       int tokens)
{
    const struct kernels *k = kernels_choose("scalar");
    struct kernel_matrix w = {.type = type, .rows = rows, .columns = columns};
    w.data = host_new(kernel_matrix_bytes(&w));
    kernel_matrix_pack(&w, tensor, 0, kernel_matrix_panels(&w));
    struct kernel_activations a = {
        .tokens = tokens, .columns = columns, .values = x, .stride = (size_t)stride};
    float *out = host_new((size_t)tokens * (size_t)rows * sizeof *out);
    if (kernel_matrix_wants_int8(&w)) {
        a.quants = host_new((size_t)tokens * (size_t)columns);
        a.blocks = host_new((size_t)tokens * (size_t)columns / 32 * sizeof *a.blocks);
        k->quantize(&a, 0, tokens);
    }
    k->matmul(&w, &a, out, (size_t)rows, 0, kernel_matrix_panels(&w));
    free(w.data);
    free(a.quants);
    free(a.blocks);
    return out;
}

static inline float act(enum cuda_out kind, float gate, float up)
{
    float out;
    const struct kernels *k = kernels_choose("scalar");
    (kind == CUDA_OUT_SILU ? k->silu_multiply : k->gelu_multiply)(&out, &gate, &up, 1);
    return out;
}

static inline void *optional(bool wanted, const float *x, size_t count)
{
    return wanted ? to_device(x, count * sizeof *x) : NULL;
}

#endif
