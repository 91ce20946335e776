/* One walk over the raw weights does both: with no memory it only adds up what each piece takes,
 * with memory it packs and uploads too. Rows go through a pinned buffer in chunks that are small
 * matrices of their own, so that the host never holds a whole packed model. */
#include "engine/gpu_weights.h"

#include "engine/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 256 };

static const size_t CHUNK_BYTES = (size_t)32 << 20;

/* The walk: without `memory` it measures, without `chunk` it only gives pieces their places. */
struct upload {
    struct gpu_weights *weights;
    const struct config *config;
    struct threads *threads;
    struct cuda_stream *stream;
    struct engine_error *error;
    uint8_t *memory, *chunk; /* device; pinned host */
    size_t at, widest;       /* widest: the largest row there is */
};

bool gpu_fail(struct engine_error *error, int status, const char *doing)
{
    if (cuda_status_is_memory(status))
        return engine_fail(error, ENGINE_MEMORY, "the GPU has not enough memory for %s", doing);
    return engine_fail(error, ENGINE_DEVICE, "the GPU failed at %s: %s%s", doing,
                       cuda_status_text(status),
                       cuda_status_is_lost(status) ? " (it is lost until the next start)" : "");
}

static uint8_t *take(struct upload *u, size_t bytes)
{
    uint8_t *piece = u->memory ? u->memory + u->at : NULL;
    u->at += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return piece;
}

/* --- Vectors --- */

static bool copy_chunk(struct upload *u, void *device, const void *host, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        size_t part = bytes - done < CHUNK_BYTES ? bytes - done : CHUNK_BYTES;
        memcpy(u->chunk, (const uint8_t *)host + done, part);
        int failed = cuda_copy_in((uint8_t *)device + done, u->chunk, part, u->stream);
        if (!failed)
            failed = cuda_stream_wait(u->stream);
        if (failed)
            return gpu_fail(u->error, failed, "uploading weights");
        done += part;
    }
    return true;
}

static bool put(struct upload *u, const void *host, size_t bytes, void *out)
{
    void *device = take(u, bytes);
    memcpy(out, &device, sizeof device);
    return !u->chunk || copy_chunk(u, device, host, bytes);
}

/* A vector of `count` floats, if there is one. */
static bool put_floats(struct upload *u, const float *host, int count, float **out)
{
    *out = NULL;
    return !host || put(u, host, (size_t)count * sizeof *host, out);
}

/* --- Matrices --- */

struct packing {
    const struct cuda_matrix_layout *layout;
    const struct kernel_matrix *source;
    uint8_t *chunk;
    int64_t first; /* row of the source that is the chunk's row 0 */
};

static void pack_work(void *context, int first, int last, int thread)
{
    const struct packing *p = context;
    (void)thread;
    cuda_matrix_pack(p->chunk, p->layout, p->source->type, p->source->columns, p->source->data,
                     -p->first, p->first + first, p->first + last);
}

/* The planes of a chunk of rows to their places in the whole matrix. */
static int copy_planes(struct upload *u, const struct cuda_matrix_layout *whole,
                       const struct cuda_matrix_layout *part, uint8_t *device, int64_t row,
                       int64_t rows)
{
    const struct {
        size_t to, from, row;
    } planes[] = {
        {whole->codes, part->codes, whole->row_codes},
        {whole->high, part->high, whole->row_high},
        {whole->scales, part->scales, whole->row_scales},
        {whole->supers, part->supers, whole->row_supers},
    };
    for (size_t i = 0; i < sizeof planes / sizeof *planes; i++) {
        if (!planes[i].row)
            continue;
        int failed =
            cuda_copy_in(device + planes[i].to + (size_t)row * planes[i].row,
                         u->chunk + planes[i].from, (size_t)rows * planes[i].row, u->stream);
        if (failed)
            return failed;
    }
    return cuda_stream_wait(u->stream);
}

/* All rows of `source` to the rows from `at` on of a matrix of `rows` rows. */
static bool put_rows(struct upload *u, const struct kernel_matrix *source, uint8_t *device,
                     int64_t rows, int64_t at)
{
    struct cuda_matrix_layout whole = cuda_matrix_layout(source->type, rows, source->columns);
    struct cuda_matrix_layout one = cuda_matrix_layout(source->type, 1, source->columns);
    int64_t most = (int64_t)(CHUNK_BYTES / (one.bytes ? one.bytes : 1));
    most = most ? most : 1;
    for (int64_t row = 0; row < source->rows; row += most) {
        int64_t count = source->rows - row < most ? source->rows - row : most;
        struct cuda_matrix_layout part = cuda_matrix_layout(source->type, count, source->columns);
        struct packing packing = {&part, source, u->chunk, row};
        threads_for(u->threads, (int)count, 16, pack_work, &packing);
        int failed = copy_planes(u, &whole, &part, device, at + row, count);
        if (failed)
            return gpu_fail(u->error, failed, "uploading weights");
    }
    return true;
}

/* One matrix of `parts` (of one type and width), rows after rows. */
static bool put_matrices(struct upload *u, const struct kernel_matrix *const *parts, int count,
                         struct cuda_matrix *out)
{
    enum kernel_type type = parts[0]->type;
    int columns = parts[0]->columns;
    int64_t rows = 0, at = 0;
    for (int i = 0; i < count; i++)
        rows += parts[i]->rows;
    if (rows > INT32_MAX)
        return engine_fail(u->error, ENGINE_UNSUPPORTED, "a matrix of over 2^31 rows");
    struct cuda_matrix_layout layout = cuda_matrix_layout(type, rows, columns);
    size_t row = cuda_matrix_layout(type, 1, columns).bytes;
    u->widest = row > u->widest ? row : u->widest;
    uint8_t *device = take(u, layout.bytes);
    if (!device) {
        *out = (struct cuda_matrix){
            .type = type, .rows = (int)rows, .columns = columns, .pitch = cuda_pitch(columns)};
        return true;
    }
    *out = cuda_matrix_at(type, (int)rows, columns, device);
    for (int i = 0; i < count && u->chunk; at += parts[i++]->rows)
        if (!put_rows(u, parts[i], device, rows, at))
            return false;
    return true;
}

static bool put_matrix(struct upload *u, const struct kernel_matrix *matrix,
                       struct cuda_matrix *out)
{
    return put_matrices(u, &matrix, 1, out);
}

static bool of_one_type(const struct weights_group *group)
{
    for (int i = 1; i < group->count; i++)
        if (group->matrices[i].type != group->matrices[0].type)
            return false;
    return true;
}

static bool put_group(struct upload *u, const struct weights_group *group, struct gpu_group *out)
{
    const struct kernel_matrix *parts[WEIGHTS_GROUP];
    for (int i = 0; i < group->count; i++)
        parts[i] = &group->matrices[i];
    out->count = of_one_type(group) ? 1 : group->count;
    if (out->count == 1)
        return put_matrices(u, parts, group->count, &out->matrices[0]);
    for (int i = 0; i < group->count; i++)
        if (!put_matrix(u, parts[i], &out->matrices[i]))
            return false;
    return true;
}

static bool put_expert(struct upload *u, const struct weights_expert *expert,
                       struct gpu_expert *out)
{
    return put_group(u, &expert->gate_up, &out->gate_up) &&
           put_matrix(u, &expert->down, &out->down);
}

/* Gate and up of every expert in turn (or all gates, then all ups, where their types differ), and
 * all downs. */
static bool put_experts(struct upload *u, const struct weights_layer *layer, struct gpu_layer *out)
{
    int experts = u->config->experts;
    const struct kernel_matrix **parts = calloc(2 * (size_t)experts, sizeof *parts);
    struct gpu_group *group = &out->feed_forward.gate_up;
    if (!parts)
        return engine_no_memory(u->error, "the experts' tables");
    group->count = of_one_type(&layer->experts[0].gate_up) ? 1 : 2;
    int step = group->count == 1 ? 2 : 1, stride = group->count == 1 ? 1 : experts;
    for (int e = 0; e < experts; e++)
        for (int half = 0; half < 2; half++)
            parts[e * step + half * stride] = &layer->experts[e].gate_up.matrices[half];
    int each = 2 * experts / group->count;
    bool ok = true;
    for (int i = 0; i < group->count && ok; i++)
        ok = put_matrices(u, parts + i * each, each, &group->matrices[i]);
    for (int e = 0; e < experts; e++)
        parts[e] = &layer->experts[e].down;
    ok = ok && put_matrices(u, parts, experts, &out->feed_forward.down);
    free(parts);
    return ok;
}

/* --- Layers --- */

static bool put_vectors(struct upload *u, const struct weights_layer *layer, struct gpu_layer *out)
{
    const struct config *c = u->config;
    int query = c->heads * c->head_dim, key = c->kv_heads * c->head_dim;
    bool full = c->architecture->qk_norm == QK_NORM_FULL;
    const struct {
        const float *host;
        float **device;
        int count;
    } vectors[] = {
        {layer->attention_norm, &out->attention_norm, c->width},
        {layer->attention_post_norm, &out->attention_post_norm, c->width},
        {layer->query_norm, &out->query_norm, full ? query : c->head_dim},
        {layer->key_norm, &out->key_norm, full ? key : c->head_dim},
        {layer->qkv_bias, &out->qkv_bias, query + 2 * key},
        {layer->output_bias, &out->output_bias, c->width},
        {layer->feed_forward_norm, &out->feed_forward_norm, c->width},
        {layer->feed_forward_post_norm, &out->feed_forward_post_norm, c->width},
        {layer->shared_gate, &out->shared_gate, c->width},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        if (!put_floats(u, vectors[i].host, vectors[i].count, vectors[i].device))
            return false;
    return true;
}

static bool put_layer(struct upload *u, const struct weights_layer *layer, struct gpu_layer *out)
{
    if (!put_vectors(u, layer, out) || !put_group(u, &layer->qkv, &out->qkv) ||
        !put_matrix(u, &layer->output, &out->output))
        return false;
    if (!layer->experts)
        return put_expert(u, &layer->feed_forward, &out->feed_forward);
    return put_matrix(u, &layer->router, &out->router) && put_experts(u, layer, out) &&
           (!u->config->shared_feed_forward || put_expert(u, &layer->shared, &out->shared));
}

/* What a position is multiplied with, for each pair of dimensions: as kernel_rope_table has it. */
static bool put_frequencies(struct upload *u, int kind)
{
    const struct config_rope *rope = &u->config->rope[kind];
    int count = u->config->rotary / 2;
    double *values = malloc(((size_t)count + 1) * sizeof *values);
    if (!values)
        return engine_no_memory(u->error, "rotary frequencies");
    for (int i = 0; i < count; i++) {
        values[i] = rope->scale * pow(rope->base, -2.0 * i / u->config->rotary);
        if (rope->factors)
            values[i] /= (double)rope->factors[i];
    }
    bool ok = put(u, values, (size_t)count * sizeof *values, &u->weights->frequencies[kind]);
    free(values);
    return ok;
}

static bool put_all(struct upload *u, const struct weights *raw)
{
    struct gpu_weights *w = u->weights;
    const struct config *c = u->config;
    if (!put_matrix(u, &raw->embedding, &w->embedding) ||
        !put_floats(u, raw->output_norm, c->width, &w->output_norm) ||
        !put_frequencies(u, ROPE_GLOBAL) ||
        (c->original_context && !put_frequencies(u, ROPE_GLOBAL_LONG)) ||
        (c->architecture->local_rope_base > 0 && !put_frequencies(u, ROPE_LOCAL)))
        return false;
    w->output = w->embedding;
    if (raw->output.data != raw->embedding.data && !put_matrix(u, &raw->output, &w->output))
        return false;
    for (int i = 0; i < c->layers; i++)
        if (!put_layer(u, &raw->layers[i], &w->layers[i]))
            return false;
    return true;
}

/* --- The whole --- */

bool gpu_weights_plan(struct gpu_weights *weights, const struct config *config,
                      const struct weights *raw, struct engine_error *error)
{
    struct upload u = {.weights = weights, .config = config, .error = error};
    *weights = (struct gpu_weights){.layer_count = config->layers};
    weights->layers = calloc((size_t)config->layers, sizeof *weights->layers);
    bool ok = weights->layers ? put_all(&u, raw) : engine_no_memory(error, "the model's tables");
    weights->bytes = u.at;
    weights->widest = u.widest;
    if (!ok)
        gpu_weights_done(weights);
    return ok;
}

bool gpu_weights_place(struct gpu_weights *weights, const struct config *config,
                       const struct weights *raw, uint8_t *memory, struct engine_error *error)
{
    struct upload u = {.weights = weights, .config = config, .error = error, .memory = memory};
    weights->memory = memory;
    return put_all(&u, raw);
}

bool gpu_weights_load(struct gpu_weights *weights, const struct config *config,
                      const struct weights *raw, struct threads *threads,
                      struct cuda_stream *stream, struct engine_error *error)
{
    struct upload u = {
        .weights = weights, .config = config, .threads = threads, .stream = stream, .error = error};
    size_t chunk = weights->widest > CHUNK_BYTES ? weights->widest : CHUNK_BYTES;
    void *host, *device = NULL;
    int failed = cuda_alloc_host(&host, chunk + (size_t)5 * ALIGNMENT); /* of a chunk's planes */
    if (!failed)
        failed = cuda_alloc(&device, weights->bytes);
    weights->memory = u.memory = device;
    u.chunk = host;
    bool ok = failed ? gpu_fail(error, failed, "the weights") : put_all(&u, raw);
    cuda_release_host(host);
    return ok;
}

void gpu_weights_done(struct gpu_weights *weights)
{
    cuda_release(weights->memory);
    free(weights->layers);
    *weights = (struct gpu_weights){0};
}
