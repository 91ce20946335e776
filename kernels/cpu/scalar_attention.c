/* The reference of paged attention. For one query and head, blocks of 32 positions in ascending
 * order, each folded into a running maximum, 16 lanes of weight and head_dim sums of values
 * (online softmax). Scores and a block's sums of values are exact sums of integers (tables.h), one
 * scale for a whole sum. Spans of positions are summed apart and joined in ascending order, so that
 * threads may share a long one. The order depends on the query's position alone, so any cut of
 * prefill over steps, tiles and threads gives the same bits. Positions that the query does not see
 * weigh exactly 0; those past the last query of a call are never read as values, since they may be
 * unwritten. */
#include "kernels/cpu/formats.h"
#include "kernels/cpu/scalar.h"
#include "kernels/cpu/tables.h"

#include <math.h>
#include <string.h>

/* --- Integers of a head --- */

static float length_of(const float *x, int head_dim)
{
    float lanes[16] = {0};
    for (int d = 0; d < head_dim; d++)
        lanes[d % 16] = fmaf(x[d], x[d], lanes[d % 16]);
    return sqrtf(scalar_fold(lanes));
}

static float largest_of(const float *x, int count)
{
    float largest = 0;
    for (int i = 0; i < count; i++)
        largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    return largest;
}

/* Zeros after head_dim, to a multiple of 16; a NaN becomes `most`. Returns the scale. */
static float quantize_head(const float *x, int head_dim, float size, float most, int16_t *quants)
{
    float scale, inverse = attention_inverse(size, most, &scale);
    for (int d = 0; d < kv_padded(head_dim); d++) {
        float value = d < head_dim && scale > 0 ? x[d] * inverse : 0;
        quants[d] = (int16_t)rintf(value < most ? value : most);
    }
    return scale;
}

static void put_scale(enum kernel_kv type, uint8_t *part, int lanes, int slot, float scale)
{
    memcpy(part + kv_part_bytes(type, lanes) - (size_t)(KERNEL_KV_BLOCK - slot) * sizeof(scale),
           &scale, sizeof(scale));
}

static void store_head(enum kernel_kv type, uint8_t *keys_at, uint8_t *values_at, int slot,
                       int head_dim, const float *keys, const float *values)
{
    bool wide = type == KERNEL_KV_F16;
    int even = kv_even(head_dim), padded = kv_padded(head_dim);
    int16_t quants[KERNEL_MAX_HEAD_DIM];
    float size = wide ? length_of(keys, head_dim) : largest_of(keys, head_dim);
    put_scale(
        type, keys_at, even, slot,
        quantize_head(keys, head_dim, size, wide ? ATTENTION_LENGTH : kv_largest(type), quants));
    for (int d = 0; d < even; d++)
        kv_put(type, keys_at, kv_key_at(d, slot), quants[d]);
    put_scale(
        type, values_at, padded, slot,
        quantize_head(values, head_dim, largest_of(values, head_dim), kv_largest(type), quants));
    for (int d = 0; d < padded; d++)
        kv_put(type, values_at, kv_value_at(d, slot, padded), quants[d]);
}

void scalar_kv_store(enum kernel_kv type, uint8_t *page, int slot, int kv_heads, int head_dim,
                     const float *keys, const float *values)
{
    for (int h = 0; h < kv_heads; h++, page += kv_head_bytes(type, head_dim))
        store_head(type, page, page + kv_key_bytes(type, head_dim), slot, head_dim,
                   keys + h * head_dim, values + h * head_dim);
}

/* --- A query's attention --- */

struct running {
    float largest, lanes[16], sums[KERNEL_MAX_HEAD_DIM];
};

struct query {
    int16_t quants[KERNEL_MAX_HEAD_DIM];
    float scale;       /* of the quants and of the scores */
    int position, low; /* sees low .. position */
};

static int32_t stored(enum kernel_kv type, const uint8_t *part, size_t at)
{
    return type == KERNEL_KV_F16 ? ((const int16_t *)(const void *)part)[at] : (int8_t)part[at];
}

/* Scores of the block's 32 positions; those that the query does not see are minus infinity. */
static void block_scores(const struct kernel_attention *a, const struct query *q,
                         const uint8_t *keys, int base, float *scores)
{
    const float *scales = kv_scales(a->type, keys, kv_even(a->head_dim));
    for (int i = 0; i < KERNEL_KV_BLOCK; i++) {
        scores[i] = -INFINITY;
        if (base + i < q->low || base + i > q->position)
            continue;
        int32_t sum = 0;
        for (int d = 0; d < a->head_dim; d++)
            sum += q->quants[d] * stored(a->type, keys, kv_key_at(d, i));
        float s = (float)sum * scales[i] * q->scale;
        scores[i] = a->softcap > 0 ? a->softcap * scalar_tanh(s / a->softcap) : s;
    }
}

/* The block's weights with the values' scales in them, as integers; returns their unit. */
static float block_weights(const struct kernel_attention *a, const float *weights,
                           const uint8_t *values, int used, int16_t *quants)
{
    const float *scales = kv_scales(a->type, values, kv_padded(a->head_dim));
    float scaled[KERNEL_KV_BLOCK];
    for (int i = 0; i < used; i++)
        scaled[i] = weights[i] * scales[i];
    float most = largest_of(scaled, used);
    bool fit = most >= ATTENTION_TINY;
    for (int i = 0; i < used; i++)
        quants[i] = (int16_t)(fit ? rintf(scaled[i] * (ATTENTION_LARGEST / most)) : 0);
    return fit ? most / ATTENTION_LARGEST : 0;
}

static void block_fold(const struct kernel_attention *a, struct running *r, const float *scores,
                       const uint8_t *values, int used)
{
    float largest = r->largest, weights[KERNEL_KV_BLOCK];
    int16_t quants[KERNEL_KV_BLOCK];
    for (int i = 0; i < KERNEL_KV_BLOCK; i++)
        largest = scores[i] > largest ? scores[i] : largest;
    float keep = scalar_exp(r->largest - largest);
    r->largest = largest;
    for (int i = 0; i < KERNEL_KV_BLOCK; i++)
        weights[i] = scalar_exp(scores[i] - largest);
    for (int l = 0; l < 16; l++)
        r->lanes[l] = fmaf(r->lanes[l], keep, weights[l] + weights[l + 16]);
    float unit = block_weights(a, weights, values, used, quants);
    for (int d = 0; d < a->head_dim; d++) {
        int32_t sum = 0;
        for (int i = 0; i < used; i++)
            sum += quants[i] * stored(a->type, values, kv_value_at(d, i, kv_padded(a->head_dim)));
        r->sums[d] = fmaf((float)sum, unit, r->sums[d] * keep);
    }
}

static struct query make_query(const struct kernel_attention *a, int head, int number)
{
    const float *x =
        a->queries + (size_t)number * a->query_stride + (size_t)head * (size_t)a->head_dim;
    int position = a->position + number;
    struct query q = {.position = position, .low = kv_first_visible(position, a->window)};
    q.scale = quantize_head(x, a->head_dim, length_of(x, a->head_dim), ATTENTION_LENGTH, q.quants) *
              a->scale;
    return q;
}

/* Adds what the query sees of one span. */
static void attend_span(const struct kernel_attention *a, const struct query *q, int kv_head,
                        int span, struct running *r)
{
    int from = span * KERNEL_KV_SPAN, end = from + KERNEL_KV_SPAN;
    for (int base = (q->low > from ? q->low : from) / KERNEL_KV_BLOCK * KERNEL_KV_BLOCK;
         base < end && base <= q->position; base += KERNEL_KV_BLOCK) {
        const uint8_t *keys = a->cache + (size_t)a->pages[base / KERNEL_KV_BLOCK] * a->page_stride +
                              (size_t)kv_head * kv_head_bytes(a->type, a->head_dim);
        float scores[KERNEL_KV_BLOCK];
        int used = q->position - base + 1;
        block_scores(a, q, keys, base, scores);
        block_fold(a, r, scores, keys + kv_key_bytes(a->type, a->head_dim),
                   used < KERNEL_KV_BLOCK ? used : KERNEL_KV_BLOCK);
    }
}

/* Both under the larger of their maxima; joined with a part that saw nothing, a part stays as it
 * is. */
static void join(struct running *r, const struct running *next, int head_dim)
{
    float largest = next->largest > r->largest ? next->largest : r->largest,
          keep = scalar_exp(r->largest - largest), take = scalar_exp(next->largest - largest);
    r->largest = largest;
    for (int l = 0; l < 16; l++)
        r->lanes[l] = fmaf(r->lanes[l], keep, next->lanes[l] * take);
    for (int d = 0; d < head_dim; d++)
        r->sums[d] = fmaf(r->sums[d], keep, next->sums[d] * take);
}

static void finish(const struct kernel_attention *a, struct running *r, int head, int number)
{
    float *out = a->out + (size_t)number * a->out_stride + (size_t)head * (size_t)a->head_dim;
    float inverse = 1 / scalar_fold(r->lanes);
    for (int d = 0; d < a->head_dim; d++)
        out[d] = r->sums[d] * inverse;
}

static void attend(const struct kernel_attention *a, int kv_head, int head, int number)
{
    struct query q = make_query(a, head, number);
    struct running r = {.largest = -FLT_MAX};
    int first = q.low / KERNEL_KV_SPAN;
    attend_span(a, &q, kv_head, first, &r);
    for (int span = first + 1; span <= q.position / KERNEL_KV_SPAN; span++) {
        struct running next = {.largest = -FLT_MAX};
        attend_span(a, &q, kv_head, span, &next);
        join(&r, &next, a->head_dim);
    }
    finish(a, &r, head, number);
}

void scalar_attention(const struct kernel_attention *a, int kv_head, int first, int last)
{
    int group = a->heads / a->kv_heads;
    for (int query = first; query < last; query++)
        for (int h = 0; h < group; h++)
            attend(a, kv_head, kv_head * group + h, query);
}

/* --- In parts --- */

static void load_part(struct running *r, const float *part, int head_dim)
{
    memcpy(r->lanes, part, sizeof r->lanes);
    memcpy(r->sums, part + PART_SUMS, (size_t)head_dim * sizeof *r->sums);
    r->largest = part[PART_LARGEST];
}

void scalar_attention_span(const struct kernel_attention *a, int kv_head, int first, int last,
                           int span, float *parts)
{
    int group = a->heads / a->kv_heads;
    for (int i = 0; i < (last - first) * group; i++, parts += kernel_attention_part(a->head_dim)) {
        struct query q = make_query(a, kv_head * group + i % group, first + i / group);
        struct running r = {.largest = -FLT_MAX};
        attend_span(a, &q, kv_head, span, &r);
        memcpy(parts, r.lanes, sizeof r.lanes);
        memcpy(parts + PART_SUMS, r.sums, (size_t)a->head_dim * sizeof *r.sums);
        parts[PART_LARGEST] = r.largest;
    }
}

void scalar_attention_join(const struct kernel_attention *a, int kv_head, int first, int last,
                           int spans, const float *parts)
{
    int group = a->heads / a->kv_heads, rows = (last - first) * group;
    size_t size = kernel_attention_part(a->head_dim);
    for (int i = 0; i < rows; i++, parts += size) {
        struct running r, next;
        load_part(&r, parts, a->head_dim);
        for (int span = 1; span < spans; span++) {
            load_part(&next, parts + (size_t)(span * rows) * size, a->head_dim);
            join(&r, &next, a->head_dim);
        }
        finish(a, &r, kv_head * group + i % group, first + i / group);
    }
}
