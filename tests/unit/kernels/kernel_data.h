/* Test data for the kernels: a small random generator, random tensors of every type, and the
 * error measure. */
#ifndef TESTS_UNIT_KERNELS_KERNEL_DATA_H
#define TESTS_UNIT_KERNELS_KERNEL_DATA_H

#include "kernels/cpu/formats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const enum kernel_type ALL_TYPES[] = {
    KERNEL_F32,  KERNEL_F16,  KERNEL_BF16, KERNEL_Q8_0, KERNEL_Q4_0,   KERNEL_Q4_1,  KERNEL_Q5_0,
    KERNEL_Q5_1, KERNEL_Q4_K, KERNEL_Q5_K, KERNEL_Q6_K, KERNEL_IQ4_NL, KERNEL_MXFP4,
};
enum { TYPE_COUNT = sizeof(ALL_TYPES) / sizeof(ALL_TYPES[0]) };

static uint64_t random_state = 42;

static inline uint32_t random_bits(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) ^ (uint32_t)(random_state >> 13);
}

/* Roughly normal, variance 1. */
static inline float random_normal(void)
{
    float sum = 0;
    for (int i = 0; i < 12; i++)
        sum += (float)(random_bits() & 0xffff) / 65536;
    return sum - 6;
}

static inline int random_below(int n)
{
    return (int)(random_bits() % (uint32_t)n);
}

static inline void *aligned_new(size_t bytes)
{
    size_t whole = (bytes + KERNEL_ALIGNMENT - 1) / KERNEL_ALIGNMENT * KERNEL_ALIGNMENT;
    void *p = aligned_alloc(KERNEL_ALIGNMENT, whole ? whole : KERNEL_ALIGNMENT);
    assert_non_null(p);
    memset(p, 0xa5, whole);
    return p;
}

static inline void put_half(uint8_t *p, float value)
{
    uint16_t h = float_half(value);
    memcpy(p, &h, 2);
}

/* Random codes, and scales of about `size`. */
static inline void random_block(const struct kernel_type_info *info, uint8_t *block, float size)
{
    for (int i = 0; i < info->bytes; i++)
        block[i] = (uint8_t)random_bits();
    if (info->type == KERNEL_Q6_K) {
        put_half(block + 208, size * random_normal() / 16);
    } else if (info->type == KERNEL_MXFP4) {
        block[0] = (uint8_t)(118 + random_below(12));
    } else {
        put_half(block, size * random_normal());
        if (info->type == KERNEL_Q4_1 || info->type == KERNEL_Q5_1 || info->block == 256)
            put_half(block + 2, size * random_normal());
    }
}

/* A tensor of rows * columns elements as it lies in a file. */
static inline uint8_t *random_tensor(enum kernel_type type, int rows, int columns, float size)
{
    const struct kernel_type_info *info = kernel_type_info(type);
    size_t blocks = (size_t)rows * (size_t)columns / (size_t)info->block;
    uint8_t *tensor = aligned_new(blocks * (size_t)info->bytes);
    for (size_t i = 0; i < blocks; i++) {
        if (info->block > 1) {
            random_block(info, tensor + i * (size_t)info->bytes, size);
        } else {
            float value = size * random_normal();
            assert_true(kernel_quantize_weights(type, &value, tensor + i * (size_t)info->bytes, 1));
        }
    }
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
