/* Gluing: a step's slices go through the forward pass, then the rows that want a successor or
 * logits pass through the output matrix in groups, and each request draws from its own. Requests
 * draw in parallel; the draws of one request stay in order, since each depends on the one before
 * (penalties, guesses). */
#include "engine/backend_cpu.h"

#include "engine/error.h"
#include "engine/forward.h"
#include "engine/sampler.h"
#include "engine/threads.h"
#include "engine/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEP_TOKENS = 256, MIXED_TOKENS = 128 };

static const size_t MOST_DEFAULT_KV = (size_t)2 << 30;

struct cpu_backend {
    struct backend base;
    const struct kernels *kernels;
    struct threads *threads;
};

/* A row that goes through the output matrix. */
struct wanted {
    int slice, index; /* the token's place in its slice */
};

struct cpu_model {
    struct backend_model base;
    const struct config *config;
    struct weights weights;
    struct forward *forward;
    const struct backend_step *step; /* submitted, not yet computed */
    struct wanted *wanted;           /* of the whole step */
    int wanted_count, capacity;
    /* The group being drawn from. */
    const struct wanted *group;
    int group_count;
    const float *logits;
};

static struct cpu_backend *cpu_of(struct backend *backend)
{
    return (struct cpu_backend *)backend;
}

/* --- Drawing --- */

/* One draw of a slice, from the logits after its token `index`. */
static void draw(struct backend_slice *slice, int index, const float *logits)
{
    int before = slice->count - slice->samples, turn = index - before, n = slice->made_count;
    if (turn != n || (n && slice->made[n - 1] != slice->tokens[index]))
        return; /* an earlier guess was wrong: what follows it means nothing */
    int32_t token = sampler_draw(slice->sampler, logits, slice->draw + (uint64_t)n);
    if (slice->logprobs)
        slice->logprobs[n] = sampler_logprobs(slice->sampler, logits, token,
                                              slice->top ? slice->top + n * slice->tops : NULL,
                                              slice->top ? slice->tops : 0);
    sampler_see(slice->sampler, token, true);
    slice->made[n] = token;
    slice->made_count = n + 1;
}

static void take_row(struct cpu_model *m, const struct wanted *wanted, const float *logits)
{
    struct backend_slice *slice = &m->step->slices[wanted->slice];
    size_t vocabulary = (size_t)m->config->vocabulary;
    if (slice->logits)
        memcpy(slice->logits + (size_t)wanted->index * vocabulary, logits,
               vocabulary * sizeof *logits);
    if (wanted->index >= slice->count - slice->samples)
        draw(slice, wanted->index, logits);
}

/* Items are rows; the piece that holds the first row of a slice in this group takes all of that
 * slice's. */
static void take_rows(void *context, int first, int last, int thread)
{
    struct cpu_model *m = context;
    (void)thread;
    for (int i = first; i < last; i++) {
        if (i && m->group[i].slice == m->group[i - 1].slice)
            continue;
        for (int j = i; j < m->group_count && m->group[j].slice == m->group[i].slice; j++)
            take_row(m, &m->group[j], m->logits + (size_t)j * (size_t)m->config->vocabulary);
    }
}

/* --- A step --- */

static void list_wanted(struct cpu_model *m, int rows[])
{
    int row = 0;
    m->wanted_count = 0;
    for (int s = 0; s < m->step->count; s++) {
        struct backend_slice *slice = &m->step->slices[s];
        slice->made_count = 0;
        for (int i = slice->logits ? 0 : slice->count - slice->samples; i < slice->count; i++) {
            rows[m->wanted_count] = row + i;
            m->wanted[m->wanted_count++] = (struct wanted){s, i};
        }
        row += slice->count;
    }
}

static bool cpu_submit(struct backend_model *base, const struct backend_step *step,
                       struct engine_error *error)
{
    struct cpu_model *m = (struct cpu_model *)base;
    int rows = 0;
    for (int s = 0; s < step->count; s++)
        rows += step->slices[s].count;
    if (rows > m->capacity)
        return engine_fail(error, ENGINE_DEVICE,
                           "a step of %d tokens, over the %d that were agreed", rows, m->capacity);
    m->step = step;
    return true;
}

static bool cpu_wait(struct backend_model *base, struct engine_error *error)
{
    struct cpu_model *m = (struct cpu_model *)base;
    if (!forward_layers(m->forward, m->step, error)) {
        m->step = NULL;
        return false;
    }
    int *rows = (int *)(m->wanted + m->capacity);
    list_wanted(m, rows);
    for (int at = 0; at < m->wanted_count; at += FORWARD_HEAD_ROWS) {
        int left = m->wanted_count - at;
        m->group = m->wanted + at;
        m->group_count = left < FORWARD_HEAD_ROWS ? left : FORWARD_HEAD_ROWS;
        m->logits = forward_logits(m->forward, rows + at, m->group_count);
        threads_for(cpu_of(base->backend)->threads, m->group_count, 1, take_rows, m);
    }
    m->step = NULL;
    return true;
}

/* --- Loading --- */

static void cpu_unload(struct backend_model *base)
{
    struct cpu_model *m = (struct cpu_model *)base;
    if (!m)
        return;
    forward_free(m->forward);
    weights_done(&m->weights);
    free(m->wanted);
    free(m);
}

static bool load_weights(struct cpu_model *m, const struct gguf *file,
                         const struct backend_load *options, struct engine_error *error)
{
    struct weights_options wanted = {.quantize = options->quantize, .partial = options->partial};
    /* The team of the backend may be busy with a step of another model: loading has one of its own.
     */
    struct threads *threads = threads_new(threads_count(cpu_of(m->base.backend)->threads), error);
    bool ok = threads && weights_load(&m->weights, m->config, file, &wanted, threads, error);
    threads_free(threads);
    return ok;
}

static size_t default_kv_bytes(void)
{
    size_t quarter = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) / 4;
    return quarter < MOST_DEFAULT_KV ? quarter : MOST_DEFAULT_KV;
}

static bool make_forward(struct cpu_model *m, const struct backend_load *options,
                         struct engine_error *error)
{
    struct cpu_backend *cpu = cpu_of(m->base.backend);
    size_t kv_bytes = options->kv_bytes ? options->kv_bytes : default_kv_bytes();
    size_t pages = kv_bytes / m->base.page_bytes;
    if (pages > INT32_MAX / KERNEL_KV_BLOCK)
        pages = INT32_MAX / KERNEL_KV_BLOCK;
    m->base.pages = pages ? (int)pages : 1;
    m->capacity = m->base.step_tokens;
    m->wanted = calloc((size_t)m->capacity, sizeof *m->wanted + sizeof(int));
    if (!m->wanted)
        return engine_no_memory(error, "a step");
    m->forward = forward_new(m->config, &m->weights, cpu->kernels, cpu->threads, m->capacity,
                             m->base.pages, options->kv, error);
    return m->forward;
}

static struct backend_model *cpu_load(struct backend *backend, const struct config *config,
                                      const struct gguf *file, const struct backend_load *options,
                                      struct engine_error *error)
{
    struct cpu_model *m = calloc(1, sizeof *m);
    if (!m) {
        engine_no_memory(error, "a model");
        return NULL;
    }
    m->base = (struct backend_model){.backend = backend,
                                     .page_bytes = forward_page_bytes(config, options->kv),
                                     .step_tokens = STEP_TOKENS,
                                     .mixed_tokens = MIXED_TOKENS};
    m->config = config;
    if (!load_weights(m, file, options, error) || !make_forward(m, options, error)) {
        cpu_unload(&m->base);
        return NULL;
    }
    m->base.parameters = m->weights.parameters;
    m->base.layer_parameters = m->weights.layer_parameters;
    m->base.weight_bytes = m->weights.bytes_a_token;
    m->base.type = m->weights.type;
    return &m->base;
}

static void cpu_free(struct backend *backend)
{
    threads_free(cpu_of(backend)->threads);
    free(backend);
}

static const struct backend_ops CPU_OPS = {cpu_load, cpu_unload, cpu_submit, cpu_wait, cpu_free};

struct backend *backend_cpu_new(int threads, const char *kernels, struct engine_error *error)
{
    struct cpu_backend *cpu = calloc(1, sizeof *cpu);
    if (!cpu) {
        engine_no_memory(error, "the CPU backend");
        return NULL;
    }
    cpu->base.ops = &CPU_OPS;
    cpu->kernels = kernels_choose(kernels);
    if (!cpu->kernels)
        engine_fail(error, ENGINE_UNSUPPORTED,
                    "kernels \"%s\": unknown, or not for this CPU (scalar, avx2, avxvnni, avx512)",
                    kernels ? kernels : "");
    else
        cpu->threads = threads_new(threads, error);
    if (!cpu->threads) {
        free(cpu);
        return NULL;
    }
    snprintf(cpu->base.name, sizeof cpu->base.name, "cpu (%s)", cpu->kernels->name);
    return &cpu->base;
}
