/* Paged attention, flash style. A tile is a few rows (a row is one query under one head) that
 * share a KV head: each block of 32 positions is read once for all of them. Scores have
 * positions in their lanes (keys are stored so), sums of values have the head's dimension in
 * theirs, so nothing is folded across lanes but two maxima and, at the end, the weights. Queries,
 * keys, weights and values are integers (tables.h), two products a lane and instruction. A
 * row's steps are those of scalar_attention.c; a block that a row of the tile does not see
 * leaves it as it is (its weights are 0, what it keeps is multiplied by 1). */
#include "kernels/cpu/vector.h"

#include <math.h>

#if defined(__AVX512F__)
enum { TILE_ROWS = 6, CHUNK = 2 }; /* 6 rows x 2 registers of values */
#else
enum { TILE_ROWS = 2, CHUNK = 2 };
#endif
enum { BLOCK = KERNEL_KV_BLOCK, AHEAD = 4 * BLOCK /* positions */ };
enum { PART_MAX = PART_SUMS + KERNEL_MAX_HEAD_DIM };

struct row {
    float *out;
    float scale;       /* of the query's quants and of the scores */
    int position, low; /* sees low .. position */
};

struct attention_tile {
    _Alignas(64) float sums[TILE_ROWS][KERNEL_MAX_HEAD_DIM];
    int16_t queries[TILE_ROWS][KERNEL_MAX_HEAD_DIM];
    float weights[TILE_ROWS][BLOCK];
    int16_t quants[TILE_ROWS][BLOCK]; /* of the weights */
    float lanes[TILE_ROWS][16];
    float largest[16], keep[16], most[16], unit[16]; /* a row each; 16, to be one register */
    struct row rows[TILE_ROWS];
    int count; /* of rows */
};

/* --- Integers of a head --- */

static float length_of(const float *x, int head_dim)
{
    v16 squares = v_zero();
    for (int d = 0; d < head_dim; d += 16) {
        v16 v = v_load_n(x + d, head_dim - d < 16 ? head_dim - d : 16);
        squares = v_fma(v, v, squares);
    }
    return sqrtf(v_fold(squares));
}

static float largest_of(const float *x, int head_dim)
{
    v16 top = v_zero();
    for (int d = 0; d < head_dim; d += 16)
        top = v_max(v_abs(v_load_n(x + d, head_dim - d < 16 ? head_dim - d : 16)), top);
    return v_largest(top);
}

/* Zeros after head_dim, to a multiple of 16; a NaN becomes `most`. Returns the scale. */
static float quantize_head(const float *x, int head_dim, float size, float most, int16_t *quants)
{
    float scale;
    v16 inverse = v_set(attention_inverse(size, most, &scale));
    if (scale <= 0)
        memset(quants, 0, (size_t)kv_padded(head_dim) * sizeof *quants);
    for (int d = 0; d < head_dim && scale > 0; d += 16) {
        v16 v = v_load_n(x + d, head_dim - d < 16 ? head_dim - d : 16);
        h_store(quants + d, v_min(v_mul(v, inverse), v_set(most)));
    }
    return scale;
}

/* --- Storing --- */

static float quantize_keys(enum kernel_kv type, const float *x, int head_dim, int16_t *quants)
{
    if (type == KERNEL_KV_F16)
        return quantize_head(x, head_dim, length_of(x, head_dim), ATTENTION_LENGTH, quants);
    return quantize_head(x, head_dim, largest_of(x, head_dim), kv_largest(type), quants);
}

static void store_head(enum kernel_kv type, uint8_t *page, int slot, int head_dim,
                       const float *keys, const float *values)
{
    int even = kv_even(head_dim), padded = kv_padded(head_dim);
    size_t bytes = kv_element(type) * BLOCK, at = (size_t)slot * sizeof(float);
    uint8_t *value = page + kv_key_bytes(type, head_dim);
    int16_t quants[KERNEL_MAX_HEAD_DIM];
    float scale = quantize_keys(type, keys, head_dim, quants);
    for (int d = 0; d < even; d++)
        kv_put(type, page, kv_key_at(d, slot), quants[d]);
    memcpy(page + (size_t)even * bytes + at, &scale, sizeof(scale));
    scale = quantize_head(values, head_dim, largest_of(values, head_dim), kv_largest(type), quants);
    for (int d = 0; d < padded; d++)
        kv_put(type, value, kv_value_at(d, slot, padded), quants[d]);
    memcpy(value + (size_t)padded * bytes + at, &scale, sizeof(scale));
}

void SIMD(kv_store)(enum kernel_kv type, uint8_t *page, int slot, int kv_heads, int head_dim,
                    const float *keys, const float *values)
{
    for (int h = 0; h < kv_heads; h++, page += kv_head_bytes(type, head_dim))
        store_head(type, page, slot, head_dim, keys + h * head_dim, values + h * head_dim);
}

/* --- One block of positions --- */

/* Sixteen pairs of a page's part, from element `at`. */
INLINE b64 stored_pairs(enum kernel_kv type, const uint8_t *part, size_t at)
{
    return type == KERNEL_KV_F16 ? b_load(part + 2 * at) : h_load_bytes(part + at);
}

/* Asks for a share of a later block to come to the second cache: twice the keys of two dimensions,
 * so that a pass over a block's keys asks for all keys and values of the later one. Pages lie
 * anywhere in memory, and one token reads them faster than the hardware guesses. */
INLINE void prefetch_share(enum kernel_kv type, const uint8_t *next, int d)
{
    size_t share = 4 * BLOCK * kv_element(type);
    for (size_t i = 0; i < share; i += 64)
        _mm_prefetch((const char *)next + (size_t)d / 2 * share + i, _MM_HINT_T1);
}

/* One pair in every lane. */
INLINE b64 pair(const int16_t *p)
{
    return x_load((const int8_t *)(const void *)p);
}

INLINE v16 finish_score(const struct kernel_attention *a, v16 score, int low, int high)
{
    if (a->softcap > 0)
        score = v_mul(v_set(a->softcap), v_tanh(v_div(score, v_set(a->softcap))));
    return v_keep(score, low, high, -INFINITY);
}

/* What each row keeps of its sums when its maximum moves from `before` to `largest`. */
INLINE void weigh_past(struct attention_tile *tile, const float before[16])
{
    v_store(tile->keep, v_exp(v_sub(v_load(before), v_load(tile->largest))));
}

/* From scores to weights, with the values' scales in them; the sum of weights moves on. */
INLINE void weigh(struct attention_tile *tile, int r, v16 a, v16 b, const v16 scales[2])
{
    v16 top = v_set(tile->largest[r]);
    a = v_exp(v_sub(a, top));
    b = v_exp(v_sub(b, top));
    v_store(tile->lanes[r], v_fma(v_load(tile->lanes[r]), v_set(tile->keep[r]), v_add(a, b)));
    a = v_mul(a, scales[0]);
    b = v_mul(b, scales[1]);
    v_store(tile->weights[r], a);
    v_store(tile->weights[r] + 16, b);
    tile->most[r] = v_largest(v_max(a, b));
}

/* The weights to integers, for all rows. */
INLINE void quantize_weights(struct attention_tile *tile, int rows)
{
    v16 most = v_load(tile->most), limit = v_set(ATTENTION_LARGEST);
    float inverse[16];
    v_store(tile->unit, v_zero_unless_at_least(v_div(most, limit), most, ATTENTION_TINY));
    v_store(inverse, v_zero_unless_at_least(v_div(limit, most), most, ATTENTION_TINY));
    for (int r = 0; r < rows; r++) {
        h_store(tile->quants[r], v_mul(v_load(tile->weights[r]), v_set(inverse[r])));
        h_store(tile->quants[r] + 16, v_mul(v_load(tile->weights[r] + 16), v_set(inverse[r])));
    }
}

INLINE void score_block(enum kernel_kv type, const struct kernel_attention *a,
                        struct attention_tile *tile, int rows, const uint8_t *keys,
                        const uint8_t *next, int base, v16 scores[TILE_ROWS][2])
{
    const float *scales = kv_scales(type, keys, kv_even(a->head_dim));
    n16 low[TILE_ROWS], high[TILE_ROWS];
    for (int r = 0; r < rows; r++)
        low[r] = high[r] = n_zero();
    for (int d = 0; d < a->head_dim; d += 2) {
        prefetch_share(type, next, d);
        b64 first = stored_pairs(type, keys, (size_t)d * BLOCK),
            second = stored_pairs(type, keys, (size_t)d * BLOCK + 32);
        for (int r = 0; r < rows; r++) {
            b64 q = pair(tile->queries[r] + d);
            low[r] = dot_pairs(low[r], first, q);
            high[r] = dot_pairs(high[r], second, q);
        }
    }
    for (int r = 0; r < rows; r++) {
        int from = tile->rows[r].low - base, to = tile->rows[r].position - base;
        v16 scale = v_set(tile->rows[r].scale);
        scores[r][0] = v_mul(v_mul(v_from(low[r]), v_load(scales)), scale);
        scores[r][1] = v_mul(v_mul(v_from(high[r]), v_load(scales + 16)), scale);
        scores[r][0] = finish_score(a, scores[r][0], from, to);
        scores[r][1] = finish_score(a, scores[r][1], from - 16, to - 16);
    }
}

INLINE void weigh_block(enum kernel_kv type, const struct kernel_attention *a,
                        struct attention_tile *tile, int rows, const uint8_t *values, int used,
                        v16 scores[TILE_ROWS][2])
{
    const float *scales = kv_scales(type, values, kv_padded(a->head_dim));
    /* Unwritten ones may be anything, which times a weight of 0 need not be 0. */
    v16 known[2] = {v_keep(v_load(scales), 0, used - 1, 0),
                    v_keep(v_load(scales + 16), 0, used - 17, 0)};
    float before[16];
    v_store(before, v_load(tile->largest));
    for (int r = 0; r < rows; r++)
        tile->largest[r] = v_largest(v_max(v_max(scores[r][0], scores[r][1]), v_set(before[r])));
    weigh_past(tile, before);
    for (int r = 0; r < rows; r++)
        weigh(tile, r, scores[r][0], scores[r][1], known);
    quantize_weights(tile, rows);
}

/* Adds weighted values to `registers` x 16 of the sums, from dimension d. */
INLINE void add_values(enum kernel_kv type, struct attention_tile *tile, int rows,
                       const uint8_t *values, size_t padded, int used, int d, int registers)
{
    n16 sums[TILE_ROWS][CHUNK];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < registers; c++)
            sums[r][c] = n_zero();
    for (int i = 0; i < used; i += 2) {
        b64 value[CHUNK];
        for (int c = 0; c < registers; c++)
            value[c] = stored_pairs(type, values, (size_t)i * padded + 2 * (size_t)(d + 16 * c));
        for (int r = 0; r < rows; r++) {
            b64 weights = pair(tile->quants[r] + i);
            for (int c = 0; c < registers; c++)
                sums[r][c] = dot_pairs(sums[r][c], value[c], weights);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < registers; c++) {
            float *sum = &tile->sums[r][d + 16 * c];
            v16 kept = v_mul(v_load(sum), v_set(tile->keep[r]));
            v_store(sum, v_fma(v_from(sums[r][c]), v_set(tile->unit[r]), kept));
        }
}

/* --- A tile of rows, over all their positions --- */

INLINE const uint8_t *keys_at(enum kernel_kv type, const struct kernel_attention *a, int kv_head,
                              int position)
{
    return a->cache + (size_t)a->pages[position / BLOCK] * a->page_stride +
           (size_t)kv_head * kv_head_bytes(type, a->head_dim);
}

/* Adds what the rows see of the positions up to `last`, from the block of `base` on. */
INLINE void run_tile(enum kernel_kv type, const struct kernel_attention *a,
                     struct attention_tile *tile, int kv_head, int rows, int base, int last)
{
    int padded = kv_padded(a->head_dim), end = tile->rows[rows - 1].position;
    for (; base <= last; base += BLOCK) {
        const uint8_t *keys = keys_at(type, a, kv_head, base);
        const uint8_t *next = base + AHEAD <= end ? keys_at(type, a, kv_head, base + AHEAD) : keys;
        const uint8_t *values = keys + kv_key_bytes(type, a->head_dim);
        int used = last - base + 1 < BLOCK ? last - base + 1 : BLOCK, d = 0;
        v16 scores[TILE_ROWS][2];
        score_block(type, a, tile, rows, keys, next, base, scores);
        weigh_block(type, a, tile, rows, values, used, scores);
        for (; d + 16 * CHUNK <= padded; d += 16 * CHUNK)
            add_values(type, tile, rows, values, (size_t)padded, used, d, CHUNK);
        for (; d < padded; d += 16)
            add_values(type, tile, rows, values, (size_t)padded, used, d, 1);
    }
}

static void start_row(const struct kernel_attention *a, struct attention_tile *tile, int r,
                      int query, int head)
{
    int position = a->position + query;
    size_t at = (size_t)head * (size_t)a->head_dim;
    const float *x = a->queries + (size_t)query * a->query_stride + at;
    float scale = quantize_head(x, a->head_dim, length_of(x, a->head_dim), ATTENTION_LENGTH,
                                tile->queries[r]);
    tile->rows[r] = (struct row){a->out + (size_t)query * a->out_stride + at, scale * a->scale,
                                 position, kv_first_visible(position, a->window)};
}

static void clear_sums(struct attention_tile *tile, int head_dim)
{
    for (int r = 0; r < tile->count; r++) {
        memset(tile->sums[r], 0, (size_t)kv_padded(head_dim) * sizeof(float));
        memset(tile->lanes[r], 0, sizeof(tile->lanes[r]));
        tile->largest[r] = -FLT_MAX;
    }
}

INLINE void attend(enum kernel_kv type, const struct kernel_attention *a,
                   struct attention_tile *tile, int kv_head, int base, int last)
{
    switch (tile->count) {
#define ROWS_CASE(n)                                                                               \
    case n:                                                                                        \
        run_tile(type, a, tile, kv_head, n, base, last);                                           \
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
                          int kv_head, int base, int last)
{
    attend(KERNEL_KV_F16, a, tile, kv_head, base, last);
}

static void attend_quants(const struct kernel_attention *a, struct attention_tile *tile,
                          int kv_head, int base, int last)
{
    attend(KERNEL_KV_Q8, a, tile, kv_head, base, last);
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* What the tile's rows see of one span, from nothing. */
static void attend_span(const struct kernel_attention *a, struct attention_tile *tile, int kv_head,
                        int span)
{
    int from = span * KERNEL_KV_SPAN, low = tile->rows[0].low,
        last = smaller(tile->rows[tile->count - 1].position, from + KERNEL_KV_SPAN - 1);
    int base = (low > from ? low : from) / BLOCK * BLOCK;
    clear_sums(tile, a->head_dim);
    if (a->type == KERNEL_KV_F16)
        attend_halves(a, tile, kv_head, base, last);
    else
        attend_quants(a, tile, kv_head, base, last);
}

/* --- Parts --- */

static float *part_at(const struct kernel_attention *a, float *parts, int row)
{
    return parts + (size_t)row * kernel_attention_part(a->head_dim);
}

static void store_parts(const struct kernel_attention *a, const struct attention_tile *tile,
                        float *parts)
{
    for (int r = 0; r < tile->count; r++) {
        float *part = part_at(a, parts, r);
        v_store(part, v_load(tile->lanes[r]));
        v_store(part + PART_LARGEST, v_set(tile->largest[r]));
        for (int d = 0; d < a->head_dim; d += 16)
            v_store(part + PART_SUMS + d, v_load(&tile->sums[r][d]));
    }
}

INLINE void join_lanes(float *lanes, v16 keep, const float *next, v16 take)
{
    v_store(lanes, v_fma(v_load(lanes), keep, v_mul(v_load(next), take)));
}

static void join_part(float *part, const float *next, int head_dim)
{
    v16 before = v_load(part + PART_LARGEST), after = v_load(next + PART_LARGEST);
    v16 largest = v_max(after, before), keep = v_exp(v_sub(before, largest)),
        take = v_exp(v_sub(after, largest));
    v_store(part + PART_LARGEST, largest);
    join_lanes(part, keep, next, take);
    for (int d = PART_SUMS; d < PART_SUMS + head_dim; d += 16)
        join_lanes(part + d, keep, next + d, take);
}

static void finish_part(const float *part, int head_dim, float *out)
{
    v16 inverse = v_set(1 / v_fold(v_load(part)));
    for (int d = 0; d < head_dim; d += 16) {
        int lanes = head_dim - d < 16 ? head_dim - d : 16;
        v_store_n(out + d, v_mul(v_load(part + PART_SUMS + d), inverse), lanes);
    }
}

/* --- Tiles of queries --- */

/* Rows [from, end) of the KV head's, counted from query `first`. */
static void start_tile(const struct kernel_attention *a, struct attention_tile *tile, int kv_head,
                       int first, int from, int end)
{
    int group = a->heads / a->kv_heads;
    tile->count = end - from;
    for (int i = from; i < end; i++)
        start_row(a, tile, i - from, first + i / group, kv_head * group + i % group);
}

static void attend_spans(const struct kernel_attention *a, struct attention_tile *tile, int kv_head)
{
    _Alignas(64) float parts[TILE_ROWS * PART_MAX], next[TILE_ROWS * PART_MAX];
    int first = tile->rows[0].low / KERNEL_KV_SPAN,
        last = tile->rows[tile->count - 1].position / KERNEL_KV_SPAN;
    attend_span(a, tile, kv_head, first);
    store_parts(a, tile, parts);
    for (int span = first + 1; span <= last; span++) {
        attend_span(a, tile, kv_head, span);
        store_parts(a, tile, next);
        for (int r = 0; r < tile->count; r++)
            join_part(part_at(a, parts, r), part_at(a, next, r), a->head_dim);
    }
    for (int r = 0; r < tile->count; r++)
        finish_part(part_at(a, parts, r), a->head_dim, tile->rows[r].out);
}

/* As many tiles as needed, as even as can be: tile i begins at the row returned. */
static int tile_start(int i, int tiles, int rows)
{
    return (int)((int64_t)i * rows / tiles);
}

static int tiles_of(int rows)
{
    return (rows + TILE_ROWS - 1) / TILE_ROWS;
}

/* What is not used of a tile's registers must be numbers. */
static void clear_tile(struct attention_tile *tile)
{
    memset(tile->largest, 0, sizeof(tile->largest));
    memset(tile->most, 0, sizeof(tile->most));
}

void SIMD(attention)(const struct kernel_attention *a, int kv_head, int first, int last)
{
    struct attention_tile tile;
    int rows = (last - first) * (a->heads / a->kv_heads), tiles = tiles_of(rows);
    clear_tile(&tile);
    for (int i = 0; i < tiles; i++) {
        start_tile(a, &tile, kv_head, first, tile_start(i, tiles, rows),
                   tile_start(i + 1, tiles, rows));
        attend_spans(a, &tile, kv_head);
    }
}

void SIMD(attention_span)(const struct kernel_attention *a, int kv_head, int first, int last,
                          int span, float *parts)
{
    struct attention_tile tile;
    int rows = (last - first) * (a->heads / a->kv_heads), tiles = tiles_of(rows);
    clear_tile(&tile);
    for (int i = 0; i < tiles; i++) {
        start_tile(a, &tile, kv_head, first, tile_start(i, tiles, rows),
                   tile_start(i + 1, tiles, rows));
        attend_span(a, &tile, kv_head, span);
        store_parts(a, &tile, parts);
        parts += (size_t)tile.count * kernel_attention_part(a->head_dim);
    }
}

void SIMD(attention_join)(const struct kernel_attention *a, int kv_head, int first, int last,
                          int spans, const float *parts)
{
    _Alignas(64) float sum[PART_MAX];
    int group = a->heads / a->kv_heads, rows = (last - first) * group;
    size_t size = kernel_attention_part(a->head_dim);
    for (int i = 0; i < rows; i++, parts += size) {
        memcpy(sum, parts, size * sizeof *sum);
        for (int span = 1; span < spans; span++)
            join_part(sum, parts + (size_t)(span * rows) * size, a->head_dim);
        finish_part(sum, a->head_dim,
                    a->out + (size_t)(first + i / group) * a->out_stride +
                        (size_t)(kv_head * group + i % group) * (size_t)a->head_dim);
    }
}
