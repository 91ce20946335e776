/* Matrix products on float activations: F32, F16 and BF16 weights. Each output is one chain of
 * fused steps over the columns in ascending order, whatever the tile; several panels at once
 * (few tokens) or panels by tokens (many) keep enough chains going to hide the latency of one. */
#include "kernels/cpu/pack.h"
#include "kernels/cpu/vector.h"

/* Sums of a tile: 20 of the 32 registers of AVX-512, 10 of the 16 of AVX2. */
#if defined(__AVX512F__)
enum { FLOAT_PANELS = 4 };
#else
enum { FLOAT_PANELS = 1 };
#endif
enum { FLOAT_TOKENS = 5, TOKEN_BLOCK = 126 };

INLINE v16 load_weights(enum kernel_type type, const uint8_t *panel, size_t column)
{
    if (type == KERNEL_F32)
        return v_load((const float *)(const void *)(panel + column * 64));
    return type == KERNEL_F16 ? v_half(panel + column * 32) : v_bfloat(panel + column * 32);
}

/* Where the tiles of a call stand. */
struct floats {
    const struct kernel_matrix *w;
    const struct kernel_activations *x;
    float *out;
    size_t stride, panel_bytes;
};

INLINE void float_tile(enum kernel_type type, const struct floats *k, int panel, int panels,
                       size_t token, int tokens)
{
    const uint8_t *data = k->w->data + (size_t)panel * k->panel_bytes;
    const float *x = k->x->values + token * k->x->stride;
    v16 totals[FLOAT_PANELS][FLOAT_TOKENS];
    for (int p = 0; p < panels; p++)
        for (int t = 0; t < tokens; t++)
            totals[p][t] = v_zero();
    for (size_t c = 0; c < (size_t)k->w->columns; c++) {
        v16 weights[FLOAT_PANELS];
        for (int p = 0; p < panels; p++)
            weights[p] = load_weights(type, data + (size_t)p * k->panel_bytes, c);
        for (int t = 0; t < tokens; t++) {
            v16 value = v_set(x[(size_t)t * k->x->stride + c]);
            for (int p = 0; p < panels; p++)
                totals[p][t] = v_fma(weights[p], value, totals[p][t]);
        }
    }
    for (int p = 0; p < panels; p++) {
        int left = k->w->rows - (panel + p) * ROWS;
        float *out = k->out + token * k->stride + (size_t)(panel + p) * ROWS;
        for (int t = 0; t < tokens; t++)
            v_store_n(out + (size_t)t * k->stride, totals[p][t], left < ROWS ? left : ROWS);
    }
}

/* Tiles of as equal height as can be. */
INLINE void float_tokens(enum kernel_type type, const struct floats *k, int panel, int panels)
{
    size_t tokens = (size_t)k->x->tokens, tiles = (tokens + FLOAT_TOKENS - 1) / FLOAT_TOKENS;
    for (size_t i = 0; i < tiles; i++) {
        size_t token = i * tokens / tiles;
        switch ((i + 1) * tokens / tiles - token) {
#define FLOAT_HEIGHT(n)                                                                            \
    case n:                                                                                        \
        float_tile(type, k, panel, panels, token, n);                                              \
        break
            FLOAT_HEIGHT(1);
            FLOAT_HEIGHT(2);
            FLOAT_HEIGHT(3);
            FLOAT_HEIGHT(4);
            FLOAT_HEIGHT(5);
        }
    }
}

INLINE void float_panels(enum kernel_type type, const struct floats *k, int first, int last)
{
    int p = first;
    for (; p + FLOAT_PANELS <= last; p += FLOAT_PANELS)
        float_tokens(type, k, p, FLOAT_PANELS);
    for (; p < last; p++)
        float_tokens(type, k, p, 1);
}

static void panels_f32(const struct floats *k, int first, int last)
{
    float_panels(KERNEL_F32, k, first, last);
}

static void panels_f16(const struct floats *k, int first, int last)
{
    float_panels(KERNEL_F16, k, first, last);
}

static void panels_bf16(const struct floats *k, int first, int last)
{
    float_panels(KERNEL_BF16, k, first, last);
}

static void matmul_tokens(const struct kernel_matrix *w, const struct kernel_activations *x,
                          float *out, size_t stride, int first, int last)
{
    struct floats k = {w, x, out, stride, pack_panel_bytes(w)};
    if (w->type == KERNEL_F32)
        panels_f32(&k, first, last);
    else if (w->type == KERNEL_F16)
        panels_f16(&k, first, last);
    else if (w->type == KERNEL_BF16)
        panels_bf16(&k, first, last);
    else
        SIMD(matmul_int8)(w, x, out, stride, first, last);
}

/* Many tokens are taken a few at a time, so that their activations and the pages of their
 * outputs stay close. */
void SIMD(matmul)(const struct kernel_matrix *w, const struct kernel_activations *x, float *out,
                  size_t stride, int first, int last)
{
    size_t columns = (size_t)x->columns;
    for (int t = 0; t < x->tokens; t += TOKEN_BLOCK) {
        struct kernel_activations part = *x;
        part.tokens = x->tokens - t < TOKEN_BLOCK ? x->tokens - t : TOKEN_BLOCK;
        part.values = x->values ? x->values + (size_t)t * x->stride : NULL;
        part.quants = x->quants ? x->quants + (size_t)t * columns : NULL;
        part.blocks = x->blocks ? x->blocks + (size_t)t * columns / 32 : NULL;
        matmul_tokens(w, &part, out + (size_t)t * stride, stride, first, last);
    }
}
