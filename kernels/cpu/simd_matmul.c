/* Matrix products on int8 activations. Two ways through the same arithmetic, so that a number does not depend on
 * which was taken. Direct: a panel's blocks are decoded in registers and used at once for up to TILE_TOKENS tokens;
 * more tokens pass over the panel again while it is in the cache. Slab: for K-quants, whose decoding is dear, and
 * many tokens: TILE_PANELS panels by SLAB_BLOCKS blocks are decoded into the first-level cache and multiplied with
 * all tokens. Between slabs the sums rest in `out`, unrounded.
 *
 * For each output: blocks in ascending order, in each an exact int32 sum, then fused float steps (scalar.c,
 * block_step). */
#include "kernels/cpu/pack.h"
#include "kernels/cpu/vector.h"

enum {
    SLAB_BLOCKS = 16,   /* 16 blocks of 2 panels: 22 KB */
    DIRECT_TOKENS = 11, /* with more, the slab wins for K-quants; other types are decoded too cheaply for it */
    PREFETCH = 4096,    /* bytes ahead in a panel's stream; a panel ends where the next begins */
};

/* ---- Facts of a type that shape its code; all fold to constants where the type is one ---- */

struct shape {
    enum format_kind kind;
    int bits, shift; /* level = code - 2^shift; -1: level = code */
    bool wide;
    int group;
    size_t quants, high, bytes; /* see pack.h */
};

INLINE struct shape shape_of(enum kernel_type type)
{
    switch (type) {
    case KERNEL_Q8_0:
        return (struct shape){FORMAT_SCALE, 8, 7, true, 2, 512, 0, 1088};
    case KERNEL_IQ4_NL:
    case KERNEL_MXFP4:
        return (struct shape){FORMAT_SCALE, 4, 7, true, 2, 256, 0, 576};
    case KERNEL_Q4_0:
        return (struct shape){FORMAT_SCALE, 4, 3, false, 2, 256, 0, 576};
    case KERNEL_Q5_0:
        return (struct shape){FORMAT_SCALE, 5, 4, false, 2, 256, 64, 704};
    case KERNEL_Q4_1:
        return (struct shape){FORMAT_MIN, 4, -1, false, 2, 256, 0, 640};
    case KERNEL_Q5_1:
        return (struct shape){FORMAT_MIN, 5, -1, false, 2, 256, 64, 768};
    case KERNEL_Q4_K:
        return (struct shape){FORMAT_SUPER, 4, -1, false, 8, 256, 0, 2368};
    case KERNEL_Q5_K:
        return (struct shape){FORMAT_SUPER, 5, -1, false, 8, 256, 64, 2880};
    default: /* Q6_K */
        return (struct shape){FORMAT_HALVES, 6, 5, false, 8, 256, 128, 3392};
    }
}

/* Rows of the matrix that panel p holds. */
INLINE int rows_of(const struct kernel_matrix *w, int p)
{
    return w->rows - p * ROWS < ROWS ? w->rows - p * ROWS : ROWS;
}

/* ---- One block of one panel in registers ---- */

struct decoded {
    b64 codes[8];
    v16 scale[2], min;
};

INLINE void decode_codes(enum kernel_type type, const uint8_t *quants, const uint8_t *high, b64 codes[8])
{
    const int8_t *levels = type == KERNEL_MXFP4 ? FORMAT_LEVELS_MXFP4 : FORMAT_LEVELS_IQ4_NL;
    const struct shape s = shape_of(type);
    for (int j = 0; s.bits == 8 && j < 8; j++)
        codes[j] = b_wide(b_load(quants + j * 64));
    for (int j = 0; s.bits != 8 && j < 4; j++) {
        b64 both = b_load(quants + j * 64);
        codes[j] = b_low(both);
        codes[j + 4] = b_high(both);
    }
    if (type == KERNEL_IQ4_NL || type == KERNEL_MXFP4)
        for (int j = 0; j < 8; j++)
            codes[j] = b_lookup(codes[j], levels);
    for (int j = 0; s.bits == 5 && j < 8; j++)
        codes[j] = b_fifth(codes[j], high + j * 8);
    for (int j = 0; s.bits == 6 && j < 8; j += 4) {
        b64 bits = b_load(high + j * 16);
        codes[j] = b_sixth(codes[j], bits, 0);
        codes[j + 1] = b_sixth(codes[j + 1], bits, 1);
        codes[j + 2] = b_sixth(codes[j + 2], bits, 2);
        codes[j + 3] = b_sixth(codes[j + 3], bits, 3);
    }
}

/* `scales`: the group's scale words; `at`: which block of the group. */
INLINE void decode_scales(enum kernel_type type, const uint8_t *scales, int at, struct decoded *d)
{
    switch (shape_of(type).kind) {
    case FORMAT_MIN:
        d->scale[0] = v_half(scales + 32 * at);
        d->min = v_half(scales + 64 + 32 * at);
        break;
    case FORMAT_SUPER:
        d->scale[0] = v_mul(v_half(scales), v_from_bytes(scales + 64 + 16 * at));
        d->min = v_sub(v_set(-0.0f), v_mul(v_half(scales + 32), v_from_bytes(scales + 192 + 16 * at)));
        break;
    case FORMAT_HALVES:
        d->scale[0] = v_mul(v_half(scales + 256), v_from_signed(scales + 32 * at));
        d->scale[1] = v_mul(v_half(scales + 256), v_from_signed(scales + 32 * at + 16));
        break;
    default:
        d->scale[0] = type == KERNEL_MXFP4 ? v_bfloat(scales + 32 * at) : v_half(scales + 32 * at);
    }
}

INLINE void decode(enum kernel_type type, const uint8_t *group, int at, struct decoded *d)
{
    const struct shape s = shape_of(type);
    const uint8_t *high = group + (size_t)s.group * s.quants;
    decode_codes(type, group + (size_t)at * s.quants, high + (size_t)at * s.high, d->codes);
    decode_scales(type, high + (size_t)s.group * s.high, at, d);
}

/* Asks for one block's share of the group PREFETCH bytes on: the hardware's own prefetching falls behind as soon as a
 * few tokens share the read, and a whole group at once would be more than a core can have under way. */
INLINE void prefetch_block(struct shape s, const uint8_t *group, int at)
{
    size_t share = s.bytes / (size_t)s.group;
    const char *from = (const char *)group + PREFETCH + (size_t)at * share;
    for (size_t i = 0; i < share; i += 64)
        _mm_prefetch(from + i, _MM_HINT_T0);
}

/* ---- Sums ---- */

INLINE n16 first_start(struct shape s, const struct kernel_block *x)
{
    return dot_start(s.kind == FORMAT_HALVES ? x->minus_first : x->minus_sum, s.shift, s.wide);
}

INLINE n16 second_start(struct shape s, const struct kernel_block *x)
{
    return dot_start(x->minus_sum - x->minus_first, s.shift, s.wide);
}

/* The float steps that end a block: `part` is its sum times the weights' scale. */
INLINE v16 end_block(struct shape s, v16 part, v16 min, const struct kernel_block *x, v16 total)
{
    total = v_fma(part, v_set(x->scale), total);
    if (s.kind == FORMAT_MIN || s.kind == FORMAT_SUPER)
        total = v_fma(min, v_set(x->sum), total);
    return total;
}

/* ---- Few tokens: straight from the panel ---- */

INLINE n16 direct_sum(struct shape s, const struct decoded *d, const int8_t *quants, int from, int to, n16 sum)
{
    n16 other = dot_start(0, -1, s.wide); /* two chains: their products take four cycles each */
    for (int j = from; j < to; j += 2) {
        sum = dot(sum, d->codes[j], x_load(quants + 4 * j), s.wide);
        other = dot(other, d->codes[j + 1], x_load(quants + 4 * (j + 1)), s.wide);
    }
    return n_add(sum, other);
}

INLINE v16 direct_block(struct shape s, const struct decoded *d, const int8_t *quants, const struct kernel_block *x,
                        v16 total)
{
    bool halves = s.kind == FORMAT_HALVES;
    v16 part = v_mul(v_from(direct_sum(s, d, quants, 0, halves ? 4 : 8, first_start(s, x))), d->scale[0]);
    if (halves)
        part = v_fma(v_from(direct_sum(s, d, quants, 4, 8, second_start(s, x))), d->scale[1], part);
    return end_block(s, part, d->min, x, total);
}

INLINE void direct_panel(enum kernel_type type, const uint8_t *panel, const struct kernel_activations *x, size_t token,
                         int tokens, float *out, size_t stride, int rows)
{
    const struct shape s = shape_of(type);
    size_t blocks = (size_t)x->columns / FORMAT_BLOCK;
    v16 totals[TILE_TOKENS];
    for (int t = 0; t < tokens; t++)
        totals[t] = v_zero();
    for (size_t b = 0; b < blocks; b += (size_t)s.group, panel += s.bytes) {
        for (int at = 0; at < s.group && b + (size_t)at < blocks; at++) {
            struct decoded d;
            prefetch_block(s, panel, at);
            decode(type, panel, at, &d);
            for (size_t t = 0, i = token * blocks + b + (size_t)at; t < (size_t)tokens; t++, i += blocks)
                totals[t] = direct_block(s, &d, x->quants + i * FORMAT_BLOCK, x->blocks + i, totals[t]);
        }
    }
    for (size_t t = 0; t < (size_t)tokens; t++)
        v_store_n(out + (token + t) * stride, totals[t], rows);
}

/* ---- Many tokens: through a slab ---- */

struct slab_block {
    _Alignas(64) uint8_t codes[8][TILE_PANELS][64];
    float scale[2][TILE_PANELS][16], min[TILE_PANELS][16];
};

INLINE void fill_slab(enum kernel_type type, const uint8_t *panel, int from, int blocks, int place,
                      struct slab_block *slab)
{
    const struct shape s = shape_of(type);
    for (int b = from; b < from + blocks; b++, slab++) {
        const uint8_t *group = panel + (size_t)(b / s.group) * s.bytes;
        struct decoded d;
        prefetch_block(s, group, b % s.group);
        decode(type, group, b % s.group, &d);
        for (int j = 0; j < 8; j++)
            b_store(slab->codes[j][place], d.codes[j]);
        v_store(slab->scale[0][place], d.scale[0]);
        if (s.kind == FORMAT_HALVES)
            v_store(slab->scale[1][place], d.scale[1]);
        if (s.kind == FORMAT_MIN || s.kind == FORMAT_SUPER)
            v_store(slab->min[place], d.min);
    }
}

/* Columns 4 from .. 4 to of one block, all panels and tokens: independent chains of products. */
INLINE void tile_sums(struct shape s, const struct slab_block *slab, const int8_t *quants, size_t row, int tokens,
                      int from, int to, n16 sums[TILE_PANELS][TILE_TOKENS])
{
    for (int j = from; j < to; j++) {
        b64 codes[TILE_PANELS];
        for (int p = 0; p < TILE_PANELS; p++)
            codes[p] = b_load(slab->codes[j][p]);
        for (int t = 0; t < tokens; t++) {
            b64 four = x_load(quants + (size_t)t * row + 4 * j);
            for (int p = 0; p < TILE_PANELS; p++)
                sums[p][t] = dot(sums[p][t], codes[p], four, s.wide);
        }
    }
}

INLINE void tile_block(struct shape s, const struct slab_block *slab, const int8_t *quants,
                       const struct kernel_block *x, size_t blocks, int tokens, v16 totals[TILE_PANELS][TILE_TOKENS])
{
    bool halves = s.kind == FORMAT_HALVES;
    n16 sums[TILE_PANELS][TILE_TOKENS];
    v16 parts[TILE_PANELS][TILE_TOKENS];
    for (int t = 0; t < tokens; t++)
        for (int p = 0; p < TILE_PANELS; p++)
            sums[p][t] = first_start(s, x + (size_t)t * blocks);
    tile_sums(s, slab, quants, blocks * FORMAT_BLOCK, tokens, 0, halves ? 4 : 8, sums);
    for (int p = 0; p < TILE_PANELS; p++)
        for (int t = 0; t < tokens; t++)
            parts[p][t] = v_mul(v_from(sums[p][t]), v_load(slab->scale[0][p]));
    if (halves) {
        for (int t = 0; t < tokens; t++)
            for (int p = 0; p < TILE_PANELS; p++)
                sums[p][t] = second_start(s, x + (size_t)t * blocks);
        tile_sums(s, slab, quants, blocks * FORMAT_BLOCK, tokens, 4, 8, sums);
        for (int p = 0; p < TILE_PANELS; p++)
            for (int t = 0; t < tokens; t++)
                parts[p][t] = v_fma(v_from(sums[p][t]), v_load(slab->scale[1][p]), parts[p][t]);
    }
    for (int p = 0; p < TILE_PANELS; p++)
        for (int t = 0; t < tokens; t++)
            totals[p][t] = end_block(s, parts[p][t], v_load(slab->min[p]), x + (size_t)t * blocks, totals[p][t]);
}

/* Where a tile stands: which blocks of the columns, which rows of `out`. */
struct tile {
    const struct slab_block *slab;
    const struct kernel_activations *x;
    size_t from, count; /* blocks */
    float *out;         /* token 0, first row of the tile */
    size_t stride;
    int rows[TILE_PANELS]; /* of each panel; 0: computed and dropped */
};

INLINE void tile_run(struct shape s, const struct tile *k, size_t token, int tokens)
{
    size_t blocks = (size_t)k->x->columns / FORMAT_BLOCK, at = token * blocks + k->from;
    const int8_t *quants = k->x->quants + at * FORMAT_BLOCK;
    v16 totals[TILE_PANELS][TILE_TOKENS];
    float *out = k->out + token * k->stride;
    for (int p = 0; p < TILE_PANELS; p++)
        for (size_t t = 0; t < (size_t)tokens; t++)
            totals[p][t] = k->from && k->rows[p] ? v_load_n(out + t * k->stride + p * ROWS, k->rows[p]) : v_zero();
    for (size_t b = 0; b < k->count; b++)
        tile_block(s, k->slab + b, quants + b * FORMAT_BLOCK, k->x->blocks + at + b, blocks, tokens, totals);
    for (int p = 0; p < TILE_PANELS; p++)
        for (size_t t = 0; k->rows[p] && t < (size_t)tokens; t++)
            v_store_n(out + t * k->stride + p * ROWS, totals[p][t], k->rows[p]);
}

/* All tokens, in tiles of as equal height as can be. */
INLINE void tile_tokens(struct shape s, const struct tile *k)
{
    size_t tokens = (size_t)k->x->tokens, tiles = (tokens + TILE_TOKENS - 1) / TILE_TOKENS;
    for (size_t i = 0; i < tiles; i++) {
        size_t token = i * tokens / tiles;
        switch ((i + 1) * tokens / tiles - token) {
#define TILE_HEIGHT(n)             \
    case n:                        \
        tile_run(s, k, token, n); \
        break
            TILE_HEIGHT(1);
            TILE_HEIGHT(2);
#if defined(__AVX512F__)
            TILE_HEIGHT(3);
            TILE_HEIGHT(4);
            TILE_HEIGHT(5);
            TILE_HEIGHT(6);
#endif
        }
    }
}

INLINE void slab_panels(enum kernel_type type, const struct kernel_matrix *w, const struct kernel_activations *x,
                        float *out, size_t stride, int first, int last)
{
    struct slab_block slab[SLAB_BLOCKS];
    size_t panel_bytes = pack_panel_bytes(w);
    int blocks = w->columns / FORMAT_BLOCK, slabs = (blocks + SLAB_BLOCKS - 1) / SLAB_BLOCKS;
    for (int p = first; p < last; p += TILE_PANELS) {
        struct tile k = {slab, x, 0, 0, out + (size_t)p * ROWS, stride, {0}};
        for (int i = 0; i < TILE_PANELS && p + i < last; i++)
            k.rows[i] = rows_of(w, p + i);
        for (int i = 0; i < slabs; i++) {
            k.from = (size_t)(i * blocks / slabs);
            k.count = (size_t)((i + 1) * blocks / slabs) - k.from;
            for (int place = 0; place < TILE_PANELS; place++) {
                int panel = p + place < last ? p + place : p;
                fill_slab(type, w->data + (size_t)panel * panel_bytes, (int)k.from, (int)k.count, place, slab);
            }
            tile_tokens(shape_of(type), &k);
        }
    }
}

/* ---- Each type's own code ---- */

INLINE void direct_panels(enum kernel_type type, const struct kernel_matrix *w, const struct kernel_activations *x,
                          float *out, size_t stride, int first, int last)
{
    size_t panel_bytes = pack_panel_bytes(w);
    size_t tokens = (size_t)x->tokens, tiles = (tokens + TILE_TOKENS - 1) / TILE_TOKENS;
    for (int p = first; p < last; p++) {
        const uint8_t *panel = w->data + (size_t)p * panel_bytes;
        float *to = out + (size_t)p * ROWS;
        int rows = rows_of(w, p);
        for (size_t i = 0; i < tiles; i++) {
            size_t token = i * tokens / tiles;
            switch ((i + 1) * tokens / tiles - token) {
#define DIRECT_HEIGHT(n)                                            \
    case n:                                                         \
        direct_panel(type, panel, x, token, n, to, stride, rows);   \
        break
                DIRECT_HEIGHT(1);
                DIRECT_HEIGHT(2);
#if defined(__AVX512F__)
                DIRECT_HEIGHT(3);
                DIRECT_HEIGHT(4);
                DIRECT_HEIGHT(5);
                DIRECT_HEIGHT(6);
#endif
            }
        }
    }
}

#define FOR_TYPES(each) \
    each(Q8_0) each(Q4_0) each(Q4_1) each(Q5_0) each(Q5_1) each(Q4_K) each(Q5_K) each(Q6_K) each(IQ4_NL) each(MXFP4)

#define TYPE_FUNCTION(type)                                                                                        \
    static void matmul_##type(const struct kernel_matrix *w, const struct kernel_activations *x, float *out,       \
                              size_t stride, int first, int last)                                                  \
    {                                                                                                              \
        if (shape_of(KERNEL_##type).group == 8 && x->tokens > DIRECT_TOKENS)                                       \
            slab_panels(KERNEL_##type, w, x, out, stride, first, last);                                            \
        else                                                                                                       \
            direct_panels(KERNEL_##type, w, x, out, stride, first, last);                                          \
    }
FOR_TYPES(TYPE_FUNCTION)

void SIMD(matmul_int8)(const struct kernel_matrix *w, const struct kernel_activations *x, float *out, size_t stride,
                       int first, int last)
{
#define TYPE_CASE(type)                                 \
    case KERNEL_##type:                                 \
        matmul_##type(w, x, out, stride, first, last);  \
        return;
    switch (w->type) {
        FOR_TYPES(TYPE_CASE)
    default:
        return;
    }
}
