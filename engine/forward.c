/* A layer is five products with stages over rows between them. Stages that handle a token in well
 * under a microsecond run inline for small batches: threads_for sees fewer rows than its grain. All
 * buffers are rows of one step, sized once; the int8 inputs of most products share one buffer,
 * since each is used up before the next is made. */
#include "engine/forward.h"

#include "engine/attention.h"
#include "engine/error.h"
#include "engine/experts.h"
#include "engine/product.h"
#include "engine/slab.h"

#include <stdlib.h>
#include <string.h>

enum { ROW_GRAIN = 8 }; /* rows of a stage's piece */

enum { TABLE_GLOBAL, TABLE_LOCAL, TABLES };

struct row {
    int32_t token, page;
    int position;
    bool is_long;
};

struct forward {
    const struct config *config;
    const struct weights *weights;
    const struct kernels *k;
    struct threads *threads;
    struct experts *experts; /* NULL: dense */
    int capacity, query_width, qkv_width;

    enum kernel_kv kv;
    uint8_t *cache;
    size_t page_stride; /* from one layer's part of a page to the next's */
    struct slab memory; /* of the cache */

    struct row *rows;
    struct attention_plan plan;
    float *x, *y, *qkv, *inner, *head, *logits;
    float *tables[TABLES]; /* cos, sin of each row's position */
    struct kernel_activations normed, mixed, activated, headed;

    /* Of the step and layer being computed. */
    const struct backend_step *step;
    const struct weights_layer *layer;
    int count, layer_number;
    bool placed; /* keys and values are in the cache before the tasks begin */
};

/* --- Buffers --- */

static void *aligned_rows(int rows, size_t bytes)
{
    size_t size = ((size_t)rows * bytes + KERNEL_ALIGNMENT - 1) & ~(size_t)(KERNEL_ALIGNMENT - 1);
    return aligned_alloc(KERNEL_ALIGNMENT, size ? size : KERNEL_ALIGNMENT);
}

static int greatest(int a, int b)
{
    return a > b ? a : b;
}

static size_t page_stride(const struct config *c, enum kernel_kv kv)
{
    size_t bytes = kernel_kv_page_bytes(kv, c->kv_heads, c->head_dim);
    return (bytes + KERNEL_ALIGNMENT - 1) & ~(size_t)(KERNEL_ALIGNMENT - 1);
}

size_t forward_page_bytes(const struct config *config, enum kernel_kv kv)
{
    return page_stride(config, kv) * (size_t)config->layers;
}

/* All layers of a page lie together, so that few pages in use touch few of the memory's large ones.
 */
static bool make_cache(struct forward *f, int pages)
{
    f->page_stride = page_stride(f->config, f->kv);
    f->cache = slab_take(&f->memory, forward_page_bytes(f->config, f->kv) * (size_t)pages);
    return f->cache;
}

/* Room for the int8 form of rows of `columns`. */
static bool make_quants(const struct forward *f, struct kernel_activations *x, int columns)
{
    size_t blocks = ((size_t)columns + 31) / 32 * sizeof *x->blocks;
    x->quants = aligned_rows(f->capacity, (size_t)columns);
    x->blocks = aligned_rows(f->capacity, blocks);
    return x->quants && x->blocks;
}

static bool make_inputs(struct forward *f, int inner)
{
    const struct config *c = f->config;
    size_t width = (size_t)c->width, stride = product_stride(2 * (size_t)inner);
    struct kernel_activations shared = {0};
    bool ok = make_quants(f, &shared, greatest(c->width, f->query_width));
    float *normed = aligned_rows(f->capacity, width * sizeof *normed);
    f->normed = f->mixed = f->headed = shared;
    f->normed.values = normed;
    f->mixed.values = f->qkv;
    f->headed.values = f->head;
    f->activated.values = f->inner;
    f->normed.columns = f->headed.columns = c->width;
    f->normed.stride = f->headed.stride = width;
    f->mixed.columns = f->query_width;
    f->mixed.stride = (size_t)f->qkv_width;
    f->activated.columns = inner;
    f->activated.stride = stride;
    return make_quants(f, &f->activated, inner) && ok && normed;
}

static bool make_buffers(struct forward *f, int pages)
{
    const struct config *c = f->config;
    int n = f->capacity, inner = c->experts ? 0 : c->feed_forward;
    f->query_width = c->heads * c->head_dim;
    f->qkv_width = f->query_width + 2 * c->kv_heads * c->head_dim;
    f->rows = calloc((size_t)n, sizeof *f->rows);
    bool planned = attention_plan_init(&f->plan, c->heads, c->kv_heads, c->head_dim, n,
                                       threads_count(f->threads));
    f->x = aligned_rows(n, (size_t)c->width * sizeof(float));
    f->y = aligned_rows(n, (size_t)c->width * sizeof(float));
    f->qkv = aligned_rows(n, (size_t)f->qkv_width * sizeof(float));
    f->inner = aligned_rows(n, product_stride(2 * (size_t)inner) * sizeof(float));
    f->head = aligned_rows(FORWARD_HEAD_ROWS, (size_t)c->width * sizeof(float));
    f->logits = aligned_rows(FORWARD_HEAD_ROWS, (size_t)c->vocabulary * sizeof(float));
    for (int i = 0; i < TABLES; i++)
        f->tables[i] = aligned_rows(n, (size_t)c->rotary * sizeof(float));
    return planned && f->rows && f->x && f->y && f->qkv && f->inner && f->head && f->logits &&
           f->tables[0] && f->tables[1] && make_inputs(f, inner) && make_cache(f, pages);
}

struct forward *forward_new(const struct config *config, const struct weights *weights,
                            const struct kernels *kernels, struct threads *threads, int rows,
                            int pages, enum kernel_kv kv, struct engine_error *error)
{
    struct forward *f = calloc(1, sizeof *f);
    if (!f) {
        engine_no_memory(error, "the forward pass");
        return NULL;
    }
    *f = (struct forward){.config = config,
                          .weights = weights,
                          .k = kernels,
                          .threads = threads,
                          .kv = kv,
                          .capacity = greatest(rows, FORWARD_HEAD_ROWS)};
    if (!make_buffers(f, pages)) {
        engine_no_memory(error, "the forward pass and its KV cache");
        forward_free(f);
        return NULL;
    }
    if (config->experts &&
        !(f->experts = experts_new(config, weights, kernels, threads, f->capacity, error))) {
        forward_free(f);
        return NULL;
    }
    return f;
}

void forward_free(struct forward *f)
{
    if (!f)
        return;
    experts_free(f->experts);
    attention_plan_done(&f->plan);
    slab_done(&f->memory);
    void *owned[] = {f->rows,
                     f->x,
                     f->y,
                     f->qkv,
                     f->inner,
                     f->head,
                     f->logits,
                     f->tables[TABLE_GLOBAL],
                     f->tables[TABLE_LOCAL],
                     f->normed.quants,
                     f->normed.blocks,
                     f->activated.quants,
                     f->activated.blocks,
                     (void *)(uintptr_t)f->normed.values};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
    free(f);
}

/* --- The rows of a step --- */

static void fill_table(const struct forward *f, int row, int table, enum rope_kind kind)
{
    const struct config_rope *rope = &f->config->rope[kind];
    int rotary = f->config->rotary;
    kernel_rope_table(f->tables[table] + (size_t)row * (size_t)rotary, f->rows[row].position,
                      rotary, rope->base, rope->scale, rope->factors, rope->magnitude);
}

/* Embeddings and rotary tables: all that a row needs before the first layer. */
static void begin_rows(void *context, int first, int last, int thread)
{
    struct forward *f = context;
    const struct config *c = f->config;
    (void)thread;
    for (int i = first; i < last; i++) {
        float *x = f->x + (size_t)i * (size_t)c->width;
        kernel_matrix_row(&f->weights->embedding, f->rows[i].token, x);
        if (c->architecture->scaled_embedding)
            f->k->scale(x, x, c->embedding_scale, c->width);
        bool is_long = f->rows[i].is_long && c->original_context;
        fill_table(f, i, TABLE_GLOBAL, is_long ? ROPE_GLOBAL_LONG : ROPE_GLOBAL);
        if (c->architecture->local_rope_base > 0)
            fill_table(f, i, TABLE_LOCAL, ROPE_LOCAL);
    }
}

static void begin_step(struct forward *f, const struct backend_step *step)
{
    f->step = step;
    f->count = 0;
    attention_plan_begin(&f->plan, step);
    for (int s = 0; s < step->count; s++) {
        const struct backend_slice *slice = &step->slices[s];
        for (int i = 0; i < slice->count; i++) {
            int position = slice->position + i;
            f->rows[f->count++] = (struct row){.token = slice->tokens[i],
                                               .position = position,
                                               .page = slice->pages[position / KERNEL_KV_BLOCK],
                                               .is_long = slice->is_long};
        }
    }
    f->normed.tokens = f->mixed.tokens = f->activated.tokens = f->count;
    threads_for(f->threads, f->count, ROW_GRAIN, begin_rows, f);
}

/* --- Attention --- */

static float *normed_row(const struct forward *f, int row)
{
    return (float *)(uintptr_t)f->normed.values + (size_t)row * f->normed.stride;
}

static void norm_rows(const struct forward *f, int first, int last, const float *weight, bool int8)
{
    int width = f->config->width;
    for (int i = first; i < last; i++)
        f->k->rmsnorm(normed_row(f, i), f->x + (size_t)i * (size_t)width, weight, width,
                      (float)f->config->norm_epsilon);
    if (int8)
        f->k->quantize(&f->normed, first, last);
}

static void attention_norm_rows(void *context, int first, int last, int thread)
{
    const struct forward *f = context;
    (void)thread;
    norm_rows(f, first, last, f->layer->attention_norm, product_group_wants_int8(&f->layer->qkv));
}

static void norm_heads(const struct forward *f, float *x, const float *weight, int heads)
{
    int dim = f->config->head_dim;
    for (int h = 0; h < heads; h++)
        f->k->rmsnorm(x + h * dim, x + h * dim, weight, dim, (float)f->config->norm_epsilon);
}

static uint8_t *layer_cache(const struct forward *f)
{
    return f->cache + (size_t)f->layer_number * f->page_stride;
}

/* All that one KV head's keys, values and queries of a row need before attention. */
static void place_head(const struct forward *f, int row, int head)
{
    const struct config *c = f->config;
    const struct row *r = &f->rows[row];
    int group = c->heads / c->kv_heads, dim = c->head_dim;
    float *query = f->qkv + (size_t)row * (size_t)f->qkv_width + head * group * dim;
    float *key = f->qkv + (size_t)row * (size_t)f->qkv_width + f->query_width + head * dim;
    float *value = key + c->kv_heads * dim;
    enum rope_kind kind = config_layer_rope(c, f->layer_number, r->is_long);
    if (c->architecture->qk_norm == QK_NORM_HEAD) {
        norm_heads(f, query, f->layer->query_norm, group);
        norm_heads(f, key, f->layer->key_norm, 1);
    }
    if (kind != ROPE_NONE) {
        const float *table = f->tables[kind == ROPE_LOCAL ? TABLE_LOCAL : TABLE_GLOBAL] +
                             (size_t)row * (size_t)c->rotary;
        f->k->rope(query, group, dim, c->rotary, table, c->architecture->pairing);
        f->k->rope(key, 1, dim, c->rotary, table, c->architecture->pairing);
    }
    uint8_t *page = layer_cache(f) + (size_t)r->page * forward_page_bytes(c, f->kv);
    f->k->kv_store(f->kv, page + (size_t)head * kernel_kv_page_bytes(f->kv, 1, dim),
                   r->position % KERNEL_KV_BLOCK, 1, dim, key, value);
}

/* What spans the heads. */
static void begin_place(const struct forward *f, int row)
{
    const struct config *c = f->config;
    float *query = f->qkv + (size_t)row * (size_t)f->qkv_width, *key = query + f->query_width;
    float epsilon = (float)c->norm_epsilon;
    if (f->layer->qkv_bias)
        f->k->add(query, query, f->layer->qkv_bias, f->qkv_width);
    if (c->architecture->qk_norm == QK_NORM_FULL) {
        f->k->rmsnorm(query, query, f->layer->query_norm, f->query_width, epsilon);
        f->k->rmsnorm(key, key, f->layer->key_norm, c->kv_heads * c->head_dim, epsilon);
    }
}

static void place_rows(void *context, int first, int last, int thread)
{
    const struct forward *f = context;
    (void)thread;
    for (int i = first; i < last; i++) {
        begin_place(f, i);
        for (int head = 0; head < f->config->kv_heads; head++)
            place_head(f, i, head);
    }
}

static void attend(void *context, int first, int last, int thread)
{
    struct forward *f = context;
    const struct config *c = f->config;
    (void)thread;
    for (int i = first; i < last; i++) {
        const struct attention_task *task = &f->plan.tasks[i];
        for (int q = 0; q < task->last && !f->placed; q++)
            place_head(f, task->first_row + q, task->kv_head);
        const struct backend_slice *slice = &f->step->slices[task->slice];
        float *queries = f->qkv + (size_t)task->first_row * (size_t)f->qkv_width;
        struct kernel_attention attention = {
            .heads = c->heads,
            .kv_heads = c->kv_heads,
            .head_dim = c->head_dim,
            .window = config_layer_has_window(c, f->layer_number) ? c->window : 0,
            .scale = c->attention_scale,
            .softcap = c->attention_softcap,
            .position = slice->position,
            .count = slice->count,
            .queries = queries,
            .out = queries,
            .query_stride = (size_t)f->qkv_width,
            .out_stride = (size_t)f->qkv_width,
            .cache = layer_cache(f),
            .page_stride = forward_page_bytes(c, f->kv),
            .pages = slice->pages,
            .type = f->kv,
        };
        attention_plan_run(&f->plan, task, f->k, &attention);
    }
}

static void quantize_mixed(void *context, int first, int last, int thread)
{
    const struct forward *f = context;
    (void)thread;
    f->k->quantize(&f->mixed, first, last);
}

static void run_attention(struct forward *f)
{
    const struct weights_layer *layer = f->layer;
    struct product products[WEIGHTS_GROUP];
    threads_for(f->threads, f->count, ROW_GRAIN, attention_norm_rows, f);
    int count =
        product_add_group(products, 0, &layer->qkv, &f->normed, f->qkv, (size_t)f->qkv_width);
    products_ahead(f->threads, &layer->output, 1);
    products_run(f->threads, f->k, products, count);
    /* Few rows are placed by the task that attends to them: one loop less. */
    f->placed =
        f->plan.shared || layer->qkv_bias || f->config->architecture->qk_norm == QK_NORM_FULL;
    if (f->placed)
        threads_for(f->threads, f->count, ROW_GRAIN, place_rows, f);
    threads_for(f->threads, f->plan.count, 1, attend, f);
    if (kernel_matrix_wants_int8(&layer->output))
        threads_for(f->threads, f->count, ROW_GRAIN, quantize_mixed, f);
    products[0] = (struct product){&layer->output, &f->mixed, f->y, (size_t)f->config->width};
    if (!f->experts)
        products_ahead(f->threads, layer->feed_forward.gate_up.matrices,
                       layer->feed_forward.gate_up.count);
    products_run(f->threads, f->k, products, 1);
}

/* --- Feed-forward --- */

/* x += y, which may have a bias and a norm of its own. */
static void add_residual(const struct forward *f, int row, const float *bias,
                         const float *post_norm)
{
    int width = f->config->width;
    float *x = f->x + (size_t)row * (size_t)width, *y = f->y + (size_t)row * (size_t)width;
    if (bias)
        f->k->add(y, y, bias, width);
    if (post_norm)
        f->k->rmsnorm(y, y, post_norm, width, (float)f->config->norm_epsilon);
    f->k->add(x, x, y, width);
}

static void feed_forward_norm_rows(void *context, int first, int last, int thread)
{
    const struct forward *f = context;
    const struct weights_layer *layer = f->layer;
    (void)thread;
    for (int i = first; i < last; i++)
        add_residual(f, i, layer->output_bias, layer->attention_post_norm);
    bool int8 = product_group_wants_int8(layer->experts ? &layer->shared.gate_up
                                                        : &layer->feed_forward.gate_up) ||
                (layer->experts && kernel_matrix_wants_int8(&layer->router));
    norm_rows(f, first, last, layer->feed_forward_norm, int8);
}

/* What is read after this layer. */
static void layer_ahead(const struct forward *f)
{
    const struct weights_group *next = &f->layer[1].qkv;
    if (f->layer_number + 1 < f->config->layers)
        products_ahead(f->threads, next->matrices, next->count);
    else
        products_ahead(f->threads, &f->weights->output, 1);
}

static void run_dense(struct forward *f)
{
    const struct weights_expert *dense = &f->layer->feed_forward;
    struct gated gated = {dense, &f->normed, &f->activated};
    products_ahead(f->threads, &dense->down, 1);
    products_run_gated(f->threads, f->k, f->config->architecture->activation, &gated, 1);
    struct product product = {&dense->down, &f->activated, f->y, (size_t)f->config->width};
    layer_ahead(f);
    products_run(f->threads, f->k, &product, 1);
}

static void end_layer_rows(void *context, int first, int last, int thread)
{
    const struct forward *f = context;
    (void)thread;
    for (int i = first; i < last; i++)
        add_residual(f, i, NULL, f->layer->feed_forward_post_norm);
}

static bool run_feed_forward(struct forward *f, struct engine_error *error)
{
    bool ok = true;
    threads_for(f->threads, f->count, ROW_GRAIN, feed_forward_norm_rows, f);
    if (f->experts)
        ok = experts_run(f->experts, f->layer, &f->normed, f->y, error);
    else
        run_dense(f);
    if (ok)
        threads_for(f->threads, f->count, ROW_GRAIN, end_layer_rows, f);
    return ok;
}

bool forward_layers(struct forward *f, const struct backend_step *step, struct engine_error *error)
{
    bool ok = true;
    begin_step(f, step);
    for (int i = 0; ok && i < f->config->layers; i++) {
        f->layer_number = i;
        f->layer = &f->weights->layers[i];
        run_attention(f);
        ok = run_feed_forward(f, error);
    }
    return ok;
}

/* --- Logits --- */

const float *forward_logits(struct forward *f, const int *rows, int count)
{
    const struct config *c = f->config;
    const struct kernel_matrix *output = &f->weights->output;
    for (int i = 0; i < count; i++)
        f->k->rmsnorm(f->head + (size_t)i * (size_t)c->width,
                      f->x + (size_t)rows[i] * (size_t)c->width, f->weights->output_norm, c->width,
                      (float)c->norm_epsilon);
    f->headed.tokens = count;
    if (kernel_matrix_wants_int8(output))
        f->k->quantize(&f->headed, 0, count);
    struct product product = {output, &f->headed, f->logits, (size_t)c->vocabulary};
    products_ahead(f->threads, f->weights->layers[0].qkv.matrices, f->weights->layers[0].qkv.count);
    products_run(f->threads, f->k, &product, 1);
    if (c->final_softcap > 0)
        for (int i = 0; i < count; i++)
            f->k->softcap(f->logits + (size_t)i * (size_t)c->vocabulary, c->final_softcap,
                          c->vocabulary);
    return f->logits;
}
