/* One walk over the buffers, twice: to measure them and to cut them from one piece of memory. */
#include "engine/gpu_forward_internal.h"

#include <string.h>

enum {
    ALIGNMENT = 256,
    BLOCKS_A_PROCESSOR = 2, /* of decode attention */
};

static const size_t MOST_SCRATCH = (size_t)256 << 20;

/* --- Buffers --- */

struct cutter {
    uint8_t *memory; /* NULL: measures */
    size_t at;
};

static void cut(struct cutter *c, size_t count, size_t size, void *out)
{
    uint8_t *piece = c->memory ? c->memory + c->at : NULL;
    memcpy(out, &piece, sizeof piece);
    c->at += (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static int greatest(int a, int b)
{
    return a > b ? a : b;
}

static bool group_has_f32(const struct gpu_group *group)
{
    for (int i = 0; i < group->count; i++)
        if (group->matrices[i].type == KERNEL_F32)
            return true;
    return false;
}

static size_t elements(const struct cuda_matrix *matrices, int count)
{
    size_t most = 0;
    for (int i = 0; i < count; i++) {
        size_t here = (size_t)matrices[i].rows * (size_t)matrices[i].pitch;
        most = here > most ? here : most;
    }
    return most;
}

/* Are there matrices whose products take floats for any number of rows? */
static bool has_f32(const struct gpu_weights *w)
{
    bool has = w->output.type == KERNEL_F32;
    for (int i = 0; i < w->layer_count; i++) {
        const struct gpu_layer *l = &w->layers[i];
        has |= group_has_f32(&l->qkv) || l->output.type == KERNEL_F32 ||
               group_has_f32(&l->feed_forward.gate_up) || l->feed_forward.down.type == KERNEL_F32 ||
               group_has_f32(&l->shared.gate_up) || l->shared.down.type == KERNEL_F32;
    }
    return has;
}

/* Where weights are unpacked for a matrix product: all of the largest matrix, or a part. */
static size_t scratch_bytes(const struct gpu_weights *w)
{
    size_t most = elements(&w->output, 1);
    for (int i = 0; i < w->layer_count; i++) {
        const struct gpu_layer *l = &w->layers[i];
        const struct gpu_expert *e = l->router.rows ? &l->shared : &l->feed_forward;
        size_t parts[] = {elements(l->qkv.matrices, l->qkv.count), elements(&l->output, 1),
                          elements(e->gate_up.matrices, e->gate_up.count), elements(&e->down, 1)};
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++)
            most = parts[j] > most ? parts[j] : most;
    }
    return 2 * most < MOST_SCRATCH ? 2 * most : MOST_SCRATCH;
}

static void set_widths(struct gpu_forward *f)
{
    const struct config *c = f->config;
    f->width_pitch = cuda_pitch(c->width);
    f->query_width = c->heads * c->head_dim;
    f->query_pitch = cuda_pitch(f->query_width);
    f->qkv_width = f->query_width + 2 * c->kv_heads * c->head_dim;
    f->qkv_pitch = cuda_pitch(f->qkv_width);
    f->inner = c->experts ? c->expert_feed_forward : c->feed_forward;
    f->inner_pitch = cuda_pitch(f->inner);
    f->shared_pitch = cuda_pitch(c->shared_feed_forward);
    f->scratch_bytes = scratch_bytes(f->weights);
    f->logits_pitch = cuda_pitch(c->vocabulary);
}

int gpu_tiles(const struct gpu_forward *f, int rows)
{
    int pairs = rows * f->config->experts_used, experts = f->config->experts;
    return pairs / CUDA_TILE_ROWS + (pairs < experts ? pairs : experts) + 1;
}

/* Parts of a row's keys in decode attention: enough blocks to fill the device. */
int gpu_splits(const struct gpu_forward *f, int rows)
{
    int blocks = BLOCKS_A_PROCESSOR * f->device.multiprocessors;
    int each = f->config->kv_heads * rows, splits = (blocks + each - 1) / each;
    return splits < CUDA_MAX_SPLITS ? splits : CUDA_MAX_SPLITS;
}

static size_t parts_count(const struct gpu_forward *f)
{
    size_t most = 0;
    for (int rows = 1; rows <= GPU_SLICES; rows = gpu_bucket(rows + 1)) {
        size_t parts = (size_t)rows * (size_t)gpu_splits(f, rows);
        most = parts > most ? parts : most;
    }
    return most * (size_t)f->config->heads * (size_t)(f->config->head_dim + 2);
}

static void cut_expert_buffers(struct gpu_forward *f, struct cutter *c)
{
    const struct config *config = f->config;
    struct buffers *b = &f->b;
    size_t rows = GPU_STEP_TOKENS, tiles = (size_t)gpu_tiles(f, GPU_STEP_TOKENS);
    size_t slots = tiles * CUDA_TILE_ROWS;
    size_t used = (size_t)config->experts_used, shared = (size_t)f->shared_pitch;
    cut(c, rows * (size_t)config->experts, 4, &b->scores);
    cut(c, rows * used, 4, &b->route_weights);
    cut(c, rows * used, 4, &b->experts);
    cut(c, rows, 4, &b->shared_weight);
    cut(c, slots, 4, &b->slots);
    cut(c, tiles, 4, &b->tiles);
    cut(c, rows * used, 4, &b->slot_of);
    cut(c, slots * (size_t)f->inner_pitch, 2, &b->expert_b16);
    cut(c, slots * (size_t)f->width_pitch, 4, &b->expert_parts);
    size_t inner = slots * 2 * (size_t)f->inner, beside = rows * 2 * shared;
    cut(c, inner > beside ? inner : beside, 4, &b->inner);
    cut(c, (size_t)GPU_EXPERT_ROWS * used * (size_t)f->inner_pitch, 4, &b->expert_activated);
    cut(c, rows * shared, 4, &b->activated);
}

static void cut_buffers(struct gpu_forward *f, struct cutter *c)
{
    const struct config *config = f->config;
    struct buffers *b = &f->b;
    size_t rows = GPU_STEP_TOKENS, vocabulary = (size_t)config->vocabulary;
    size_t floats = has_f32(f->weights) ? rows : CUDA_GEMV_ROWS;
    int widest = greatest(greatest(f->width_pitch, f->query_pitch),
                          greatest(config->experts ? 0 : f->inner_pitch, f->shared_pitch));
    cut(c, rows * (size_t)f->width_pitch, 4, &b->x);
    cut(c, rows * (size_t)f->width_pitch, 4, &b->other);
    cut(c, rows * (size_t)f->width_pitch, 4, &b->y);
    cut(c, rows * (size_t)f->qkv_pitch, 4, &b->qkv);
    cut(c, rows * (size_t)f->query_pitch, 4, &b->mixed);
    for (int i = 0; i < 2; i++)
        cut(c, rows * (size_t)config->rotary, 4, &b->tables[i]);
    cut(c, floats * (size_t)widest, 4, &b->f32);
    cut(c, rows * (size_t)widest, 2, &b->b16);
    cut(c, (size_t)CUDA_GEMV_ROWS * (size_t)widest, 1, &b->quants);
    cut(c, (size_t)CUDA_GEMV_ROWS * (size_t)widest / CUDA_BLOCK * 2, 4, &b->blocks);
    cut(c, (size_t)GPU_HEAD_ROWS * (size_t)f->logits_pitch, 4, &b->logits);
    cut(c, parts_count(f), 4, &b->parts);
    cut(c, (size_t)GPU_SLICES * (size_t)config->kv_heads, 4, &b->tickets);
    cut(c, rows, 4, &b->tokens);
    cut(c, GPU_CHAINS, cuda_sample_scratch(config->vocabulary), &b->sample);
    cut(c, GPU_CHAINS * vocabulary, 4, &b->counts);
    cut(c, f->scratch_bytes, 1, &b->scratch);
    if (config->experts) {
        cut_expert_buffers(f, c);
        return;
    }
    cut(c, rows * 2 * (size_t)f->inner, 4, &b->inner);
    cut(c, floats * (size_t)f->inner_pitch, 4, &b->activated);
}

size_t gpu_page_bytes(const struct config *config, enum kernel_kv kv)
{
    return cuda_page_bytes(kv, config->kv_heads, config->head_dim) * (size_t)config->layers;
}

size_t gpu_forward_bytes(const struct config *config, const struct gpu_weights *weights,
                         const struct cuda_info *device)
{
    struct gpu_forward f = {.config = config, .weights = weights, .device = *device};
    struct cutter c = {NULL, 0};
    set_widths(&f);
    cut_buffers(&f, &c);
    return c.at + ((size_t)32 << 20); /* and cuBLASLt's workspace */
}

int gpu_buffers_make(struct gpu_forward *f, int pages)
{
    struct cutter c = {NULL, 0};
    set_widths(f);
    cut_buffers(f, &c);
    int failed = cuda_alloc((void **)&f->memory, c.at);
    c = (struct cutter){f->memory, 0};
    cut_buffers(f, &c);
    f->page_stride = cuda_page_bytes(f->kv, f->config->kv_heads, f->config->head_dim);
    f->layer_stride = f->page_stride * (size_t)pages;
    if (!failed)
        failed = cuda_alloc((void **)&f->cache, f->layer_stride * (size_t)f->config->layers);
    size_t tickets = (size_t)GPU_SLICES * (size_t)f->config->kv_heads;
    if (!failed) /* padding columns and rows must be numbers from the start */
        failed = cuda_fill(f->memory, 0, c.at, f->stream);
    if (!failed)
        failed = cuda_fill(f->b.tickets, 0, tickets * sizeof *f->b.tickets, f->stream);
    return failed ? failed : cuda_stream_wait(f->stream);
}
