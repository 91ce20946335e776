/* Row kernels on sixteen lanes: the same steps in the same order as scalar.c, so that they give
 * its bits. A row's tail is read as zeros past its end and stored in part. */
#include "kernels/cpu/vector.h"

#include <math.h>

INLINE int lanes_at(int i, int n)
{
    return n - i < 16 ? n - i : 16;
}

/* --- Activations --- */

static void quantize_block(const float *x, int8_t *quants, struct kernel_block *block)
{
    v16 a = v_load(x), b = v_load(x + 16);
    float largest = v_largest(v_max(v_abs(a), v_abs(b)));
    if (!(largest >= QUANTIZE_TINY && largest <= FLT_MAX)) {
        memset(quants, 0, 32);
        *block = (struct kernel_block){0};
        return;
    }
    v16 inverse = v_set(127 / largest);
    __m256i bytes = b_from(v_mul(a, inverse), v_mul(b, inverse));
    int32_t sums[2];
    _mm256_storeu_si256((void *)quants, bytes);
    b_sums(bytes, sums);
    float scale = largest / 127;
    *block = (struct kernel_block){scale, scale * (float)(sums[0] + sums[1]),
                                   -128 * (sums[0] + sums[1]), -128 * sums[0]};
}

void SIMD(quantize)(const struct kernel_activations *x, int first, int last)
{
    size_t blocks = (size_t)x->columns / 32;
    for (size_t t = (size_t)first; t < (size_t)last; t++)
        for (size_t b = 0; b < blocks; b++)
            quantize_block(x->values + t * x->stride + b * 32, x->quants + (t * blocks + b) * 32,
                           &x->blocks[t * blocks + b]);
}

/* --- Rows --- */

void SIMD(rmsnorm)(float *out, const float *x, const float *weight, int n, float epsilon)
{
    v16 squares = v_zero();
    for (int i = 0; i < n; i += 16) {
        v16 v = v_load_n(x + i, lanes_at(i, n));
        squares = v_fma(v, v, squares);
    }
    v16 factor = v_set(1 / sqrtf(v_fold(squares) / (float)n + epsilon));
    for (int i = 0; i < n; i += 16) {
        int lanes = lanes_at(i, n);
        v16 v = v_mul(v_load_n(x + i, lanes), factor);
        v_store_n(out + i, weight ? v_mul(v, v_load_n(weight + i, lanes)) : v, lanes);
    }
}

/* Pairs that are neighbours: the table has their cosine and sine side by side, as they lie. */
INLINE void rotate_neighbours(float *x, int rotary, const float *table)
{
    for (int i = 0; i < rotary; i += 16) {
        int lanes = lanes_at(i, rotary);
        v16 pairs = v_load_n(x + i, lanes), turn = v_load_n(table + i, lanes);
        v16 crossed = v_mul(v_odds(pairs), v_swapped(turn));
        v_store_n(x + i, v_fma_alternate(v_evens(pairs), turn, crossed), lanes);
    }
}

/* Pairs half a head apart: left to the compiler's own vectors. */
INLINE void rotate_halves(float *x, int rotary, const float *table)
{
    int half = rotary / 2;
    for (int i = 0; i < half; i++) {
        float c = table[2 * i], s = table[2 * i + 1], u = x[i], v = x[half + i];
        x[i] = fmaf(u, c, -(v * s));
        x[half + i] = fmaf(u, s, v * c);
    }
}

void SIMD(rope)(float *x, int heads, int head_dim, int rotary, const float *table,
                enum kernel_rope pairing)
{
    for (int h = 0; h < heads; h++, x += head_dim)
        if (pairing == KERNEL_ROPE_NORM)
            rotate_neighbours(x, rotary, table);
        else
            rotate_halves(x, rotary, table);
}

void SIMD(softmax)(float *x, int n)
{
    v16 largest = v_set(-INFINITY), sums = v_zero();
    for (int i = 0; i < n; i += 16) {
        int lanes = lanes_at(i, n);
        largest = v_max(v_keep(v_load_n(x + i, lanes), 0, lanes - 1, -INFINITY), largest);
    }
    v16 top = v_set(v_largest(largest));
    for (int i = 0; i < n; i += 16) {
        int lanes = lanes_at(i, n);
        v16 e = v_keep(v_exp(v_sub(v_load_n(x + i, lanes), top)), 0, lanes - 1, 0);
        v_store_n(x + i, e, lanes);
        sums = v_add(sums, e);
    }
    SIMD(scale)(x, x, 1 / v_fold(sums), n);
}

/* The largest value first, then where it stands: two fast passes. */
int SIMD(argmax)(const float *x, int n)
{
    v16 largest = v_set(-INFINITY);
    for (int i = 0; i < n; i += 16) {
        int lanes = lanes_at(i, n);
        largest = v_max(v_keep(v_load_n(x + i, lanes), 0, lanes - 1, -INFINITY), largest);
    }
    float top = v_largest(largest);
    for (int i = 0; i < n; i++)
        if (x[i] == top)
            return i;
    return 0;
}

/* --- Element by element --- */

void SIMD(silu_multiply)(float *out, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i += 16) {
        int lanes = lanes_at(i, n);
        v16 g = v_load_n(gate + i, lanes);
        v16 y = v_div(g, v_add(v_set(1), v_exp(v_sub(v_set(-0.0f), g))));
        v_store_n(out + i, v_mul(y, v_load_n(up + i, lanes)), lanes);
    }
}

void SIMD(gelu_multiply)(float *out, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i += 16) {
        int lanes = lanes_at(i, n);
        v16 x = v_load_n(gate + i, lanes);
        v16 inner = v_mul(x, v_fma(v_set(GELU_B), v_mul(x, x), v_set(GELU_A)));
        v16 y = v_sub(x, v_div(x, v_add(v_set(1), v_exp(inner))));
        v_store_n(out + i, v_mul(y, v_load_n(up + i, lanes)), lanes);
    }
}

void SIMD(add)(float *out, const float *a, const float *b, int n)
{
    for (int i = 0; i < n; i += 16) {
        int lanes = lanes_at(i, n);
        v_store_n(out + i, v_add(v_load_n(a + i, lanes), v_load_n(b + i, lanes)), lanes);
    }
}

void SIMD(scale)(float *out, const float *a, float factor, int n)
{
    for (int i = 0; i < n; i += 16) {
        int lanes = lanes_at(i, n);
        v_store_n(out + i, v_mul(v_load_n(a + i, lanes), v_set(factor)), lanes);
    }
}

void SIMD(multiply_add)(float *out, const float *a, float factor, int n)
{
    for (int i = 0; i < n; i += 16) {
        int lanes = lanes_at(i, n);
        v_store_n(out + i, v_fma(v_load_n(a + i, lanes), v_set(factor), v_load_n(out + i, lanes)),
                  lanes);
    }
}

void SIMD(softcap)(float *x, float cap, int n)
{
    for (int i = 0; i < n; i += 16) {
        int lanes = lanes_at(i, n);
        v_store_n(x + i, v_mul(v_set(cap), v_tanh(v_div(v_load_n(x + i, lanes), v_set(cap)))),
                  lanes);
    }
}
