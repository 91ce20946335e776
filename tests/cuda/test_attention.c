/* Placing against the scalar kernels, decode and prefill attention against a plain one in double,
 * over pages in a random order, with biases, norms, rotations, windows and soft caps. */
#include "tests/cuda/data.h"

struct one {
    int heads, kv_heads, head_dim, rotary, window, splits;
    int sequences, position; /* the first one's; the others' differ */
    enum cuda_qk_norm norm;
    enum kernel_rope pairing;
    enum kernel_kv kv;
    bool bias, turned;
    float softcap;
};

enum { MOST_SEQUENCES = 4, MOST_PAGES = 24 };

struct world {
    const struct one *c;
    int qkv, stride, page_count[MOST_SEQUENCES], lists[MOST_SEQUENCES], length[MOST_SEQUENCES];
    int32_t pages[MOST_SEQUENCES * MOST_PAGES];
    float *table, *bias, *query_norm, *key_norm; /* the table of positions 0 … */
    uint8_t *cache;                              /* what the device's is at first */
    size_t page_bytes;
    struct cuda_attention a; /* all but rows, count, qkv, table and out */
};

/* --- The reference --- */

/* A qkv row of the sequence's `position`, placed. */
static void place(const struct world *w, float *row, int position)
{
    const struct kernels *k = kernels_choose("scalar");
    const struct one *c = w->c;
    float *key = row + c->heads * c->head_dim;
    if (c->bias)
        k->add(row, row, w->bias, w->qkv);
    if (c->norm == CUDA_QK_FULL) {
        k->rmsnorm(row, row, w->query_norm, c->heads * c->head_dim, 1e-5f);
        k->rmsnorm(key, key, w->key_norm, c->kv_heads * c->head_dim, 1e-5f);
    }
    for (int h = 0; c->norm == CUDA_QK_HEAD && h < c->heads + c->kv_heads; h++)
        k->rmsnorm(row + h * c->head_dim, row + h * c->head_dim,
                   h < c->heads ? w->query_norm : w->key_norm, c->head_dim, 1e-5f);
    if (c->turned)
        k->rope(row, c->heads + c->kv_heads, c->head_dim, c->rotary,
                w->table + (size_t)position * (size_t)c->rotary, c->pairing);
}

/* A placed row's keys and values into a page of the device's layout. */
static void keep_for_device(struct world *w, int sequence, int position, const float *row)
{
    const struct one *c = w->c;
    int pitch = cuda_dim_pitch(c->head_dim), slot = position % KERNEL_KV_BLOCK;
    int page = w->pages[w->lists[sequence] + position / KERNEL_KV_BLOCK];
    size_t each = w->page_bytes / (2 * (size_t)c->kv_heads);
    for (int part = 0; part < 2 * c->kv_heads; part++) {
        uint8_t *to = w->cache + (size_t)page * w->page_bytes + (size_t)part * each;
        const float *from = row + (c->heads + part / 2 + part % 2 * c->kv_heads) * c->head_dim;
        float scale = 0;
        for (int d = 0; d < c->head_dim; d++)
            scale = fmaxf(scale, fabsf(from[d]) / 127);
        for (int d = 0; d < pitch; d++) {
            float x = d < c->head_dim ? from[d] : 0;
            if (c->kv == KERNEL_KV_F16)
                ((uint16_t *)(void *)to)[slot * pitch + d] = float_half(x);
            else
                ((int8_t *)to)[slot * pitch + d] = (int8_t)rintf(x / scale);
        }
        if (c->kv == KERNEL_KV_Q8)
            ((float *)(void *)(to + KERNEL_KV_BLOCK * pitch))[slot] = scale;
    }
}

/* What the device has stored as element d of a part's slot. */
static float kept(const struct one *c, const uint8_t *part, int slot, int d)
{
    int pitch = cuda_dim_pitch(c->head_dim), at = slot * pitch + d;
    if (c->kv == KERNEL_KV_F16)
        return half_float(((const uint16_t *)(const void *)part)[at]);
    return (float)((const int8_t *)part)[at] *
           ((const float *)(const void *)(part + KERNEL_KV_BLOCK * pitch))[slot];
}

/* One query over the positions it sees, in double and in the textbook's order: what `cache` keeps
 * is the device's own (check_kept holds it to the reference's), so that only the attending is
 * judged. */
static void attend_head(const struct world *w, const uint8_t *cache, int sequence, int position,
                        int head, const float *query, float *out)
{
    const struct one *c = w->c;
    const int32_t *pages = w->pages + w->lists[sequence];
    size_t each = w->page_bytes / (2 * (size_t)c->kv_heads);
    int first = c->window && position >= c->window ? position - c->window + 1 : 0;
    double sum = 0, total[512] = {0};
    for (int p = first; p <= position; p++) {
        const uint8_t *keys = cache + (size_t)pages[p / KERNEL_KV_BLOCK] * w->page_bytes +
                              2 * (size_t)(head / (c->heads / c->kv_heads)) * each;
        double score = 0;
        for (int d = 0; d < c->head_dim; d++)
            score += (double)query[d] * kept(c, keys, p % KERNEL_KV_BLOCK, d);
        score *= (double)w->a.scale;
        if (c->softcap != 0)
            score = (double)c->softcap * tanh(score / (double)c->softcap);
        sum += exp(score);
        for (int d = 0; d < c->head_dim; d++)
            total[d] += exp(score) * kept(c, keys + each, p % KERNEL_KV_BLOCK, d);
    }
    for (int d = 0; d < c->head_dim; d++)
        out[d] = (float)(total[d] / sum);
}

static void attend(const struct world *w, const uint8_t *cache, int sequence, int position,
                   int count, const float *rows, float *out)
{
    for (int t = 0; t < count; t++)
        for (int h = 0; h < w->c->heads; h++) {
            int at = t * w->stride + h * w->c->head_dim;
            attend_head(w, cache, sequence, position + t, h, rows + at, out + at);
        }
}

/* --- The world --- */

static void list_pages(struct world *w, int total)
{
    int at = 0;
    for (int s = 0; s < w->c->sequences; s++) {
        w->lists[s] = at;
        w->page_count[s] = w->length[s] / KERNEL_KV_BLOCK + 1;
        for (int i = 0; i < w->page_count[s]; i++)
            w->pages[at] = at, at++;
    }
    CHECK(at <= total, "pages");
    for (int i = at - 1; i > 0; i--) { /* in no order */
        int j = random_below(i + 1), swap = w->pages[i];
        w->pages[i] = w->pages[j];
        w->pages[j] = swap;
    }
}

static void make_attention(struct world *w)
{
    const struct one *c = w->c;
    w->a = (struct cuda_attention){.heads = c->heads,
                                   .kv_heads = c->kv_heads,
                                   .head_dim = c->head_dim,
                                   .window = c->window,
                                   .scale = 1 / sqrtf((float)c->head_dim),
                                   .softcap = c->softcap,
                                   .qkv_stride = w->stride,
                                   .qk_norm = c->norm,
                                   .epsilon = 1e-5f,
                                   .pairing = c->pairing,
                                   .rotary = c->rotary,
                                   .kv = c->kv,
                                   .page_stride = w->page_bytes,
                                   .out_stride = w->stride};
    w->a.pages = to_device(w->pages, sizeof w->pages);
    size_t norms = (size_t)(c->norm == CUDA_QK_FULL ? w->qkv : c->head_dim) * sizeof(float);
    w->a.bias = c->bias ? to_device(w->bias, (size_t)w->qkv * sizeof(float)) : NULL;
    w->a.query_norm = to_device(w->query_norm, norms);
    w->a.key_norm = to_device(w->key_norm, norms);
}

/* `lengths`: positions before the new ones, of each sequence; their keys and values are stored. */
static void make_world(struct world *w, const struct one *c, const int *lengths)
{
    memset(w, 0, sizeof *w);
    w->c = c;
    w->qkv = (c->heads + 2 * c->kv_heads) * c->head_dim;
    w->stride = cuda_pitch(w->qkv) + 32;
    memcpy(w->length, lengths, (size_t)c->sequences * sizeof *lengths);
    for (int s = 0; s < c->sequences; s++)
        w->length[s] += 200; /* room */
    int total = MOST_SEQUENCES * MOST_PAGES;
    list_pages(w, total);
    w->page_bytes = cuda_page_bytes(c->kv, c->kv_heads, c->head_dim);
    w->cache = host_new(w->page_bytes * (size_t)total);
    memset(w->cache, 0xff, w->page_bytes * (size_t)total);
    w->bias = random_floats((size_t)w->qkv, 0.5f);
    w->query_norm = random_floats((size_t)w->qkv, 1);
    w->key_norm = random_floats((size_t)w->qkv, 1);
    w->table = host_new((size_t)(1024 * c->rotary + 1) * sizeof(float));
    for (int p = 0; p < 1024; p++)
        kernel_rope_table(w->table + p * c->rotary, p, c->rotary, 10000, 1, NULL, 1);
    for (int s = 0; s < c->sequences; s++)
        for (int p = 0; p < lengths[s]; p++) {
            float *row = random_floats((size_t)w->qkv, 1);
            keep_for_device(w, s, p, row);
            free(row);
        }
    make_attention(w);
    w->a.cache = to_device(w->cache, w->page_bytes * (size_t)total);
}

static void free_world(struct world *w)
{
    void *made[] = {w->table, w->bias, w->query_norm, w->key_norm, w->cache};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        free(made[i]);
    release_all();
}

/* What the device has stored for `position` equals the reference's placed row. */
static void check_kept(const struct world *w, const uint8_t *cache, int sequence, int position,
                       const float *row)
{
    const struct one *c = w->c;
    int pitch = cuda_dim_pitch(c->head_dim), slot = position % KERNEL_KV_BLOCK;
    int page = w->pages[w->lists[sequence] + position / KERNEL_KV_BLOCK];
    size_t each = w->page_bytes / (2 * (size_t)c->kv_heads);
    for (int part = 0; part < 2 * c->kv_heads; part++) {
        const uint8_t *from = cache + (size_t)page * w->page_bytes + (size_t)part * each;
        const float *x = row + (c->heads + part / 2 + part % 2 * c->kv_heads) * c->head_dim;
        float largest = 0;
        for (int d = 0; d < c->head_dim; d++)
            largest = fmaxf(largest, fabsf(x[d]));
        for (int d = 0; d < pitch; d++) {
            float got = kept(c, from, slot, d), want = d < c->head_dim ? x[d] : 0;
            float away = c->kv == KERNEL_KV_F16 ? 0.002f * fabsf(want) : 0.004f * largest;
            CHECK(fabsf(got - want) <= away + 1e-5f, "position %d, part %d, column %d: %g, not %g",
                  position, part, d, got, want);
        }
    }
}

static void check_out(const struct world *w, const float *got, const float *want, int rows,
                      double tolerance)
{
    int width = w->c->heads * w->c->head_dim, pitch = cuda_pitch(width);
    for (int t = 0; t < rows; t++) {
        const float *g = got + t * w->stride;
        double error = nmse(g, want + t * w->stride, (size_t)width);
        CHECK(error < tolerance, "%d heads of %d, row %d: %g", w->c->heads, w->c->head_dim, t,
              error);
        CHECK(is_zero(g + width, (size_t)(pitch - width)), "no zeros after the heads");
        CHECK(is_untouched(g + pitch, (size_t)(w->stride - pitch) * sizeof *g), "past the zeros");
    }
}

/* --- Decode --- */

static void check_decode(const struct one *c)
{
    struct world w;
    int lengths[MOST_SEQUENCES], rows = c->sequences + 1; /* one of padding */
    for (int s = 0; s < c->sequences; s++)
        lengths[s] = s ? random_below(c->position + 1) : c->position;
    make_world(&w, c, lengths);
    size_t bytes = (size_t)(rows * w.stride) * sizeof(float);
    float *qkv = random_rows(rows, w.qkv, w.stride, 1), *want = host_new(bytes);
    float *table = host_new((size_t)(rows * c->rotary + 1) * sizeof *table);
    struct cuda_row row[MOST_SEQUENCES + 1] = {{.token = 1}};
    for (int s = 0; s < c->sequences; s++) {
        row[s] = (struct cuda_row){.token = 1, .position = lengths[s], .pages = w.lists[s]};
        memcpy(table + s * c->rotary, w.table + lengths[s] * c->rotary,
               (size_t)c->rotary * sizeof *table);
    }
    row[c->sequences] = (struct cuda_row){.token = -1, .position = 1 << 30, .pages = 1 << 30};

    struct cuda_decode d = {.a = w.a, .splits = c->splits};
    d.a.rows = to_device(row, sizeof row);
    d.a.count = rows;
    d.a.qkv = to_device(qkv, bytes);
    d.a.table = c->turned ? to_device(table, (size_t)(rows * c->rotary) * sizeof *table) : NULL;
    d.a.out = device_room(bytes);
    d.parts =
        device_room((size_t)(rows * c->heads * c->splits * (c->head_dim + 2)) * sizeof(float));
    d.tickets = device_zeros((size_t)(rows * c->kv_heads) * sizeof(unsigned));
    for (int again = 0; again < 2; again++) /* the tickets are left as they were */
        must(cuda_attend_decode(&d, stream), "cuda_attend_decode");
    float *got = from_device(d.a.out, bytes);
    uint8_t *cache = from_device(w.a.cache, w.page_bytes * MOST_SEQUENCES * MOST_PAGES);
    for (int s = 0; s < c->sequences; s++) {
        place(&w, qkv + s * w.stride, lengths[s]);
        check_kept(&w, cache, s, lengths[s], qkv + s * w.stride);
        attend(&w, cache, s, lengths[s], 1, qkv + s * w.stride, want + s * w.stride);
    }
    check_out(&w, got, want, c->sequences, c->kv == KERNEL_KV_F16 ? 1e-9 : 1e-5);
    free(got);
    free(cache);
    free(qkv);
    free(want);
    free(table);
    free_world(&w);
}

static void test_decode(void)
{
    static const struct one CASES[] = {
        {.heads = 9,
         .kv_heads = 3,
         .head_dim = 64,
         .rotary = 64,
         .splits = 3,
         .sequences = 2,
         .position = 300,
         .turned = true},
        {.heads = 4,
         .kv_heads = 4,
         .head_dim = 20,
         .rotary = 10,
         .splits = 1,
         .sequences = 3,
         .position = 70,
         .norm = CUDA_QK_FULL,
         .bias = true,
         .turned = true,
         .pairing = KERNEL_ROPE_NEOX},
        {.heads = 8,
         .kv_heads = 1,
         .head_dim = 128,
         .rotary = 128,
         .splits = 4,
         .sequences = 2,
         .position = 510,
         .norm = CUDA_QK_HEAD,
         .turned = true,
         .pairing = KERNEL_ROPE_NEOX},
        {.heads = 12,
         .kv_heads = 1,
         .head_dim = 48,
         .rotary = 24,
         .splits = 2,
         .sequences = 1,
         .position = 257,
         .window = 150,
         .softcap = 20,
         .turned = true},
        {.heads = 4,
         .kv_heads = 2,
         .head_dim = 256,
         .rotary = 256,
         .splits = 2,
         .sequences = 2,
         .position = 130,
         .window = 40,
         .softcap = 50,
         .pairing = KERNEL_ROPE_NEOX},
        {.heads = 5, .kv_heads = 1, .head_dim = 320, .splits = 2, .sequences = 1, .position = 140},
        {.heads = 3, .kv_heads = 3, .head_dim = 8, .splits = 5, .sequences = 2, .position = 0},
    };
    for (size_t i = 0; i < 2 * sizeof CASES / sizeof *CASES; i++) {
        struct one one = CASES[i / 2];
        one.kv = i % 2 ? KERNEL_KV_Q8 : KERNEL_KV_F16;
        check_decode(&one);
    }
}

/* --- Prefill --- */

static int list_tiles(const struct cuda_span *spans, int count, int32_t *tiles)
{
    int made = 0;
    for (int s = count - 1; s >= 0; s--)
        for (int first = 0; first < spans[s].count; first += CUDA_QUERIES) {
            tiles[2 * made] = s;
            tiles[2 * made++ + 1] = first;
        }
    return made;
}

static void check_prefill(const struct one *c, const int *lengths, const int *counts)
{
    struct world w;
    int rows = 1; /* one of padding */
    make_world(&w, c, lengths);
    for (int s = 0; s < c->sequences; s++)
        rows += counts[s];
    size_t bytes = (size_t)(rows * w.stride) * sizeof(float);
    float *qkv = random_rows(rows, w.qkv, w.stride, 1), *want = host_new(bytes);
    float *table = host_new((size_t)(rows * c->rotary + 1) * sizeof *table);
    struct cuda_row *row = host_new((size_t)rows * sizeof *row);
    struct cuda_span spans[MOST_SEQUENCES] = {{0}};
    int32_t tiles[64];
    int at = 0;
    for (int s = 0; s < c->sequences; s++) {
        spans[s] = (struct cuda_span){at, counts[s], lengths[s], w.lists[s]};
        for (int i = 0; i < counts[s]; i++, at++) {
            row[at] = (struct cuda_row){.position = lengths[s] + i, .pages = w.lists[s]};
            memcpy(table + at * c->rotary, w.table + (lengths[s] + i) * c->rotary,
                   (size_t)c->rotary * sizeof *table);
        }
    }
    row[at].token = -1;
    struct cuda_prefill p = {.a = w.a, .spans = to_device(spans, sizeof spans)};
    p.a.rows = to_device(row, (size_t)rows * sizeof *row);
    p.a.count = rows;
    p.a.qkv = to_device(qkv, bytes);
    p.a.table = c->turned ? to_device(table, (size_t)(rows * c->rotary) * sizeof *table) : NULL;
    p.a.out = device_room(bytes);
    p.tile_count = list_tiles(spans, c->sequences, tiles);
    p.tiles = to_device(tiles, sizeof tiles);
    must(cuda_place(&p.a, stream), "cuda_place");
    must(cuda_attend_prefill(&p, stream), "cuda_attend_prefill");
    float *got = from_device(p.a.out, bytes);
    uint8_t *cache = from_device(w.a.cache, w.page_bytes * MOST_SEQUENCES * MOST_PAGES);
    at = 0;
    for (int s = 0; s < c->sequences; s++) {
        float *first = qkv + at * w.stride;
        for (int i = 0; i < counts[s]; i++, at++) {
            place(&w, qkv + at * w.stride, lengths[s] + i);
            check_kept(&w, cache, s, lengths[s] + i, qkv + at * w.stride);
        }
        attend(&w, cache, s, lengths[s], counts[s], first, want + (first - qkv));
    }
    check_out(&w, got, want, rows - 1, 3e-5);
    free(got);
    free(cache);
    free(qkv);
    free(want);
    free(table);
    free(row);
    free_world(&w);
}

static void test_prefill(void)
{
    static const struct one CASES[] = {
        {.heads = 6, .kv_heads = 3, .head_dim = 64, .rotary = 64, .sequences = 2, .turned = true},
        {.heads = 2,
         .kv_heads = 1,
         .head_dim = 20,
         .rotary = 20,
         .sequences = 2,
         .bias = true,
         .norm = CUDA_QK_FULL,
         .turned = true,
         .pairing = KERNEL_ROPE_NEOX,
         .softcap = 10},
        {.heads = 2,
         .kv_heads = 2,
         .head_dim = 80,
         .rotary = 20,
         .sequences = 1,
         .window = 37,
         .turned = true},
        {.heads = 2,
         .kv_heads = 1,
         .head_dim = 128,
         .rotary = 128,
         .sequences = 1,
         .norm = CUDA_QK_HEAD,
         .turned = true},
        {.heads = 1, .kv_heads = 1, .head_dim = 336, .sequences = 1},
    };
    static const int LENGTHS[] = {0, 45}, COUNTS[] = {70, 3}, FROM[] = {50}, SOME[] = {66};
    for (size_t i = 0; i < 2 * sizeof CASES / sizeof *CASES; i++) {
        struct one one = CASES[i / 2];
        one.kv = i % 2 ? KERNEL_KV_Q8 : KERNEL_KV_F16;
        check_prefill(&one, one.sequences > 1 ? LENGTHS : FROM, one.sequences > 1 ? COUNTS : SOME);
    }
}

RUN(test_decode, test_prefill)
