/* The functions of each instruction set, as they are collected into tables by dispatch.c; and
 * what all of them share: the constants of the exponential and the layout of a KV page, so that
 * every table gives the same bits. */
#ifndef KERNELS_CPU_TABLES_H
#define KERNELS_CPU_TABLES_H

#include "kernels/kernels.h"

#include <float.h>

/* exp(x) for -87.33 <= x <= 88.37 as 2^n * p(r): n = round to even(x * LOG2E), r = x + n *
 * LN2_HIGH + n * LN2_LOW (fused, LN2_HIGH has few bits so that its product is exact), p by
 * Horner's rule with fused steps. Below, exactly 0; above, as at the bound. */
#define EXP_LOW -87.33f
#define EXP_HIGH 88.37f
#define EXP_LOG2E 1.44269504088896341f
#define EXP_LN2_HIGH -0.693359375f
#define EXP_LN2_LOW 2.12194440e-4f
#define EXP_P0 1.9875691500e-4f
#define EXP_P1 1.3981999507e-3f
#define EXP_P2 8.3334519073e-3f
#define EXP_P3 4.1665795894e-2f
#define EXP_P4 1.6666665459e-1f
#define EXP_P5 5.0000001201e-1f

/* gelu(x) = x - x / (1 + exp(x * (GELU_A + GELU_B x^2))), the tanh form with its tanh written
 * out. */
#define GELU_A 1.5957691216057308f
#define GELU_B 0.07135481282804286f

/* A block whose magnitudes are all below this is stored as zeros: 127 / magnitude must stay
 * finite. */
#define QUANTIZE_TINY 0x1p-100f

/* Queries, keys, values and the weights of a block's values are integers under one scale for all of
 * a head's (all of a block's weights), as exact as F16. Sums of their products fit 32 bits: queries
 * and 16-bit keys are scaled by their length to ATTENTION_LENGTH, so that a product of two is at
 * most its square, and 32 values times their weights are each at most ATTENTION_LARGEST squared. */
#define ATTENTION_LENGTH 32767.0f
#define ATTENTION_LARGEST 8191.0f

/* Lengths below are zero: their squares must stay normal numbers. */
#define ATTENTION_TINY 0x1p-50f

/* A position's keys, two neighbours together, and its values. */
static inline int kv_even(int head_dim)
{
    return (head_dim + 1) / 2 * 2;
}

static inline int kv_padded(int head_dim)
{
    return (head_dim + 15) / 16 * 16;
}

static inline size_t kv_element(enum kernel_kv type)
{
    return type == KERNEL_KV_F16 ? sizeof(int16_t) : sizeof(int8_t);
}

/* Bytes of one head's keys (values) in a page, `lanes` elements a position. All parts are multiples
 * of KERNEL_ALIGNMENT. */
static inline size_t kv_part_bytes(enum kernel_kv type, int lanes)
{
    return ((size_t)lanes * kv_element(type) + sizeof(float)) * KERNEL_KV_BLOCK;
}

/* Where a part keeps element d of a position, in elements. */
static inline size_t kv_key_at(int d, int slot)
{
    return ((size_t)(d / 2) * KERNEL_KV_BLOCK + (size_t)slot) * 2 + (size_t)(d % 2);
}

static inline size_t kv_value_at(int d, int slot, int padded)
{
    return ((size_t)(slot / 2) * (size_t)padded + (size_t)d) * 2 + (size_t)(slot % 2);
}

/* A head's values follow its keys. */
static inline size_t kv_key_bytes(enum kernel_kv type, int head_dim)
{
    return kv_part_bytes(type, kv_even(head_dim));
}

static inline size_t kv_head_bytes(enum kernel_kv type, int head_dim)
{
    return kv_key_bytes(type, head_dim) + kv_part_bytes(type, kv_padded(head_dim));
}

static inline void kv_put(enum kernel_kv type, uint8_t *part, size_t at, int value)
{
    if (type == KERNEL_KV_F16)
        ((int16_t *)(void *)part)[at] = (int16_t)value;
    else
        ((int8_t *)part)[at] = (int8_t)value;
}

/* The 32 scales behind the elements of a part. */
static inline const float *kv_scales(enum kernel_kv type, const uint8_t *part, int lanes)
{
    return (const float *)(const void *)(part + (size_t)lanes * KERNEL_KV_BLOCK * kv_element(type));
}

/* What numbers are multiplied by before rounding, so that `size` (their length, or the largest of
 * them) becomes `most`, and (in *scale) after. */
static inline float attention_inverse(float size, float most, float *scale)
{
    bool fit = size >= ATTENTION_TINY && size <= FLT_MAX;
    *scale = fit ? size / most : 0;
    return fit ? most / size : 0;
}

/* Of a position's values, and of its 8-bit keys. */
static inline float kv_largest(enum kernel_kv type)
{
    return type == KERNEL_KV_F16 ? ATTENTION_LARGEST : 127;
}

/* A part: 16 lanes of weight, the largest score (and room up to 16 floats), then the sums. */
enum { PART_LARGEST = 16, PART_SUMS = 32 };

/* First position that the query at `position` sees. */
static inline int kv_first_visible(int position, int window)
{
    return window > 0 && position >= window ? position - window + 1 : 0;
}

#define DECLARE_KERNELS(set)                                                                       \
    void set##_quantize(const struct kernel_activations *x, int first, int last);                  \
    void set##_matmul(const struct kernel_matrix *w, const struct kernel_activations *x,           \
                      float *out, size_t stride, int first, int last);                             \
    void set##_rmsnorm(float *out, const float *x, const float *weight, int n, float epsilon);     \
    void set##_rope(float *x, int heads, int head_dim, int rotary, const float *table,             \
                    enum kernel_rope pairing);                                                     \
    void set##_kv_store(enum kernel_kv type, uint8_t *page, int slot, int kv_heads, int head_dim,  \
                        const float *keys, const float *values);                                   \
    void set##_attention(const struct kernel_attention *a, int kv_head, int first, int last);      \
    void set##_attention_span(const struct kernel_attention *a, int kv_head, int first, int last,  \
                              int span, float *parts);                                             \
    void set##_attention_join(const struct kernel_attention *a, int kv_head, int first, int last,  \
                              int spans, const float *parts);                                      \
    void set##_silu_multiply(float *out, const float *gate, const float *up, int n);               \
    void set##_gelu_multiply(float *out, const float *gate, const float *up, int n);               \
    void set##_add(float *out, const float *a, const float *b, int n);                             \
    void set##_scale(float *out, const float *a, float factor, int n);                             \
    void set##_multiply_add(float *out, const float *a, float factor, int n);                      \
    void set##_softcap(float *x, float cap, int n);                                                \
    void set##_softmax(float *x, int n);                                                           \
    int set##_argmax(const float *x, int n)

DECLARE_KERNELS(scalar);
#if defined(KERNELS_X86)
DECLARE_KERNELS(avx2);
DECLARE_KERNELS(avxvnni);
DECLARE_KERNELS(avx512);

/* The part of matmul that takes int8 activations. */
void avx2_matmul_int8(const struct kernel_matrix *w, const struct kernel_activations *x, float *out,
                      size_t stride, int first, int last);
void avxvnni_matmul_int8(const struct kernel_matrix *w, const struct kernel_activations *x,
                         float *out, size_t stride, int first, int last);
void avx512_matmul_int8(const struct kernel_matrix *w, const struct kernel_activations *x,
                        float *out, size_t stride, int first, int last);
#endif

#endif
