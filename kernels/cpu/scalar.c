/* The reference of every kernel but attention: plain C that says in which order things are
 * added. The SIMD kernels must give these bits. fmaf is a fused multiply-add (one rounding), as
 * the SIMD ones use; FP contraction is off for this folder, so nothing else is fused. A sum over
 * a row is kept in 16 lanes (element i in lane i mod 16), folded in halves. */
#include "kernels/cpu/pack.h"
#include "kernels/cpu/scalar.h"
#include "kernels/cpu/tables.h"

#include <math.h>

/* --- Shared with attention --- */

float scalar_exp(float x)
{
    if (!(x >= EXP_LOW))
        return 0;
    x = x < EXP_HIGH ? x : EXP_HIGH;
    float n = rintf(x * EXP_LOG2E);
    float r = fmaf(n, EXP_LN2_LOW, fmaf(n, EXP_LN2_HIGH, x));
    float p = fmaf(EXP_P0, r, EXP_P1);
    p = fmaf(p, r, EXP_P2);
    p = fmaf(p, r, EXP_P3);
    p = fmaf(p, r, EXP_P4);
    p = fmaf(p, r, EXP_P5);
    p = fmaf(p, r * r, r) + 1;
    return bits_float(float_bits(p) + ((uint32_t)(int32_t)n << 23));
}

float scalar_fold(float lanes[16])
{
    for (int width = 8; width; width /= 2)
        for (int i = 0; i < width; i++)
            lanes[i] += lanes[i + width];
    return lanes[0];
}

float scalar_tanh(float x)
{
    return 1 - 2 / (1 + scalar_exp(x + x));
}

/* --- Activations --- */

static void quantize_block(const float *x, int8_t *quants, struct kernel_block *block)
{
    float largest = 0;
    for (int i = 0; i < FORMAT_BLOCK; i++)
        largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    *block = (struct kernel_block){0};
    memset(quants, 0, FORMAT_BLOCK);
    if (!(largest >= QUANTIZE_TINY && largest <= FLT_MAX))
        return;
    float inverse = 127 / largest;
    int32_t sums[2] = {0, 0};
    for (int i = 0; i < FORMAT_BLOCK; i++) {
        quants[i] = (int8_t)rintf(x[i] * inverse);
        sums[i / 16] += quants[i];
    }
    block->scale = largest / 127;
    block->sum = block->scale * (float)(sums[0] + sums[1]);
    block->lift = -128 * (sums[0] + sums[1]);
    block->lift_first = -128 * sums[0];
}

void scalar_quantize(const struct kernel_activations *x, int first, int last)
{
    int blocks = x->columns / FORMAT_BLOCK;
    for (int t = first; t < last; t++)
        for (int b = 0; b < blocks; b++) {
            size_t at = (size_t)t * (size_t)blocks + (size_t)b;
            quantize_block(x->values + (size_t)t * x->stride + (size_t)b * FORMAT_BLOCK,
                           x->quants + at * FORMAT_BLOCK, &x->blocks[at]);
        }
}

/* --- Matrix products --- */

/* One block's share of an output: exact integer sums, then fused float steps. */
static float block_step(const struct format *f, const struct unpacked *u, const int8_t *quants,
                        const struct kernel_block *x, float total)
{
    struct factors k = format_factors(f, u);
    int32_t sums[2] = {0, 0};
    for (int i = 0; i < FORMAT_BLOCK; i++)
        sums[i / 16] += format_level(f, u->codes[i]) * quants[i];
    if (f->kind == FORMAT_HALVES) {
        float part = fmaf((float)sums[1], k.scale[1], (float)sums[0] * k.scale[0]);
        return fmaf(part, x->scale, total);
    }
    total = fmaf((float)(sums[0] + sums[1]) * k.scale[0], x->scale, total);
    return f->kind == FORMAT_SCALE ? total : fmaf(k.min, x->sum, total);
}

static void row_blocks(const struct kernel_matrix *w, const struct kernel_activations *x, int row,
                       float *out, size_t stride)
{
    const struct format *f = format_find(w->type);
    const uint8_t *panel = w->data + (size_t)(row / ROWS) * pack_panel_bytes(w);
    size_t blocks = (size_t)w->columns / FORMAT_BLOCK;
    struct unpacked u = {0};
    for (int t = 0; t < x->tokens; t++)
        out[(size_t)t * stride] = 0;
    for (size_t b = 0; b < blocks; b++) {
        pack_read(f, panel, row % ROWS, (int)b, &u);
        for (size_t t = 0; t < (size_t)x->tokens; t++) {
            size_t at = t * blocks + b;
            out[t * stride] =
                block_step(f, &u, x->quants + at * FORMAT_BLOCK, &x->blocks[at], out[t * stride]);
        }
    }
}

static void row_floats(const struct kernel_matrix *w, const struct kernel_activations *x, int row,
                       float *out, size_t stride)
{
    const uint8_t *panel = w->data + (size_t)(row / ROWS) * pack_panel_bytes(w);
    for (int t = 0; t < x->tokens; t++)
        out[(size_t)t * stride] = 0;
    for (int c = 0; c < w->columns; c++) {
        float weight = pack_float(w, panel, row % ROWS, c);
        for (size_t t = 0; t < (size_t)x->tokens; t++)
            out[t * stride] = fmaf(weight, x->values[t * x->stride + (size_t)c], out[t * stride]);
    }
}

void scalar_matmul(const struct kernel_matrix *w, const struct kernel_activations *x, float *out,
                   size_t stride, int first, int last)
{
    int end = last * ROWS < w->rows ? last * ROWS : w->rows;
    for (int row = first * ROWS; row < end; row++)
        if (kernel_matrix_wants_int8(w))
            row_blocks(w, x, row, out + row, stride);
        else
            row_floats(w, x, row, out + row, stride);
}

/* --- Rows --- */

void scalar_rmsnorm(float *out, const float *x, const float *weight, int n, float epsilon)
{
    float lanes[16] = {0};
    for (int i = 0; i < n; i++)
        lanes[i % 16] = fmaf(x[i], x[i], lanes[i % 16]);
    float factor = 1 / sqrtf(scalar_fold(lanes) / (float)n + epsilon);
    for (int i = 0; i < n; i++)
        out[i] = weight ? x[i] * factor * weight[i] : x[i] * factor;
}

void scalar_rope(float *x, int heads, int head_dim, int rotary, const float *table,
                 enum kernel_rope pairing)
{
    int half = rotary / 2;
    int step = pairing == KERNEL_ROPE_NORM ? 2 : 1, other = pairing == KERNEL_ROPE_NORM ? 1 : half;
    for (int h = 0; h < heads; h++, x += head_dim)
        for (int i = 0; i < half; i++) {
            float *a = x + i * step, *b = a + other;
            float c = table[2 * i], s = table[2 * i + 1], u = *a, v = *b;
            *a = fmaf(u, c, -(v * s));
            *b = fmaf(u, s, v * c);
        }
}

void scalar_softmax(float *x, int n)
{
    float largest = -INFINITY, lanes[16] = {0};
    for (int i = 0; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    for (int i = 0; i < n; i++) {
        x[i] = scalar_exp(x[i] - largest);
        lanes[i % 16] += x[i];
    }
    float inverse = 1 / scalar_fold(lanes);
    for (int i = 0; i < n; i++)
        x[i] *= inverse;
}

int scalar_argmax(const float *x, int n)
{
    int best = -1;
    for (int i = 0; i < n; i++)
        if (x[i] == x[i] && (best < 0 || x[i] > x[best]))
            best = i;
    return best < 0 ? 0 : best;
}

/* --- Element by element --- */

void scalar_silu_multiply(float *out, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = gate[i] / (1 + scalar_exp(-gate[i])) * up[i];
}

void scalar_gelu_multiply(float *out, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i++) {
        float x = gate[i], inner = x * fmaf(GELU_B, x * x, GELU_A);
        out[i] = (x - x / (1 + scalar_exp(inner))) * up[i];
    }
}

void scalar_add(float *out, const float *a, const float *b, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = a[i] + b[i];
}

void scalar_scale(float *out, const float *a, float factor, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = a[i] * factor;
}

void scalar_multiply_add(float *out, const float *a, float factor, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = fmaf(a[i], factor, out[i]);
}

void scalar_softcap(float *x, float cap, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = cap * scalar_tanh(x[i] / cap);
}
