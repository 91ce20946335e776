/* Test data for the kernels: random tensors of every type, and the error measure. */
#ifndef TESTS_UNIT_KERNELS_KERNEL_DATA_H
#define TESTS_UNIT_KERNELS_KERNEL_DATA_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/random_weights.h"

static const enum kernel_type ALL_TYPES[] = {
    KERNEL_F32,  KERNEL_F16,  KERNEL_BF16, KERNEL_Q8_0, KERNEL_Q4_0,   KERNEL_Q4_1,  KERNEL_Q5_0,
    KERNEL_Q5_1, KERNEL_Q4_K, KERNEL_Q5_K, KERNEL_Q6_K, KERNEL_IQ4_NL, KERNEL_MXFP4,
};
enum { TYPE_COUNT = sizeof(ALL_TYPES) / sizeof(ALL_TYPES[0]) };

static inline void *aligned_new(size_t bytes)
{
    size_t whole = (bytes + KERNEL_ALIGNMENT - 1) / KERNEL_ALIGNMENT * KERNEL_ALIGNMENT;
    void *p = aligned_alloc(KERNEL_ALIGNMENT, whole ? whole : KERNEL_ALIGNMENT);
    assert_non_null(p);
    memset(p, 0xa5, whole);
    return p;
}

/* A tensor of rows * columns elements as it lies in a file. */
static inline uint8_t *random_tensor(enum kernel_type type, int rows, int columns, float size)
{
    size_t count = (size_t)rows * (size_t)columns;
    uint8_t *tensor = aligned_new(random_weights_bytes(type, count));
    assert_true(random_weights(type, tensor, count, size));
    return tensor;
}

static inline float *random_floats(size_t count, float size)
{
    float *x = aligned_new(count * sizeof(float));
    for (size_t i = 0; i < count; i++)
        x[i] = size * random_normal();
    return x;
}

/* Normalised mean squared error: sum (a - b)^2 / sum b^2. */
static inline double nmse(const float *a, const double *b, size_t count)
{
    double error = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        error += (a[i] - b[i]) * (a[i] - b[i]);
        size += b[i] * b[i];
    }
    return size > 0 ? error / size : error;
}

enum { SIMD_SETS = 3 };

/* The instruction sets this machine runs beside the reference; returns how many. */
static inline int simd_sets(const struct kernels *sets[SIMD_SETS])
{
    static const char *const NAMES[SIMD_SETS] = {"avx2", "avxvnni", "avx512"};
    int count = 0;
    for (int i = 0; i < SIMD_SETS; i++) {
        const struct kernels *k = kernels_choose(NAMES[i]);
        if (k)
            sets[count++] = k;
    }
    return count;
}

#endif
