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

/* The largest finite F16; keys and values are held within it. */
#define HALF_MAX 65504.0f

/* A block whose magnitudes are all below this is stored as zeros: 127 / magnitude must stay
 * finite. */
#define QUANTIZE_TINY 0x1p-100f

static inline int kv_padded(int head_dim)
{
    return (head_dim + 15) / 16 * 16;
}

/* Bytes of one head's keys (values) in a page, `lanes` elements a position. All parts are multiples
 * of KERNEL_ALIGNMENT. */
static inline size_t kv_part_bytes(enum kernel_kv type, int lanes)
{
    size_t elements = (size_t)lanes * KERNEL_KV_BLOCK;
    return type == KERNEL_KV_F16 ? elements * 2 : elements + KERNEL_KV_BLOCK * sizeof(float);
}

/* A head's values follow its keys. */
static inline size_t kv_key_bytes(enum kernel_kv type, int head_dim)
{
    return kv_part_bytes(type, head_dim);
}

static inline size_t kv_head_bytes(enum kernel_kv type, int head_dim)
{
    return kv_key_bytes(type, head_dim) + kv_part_bytes(type, kv_padded(head_dim));
}

/* Q8: the 32 scales behind the elements of a part. */
static inline const float *kv_scales(const uint8_t *part, int lanes)
{
    return (const float *)(const void *)(part + (size_t)lanes * KERNEL_KV_BLOCK);
}

/* Q8: what a head's keys or values are multiplied by before rounding, and (in *scale) after. */
static inline float kv_inverse(float largest, float *scale)
{
    bool fit = largest >= QUANTIZE_TINY && largest <= FLT_MAX;
    *scale = fit ? largest / 127 : 0;
    return fit ? 127 / largest : 0;
}

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
