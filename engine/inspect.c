/* Reads the same look-ups as loading does, but each part alone: a file whose tokenizer is
 * unknown still has sizes worth showing, and the first thing that is wrong must not hide the
 * rest. */
#include "engine/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/checkpoint.h"
#include "engine/config.h"
#include "engine/error.h"
#include "engine/gguf.h"
#include "engine/template.h"
#include "engine/tokenizer.h"
#include "engine/utf8.h"

/* Copies what is printable, cut to the space; never half a character. */
static void copy_text(char out[INSPECT_TEXT], struct gguf_text text)
{
    size_t used = 0;
    for (size_t i = 0; i < text.length && used + 1 < INSPECT_TEXT; i++)
        if ((unsigned char)text.bytes[i] >= 0x20 && text.bytes[i] != 0x7F)
            out[used++] = text.bytes[i];
    out[utf8_valid_prefix(out, used)] = '\0';
}

/* --- Tensors --- */

static int by_bytes(const void *first, const void *second)
{
    const struct engine_inspected_type *a = first, *b = second;
    return (a->bytes < b->bytes) - (a->bytes > b->bytes);
}

static struct engine_inspected_type *find_type(struct engine_inspection *inspection, uint32_t type)
{
    const char *name = gguf_type_name(type);
    for (size_t i = 0; i < inspection->type_count; i++)
        if (strcmp(inspection->types[i].name, name) == 0)
            return &inspection->types[i];
    if (inspection->type_count == INSPECT_MAX_TYPES)
        return NULL;
    struct engine_inspected_type *made = &inspection->types[inspection->type_count++];
    snprintf(made->name, sizeof made->name, "%s", name);
    return made;
}

static void count_tensors(struct engine_inspection *inspection, const struct gguf *file)
{
    for (size_t i = 0; i < gguf_tensor_count(file); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(file, i);
        uint64_t values = 1;
        for (int k = 0; k < tensor->dims; k++)
            values *= (uint64_t)tensor->size[k];
        inspection->tensors++;
        inspection->parameters += values;
        inspection->tensor_bytes += tensor->bytes;
        struct engine_inspected_type *type = find_type(inspection, tensor->type);
        if (type) {
            type->tensors++;
            type->parameters += values;
            type->bytes += tensor->bytes;
        }
    }
    qsort(inspection->types, inspection->type_count, sizeof *inspection->types, by_bytes);
}

/* --- Sizes --- */

/* What the file says of itself, whether the engine knows the architecture or not. */
static void read_sizes(struct engine_inspection *inspection, const struct gguf *file)
{
    const struct {
        const char *key;
        int64_t *value;
    } sizes[] = {
        {"block_count", &inspection->layers},
        {"embedding_length", &inspection->width},
        {"attention.head_count", &inspection->heads},
        {"attention.head_count_kv", &inspection->kv_heads},
        {"attention.key_length", &inspection->head_dim},
        {"feed_forward_length", &inspection->feed_forward},
        {"context_length", &inspection->context},
        {"expert_count", &inspection->experts},
        {"expert_used_count", &inspection->experts_used},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char key[2 * INSPECT_TEXT];
        int64_t value;
        snprintf(key, sizeof key, "%s.%s", inspection->architecture, sizes[i].key);
        if (gguf_integer(file, key, &value) && value > 0 && value < INT32_MAX)
            *sizes[i].value = value;
    }
    if (!inspection->kv_heads)
        inspection->kv_heads = inspection->heads;
    if (!inspection->head_dim && inspection->heads)
        inspection->head_dim = inspection->width / inspection->heads;
}

/* Keys and values in F16, a position of all layers. */
static void measure_memory(struct engine_inspection *inspection)
{
    double a_token = 4.0 * (double)inspection->layers * (double)inspection->kv_heads *
                     (double)inspection->head_dim;
    int64_t context =
        inspection->context < CONFIG_DEFAULT_CONTEXT ? inspection->context : CONFIG_DEFAULT_CONTEXT;
    if (a_token > 1e9)
        return; /* no model is like that: the file's numbers make no sense */
    inspection->kv_bytes_a_token = (uint64_t)a_token;
    inspection->memory =
        inspection->tensor_bytes + inspection->kv_bytes_a_token * (uint64_t)context;
}

/* --- What runs --- */

static void read_text(struct engine_inspection *inspection, const struct gguf *file)
{
    struct engine_error error = {0};
    struct tokenizer *tokenizer = tokenizer_new(file, &error);
    if (!tokenizer) {
        snprintf(inspection->tokenizer_problem, sizeof inspection->tokenizer_problem, "%s",
                 error.message);
        return;
    }
    bool named = strcmp(tokenizer_pre(tokenizer), "none") != 0;
    snprintf(inspection->tokenizer, sizeof inspection->tokenizer, named ? "%s (%s)" : "%s",
             tokenizer_model(tokenizer), tokenizer_pre(tokenizer));
    inspection->vocabulary = tokenizer_size(tokenizer);
    struct template *template = template_new(file, tokenizer, NULL, &error);
    if (template)
        snprintf(inspection->chat_template, sizeof inspection->chat_template, "%s",
                 template_name(template));
    else
        snprintf(inspection->template_problem, sizeof inspection->template_problem, "%s",
                 error.message);
    template_free(template);
    tokenizer_free(tokenizer);
}

static void judge(struct engine_inspection *inspection, const struct gguf *file)
{
    struct config config = {0};
    struct engine_error error = {0};
    inspection->runs = config_read(&config, file, NULL, &error);
    config_done(&config);
    for (size_t i = 0; inspection->runs && i < gguf_tensor_count(file); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(file, i);
        if (!kernel_type_info(tensor->type))
            inspection->runs =
                engine_fail(&error, ENGINE_UNSUPPORTED, "tensor \"%.*s\" is of type %s",
                            (int)(tensor->name.length < 80 ? tensor->name.length : 80),
                            tensor->name.bytes, gguf_type_name(tensor->type));
    }
    if (inspection->runs && !inspection->tokenizer[0])
        inspection->runs =
            engine_fail(&error, ENGINE_UNSUPPORTED, "%s", inspection->tokenizer_problem);
    if (!inspection->runs)
        snprintf(inspection->why_not, sizeof inspection->why_not, "%s", error.message);
}

bool engine_inspect(const char *path, struct engine_inspection *inspection,
                    struct engine_error *error)
{
    *inspection =
        (struct engine_inspection){.format = checkpoint_is(path) ? "safetensors" : "GGUF"};
    struct gguf *file = checkpoint_is(path) ? checkpoint_open(path, error) : gguf_open(path, error);
    if (!file)
        return false;
    struct gguf_text name = {"", 0}, architecture = {"", 0};
    gguf_string(file, "general.name", &name);
    gguf_string(file, "general.architecture", &architecture);
    copy_text(inspection->name, name);
    copy_text(inspection->architecture, architecture);
    count_tensors(inspection, file);
    read_sizes(inspection, file);
    measure_memory(inspection);
    read_text(inspection, file);
    judge(inspection, file);
    gguf_close(file);
    return true;
}
