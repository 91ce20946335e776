/* The public functions: each is a few lines over the modules that do the work. */
#include "engine/engine.h"

#include "engine/backend_cpu.h"
#include "engine/backend_cuda.h"
#include "engine/error.h"
#include "engine/model.h"
#include "engine/scheduler.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct engine {
    struct model_backends backends;
    struct scheduler *scheduler;
    size_t kv_bytes;
};

/* --- Life --- */

/* The number after "cuda:" (0 where there is none); -1 for anything else. */
static int cuda_number(const char *device)
{
    char *end;
    if (!strcmp(device, "cuda"))
        return 0;
    if (strncmp(device, "cuda:", 5) || device[5] < '0' || device[5] > '9')
        return -1;
    unsigned long number = strtoul(device + 5, &end, 10);
    return *end || number > 1000 ? -1 : (int)number;
}

static bool open_cuda(struct engine *engine, const struct engine_options *options, int number,
                      struct engine_error *error)
{
#if ENGINE_HAVE_CUDA
    engine->backends.device = backend_cuda_new(number, options->threads, error);
    return engine->backends.device;
#else
    (void)engine, (void)options;
    return engine_fail(error, ENGINE_DEVICE,
                       "device \"cuda:%d\": this program was built without CUDA", number);
#endif
}

/* The first CUDA device, beside the CPU; where it cannot be had, why. */
static void open_any(struct engine *engine, const struct engine_options *options)
{
#if ENGINE_HAVE_CUDA
    struct engine_error error = {0};
    const char *why;
    if (backend_cuda_count(&why) && !open_cuda(engine, options, 0, &error))
        why = error.message;
    if (why)
        snprintf(engine->backends.missing, sizeof engine->backends.missing, "%.199s", why);
#else
    (void)engine, (void)options;
#endif
}

/* "auto" takes the first CUDA device where there is one. */
static bool choose_backends(struct engine *engine, const struct engine_options *options,
                            struct engine_error *error)
{
    const char *device = options->device ? options->device : "auto";
    bool any = !strcmp(device, "auto");
    int number = cuda_number(device);
    if (number >= 0)
        return open_cuda(engine, options, number, error);
    if (!any && strcmp(device, "cpu"))
        return engine_fail(error, ENGINE_DEVICE,
                           "device \"%s\" is none of auto, cpu, cuda and cuda:N", device);
    engine->backends.host = backend_cpu_new(options->threads, options->kernels, error);
    if (any && engine->backends.host)
        open_any(engine, options);
    return engine->backends.host;
}

struct engine *engine_new(const struct engine_options *options, struct engine_error *error)
{
    static const struct engine_options defaults;
    options = options ? options : &defaults;
    struct engine *engine = calloc(1, sizeof *engine);
    if (!engine) {
        engine_no_memory(error, "the engine");
        return NULL;
    }
    engine->kv_bytes = options->kv_bytes;
    if (choose_backends(engine, options, error))
        engine->scheduler = scheduler_new(options->max_requests, options->max_queue, error);
    if (engine->scheduler)
        return engine;
    engine_free(engine);
    return NULL;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    struct engine_model *model = engine->scheduler ? scheduler_free(engine->scheduler) : NULL;
    while (model) {
        struct engine_model *next = model->next;
        model_free(model);
        model = next;
    }
    struct backend *backends[] = {engine->backends.device, engine->backends.host};
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        if (backends[i])
            backends[i]->ops->free(backends[i]);
    free(engine);
}

struct engine_model *engine_load_with(struct engine *engine, const char *path,
                                      const struct engine_load_options *options,
                                      const struct model_override *override,
                                      struct engine_error *error)
{
    struct engine_model *model =
        model_new(&engine->backends, path, options, engine->kv_bytes, override, error);
    if (!model)
        return NULL;
    model->scheduler = engine->scheduler;
    scheduler_add_model(engine->scheduler, model);
    return model;
}

struct engine_model *engine_load(struct engine *engine, const char *path,
                                 const struct engine_load_options *options,
                                 struct engine_error *error)
{
    return engine_load_with(engine, path, options, NULL, error);
}

void engine_unload(struct engine_model *model)
{
    scheduler_remove_model(model->scheduler, model);
}

void engine_model_info(const struct engine_model *model, struct engine_model_info *info)
{
    *info = (struct engine_model_info){
        .name = model->name,
        .architecture = model->config.architecture->name,
        .type = model->backend->type,
        .chat_template = model->template ? template_name(model->template) : "",
        .device = model->backend->backend->name,
        .warning = *model->warning ? model->warning : NULL,
        .parameters = model->backend->parameters,
        .weight_bytes = model->backend->weight_bytes,
        .layer_parameters = model->backend->layer_parameters,
        .context = model->context,
        .vocabulary = model->config.vocabulary,
    };
}

/* --- Requests --- */

uint64_t engine_submit(struct engine_model *model, const struct engine_request *request,
                       struct engine_error *error)
{
    struct request *made = request_new(model, request, error);
    return made ? scheduler_submit(model->scheduler, made, error) : 0;
}

void engine_cancel(struct engine *engine, uint64_t id)
{
    scheduler_cancel(engine->scheduler, id);
}

void engine_metrics(const struct engine *engine, struct engine_metrics *metrics)
{
    scheduler_metrics(engine->scheduler, metrics);
}

/* --- Text --- */

/* Hands a list's ids to the caller, or NULL if it could not be made. */
static int32_t *give_ids(struct token_list *list, bool ok, size_t *count,
                         struct engine_error *error)
{
    if (ok && !list->ids && !(list->ids = malloc(sizeof *list->ids)))
        ok = engine_no_memory(error, "token ids");
    if (!ok) {
        token_list_done(list);
        return NULL;
    }
    *count = list->count;
    return list->ids;
}

int32_t *engine_tokenize(const struct engine_model *model, const char *text, size_t length,
                         bool special, bool add_bos, size_t *count, struct engine_error *error)
{
    struct token_list list = {0};
    unsigned flags = (special ? TOKENIZER_SPECIAL : 0u) | (add_bos ? TOKENIZER_BOS : 0u);
    return give_ids(&list, tokenizer_encode(model->tokenizer, text, length, flags, &list, error),
                    count, error);
}

int32_t *engine_render(const struct engine_model *model, const struct engine_message *messages,
                       size_t count, size_t *tokens, struct engine_error *error)
{
    struct token_list list = {0};
    bool ok = model->template;
    if (ok)
        ok = template_render(model->template, messages, count, &list, error);
    else if (error)
        *error = model->template_error;
    return give_ids(&list, ok, tokens, error);
}

char *engine_detokenize(const struct engine_model *model, const int32_t *tokens, size_t count,
                        bool special, size_t *length)
{
    return tokenizer_decode(model->tokenizer, tokens, count, special, length);
}

const char *engine_token_text(const struct engine_model *model, int32_t token, bool special,
                              size_t *length)
{
    return tokenizer_piece(model->tokenizer, token, special, length);
}

/* --- Logits --- */

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool is_over;
    struct engine_result result;
};

static void wake_waiter(void *user, const struct engine_result *result)
{
    struct waiter *waiter = user;
    pthread_mutex_lock(&waiter->lock);
    waiter->result = *result;
    waiter->is_over = true;
    pthread_cond_signal(&waiter->ended);
    pthread_mutex_unlock(&waiter->lock);
}

static bool wait_for(struct waiter *waiter, struct engine_error *error)
{
    pthread_mutex_lock(&waiter->lock);
    while (!waiter->is_over)
        pthread_cond_wait(&waiter->ended, &waiter->lock);
    pthread_mutex_unlock(&waiter->lock);
    if (waiter->result.finish == ENGINE_CANCELLED)
        return engine_fail(error, ENGINE_BUSY, "the engine was shut down");
    if (waiter->result.finish == ENGINE_FAILED && error)
        *error = waiter->result.error;
    return waiter->result.finish != ENGINE_FAILED;
}

float *engine_logits(struct engine_model *model, const int32_t *tokens, size_t count,
                     struct engine_error *error)
{
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    struct engine_request wanted = {
        .tokens = tokens, .token_count = count, .on_end = wake_waiter, .user = &waiter};
    struct request *request = request_new(model, &wanted, error);
    if (!request)
        return NULL;
    float *logits = malloc(count * (size_t)model->config.vocabulary * sizeof *logits);
    if (!logits) {
        engine_no_memory(error, "logits");
        request_free(request);
        return NULL;
    }
    request->logits = logits;
    if (scheduler_submit(model->scheduler, request, error) && wait_for(&waiter, error))
        return logits;
    free(logits);
    return NULL;
}
