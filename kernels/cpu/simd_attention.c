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

void SIMD(kv_store)(uint8_t *page, int slot, int kv_heads, int head_dim, const float *keys,
                    const float *values)
{
    v16 low = v_set(-HALF_MAX), high = v_set(HALF_MAX);
    for (int h = 0; h < kv_heads; h++, page += kv_head_bytes(head_dim)) {
        uint8_t *value =
            page + kv_key_bytes(head_dim) + (size_t)slot * (size_t)kv_padded(head_dim) * 2;
        for (int d = 0; d < head_dim; d += 16) {
            int lanes = head_dim - d < 16 ? head_dim - d : 16;
            uint16_t halves[16];
            v_store_half(halves, v_min(v_max(v_load_n(keys + h * head_dim + d, lanes), low), high));
            for (int i = 0; i < lanes; i++)
                memcpy(page + ((size_t)(d + i) * BLOCK + (size_t)slot) * 2, &halves[i], 2);
            v_store_half(value + d * 2,
                         v_min(v_max(v_load_n(values + h * head_dim + d, lanes), low), high));
        }
    }
}

/* --- One block of positions --- */

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

/* From scores to weights; the sum of weights moves on. */
INLINE void weigh(struct attention_tile *tile, int r, v16 a, v16 b)
{
    v16 top = v_set(tile->largest[r]);
    a = v_exp(v_sub(a, top));
    b = v_exp(v_sub(b, top));
    v_store(tile->weights[r], a);
    v_store(tile->weights[r] + 16, b);
    v_store(tile->lanes[r], v_fma(v_load(tile->lanes[r]), v_set(tile->keep[r]), v_add(a, b)));
}

INLINE void score_block(const struct kernel_attention *a, struct attention_tile *tile, int rows,
                        const uint8_t *keys, int base)
{
    v16 low[TILE_ROWS], high[TILE_ROWS];
    for (int r = 0; r < rows; r++)
        low[r] = high[r] = v_zero();
    for (int d = 0; d < a->head_dim; d++) {
        v16 first = v_half(keys + d * BLOCK * 2), second = v_half(keys + d * BLOCK * 2 + 32);
        for (int r = 0; r < rows; r++) {
            v16 q = v_set(tile->rows[r].query[d]);
            low[r] = v_fma(q, first, low[r]);
            high[r] = v_fma(q, second, high[r]);
        }
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
        weigh(tile, r, low[r], high[r]);
}

/* Adds weighted values to `registers` x 16 of the sums, from dimension d. */
INLINE void add_values(struct attention_tile *tile, int rows, const uint8_t *values,
                       size_t row_bytes, int used, int d, int registers)
{
    v16 sums[TILE_ROWS][CHUNK];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < registers; c++)
            sums[r][c] = v_mul(v_load(&tile->sums[r][d + 16 * c]), v_set(tile->keep[r]));
    for (int i = 0; i < used; i++) {
        v16 value[CHUNK];
        for (int c = 0; c < registers; c++)
            value[c] = v_half(values + (size_t)i * row_bytes + (d + 16 * c) * 2);
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

INLINE void run_tile(const struct kernel_attention *a, struct attention_tile *tile, int kv_head,
                     int rows)
{
    int last = tile->rows[rows - 1].position, padded = kv_padded(a->head_dim);
    for (int base = tile->rows[0].low / BLOCK * BLOCK; base <= last; base += BLOCK) {
        const uint8_t *keys = a->cache + (size_t)a->pages[base / BLOCK] * a->page_stride +
                              (size_t)kv_head * kv_head_bytes(a->head_dim);
        const uint8_t *values = keys + kv_key_bytes(a->head_dim);
        int used = last - base + 1 < BLOCK ? last - base + 1 : BLOCK, d = 0;
        score_block(a, tile, rows, keys, base);
        for (; d + 16 * CHUNK <= padded; d += 16 * CHUNK)
            add_values(tile, rows, values, (size_t)padded * 2, used, d, CHUNK);
        for (; d < padded; d += 16)
            add_values(tile, rows, values, (size_t)padded * 2, used, d, 1);
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

static void attend(const struct kernel_attention *a, struct attention_tile *tile, int kv_head,
                   int rows)
{
    switch (rows) {
#define ROWS_CASE(n)                                                                               \
    case n:                                                                                        \
        run_tile(a, tile, kv_head, n);                                                             \
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
        attend(a, &tile, kv_head, rows);
        for (int r = 0; r < rows; r++)
            finish_row(&tile, r, a->head_dim);
    }
}
