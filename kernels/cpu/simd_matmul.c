/* Matrix products on int8 activations: a panel's blocks are decoded in registers and used at
 * once for up to TILE_TOKENS tokens; more tokens pass over the panel again while it is in the
 * cache. The same code serves one token, where memory is the limit, and hundreds, where
 * arithmetic is; unpacking into the cache first was no faster.
 *
 * For each output: blocks in ascending order, in each an exact int32 sum, then fused float steps
 * (scalar.c, block_step). */
#include "kernels/cpu/pack.h"
#include "kernels/cpu/vector.h"

enum {
    TILE_TOKENS = 8, /* their sums and 8 registers of codes leave AVX-512 half of its registers */
    NEAR = 2048,     /* bytes ahead in a panel's stream; a panel ends where the next begins */
    FAR = 16384,     /* bytes ahead of those, for the second cache */
};

/* --- Facts of a type that shape its code; all fold to constants where the type is one --- */

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

/* --- One block of one panel in registers --- */

struct decoded {
    b64 codes[8];
    v16 scale[2], min;
};

INLINE void decode_codes(enum kernel_type type, const uint8_t *quants, const uint8_t *high,
                         b64 codes[8])
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
        d->min =
            v_sub(v_set(-0.0f), v_mul(v_half(scales + 32), v_from_bytes(scales + 192 + 16 * at)));
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

/* What a pass over a panel asks for, a share each block: the hardware's own prefetching falls
 * behind where blocks take long, and at the start of each matrix. One pass asks for the bytes a
 * little ahead, and for those far ahead to come to the second cache; each of several asks for its
 * part of the next panel, so that memory rests in none. */
struct ahead {
    const char *from;
    size_t share, far; /* bytes a block; 0: none */
};

INLINE struct ahead ahead_of(struct shape s, const uint8_t *panel, size_t blocks, size_t pass,
                             size_t passes)
{
    size_t share = s.bytes / (size_t)s.group, part = (share / passes + 63) / 64 * 64;
    if (passes == 1)
        return (struct ahead){(const char *)panel + NEAR, share, FAR};
    return (struct ahead){
        (const char *)panel + (blocks * share / passes * pass + blocks * share) / 64 * 64, part, 0};
}

INLINE void prefetch_share(struct ahead *ahead)
{
    for (size_t i = 0; i < ahead->share; i += 64) {
        _mm_prefetch(ahead->from + i, _MM_HINT_T0);
        if (ahead->far)
            _mm_prefetch(ahead->from + i + ahead->far, _MM_HINT_T1);
    }
    ahead->from += ahead->share;
}

/* --- Sums --- */

/* Start of the sum over the first half of a block (second: the other half), or over all of it. */
INLINE n16 start_sum(struct shape s, const struct kernel_block *x, bool second)
{
    int32_t lift = x->lift;
    if (s.kind == FORMAT_HALVES)
        lift = second ? x->lift - x->lift_first : x->lift_first;
    return dot_start(lift, s.shift, s.wide);
}

/* The float steps that end a block: `part` is its sum times the weights' scale. */
INLINE v16 end_block(struct shape s, v16 part, v16 min, const struct kernel_block *x, v16 total)
{
    total = v_fma(part, v_set(x->scale), total);
    if (s.kind == FORMAT_MIN || s.kind == FORMAT_SUPER)
        total = v_fma(min, v_set(x->sum), total);
    return total;
}

/* --- A tile: one panel, a few tokens --- */

INLINE n16 block_sum(struct shape s, const struct decoded *d, const int8_t *quants, int from,
                     int to, n16 sum)
{
    n16 other = dot_start(0, -1, s.wide); /* two chains: their products take four cycles each */
    for (int j = from; j < to; j += 2) {
        sum = dot(sum, d->codes[j], x_load(quants + 4 * j), s.wide);
        other = dot(other, d->codes[j + 1], x_load(quants + 4 * (j + 1)), s.wide);
    }
    return n_add(sum, other);
}

INLINE v16 block_total(struct shape s, const struct decoded *d, const int8_t *quants,
                       const struct kernel_block *x, v16 total)
{
    bool halves = s.kind == FORMAT_HALVES;
    n16 sum = block_sum(s, d, quants, 0, halves ? 4 : 8, start_sum(s, x, false));
    v16 part = v_mul(v_from(sum), d->scale[0]);
    if (halves)
        part =
            v_fma(v_from(block_sum(s, d, quants, 4, 8, start_sum(s, x, true))), d->scale[1], part);
    return end_block(s, part, d->min, x, total);
}

INLINE void panel_tokens(enum kernel_type type, const uint8_t *panel,
                         const struct kernel_activations *x, size_t token, int tokens,
                         struct ahead ahead, float *out, size_t stride, int rows)
{
    const struct shape s = shape_of(type);
    size_t blocks = (size_t)x->columns / FORMAT_BLOCK;
    v16 totals[TILE_TOKENS];
    for (int t = 0; t < tokens; t++)
        totals[t] = v_zero();
    for (size_t b = 0; b < blocks; b += (size_t)s.group, panel += s.bytes) {
        for (int at = 0; at < s.group && b + (size_t)at < blocks; at++) {
            struct decoded d;
            if (!(s.bits == 8 && tokens == 1)) /* there the hardware alone is faster */
                prefetch_share(&ahead);
            decode(type, panel, at, &d);
            for (size_t t = 0, i = token * blocks + b + (size_t)at; t < (size_t)tokens;
                 t++, i += blocks)
                totals[t] =
                    block_total(s, &d, x->quants + i * FORMAT_BLOCK, x->blocks + i, totals[t]);
        }
    }
    for (size_t t = 0; t < (size_t)tokens; t++)
        v_store_n(out + (token + t) * stride, totals[t], rows);
}

/* --- Each type's own code --- */

INLINE void type_panels(enum kernel_type type, const struct kernel_matrix *w,
                        const struct kernel_activations *x, float *out, size_t stride, int first,
                        int last)
{
    size_t panel_bytes = pack_panel_bytes(w);
    size_t blocks = (size_t)x->columns / FORMAT_BLOCK;
    size_t tokens = (size_t)x->tokens, tiles = (tokens + TILE_TOKENS - 1) / TILE_TOKENS;
    for (int p = first; p < last; p++) {
        const uint8_t *panel = w->data + (size_t)p * panel_bytes;
        float *to = out + (size_t)p * ROWS;
        int rows = rows_of(w, p);
        for (size_t i = 0; i < tiles; i++) {
            size_t token = i * tokens / tiles;
            struct ahead ahead = ahead_of(shape_of(type), panel, blocks, i, tiles);
            switch ((i + 1) * tokens / tiles - token) {
#define TILE_HEIGHT(n)                                                                             \
    case n:                                                                                        \
        panel_tokens(type, panel, x, token, n, ahead, to, stride, rows);                           \
        break
                TILE_HEIGHT(1);
                TILE_HEIGHT(2);
                TILE_HEIGHT(3);
                TILE_HEIGHT(4);
                TILE_HEIGHT(5);
                TILE_HEIGHT(6);
                TILE_HEIGHT(7);
                TILE_HEIGHT(8);
            }
        }
    }
}

#define FOR_TYPES(each)                                                                            \
    each(Q8_0) each(Q4_0) each(Q4_1) each(Q5_0) each(Q5_1) each(Q4_K) each(Q5_K) each(Q6_K)        \
        each(IQ4_NL) each(MXFP4)

/* A function of its own for each type, or the compiler's inlining budget would be one for all. */
#define TYPE_FUNCTION(type)                                                                        \
    static void matmul_##type(const struct kernel_matrix *w, const struct kernel_activations *x,   \
                              float *out, size_t stride, int first, int last)                      \
    {                                                                                              \
        type_panels(KERNEL_##type, w, x, out, stride, first, last);                                \
    }
FOR_TYPES(TYPE_FUNCTION)

void SIMD(matmul_int8)(const struct kernel_matrix *w, const struct kernel_activations *x,
                       float *out, size_t stride, int first, int last)
{
#define TYPE_CASE(type)                                                                            \
    case KERNEL_##type:                                                                            \
        matmul_##type(w, x, out, stride, first, last);                                             \
        return;
    switch (w->type) {
        FOR_TYPES(TYPE_CASE)
    default:
        return;
    }
}
