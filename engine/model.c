/* Order matters for the time to a clear refusal: the cheap checks (architecture, tokenizer,
 * template) come before the weights are packed. The file is closed at the end: nothing borrows from
 * it. */
#include "engine/model.h"

#include "engine/checkpoint.h"
#include "engine/error.h"
#include "engine/mask.h"
#include "engine/gguf.h"
#include "engine/selfcheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_name(struct engine_model *model, const struct gguf *file, const char *path,
                      struct engine_error *error)
{
    struct gguf_text name;
    const char *slash = strrchr(path, '/');
    if (gguf_string(file, "general.name", &name) && name.length && name.length < 256 &&
        !memchr(name.bytes, 0, name.length))
        model->name = strndup(name.bytes, name.length);
    else
        model->name = strdup(slash ? slash + 1 : path);
    return model->name || engine_no_memory(error, path);
}

/* A model without a template that can be used is still good for token ids; a template asked for by
 * name is not optional. The table for answers by a schema is made here, where it holds up no other
 * request; not every vocabulary has one. */
static bool read_text(struct engine_model *model, const struct gguf *file, const char *template,
                      struct engine_error *error)
{
    model->tokenizer = tokenizer_new(file, error);
    if (!model->tokenizer)
        return false;
    if (tokenizer_size(model->tokenizer) > model->config.vocabulary)
        return engine_fail(
            error, ENGINE_FORMAT, "%s: %d tokens in the vocabulary, %d rows in the embedding",
            gguf_name(file), tokenizer_size(model->tokenizer), model->config.vocabulary);
    model->vocabulary = mask_vocabulary_new(model->tokenizer, &model->vocabulary_error);
    model->template = template_new(file, model->tokenizer, template, &model->template_error);
    if (model->template || !template)
        return true;
    *error = model->template_error;
    return false;
}

static bool choose_context(struct engine_model *model, int wanted, const char *path,
                           struct engine_error *error)
{
    int own = model->config.context,
        most = own < CONFIG_DEFAULT_CONTEXT ? own : CONFIG_DEFAULT_CONTEXT;
    int64_t room = (int64_t)model->backend->pages * CACHE_BLOCK;
    if (wanted < 0 || wanted > own)
        return engine_fail(error, ENGINE_REQUEST,
                           "%s: a context of %d tokens; the model was made for at most %d", path,
                           wanted, own);
    if (wanted > room || room < CACHE_BLOCK)
        return engine_fail(error, ENGINE_MEMORY,
                           "%s: the KV cache has room for %lld tokens, the context needs %d: give "
                           "it more memory or ask for a shorter context",
                           path, (long long)room, wanted);
    model->context = wanted ? wanted : most < room ? most : (int)room;
    return true;
}

static bool choose_kv(const char *name, enum kernel_kv *kv, struct engine_error *error)
{
    *kv = name && strcmp(name, "q8") == 0 ? KERNEL_KV_Q8 : KERNEL_KV_F16;
    return !name || *kv == KERNEL_KV_Q8 || strcmp(name, "f16") == 0 ||
           engine_fail(error, ENGINE_REQUEST, "a KV cache of \"%s\": it can be f16 or q8", name);
}

/* On the device, if it computes what the CPU does. */
static struct backend_model *load_checked(struct engine_model *model,
                                          const struct model_backends *backends,
                                          const struct gguf *file, const struct backend_load *load)
{
    struct engine_error why = {0};
    struct backend_model *made = NULL;
    if (selfcheck_run(backends->device, backends->host, &model->config, file, load, &why))
        made = backends->device->ops->load(backends->device, &model->config, file, load, &why);
    if (!made)
        snprintf(model->warning, sizeof model->warning,
                 "%.100s runs on the CPU, not on %.80s: %.160s", model->name,
                 backends->device->name, why.message);
    return made;
}

static struct backend_model *load_weights(struct engine_model *model,
                                          const struct model_backends *backends,
                                          const struct gguf *file, const struct backend_load *load,
                                          struct engine_error *error)
{
    struct backend *only = backends->host ? backends->host : backends->device;
    struct backend_model *made = NULL;
    if (backends->device && backends->host)
        made = load_checked(model, backends, file, load);
    if (*backends->missing)
        snprintf(model->warning, sizeof model->warning, "%.100s runs on the CPU: %s", model->name,
                 backends->missing);
    return made ? made : only->ops->load(only, &model->config, file, load, error);
}

static bool load(struct engine_model *model, const struct model_backends *backends,
                 const struct gguf *file, const char *path,
                 const struct engine_load_options *options, size_t kv_bytes,
                 const struct model_override *override, struct engine_error *error)
{
    if (!config_read(&model->config, file, override->facts, error) ||
        !read_name(model, file, path, error) ||
        !read_text(model, file, options->chat_template, error))
        return false;
    struct backend_load load = {.quantize = options->weights, .kv_bytes = kv_bytes};
    if (!choose_kv(options->kv, &load.kv, error))
        return false;
    model->backend = load_weights(model, backends, file, &load, error);
    if (!model->backend || !choose_context(model, options->context, path, error))
        return false;
    model->cache = cache_new(model->backend->pages, error);
    return model->cache;
}

struct engine_model *model_new(const struct model_backends *backends, const char *path,
                               const struct engine_load_options *options, size_t kv_bytes,
                               const struct model_override *override, struct engine_error *error)
{
    static const struct engine_load_options no_options;
    static const struct model_override no_override;
    struct gguf *file = checkpoint_is(path) ? checkpoint_open(path, error) : gguf_open(path, error);
    if (!file)
        return NULL;
    struct engine_model *model = calloc(1, sizeof *model);
    bool ok = model ? load(model, backends, file, path, options ? options : &no_options, kv_bytes,
                           override ? override : &no_override, error)
                    : engine_no_memory(error, path);
    gguf_close(file);
    if (ok)
        return model;
    model_free(model);
    return NULL;
}

void model_free(struct engine_model *model)
{
    if (!model)
        return;
    if (model->backend)
        model->backend->backend->ops->unload(model->backend);
    cache_free(model->cache);
    mask_vocabulary_free(model->vocabulary);
    template_free(model->template);
    tokenizer_free(model->tokenizer);
    config_done(&model->config);
    free(model->name);
    free(model);
}
