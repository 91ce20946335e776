/* The raw weights hold shapes and no data; the plan that the loader makes of them says where each
 * piece lies, and the device fills it in. All weights are small normal numbers as halves, which as
 * codes of blocks are random bits and as scales are sound ones; norms are ones. */
#include "tests/gpu/shapes.h"

#include "engine/gpu_forward_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void must(bool ok, const char *what, const char *why)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void status(int failed, const char *what)
{
    must(!failed, what, failed ? cuda_status_text(failed) : "");
}

static struct kernel_matrix matrix(enum kernel_type type, int rows, int columns)
{
    static uint8_t names[2]; /* two tensors are told apart by where they lie */
    static int next;
    return (struct kernel_matrix){type, rows, columns, &names[next++ & 1]};
}

static void make_config(struct config *c, const struct shape_facts *f)
{
    *c = (struct config){
        .architecture = config_architecture(f->architecture),
        .layers = f->layers,
        .width = f->width,
        .heads = f->heads,
        .kv_heads = f->kv_heads,
        .head_dim = f->head_dim,
        .feed_forward = f->feed_forward,
        .vocabulary = f->vocabulary,
        .context = 8192,
        .rotary = f->head_dim,
        .norm_epsilon = 1e-5,
        .rope = {[ROPE_GLOBAL] = {.base = 10000, .scale = 1, .magnitude = 1}},
        .attention_scale = 1 / sqrtf((float)f->head_dim),
        .embedding_scale = 1,
        .experts = f->experts,
        .experts_used = f->used,
        .expert_feed_forward = f->experts ? f->feed_forward : 0,
    };
}

static void make_layer(struct weights_layer *l, const struct shape_facts *f, float *ones)
{
    int query = f->heads * f->head_dim, key = f->kv_heads * f->head_dim;
    bool head_norm = config_architecture(f->architecture)->qk_norm == QK_NORM_HEAD;
    *l = (struct weights_layer){.attention_norm = ones,
                                .feed_forward_norm = ones,
                                .query_norm = head_norm ? ones : NULL,
                                .key_norm = head_norm ? ones : NULL};
    l->qkv.count = 3;
    l->qkv.matrices[0] = matrix(f->type, query, f->width);
    l->qkv.matrices[1] = matrix(f->type, key, f->width);
    l->qkv.matrices[2] = matrix(f->type, key, f->width);
    l->output = matrix(f->type, f->width, query);
    int experts = f->experts ? f->experts : 1;
    struct weights_expert *list = calloc((size_t)experts, sizeof *list);
    must(list, f->name, "no memory");
    for (int e = 0; e < experts; e++) {
        list[e].gate_up.count = 2;
        list[e].gate_up.matrices[0] = matrix(f->type, f->feed_forward, f->width);
        list[e].gate_up.matrices[1] = matrix(f->type, f->feed_forward, f->width);
        list[e].down = matrix(f->type, f->width, f->feed_forward);
    }
    if (f->experts) {
        l->experts = list;
        l->router = matrix(KERNEL_F32, f->experts, f->width);
    } else {
        l->feed_forward = list[0];
        free(list);
    }
}

static struct weights make_raw(const struct shape_facts *f, float *ones)
{
    struct weights raw = {.layer_count = f->layers, .output_norm = ones};
    raw.layers = calloc((size_t)f->layers, sizeof *raw.layers);
    must(raw.layers, f->name, "no memory");
    for (int i = 0; i < f->layers; i++)
        make_layer(&raw.layers[i], f, ones);
    raw.embedding = matrix(f->type, f->vocabulary, f->width);
    raw.output = f->tied ? raw.embedding : matrix(f->type, f->vocabulary, f->width);
    return raw;
}

static void free_raw(struct weights *raw)
{
    for (int i = 0; i < raw->layer_count; i++)
        free(raw->layers[i].experts);
    free(raw->layers);
}

static void put_ones(struct shape_model *m, float *vector, const float *ones, int count)
{
    if (vector)
        status(cuda_copy_in(vector, ones, (size_t)count * sizeof *ones, m->stream), "norms");
}

static void fill(struct shape_model *m, const float *ones)
{
    enum kernel_type as = m->facts->type == KERNEL_BF16 ? KERNEL_BF16 : KERNEL_F16;
    status(cuda_random(m->weights.memory, as, m->weights.bytes / 2, 1, 0.02f, m->stream),
           "random weights");
    put_ones(m, m->weights.output_norm, ones, m->config.width);
    for (int i = 0; i < m->config.layers; i++) {
        const struct gpu_layer *l = &m->weights.layers[i];
        put_ones(m, l->attention_norm, ones, m->config.width);
        put_ones(m, l->feed_forward_norm, ones, m->config.width);
        put_ones(m, l->query_norm, ones, m->config.head_dim);
        put_ones(m, l->key_norm, ones, m->config.head_dim);
        if (l->router.rows)
            status(cuda_random((void *)(uintptr_t)l->router.codes, KERNEL_F32,
                               (size_t)l->router.rows * (size_t)l->router.pitch, 2 + (uint64_t)i,
                               0.02f, m->stream),
                   "a router");
    }
    double angle = 1;
    for (int i = 0; i < m->config.rotary / 2; i++, angle *= 0.9)
        status(cuda_copy_in(m->weights.frequencies[ROPE_GLOBAL] + i, &angle, sizeof angle,
                            m->stream) ||
                   cuda_stream_wait(m->stream),
               "rotary frequencies");
}

static double bytes_of(const struct cuda_matrix *m, int rows)
{
    struct cuda_matrix_layout row = cuda_matrix_layout(m->type, 1, m->columns);
    return (double)rows * (double)(row.row_codes + row.row_high + row.row_scales + row.row_supers);
}

static void count(struct shape_model *m)
{
    for (int i = 0; i < m->config.layers; i++) {
        const struct gpu_layer *l = &m->weights.layers[i];
        const struct cuda_matrix *parts[] = {&l->qkv.matrices[0], &l->output, &l->router,
                                             &l->feed_forward.gate_up.matrices[0],
                                             &l->feed_forward.down};
        for (int p = 0; p < 5; p++) {
            double rows = parts[p]->rows, all = rows > 0 ? bytes_of(parts[p], parts[p]->rows) : 0;
            bool split = p > 2 && m->config.experts;
            double share = split ? (double)m->config.experts_used / m->config.experts : 1;
            *(split ? &m->expert_bytes : &m->dense_bytes) += split ? all / m->config.experts : all;
            m->dense_work += 2 * rows * parts[p]->columns * share;
        }
    }
    m->head_bytes = bytes_of(&m->weights.output, m->weights.output.rows);
    m->head_work = 2.0 * m->weights.output.rows * m->weights.output.columns;
    m->kv_bytes_a_position = (double)gpu_page_bytes(&m->config, KERNEL_KV_F16) / KERNEL_KV_BLOCK;
}

void shape_open(struct shape_model *m, const struct shape_facts *facts,
                const struct cuda_info *device, int positions)
{
    struct engine_error error = {0};
    void *memory, *pinned;
    size_t ones_bytes = (size_t)facts->width * sizeof(float) + 4096;
    *m = (struct shape_model){.facts = facts};
    make_config(&m->config, facts);
    status(cuda_alloc_host(&pinned, ones_bytes), "ones");
    float *ones = pinned;
    for (size_t i = 0; i < ones_bytes / sizeof *ones; i++)
        ones[i] = 1;
    struct weights raw = make_raw(facts, ones);
    m->pages = positions / KERNEL_KV_BLOCK + 1;
    status(cuda_stream_new(&m->stream), "a stream");
    must(gpu_weights_plan(&m->weights, &m->config, &raw, &error), facts->name, error.message);
    status(cuda_alloc(&memory, m->weights.bytes), facts->name);
    must(gpu_weights_place(&m->weights, &m->config, &raw, memory, &error), facts->name,
         error.message);
    free_raw(&raw);
    fill(m, ones);
    status(cuda_stream_wait(m->stream), "random weights");
    cuda_release_host(pinned);
    m->forward = gpu_forward_new(&m->config, &m->weights, device, m->stream, KERNEL_KV_F16,
                                 m->pages, &error);
    must(m->forward, facts->name, error.message);
    status(gpu_places_init(&m->places, m->config.context / KERNEL_KV_BLOCK), "a step");
    for (int i = 0; i < 2; i++)
        status(gpu_step_init(&m->steps[i], &m->places), "a step");
    size_t kv = m->forward->layer_stride * (size_t)m->config.layers;
    status(cuda_random(m->forward->cache, KERNEL_F16, kv / 2, 3, 0.5f, m->stream), "random keys");
    count(m);
}

void shape_close(struct shape_model *m)
{
    gpu_forward_free(m->forward);
    for (int i = 0; i < 2; i++)
        gpu_step_done(&m->steps[i]);
    gpu_places_done(&m->places);
    gpu_weights_done(&m->weights);
    cuda_stream_free(m->stream);
}

/* Experts that at least one of `rows` tokens uses, if each chooses at random. */
static double experts_read(const struct shape_model *m, int rows)
{
    if (!m->config.experts)
        return 0;
    double missed = 1 - (double)m->config.experts_used / m->config.experts;
    return m->config.experts * (1 - pow(missed, rows));
}

double shape_step_bytes(const struct shape_model *m, int rows, int position)
{
    return m->dense_bytes + experts_read(m, rows) * m->expert_bytes + m->head_bytes +
           (double)rows * position * m->kv_bytes_a_position;
}

double shape_step_work(const struct shape_model *m, int rows, int drawn, double looked)
{
    double attention = 4.0 * m->config.layers * m->config.heads * m->config.head_dim * looked;
    return rows * m->dense_work + drawn * m->head_work + attention;
}
