/* Paged attention, flash style. A tile is a few rows (a row is one query under one head) that
 * share a KV head: each block of 32 positions is read once for all of them. Scores have
 * positions in their lanes (keys are stored so), sums of values have the head's dimension in
 * theirs, so nothing is folded across lanes but the maximum and, at the end, the weights. A
 * row's steps are those of scalar_attention.c; a block that a row of the tile does not see
 * leaves it as it is (its weights are 0, what it keeps is multiplied by 1). */
#include "kernels/cpu/vector.h"

#include <math.h>

#if defined(__AVX512F__)
enum { TILE_ROWS = 6, CHUNK = 4 }; /* 6 rows x 4 registers of values */
#else
enum { TILE_ROWS = 2, CHUNK = 2 };
#endif
enum { BLOCK = KERNEL_KV_BLOCK };

struct row {
    const float *query;
    float *out;
    int position, low; /* sees low .. position */
};

struct attention_tile {
    _Alignas(64) float sums[TILE_ROWS][KERNEL_MAX_HEAD_DIM];
    float weights[TILE_ROWS][BLOCK];
    float lanes[TILE_ROWS][16];
    float largest[16], keep[16]; /* a row each; 16, to be handled as one register */
    struct row rows[TILE_ROWS];
};

/* --- Storing --- */

static void store_halves(uint8_t *page, uint8_t *value, int slot, int head_dim, const float *keys,
                         const float *values)
{
    v16 low = v_set(-HALF_MAX), high = v_set(HALF_MAX);
    value += (size_t)slot * (size_t)kv_padded(head_dim) * 2;
    for (int d = 0; d < head_dim; d += 16) {
        int lanes = head_dim - d < 16 ? head_dim - d : 16;
        uint16_t halves[16];
        v_store_half(halves, v_min(v_max(v_load_n(keys + d, lanes), low), high));
        for (int i = 0; i < lanes; i++)
            memcpy(page + ((size_t)(d + i) * BLOCK + (size_t)slot) * 2, &halves[i], 2);
        v_store_half(value + d * 2, v_min(v_max(v_load_n(values + d, lanes), low), high));
    }
}

/* A head's keys or values to int8 (zeros after head_dim); returns their scale. */
static float quantize_head(const float *x, int head_dim, int8_t quants[KERNEL_MAX_HEAD_DIM + 32])
{
    v16 top = v_zero();
    float scale;
    for (int d = 0; d < head_dim; d += 16)
        top = v_max(v_abs(v_load_n(x + d, head_dim - d < 16 ? head_dim - d : 16)), top);
    v16 inverse = v_set(kv_inverse(v_largest(top), &scale));
    if (scale <= 0) {
        memset(quants, 0, KERNEL_MAX_HEAD_DIM);
        return scale;
    }
    for (int d = 0; d < head_dim; d += 32) {
        int first = head_dim - d < 16 ? head_dim - d : 16, left = head_dim - d - 16;
        int second = left < 0 ? 0 : left < 16 ? left : 16;
        v16 a = v_load_n(x + d, first), b = second ? v_load_n(x + d + 16, second) : v_zero();
        _mm256_storeu_si256((void *)(quants + d), b_from(v_mul(a, inverse), v_mul(b, inverse)));
    }
    return scale;
}

static void store_quants(uint8_t *page, uint8_t *value, int slot, int head_dim, const float *keys,
                         const float *values)
{
    size_t padded = (size_t)kv_padded(head_dim), at = (size_t)slot * sizeof(float);
    int8_t quants[KERNEL_MAX_HEAD_DIM + 32];
    float scale = quantize_head(keys, head_dim, quants);
    for (int d = 0; d < head_dim; d++)
        page[(size_t)d * BLOCK + (size_t)slot] = (uint8_t)quants[d];
    memcpy(page + (size_t)head_dim * BLOCK + at, &scale, sizeof(scale));
    scale = quantize_head(values, head_dim, quants);
    memcpy(value + (size_t)slot * padded, quants, padded);
    memcpy(value + padded * BLOCK + at, &scale, sizeof(scale));
}

void SIMD(kv_store)(enum kernel_kv type, uint8_t *page, int slot, int kv_heads, int head_dim,
                    const float *keys, const float *values)
{
    for (int h = 0; h < kv_heads; h++, page += kv_head_bytes(type, head_dim)) {
        uint8_t *value = page + kv_key_bytes(type, head_dim);
        const float *k = keys + h * head_dim, *v = values + h * head_dim;
        if (type == KERNEL_KV_F16)
            store_halves(page, value, slot, head_dim, k, v);
        else
            store_quants(page, value, slot, head_dim, k, v);
    }
}

/* --- One block of positions --- */

/* Sixteen elements of a page, from element `at`, without their scales. */
INLINE v16 v_stored(enum kernel_kv type, const uint8_t *part, size_t at)
{
    return type == KERNEL_KV_F16 ? v_half(part + 2 * at) : v_from_signed(part + at);
}

INLINE v16 finish_score(const struct kernel_attention *a, v16 score, int low, int high)
{
    score = v_mul(score, v_set(a->scale));
    if (a->softcap > 0)
        score = v_mul(v_set(a->softcap), v_tanh(v_div(score, v_set(a->softcap))));
    return v_keep(score, low, high, -INFINITY);
}

/* What each row keeps of its sums when its maximum moves from `before` to `largest`. */
INLINE void weigh_past(struct attention_tile *tile, const float before[16])
{
    v_store(tile->keep, v_exp(v_sub(v_load(before), v_load(tile->largest))));
}

/* From scores to weights; the sum of weights moves on. What is stored for the values has their
 * scales in it. */
INLINE void weigh(enum kernel_kv type, struct attention_tile *tile, int r, v16 a, v16 b,
                  const float *scales)
{
    v16 top = v_set(tile->largest[r]);
    a = v_exp(v_sub(a, top));
    b = v_exp(v_sub(b, top));
    v_store(tile->lanes[r], v_fma(v_load(tile->lanes[r]), v_set(tile->keep[r]), v_add(a, b)));
    if (type == KERNEL_KV_Q8) {
        a = v_mul(a, v_load(scales));
        b = v_mul(b, v_load(scales + 16));
    }
    v_store(tile->weights[r], a);
    v_store(tile->weights[r] + 16, b);
}

INLINE void score_block(enum kernel_kv type, const struct kernel_attention *a,
                        struct attention_tile *tile, int rows, const uint8_t *keys,
                        const uint8_t *values, int base)
{
    v16 low[TILE_ROWS], high[TILE_ROWS];
    for (int r = 0; r < rows; r++)
        low[r] = high[r] = v_zero();
    for (int d = 0; d < a->head_dim; d++) {
        v16 first = v_stored(type, keys, (size_t)d * BLOCK),
            second = v_stored(type, keys, (size_t)d * BLOCK + 16);
        for (int r = 0; r < rows; r++) {
            v16 q = v_set(tile->rows[r].query[d]);
            low[r] = v_fma(q, first, low[r]);
            high[r] = v_fma(q, second, high[r]);
        }
    }
    const float *scales = kv_scales(keys, a->head_dim);
    for (int r = 0; r < rows && type == KERNEL_KV_Q8; r++) {
        low[r] = v_mul(low[r], v_load(scales));
        high[r] = v_mul(high[r], v_load(scales + 16));
    }
    float before[16];
    v_store(before, v_load(tile->largest));
    for (int r = 0; r < rows; r++) {
        int from = tile->rows[r].low - base, to = tile->rows[r].position - base;
        low[r] = finish_score(a, low[r], from, to);
        high[r] = finish_score(a, high[r], from - 16, to - 16);
        tile->largest[r] = v_largest(v_max(v_max(low[r], high[r]), v_set(before[r])));
    }
    weigh_past(tile, before);
    for (int r = 0; r < rows; r++)
        weigh(type, tile, r, low[r], high[r], kv_scales(values, kv_padded(a->head_dim)));
}

/* Adds weighted values to `registers` x 16 of the sums, from dimension d. */
INLINE void add_values(enum kernel_kv type, struct attention_tile *tile, int rows,
                       const uint8_t *values, size_t padded, int used, int d, int registers)
{
    v16 sums[TILE_ROWS][CHUNK];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < registers; c++)
            sums[r][c] = v_mul(v_load(&tile->sums[r][d + 16 * c]), v_set(tile->keep[r]));
    for (int i = 0; i < used; i++) {
        v16 value[CHUNK];
        for (int c = 0; c < registers; c++)
            value[c] = v_stored(type, values, (size_t)i * padded + (size_t)(d + 16 * c));
        for (int r = 0; r < rows; r++) {
            v16 weight = v_set(tile->weights[r][i]);
            for (int c = 0; c < registers; c++)
                sums[r][c] = v_fma(weight, value[c], sums[r][c]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < registers; c++)
            v_store(&tile->sums[r][d + 16 * c], sums[r][c]);
}

/* --- A tile of rows, over all their positions --- */

INLINE void run_tile(enum kernel_kv type, const struct kernel_attention *a,
                     struct attention_tile *tile, int kv_head, int rows)
{
    int last = tile->rows[rows - 1].position, padded = kv_padded(a->head_dim);
    for (int base = tile->rows[0].low / BLOCK * BLOCK; base <= last; base += BLOCK) {
        const uint8_t *keys = a->cache + (size_t)a->pages[base / BLOCK] * a->page_stride +
                              (size_t)kv_head * kv_head_bytes(type, a->head_dim);
        const uint8_t *values = keys + kv_key_bytes(type, a->head_dim);
        int used = last - base + 1 < BLOCK ? last - base + 1 : BLOCK, d = 0;
        score_block(type, a, tile, rows, keys, values, base);
        for (; d + 16 * CHUNK <= padded; d += 16 * CHUNK)
            add_values(type, tile, rows, values, (size_t)padded, used, d, CHUNK);
        for (; d < padded; d += 16)
            add_values(type, tile, rows, values, (size_t)padded, used, d, 1);
    }
}

static void finish_row(const struct attention_tile *tile, int r, int head_dim)
{
    v16 inverse = v_set(1 / v_fold(v_load(tile->lanes[r])));
    for (int d = 0; d < head_dim; d += 16) {
        int lanes = head_dim - d < 16 ? head_dim - d : 16;
        v_store_n(tile->rows[r].out + d, v_mul(v_load(&tile->sums[r][d]), inverse), lanes);
    }
}

static void start_row(const struct kernel_attention *a, struct attention_tile *tile, int r,
                      int query, int head)
{
    int position = a->position + query;
    size_t at = (size_t)head * (size_t)a->head_dim;
    tile->rows[r] = (struct row){a->queries + (size_t)query * a->query_stride + at,
                                 a->out + (size_t)query * a->out_stride + at, position,
                                 kv_first_visible(position, a->window)};
    memset(tile->sums[r], 0, (size_t)kv_padded(a->head_dim) * sizeof(float));
    memset(tile->lanes[r], 0, sizeof(tile->lanes[r]));
    tile->largest[r] = -FLT_MAX;
}

INLINE void attend(enum kernel_kv type, const struct kernel_attention *a,
                   struct attention_tile *tile, int kv_head, int rows)
{
    switch (rows) {
#define ROWS_CASE(n)                                                                               \
    case n:                                                                                        \
        run_tile(type, a, tile, kv_head, n);                                                       \
        break
        ROWS_CASE(1);
        ROWS_CASE(2);
#if defined(__AVX512F__)
        ROWS_CASE(3);
        ROWS_CASE(4);
        ROWS_CASE(5);
        ROWS_CASE(6);
#endif
    }
}

static void attend_halves(const struct kernel_attention *a, struct attention_tile *tile,
                          int kv_head, int rows)
{
    attend(KERNEL_KV_F16, a, tile, kv_head, rows);
}

static void attend_quants(const struct kernel_attention *a, struct attention_tile *tile,
                          int kv_head, int rows)
{
    attend(KERNEL_KV_Q8, a, tile, kv_head, rows);
}

void SIMD(attention)(const struct kernel_attention *a, int kv_head, int first, int last)
{
    struct attention_tile tile;
    int group = a->heads / a->kv_heads, total = (last - first) * group;
    int tiles = (total + TILE_ROWS - 1) / TILE_ROWS;
    memset(tile.largest, 0, sizeof(tile.largest));
    for (int i = 0; i < tiles; i++) {
        int from = (int)((int64_t)i * total / tiles),
            rows = (int)((int64_t)(i + 1) * total / tiles) - from;
        for (int r = 0; r < rows; r++)
            start_row(a, &tile, r, first + (from + r) / group,
                      kv_head * group + (from + r) % group);
        if (a->type == KERNEL_KV_F16)
            attend_halves(a, &tile, kv_head, rows);
        else
            attend_quants(a, &tile, kv_head, rows);
        for (int r = 0; r < rows; r++)
            finish_row(&tile, r, a->head_dim);
    }
}
