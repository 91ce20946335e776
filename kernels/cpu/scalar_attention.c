/* The reference of paged attention. For one query and head, blocks of 32 positions in ascending
 * order, each folded into a running maximum, 16 lanes of weight and head_dim sums of values
 * (online softmax): the order depends on the query's position alone, so any cut of prefill over
 * steps, tiles and threads gives the same bits. Positions that the query does not see weigh
 * exactly 0; those past the last query of a call are never read as values, since they may be
 * unwritten. */
#include "kernels/cpu/formats.h"
#include "kernels/cpu/scalar.h"
#include "kernels/cpu/tables.h"

#include <math.h>

static uint16_t stored_half(float x)
{
    x = x > -HALF_MAX ? x : -HALF_MAX;
    return float_half(x < HALF_MAX ? x : HALF_MAX);
}

/* One head's keys and values as F16. */
static void store_halves(uint8_t *keys_at, uint8_t *values_at, int slot, int head_dim,
                         const float *keys, const float *values)
{
    uint16_t *k = (uint16_t *)(void *)keys_at + slot;
    uint16_t *v = (uint16_t *)(void *)values_at + slot * kv_padded(head_dim);
    for (int d = 0; d < head_dim; d++) {
        k[d * KERNEL_KV_BLOCK] = stored_half(keys[d]);
        v[d] = stored_half(values[d]);
    }
    for (int d = head_dim; d < kv_padded(head_dim); d++)
        v[d] = 0;
}

/* One head's keys or values as int8: element d at step * d. */
static void store_quants(uint8_t *part, int lanes, int slot, size_t at, size_t step, int head_dim,
                         const float *x)
{
    float largest = 0, scale;
    for (int d = 0; d < head_dim; d++)
        largest = fabsf(x[d]) > largest ? fabsf(x[d]) : largest;
    float inverse = kv_inverse(largest, &scale);
    for (int d = 0; d < lanes; d++)
        part[at + (size_t)d * step] =
            (uint8_t)(int8_t)(d < head_dim && scale > 0 ? rintf(x[d] * inverse) : 0);
    memcpy(part + (size_t)lanes * KERNEL_KV_BLOCK + (size_t)slot * sizeof(float), &scale,
           sizeof(scale));
}

void scalar_kv_store(enum kernel_kv type, uint8_t *page, int slot, int kv_heads, int head_dim,
                     const float *keys, const float *values)
{
    int padded = kv_padded(head_dim);
    for (int h = 0; h < kv_heads; h++, page += kv_head_bytes(type, head_dim)) {
        uint8_t *value = page + kv_key_bytes(type, head_dim);
        const float *k = keys + h * head_dim, *v = values + h * head_dim;
        if (type == KERNEL_KV_F16) {
            store_halves(page, value, slot, head_dim, k, v);
        } else {
            store_quants(page, head_dim, slot, (size_t)slot, KERNEL_KV_BLOCK, head_dim, k);
            store_quants(value, padded, slot, (size_t)(slot * padded), 1, head_dim, v);
        }
    }
}

struct running {
    float largest, lanes[16], sums[KERNEL_MAX_HEAD_DIM];
};

/* An element of a page's part as a float, without its scale. */
static float stored(enum kernel_kv type, const uint8_t *part, int at)
{
    return type == KERNEL_KV_F16 ? half_float(((const uint16_t *)(const void *)part)[at])
                                 : (float)(int8_t)part[at];
}

/* Scores of the block's 32 positions; those outside [low, high] are minus infinity. */
static void block_scores(const struct kernel_attention *a, const float *query, const uint8_t *keys,
                         int base, int low, int high, float *scores)
{
    for (int i = 0; i < KERNEL_KV_BLOCK; i++) {
        float s = 0;
        for (int d = 0; d < a->head_dim; d++)
            s = fmaf(query[d], stored(a->type, keys, d * KERNEL_KV_BLOCK + i), s);
        if (a->type == KERNEL_KV_Q8)
            s *= kv_scales(keys, a->head_dim)[i];
        s *= a->scale;
        if (a->softcap > 0)
            s = a->softcap * scalar_tanh(s / a->softcap);
        scores[i] = base + i >= low && base + i <= high ? s : -INFINITY;
    }
}

static void block_fold(const struct kernel_attention *a, struct running *r, const float *scores,
                       const uint8_t *values, int used)
{
    float largest = r->largest;
    for (int i = 0; i < KERNEL_KV_BLOCK; i++)
        largest = scores[i] > largest ? scores[i] : largest;
    float keep = scalar_exp(r->largest - largest);
    r->largest = largest;
    for (int l = 0; l < 16; l++) {
        float sum = scalar_exp(scores[l] - largest) + scalar_exp(scores[l + 16] - largest);
        r->lanes[l] = fmaf(r->lanes[l], keep, sum);
    }
    for (int d = 0; d < a->head_dim; d++)
        r->sums[d] *= keep;
    for (int i = 0; i < used; i++) {
        float weight = scalar_exp(scores[i] - largest);
        if (a->type == KERNEL_KV_Q8)
            weight *= kv_scales(values, kv_padded(a->head_dim))[i];
        for (int d = 0; d < a->head_dim; d++)
            r->sums[d] =
                fmaf(weight, stored(a->type, values, i * kv_padded(a->head_dim) + d), r->sums[d]);
    }
}

static void attend(const struct kernel_attention *a, int kv_head, int head, int query)
{
    const float *q =
        a->queries + (size_t)query * a->query_stride + (size_t)head * (size_t)a->head_dim;
    float *out = a->out + (size_t)query * a->out_stride + (size_t)head * (size_t)a->head_dim;
    int position = a->position + query, low = kv_first_visible(position, a->window);
    struct running r = {.largest = -FLT_MAX};
    for (int base = low / KERNEL_KV_BLOCK * KERNEL_KV_BLOCK; base <= position;
         base += KERNEL_KV_BLOCK) {
        const uint8_t *keys = a->cache + (size_t)a->pages[base / KERNEL_KV_BLOCK] * a->page_stride +
                              (size_t)kv_head * kv_head_bytes(a->type, a->head_dim);
        float scores[KERNEL_KV_BLOCK];
        int used = position - base + 1 < KERNEL_KV_BLOCK ? position - base + 1 : KERNEL_KV_BLOCK;
        block_scores(a, q, keys, base, low, position, scores);
        block_fold(a, &r, scores, keys + kv_key_bytes(a->type, a->head_dim), used);
    }
    float inverse = 1 / scalar_fold(r.lanes);
    for (int d = 0; d < a->head_dim; d++)
        out[d] = r.sums[d] * inverse;
}

void scalar_attention(const struct kernel_attention *a, int kv_head, int first, int last)
{
    int group = a->heads / a->kv_heads;
    for (int query = first; query < last; query++)
        for (int h = 0; h < group; h++)
            attend(a, kv_head, kv_head * group + h, query);
}
