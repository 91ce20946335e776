/* A pair is one token with one of its experts. Pairs are laid out expert by expert in a gathered
 * buffer, so that each expert's products run over consecutive rows; an expert's rows start at a
 * multiple of GATHER_ALIGN, which keeps int8 rows of 32 columns and their blocks aligned. */
#include "engine/experts.h"

#include "engine/error.h"
#include "engine/product.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_GRAIN = 4, GATHER_ALIGN = 4 };

struct choice {
    int expert, pair; /* pair: the gathered row */
    float weight;
};

struct experts {
    const struct config *config;
    const struct weights *weights;
    const struct kernels *k;
    struct threads *threads;
    int used, inner;        /* experts a token; the wider of expert and shared expert */
    struct choice *choices; /* `used` a token, likeliest first */
    int *token_of;          /* each gathered row's token, -1 for padding */
    int *starts, *counts;   /* of each expert's gathered rows */
    float *scores, *gathered, *inner_values, *pair_out, *shared_out;
    int8_t *quants, *inner_quants, *shared_quants;
    struct kernel_block *blocks, *inner_blocks, *shared_blocks;
    float *shared_inner;
    struct kernel_activations
        *inputs; /* one an expert, then its inner ones, then the shared expert's */
    struct product *products;
    struct gated *gated;

    /* Of the layer being computed. */
    const struct weights_layer *layer;
    const struct kernel_activations *input;
    float *out;
    int pairs; /* gathered rows, padding included */
};

/* --- Buffers --- */

/* Zeroed: padding rows are computed like the others, and must be numbers. */
static void *rows_of(size_t rows, size_t bytes)
{
    size_t size = (rows * bytes + 2 * KERNEL_ALIGNMENT - 1) & ~(size_t)(KERNEL_ALIGNMENT - 1);
    void *memory = aligned_alloc(KERNEL_ALIGNMENT, size);
    return memory ? memset(memory, 0, size) : NULL;
}

static size_t blocks_bytes(int columns)
{
    return (size_t)(columns + 31) / 32 * sizeof(struct kernel_block);
}

static bool make_buffers(struct experts *e, size_t rows)
{
    const struct config *c = e->config;
    size_t width = (size_t)c->width, inner = (size_t)c->expert_feed_forward,
           shared = (size_t)c->shared_feed_forward;
    size_t count = (size_t)c->experts,
           pairs = rows * (size_t)c->experts_used + count * GATHER_ALIGN;
    e->choices = calloc(rows * (size_t)c->experts_used, sizeof *e->choices);
    e->token_of = calloc(pairs, sizeof *e->token_of);
    e->starts = calloc(count, sizeof *e->starts);
    e->counts = calloc(count, sizeof *e->counts);
    e->inputs = calloc(2 * count + 1, sizeof *e->inputs);
    e->products = calloc(count + 1, sizeof *e->products);
    e->gated = calloc(count + 1, sizeof *e->gated);
    e->scores = rows_of(rows, count * sizeof(float));
    e->gathered = rows_of(pairs, width * sizeof(float));
    e->quants = rows_of(pairs, width);
    e->blocks = rows_of(pairs, blocks_bytes(c->width));
    e->inner_values = rows_of(pairs, product_stride(2 * inner) * sizeof(float));
    e->inner_quants = rows_of(pairs, inner);
    e->inner_blocks = rows_of(pairs, blocks_bytes(c->expert_feed_forward));
    e->pair_out = rows_of(pairs, width * sizeof(float));
    e->shared_inner = rows_of(rows, product_stride(2 * shared) * sizeof(float));
    e->shared_quants = rows_of(rows, shared);
    e->shared_blocks = rows_of(rows, blocks_bytes(c->shared_feed_forward));
    e->shared_out = rows_of(shared ? rows : 0, width * sizeof(float));
    return e->choices && e->token_of && e->starts && e->counts && e->inputs && e->products &&
           e->gated && e->scores && e->gathered && e->quants && e->blocks && e->inner_values &&
           e->inner_quants && e->inner_blocks && e->pair_out && e->shared_inner &&
           e->shared_quants && e->shared_blocks && e->shared_out;
}

struct experts *experts_new(const struct config *config, const struct weights *weights,
                            const struct kernels *kernels, struct threads *threads, int rows,
                            struct engine_error *error)
{
    struct experts *e = calloc(1, sizeof *e);
    if (e)
        *e = (struct experts){.config = config,
                              .weights = weights,
                              .k = kernels,
                              .threads = threads,
                              .used = config->experts_used};
    if (!e || !make_buffers(e, (size_t)rows)) {
        engine_no_memory(error, "the experts' buffers");
        experts_free(e);
        return NULL;
    }
    return e;
}

void experts_free(struct experts *e)
{
    if (!e)
        return;
    void *owned[] = {e->choices,       e->token_of,      e->starts,    e->counts,
                     e->inputs,        e->products,      e->gated,     e->scores,
                     e->gathered,      e->quants,        e->blocks,    e->inner_values,
                     e->inner_quants,  e->inner_blocks,  e->pair_out,  e->shared_inner,
                     e->shared_quants, e->shared_blocks, e->shared_out};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
    free(e);
}

/* --- Routing --- */

/* The `used` likeliest experts of one token, in order, the lower number among equals. Leaves the
 * scores alone. */
static void choose(const struct experts *e, const float *scores, struct choice *choices)
{
    for (int n = 0; n < e->used; n++) {
        int best = -1;
        for (int i = 0; i < e->config->experts; i++) {
            bool taken = false;
            for (int j = 0; j < n && !taken; j++)
                taken = choices[j].expert == i;
            if (!taken && (best < 0 || scores[i] > scores[best]))
                best = i;
        }
        choices[n] = (struct choice){.expert = best, .weight = scores[best]};
    }
}

static void route_rows(void *context, int first, int last, int thread)
{
    struct experts *e = context;
    const float tiniest = 6.103515625e-5f; /* the smallest normal half: the families' own guard */
    (void)thread;
    for (int t = first; t < last; t++) {
        float *scores = e->scores + (size_t)t * (size_t)e->config->experts;
        struct choice *choices = e->choices + (size_t)t * (size_t)e->used;
        e->k->softmax(scores, e->config->experts);
        choose(e, scores, choices);
        if (!e->config->renormalised)
            continue;
        float sum = 0;
        for (int n = 0; n < e->used; n++)
            sum += choices[n].weight;
        for (int n = 0; n < e->used; n++)
            choices[n].weight /= sum > tiniest ? sum : tiniest;
    }
}

static void route(struct experts *e)
{
    struct product product = {&e->layer->router, e->input, e->scores, (size_t)e->config->experts};
    products_run(e->threads, e->k, &product, 1);
    threads_for(e->threads, e->input->tokens, ROW_GRAIN, route_rows, e);
}

/* Gives every pair its gathered row. */
static void place_pairs(struct experts *e)
{
    int tokens = e->input->tokens, experts = e->config->experts, at = 0;
    memset(e->counts, 0, (size_t)experts * sizeof *e->counts);
    for (int i = 0; i < tokens * e->used; i++)
        e->counts[e->choices[i].expert]++;
    for (int x = 0; x < experts; x++) {
        e->starts[x] = at;
        at += (e->counts[x] + GATHER_ALIGN - 1) / GATHER_ALIGN * GATHER_ALIGN;
        e->counts[x] = 0;
    }
    e->pairs = at;
    for (int i = 0; i < at; i++)
        e->token_of[i] = -1;
    for (int i = 0; i < tokens * e->used; i++) {
        struct choice *choice = &e->choices[i];
        choice->pair = e->starts[choice->expert] + e->counts[choice->expert]++;
        e->token_of[choice->pair] = i / e->used;
    }
}

/* --- Products --- */

static struct kernel_activations gathered_rows(const struct experts *e, int start, int count)
{
    int width = e->config->width;
    size_t at = (size_t)start;
    return (struct kernel_activations){.tokens = count,
                                       .columns = width,
                                       .stride = (size_t)width,
                                       .values = e->gathered + at * (size_t)width,
                                       .quants = e->quants + at * (size_t)width,
                                       .blocks = e->blocks + at * (size_t)(width / 32)};
}

static struct kernel_activations inner_rows(const struct experts *e, int start, int count)
{
    int inner = e->config->expert_feed_forward;
    size_t at = (size_t)start, stride = product_stride(2 * (size_t)inner);
    return (struct kernel_activations){.tokens = count,
                                       .columns = inner,
                                       .stride = stride,
                                       .values = e->inner_values + at * stride,
                                       .quants = e->inner_quants + at * (size_t)inner,
                                       .blocks = e->inner_blocks + at * (size_t)(inner / 32)};
}

static struct kernel_activations shared_rows(const struct experts *e)
{
    int inner = e->config->shared_feed_forward;
    return (struct kernel_activations){.tokens = e->input->tokens,
                                       .columns = inner,
                                       .stride = product_stride(2 * (size_t)inner),
                                       .values = e->shared_inner,
                                       .quants = e->shared_quants,
                                       .blocks = e->shared_blocks};
}

static void gather_rows(void *context, int first, int last, int thread)
{
    struct experts *e = context;
    size_t width = (size_t)e->config->width;
    (void)thread;
    for (int i = first; i < last; i++)
        if (e->token_of[i] >= 0)
            memcpy(e->gathered + (size_t)i * width,
                   e->input->values + (size_t)e->token_of[i] * e->input->stride,
                   width * sizeof(float));
        else
            memset(e->gathered + (size_t)i * width, 0, width * sizeof(float));
    struct kernel_activations rows = gathered_rows(e, 0, e->pairs);
    if (product_group_wants_int8(&e->layer->experts[0].gate_up))
        e->k->quantize(&rows, first, last);
}

static void run_gate_up(struct experts *e)
{
    int count = 0, experts = e->config->experts;
    for (int x = 0; x < experts; x++) {
        if (!e->counts[x])
            continue;
        e->inputs[x] = gathered_rows(e, e->starts[x], e->counts[x]);
        e->inputs[experts + x] = inner_rows(e, e->starts[x], e->counts[x]);
        e->gated[count++] =
            (struct gated){&e->layer->experts[x], &e->inputs[x], &e->inputs[experts + x]};
    }
    if (e->config->shared_feed_forward) {
        e->inputs[2 * experts] = shared_rows(e);
        e->gated[count++] = (struct gated){&e->layer->shared, e->input, &e->inputs[2 * experts]};
    }
    products_run_gated(e->threads, e->k, e->config->architecture->activation, e->gated, count);
}

static void run_down(struct experts *e)
{
    int count = 0, experts = e->config->experts;
    size_t width = (size_t)e->config->width;
    for (int x = 0; x < experts; x++) {
        if (!e->counts[x])
            continue;
        e->products[count++] = (struct product){&e->layer->experts[x].down, &e->inputs[experts + x],
                                                e->pair_out + (size_t)e->starts[x] * width, width};
    }
    if (e->config->shared_feed_forward)
        e->products[count++] =
            (struct product){&e->layer->shared.down, &e->inputs[2 * experts], e->shared_out, width};
    products_run(e->threads, e->k, e->products, count);
}

/* --- Sums --- */

/* The shared expert's share: a sigmoid of the token's product with one row of weights, in a fixed
 * order. */
static float shared_weight(const struct experts *e, const float *input)
{
    double sum = 0;
    for (int i = 0; i < e->config->width; i++)
        sum += (double)input[i] * (double)e->layer->shared_gate[i];
    return (float)(1 / (1 + exp(-sum)));
}

static void sum_rows(void *context, int first, int last, int thread)
{
    struct experts *e = context;
    int width = e->config->width;
    (void)thread;
    for (int t = first; t < last; t++) {
        float *out = e->out + (size_t)t * (size_t)width;
        const struct choice *choices = e->choices + (size_t)t * (size_t)e->used;
        for (int n = 0; n < e->used; n++) {
            const float *part = e->pair_out + (size_t)choices[n].pair * (size_t)width;
            if (n)
                e->k->multiply_add(out, part, choices[n].weight, width);
            else
                e->k->scale(out, part, choices[n].weight, width);
        }
        if (e->config->shared_feed_forward)
            e->k->multiply_add(out, e->shared_out + (size_t)t * (size_t)width,
                               shared_weight(e, e->input->values + (size_t)t * e->input->stride),
                               width);
    }
}

bool experts_run(struct experts *e, const struct weights_layer *layer,
                 const struct kernel_activations *input, float *out, struct engine_error *error)
{
    e->layer = layer;
    e->input = input;
    e->out = out;
    route(e);
    place_pairs(e);
    for (int x = 0; x < e->config->experts; x++)
        if (e->counts[x] && !weights_pack_expert(e->weights, &layer->experts[x], e->threads, error))
            return false;
    threads_for(e->threads, e->pairs, ROW_GRAIN, gather_rows, e);
    run_gate_up(e);
    run_down(e);
    threads_for(e->threads, input->tokens, ROW_GRAIN, sum_rows, e);
    return true;
}
