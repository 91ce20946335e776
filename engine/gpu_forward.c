/* A step's frame: embeddings before the layers, logits and draws after them, and graphs around
 * all. A failed launch leaves its status in the forward pass; what follows is skipped (RUN). */
#include "engine/gpu_forward_internal.h"

#include "engine/error.h"

#include <stdlib.h>

struct gpu_forward *gpu_forward_new(const struct config *config, const struct gpu_weights *weights,
                                    const struct cuda_info *device, struct cuda_stream *stream,
                                    enum kernel_kv kv, int pages, struct engine_error *error)
{
    const char *why;
    struct gpu_forward *f = calloc(1, sizeof *f);
    if (!f) {
        engine_no_memory(error, "the forward pass");
        return NULL;
    }
    *f = (struct gpu_forward){
        .config = config, .weights = weights, .device = *device, .stream = stream, .kv = kv};
    int failed = gpu_buffers_make(f, pages);
    if (failed) {
        gpu_fail(error, failed, "the forward pass and its KV cache");
        gpu_forward_free(f);
        return NULL;
    }
    f->gemm = cuda_gemm_new(stream, &why);
    return f;
}

void gpu_forward_free(struct gpu_forward *f)
{
    if (!f)
        return;
    for (int i = 0; i < GPU_GRAPHS; i++)
        cuda_graph_free(f->graphs[i]);
    cuda_gemm_free(f->gemm);
    cuda_release(f->cache);
    cuda_release(f->memory);
    free(f);
}

/* --- Logits and draws --- */

static void begin(struct gpu_forward *f)
{
    const struct config *c = f->config;
    const struct gpu_weights *w = f->weights;
    const double *far = w->frequencies[ROPE_GLOBAL_LONG];
    bool has_far = far != NULL;
    struct cuda_begin b = {
        .rows = f->step->lists.rows,
        .count = f->rows,
        .drawn = f->step->places->drawn,
        .tokens = f->b.tokens,
        .embedding = w->embedding,
        .scale = c->architecture->scaled_embedding ? c->embedding_scale : 1,
        .x = f->b.x,
        .x_stride = f->width_pitch,
        .rotary = c->rotary,
        .frequencies = {w->frequencies[ROPE_GLOBAL], has_far ? far : w->frequencies[ROPE_GLOBAL],
                        w->frequencies[ROPE_LOCAL]},
        .magnitude = {(float)c->rope[ROPE_GLOBAL].magnitude,
                      (float)c->rope[has_far ? ROPE_GLOBAL_LONG : ROPE_GLOBAL].magnitude,
                      (float)c->rope[ROPE_LOCAL].magnitude},
        .tables = {f->b.tables[0], f->b.tables[1]},
    };
    f->pending = false;
    RUN(f, cuda_begin(&b, f->stream));
}

/* Row i of the logits from row i of the residual stream. */
static void head_of_all(struct gpu_forward *f)
{
    struct ending ending = {.kind = CUDA_OUT_STORE, .softcap = f->config->final_softcap};
    struct input in = gpu_residual_input(f, f->weights->output_norm);
    gpu_product(f, &in, &f->weights->output, f->b.logits, f->logits_pitch, &ending);
    gpu_residual_done(f, &in);
}

/* The sum that is pending, where no norm takes it. */
static void settle(struct gpu_forward *f)
{
    if (!f->pending)
        return;
    struct cuda_norm norm = {.in = gpu_residual_input(f, NULL).raw, .rows = f->rows};
    norm.in.sum_out = f->b.x;
    RUN(f, cuda_norm(&norm, f->stream));
    f->pending = false;
}

/* Row i of the logits from the i-th wanted row of a chunk. */
static void head_of_chunk(struct gpu_forward *f, const struct gpu_chunk *chunk)
{
    const struct cuda_matrix *output = &f->weights->output;
    struct ending ending = {.kind = CUDA_OUT_STORE, .softcap = f->config->final_softcap};
    struct input in = gpu_residual_input(f, f->weights->output_norm);
    struct cuda_norm gather = {
        .in = in.raw, .index = f->step->lists.wanted + chunk->first, .rows = chunk->count};
    f->rows = gpu_bucket(chunk->count);
    enum want want = gpu_want(f, output->type);
    gather.out = gpu_forms(f, want, f->config->width);
    RUN(f, cuda_norm(&gather, f->stream));
    in = gpu_plain_input(f->b.f32, f->width_pitch, f->config->width);
    in.has = want;
    if (want != WANT_QUANTS) {
        gpu_product(f, &in, output, f->b.logits, f->logits_pitch, &ending);
        return;
    }
    struct cuda_gemv gemv = {.matrix = *output,
                             .in = {.stride = f->width_pitch,
                                    .columns = f->config->width,
                                    .quants = f->b.quants,
                                    .blocks = f->b.blocks},
                             .rows = f->rows,
                             .kind = CUDA_OUT_STORE,
                             .out = f->b.logits,
                             .out_stride = f->logits_pitch,
                             .softcap = ending.softcap};
    RUN(f, cuda_gemv(&gemv, f->stream));
}

/* Logits that a slice asked for. */
static void copy_logits(struct gpu_forward *f, const struct gpu_chunk *chunk)
{
    size_t vocabulary = (size_t)f->config->vocabulary;
    for (int i = 0; i < chunk->count; i++) {
        const struct gpu_wanted *wanted = &f->step->wanted[chunk->first + i];
        float *out = f->step->step->slices[wanted->slice].logits;
        if (out)
            RUN(f, cuda_copy_out(out + (size_t)wanted->index * vocabulary,
                                 f->b.logits + (size_t)i * (size_t)f->logits_pitch,
                                 vocabulary * sizeof *out, f->stream));
    }
}

/* What the penalties of a launch's chains know of. */
static void count_tokens(struct gpu_forward *f, int first_chain, int chains)
{
    const struct gpu_step *s = f->step;
    for (int i = 0; i < chains && s->has_penalties; i++) {
        size_t at = s->counted_at[first_chain + i], words = s->counted_at[first_chain + i + 1] - at;
        if (words)
            RUN(f, cuda_count_tokens(f->b.counts, f->config->vocabulary, i, s->counted.device + at,
                                     (int)(words / 2), f->stream));
    }
}

/* Draws of up to GPU_CHAINS chains; `launch` is the place of their number. */
static void sample(struct gpu_forward *f, int launch, int first_chain, int most)
{
    const struct gpu_step *s = f->step;
    struct cuda_sample a = {.logits = f->b.logits,
                            .vocabulary = f->config->vocabulary,
                            .stride = f->logits_pitch,
                            .most = most,
                            .chain_count = s->lists.chain_counts + launch,
                            .chains = s->lists.chains + first_chain,
                            .draws = s->lists.draws,
                            .biases = s->lists.biases,
                            .tokens = f->b.tokens,
                            .counts = f->b.counts,
                            .drawn = s->places->drawn,
                            .tops = s->places->tops,
                            .scratch = f->b.sample};
    RUN(f, cuda_sample(&a, f->stream));
}

static void sample_chunks(struct gpu_forward *f)
{
    int launch = 0;
    for (int i = 0; i < f->step->chunk_count; i++) {
        const struct gpu_chunk *chunk = &f->step->chunks[i];
        f->rows = f->step->bucket;
        head_of_chunk(f, chunk);
        copy_logits(f, chunk);
        for (int done = 0; done < chunk->chains; done += GPU_CHAINS) {
            int left = chunk->chains - done, first = chunk->first_chain + done;
            left = left < GPU_CHAINS ? left : GPU_CHAINS;
            count_tokens(f, first, left);
            sample(f, launch++, first, left);
        }
    }
}

static void sample_all(struct gpu_forward *f)
{
    for (int done = 0; done < f->step->bucket; done += GPU_CHAINS) {
        int left = f->step->bucket - done, chains = f->step->chain_count - done;
        left = left < GPU_CHAINS ? left : GPU_CHAINS;
        if (!f->recording && f->step->bucket > GPU_CHAINS)
            count_tokens(f, done, chains < left ? chains : left);
        sample(f, done / GPU_CHAINS, done, left);
    }
}

/* --- A step --- */

static void run_layers(struct gpu_forward *f)
{
    f->rows = f->step->bucket;
    begin(f);
    for (int i = 0; i < f->config->layers; i++) {
        f->layer_number = i;
        f->layer = &f->weights->layers[i];
        gpu_run_layer(f);
    }
}

static void run_direct(struct gpu_forward *f)
{
    run_layers(f);
    head_of_all(f);
    sample_all(f);
}

static int graph_number(int bucket)
{
    int number = 0;
    while (1 << number < bucket)
        number++;
    return number;
}

/* Records the step as it runs for any content of its lists. False: the device will not. */
static bool record(struct gpu_forward *f, struct cuda_graph **graph)
{
    if (cuda_record_begin(f->stream))
        return false;
    f->recording = true;
    run_direct(f);
    f->recording = false;
    int failed = cuda_record_end(f->stream, graph);
    bool ok = !failed && !f->status;
    if (!ok && *graph) {
        cuda_graph_free(*graph);
        *graph = NULL;
    }
    f->status = 0;
    return ok;
}

/* The first step of a bucket runs as it is, which also makes the plans of its products; later ones
 * are recorded. */
static void run_bucket(struct gpu_forward *f)
{
    int number = graph_number(f->step->bucket);
    bool penalised = f->step->has_penalties && f->step->bucket > GPU_CHAINS;
    if (f->step->bucket <= GPU_CHAINS)
        count_tokens(f, 0, f->step->chain_count);
    if (f->no_graphs || penalised || !f->known[number]) {
        f->known[number] = true;
        run_direct(f);
        return;
    }
    if (!f->graphs[number] && !record(f, &f->graphs[number])) {
        f->no_graphs = true;
        run_direct(f);
        return;
    }
    RUN(f, cuda_graph_launch(f->graphs[number], f->stream));
}

int gpu_forward_run(struct gpu_forward *f, const struct gpu_step *step)
{
    f->step = step;
    f->status = 0;
    if (step->direct) {
        run_bucket(f);
    } else {
        run_layers(f);
        if (step->chunk_count)
            settle(f);
        sample_chunks(f);
    }
    return f->status;
}
