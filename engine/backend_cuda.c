/* Gluing: memory is counted before any is taken, so that a model that does not fit is refused with
 * figures instead of failing halfway. */
#include "engine/backend_cuda.h"

#include "engine/error.h"
#include "engine/gguf.h"
#include "engine/gpu_forward.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    STEPS = 2, /* under way at once: one runs, one waits behind it */
    MIXED_TOKENS = 512,
    KV_SHARE = 2, /* of what is free, by default: a half */
};

/* For the driver's own needs: contexts, graphs, kernels' local memory. */
static const size_t RESERVE = (size_t)256 << 20, MOST_DEFAULT_KV = (size_t)16 << 30;

struct cuda_backend {
    struct backend base;
    int number, threads;
    struct cuda_info info;
};

struct cuda_model {
    struct backend_model base;
    const struct config *config;
    struct cuda_stream *stream;
    struct gpu_weights weights;
    struct gpu_forward *forward;
    struct gpu_places places;
    struct gpu_step steps[STEPS]; /* under way: `count` of them, from `oldest` on */
    int oldest, count;
    bool lost;
};

static struct cuda_backend *cuda_of(struct backend *backend)
{
    return (struct cuda_backend *)backend;
}

/* --- Steps --- */

/* `status` of the device, while `doing`. */
static bool fail(struct cuda_model *m, struct engine_error *error, int status, const char *doing)
{
    m->lost |= cuda_status_is_lost(status);
    return gpu_fail(error, status, doing);
}

static bool cuda_submit(struct backend_model *base, const struct backend_step *step,
                        struct engine_error *error)
{
    struct cuda_model *m = (struct cuda_model *)base;
    if (m->lost)
        return engine_fail(error, ENGINE_DEVICE, "%s is lost: it works again after a restart",
                           base->backend->name);
    int failed = cuda_use(cuda_of(base->backend)->number);
    if (failed)
        return fail(m, error, failed, "choosing the device");
    struct gpu_step *made = &m->steps[(m->oldest + m->count) % STEPS];
    struct gpu_step *before = m->count ? &m->steps[m->oldest] : NULL;
    if (!gpu_step_make(made, before, step, m->stream, &failed, error)) {
        m->lost |= cuda_status_is_lost(failed);
        return false;
    }
    failed = gpu_forward_run(m->forward, made);
    if (!failed)
        failed = gpu_step_fetch(made, m->stream);
    m->count += !failed;
    if (!failed)
        return true;
    int after = cuda_stream_wait(m->stream); /* what was given reads the step's lists */
    return fail(m, error, after ? after : failed, "starting a step");
}

static bool cuda_wait(struct backend_model *base, struct engine_error *error)
{
    struct cuda_model *m = (struct cuda_model *)base;
    struct gpu_step *step = &m->steps[m->oldest];
    m->oldest = (m->oldest + 1) % STEPS;
    m->count--;
    int failed = cuda_use(cuda_of(base->backend)->number);
    if (!failed)
        failed = gpu_step_wait(step);
    if (failed)
        return fail(m, error, failed, "a step");
    gpu_step_take(step);
    return true;
}

/* --- Loading --- */

static void cuda_unload(struct backend_model *base)
{
    struct cuda_model *m = (struct cuda_model *)base;
    if (!m)
        return;
    cuda_use(cuda_of(base->backend)->number);
    if (m->stream)
        cuda_stream_wait(m->stream); /* nothing of it is used any more */
    gpu_forward_free(m->forward);
    for (int i = 0; i < STEPS; i++)
        gpu_step_done(&m->steps[i]);
    gpu_places_done(&m->places);
    gpu_weights_done(&m->weights);
    cuda_stream_free(m->stream);
    free(m);
}

static double gigabytes(size_t bytes)
{
    return (double)bytes / (double)((size_t)1 << 30);
}

/* How many pages there is room for beside weights and buffers; refuses where there is too little.
 */
static bool choose_pages(struct cuda_model *m, const struct gguf *file,
                         const struct backend_load *options, struct engine_error *error)
{
    struct cuda_backend *cuda = cuda_of(m->base.backend);
    size_t page = m->base.page_bytes, available;
    size_t fixed =
        m->weights.bytes + gpu_forward_bytes(m->config, &m->weights, &cuda->info) + RESERVE;
    int failed = cuda_free_memory(&available);
    if (failed)
        return fail(m, error, failed, "asking for free memory");
    size_t left = available > fixed ? available - fixed : 0, wanted = options->kv_bytes;
    if (!wanted)
        wanted = left / KV_SHARE < MOST_DEFAULT_KV ? left / KV_SHARE : MOST_DEFAULT_KV;
    if (left < page || wanted > left)
        return engine_fail(error, ENGINE_MEMORY,
                           "%s does not fit %s: %.2f GiB of weights, %.2f GiB of buffers and %.2f "
                           "GiB of KV cache, but %.2f GiB are free",
                           gguf_name(file), cuda->base.name, gigabytes(m->weights.bytes),
                           gigabytes(fixed - m->weights.bytes),
                           gigabytes(wanted > page ? wanted : page), gigabytes(available));
    size_t pages = wanted / page;
    if (pages > INT32_MAX / KERNEL_KV_BLOCK)
        pages = INT32_MAX / KERNEL_KV_BLOCK;
    m->base.pages = pages ? (int)pages : 1;
    return true;
}

static bool make_step(struct cuda_model *m, struct engine_error *error)
{
    int longest = (m->config->context + KERNEL_KV_BLOCK - 1) / KERNEL_KV_BLOCK;
    int failed = gpu_places_init(&m->places, longest < m->base.pages ? longest : m->base.pages);
    for (int i = 0; i < STEPS && !failed; i++)
        failed = gpu_step_init(&m->steps[i], &m->places);
    return !failed || fail(m, error, failed, "a step");
}

static bool upload(struct cuda_model *m, const struct gguf *file, const struct weights *raw,
                   const struct backend_load *options, struct threads *threads,
                   struct engine_error *error)
{
    struct cuda_backend *cuda = cuda_of(m->base.backend);
    if (!gpu_weights_plan(&m->weights, m->config, raw, error) ||
        !choose_pages(m, file, options, error) ||
        !gpu_weights_load(&m->weights, m->config, raw, threads, m->stream, error))
        return false;
    m->forward = gpu_forward_new(m->config, &m->weights, &cuda->info, m->stream, options->kv,
                                 m->base.pages, error);
    m->base.parameters = raw->parameters;
    m->base.layer_parameters = raw->layer_parameters;
    m->base.weight_bytes = raw->bytes_a_token;
    m->base.type = raw->type;
    return m->forward && make_step(m, error);
}

static bool load(struct cuda_model *m, const struct gguf *file, const struct backend_load *options,
                 struct engine_error *error)
{
    struct cuda_backend *cuda = cuda_of(m->base.backend);
    struct weights_options wanted = {
        .quantize = options->quantize, .partial = options->partial, .raw = true};
    struct weights raw = {0};
    int failed = cuda_use(cuda->number);
    if (!failed)
        failed = cuda_stream_new(&m->stream);
    if (failed)
        return fail(m, error, failed, "starting");
    struct threads *threads = threads_new(cuda->threads, error);
    bool ok = threads && weights_load(&raw, m->config, file, &wanted, threads, error) &&
              upload(m, file, &raw, options, threads, error);
    weights_done(&raw);
    threads_free(threads);
    return ok;
}

static struct backend_model *cuda_load(struct backend *backend, const struct config *config,
                                       const struct gguf *file, const struct backend_load *options,
                                       struct engine_error *error)
{
    struct cuda_model *m = calloc(1, sizeof *m);
    if (!m) {
        engine_no_memory(error, "a model");
        return NULL;
    }
    m->base = (struct backend_model){.backend = backend,
                                     .page_bytes = gpu_page_bytes(config, options->kv),
                                     .step_tokens = GPU_STEP_TOKENS,
                                     .mixed_tokens = MIXED_TOKENS,
                                     .on_device = true};
    m->config = config;
    if (load(m, file, options, error))
        return &m->base;
    cuda_unload(&m->base);
    return NULL;
}

static void cuda_backend_free(struct backend *backend)
{
    free(backend);
}

static const struct backend_ops CUDA_OPS = {cuda_load, cuda_unload, cuda_submit, cuda_wait,
                                            cuda_backend_free};

int backend_cuda_count(const char **why)
{
    int count = cuda_count();
    *why = !count && cuda_count_is_wrong() ? cuda_count_text() : NULL;
    return count;
}

/* Is there a device of that number, and what is it? */
static bool find_device(int number, struct cuda_info *info, struct engine_error *error)
{
    int count = cuda_count();
    if (!count)
        return engine_fail(error, ENGINE_DEVICE,
                           "device cuda:%d: this machine has no usable one: %s", number,
                           cuda_count_text());
    if (number >= count)
        return engine_fail(error, ENGINE_DEVICE,
                           "device cuda:%d: this machine has %d, the last one is cuda:%d", number,
                           count, count - 1);
    int failed = cuda_describe(number, info);
    return !failed || gpu_fail(error, failed, "being described");
}

struct backend *backend_cuda_new(int number, int threads, struct engine_error *error)
{
    struct cuda_backend *cuda = calloc(1, sizeof *cuda);
    if (!cuda) {
        engine_no_memory(error, "the CUDA backend");
        return NULL;
    }
    *cuda = (struct cuda_backend){.number = number, .threads = threads};
    cuda->base.ops = &CUDA_OPS;
    if (!find_device(number, &cuda->info, error)) {
        free(cuda);
        return NULL;
    }
    snprintf(cuda->base.name, sizeof cuda->base.name, "cuda:%d (%s)", number, cuda->info.name);
    return &cuda->base;
}
