#include "command/models_inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "command/command.h"
#include "engine/inspect.h"

static const char *or_none(const char *text)
{
    return *text ? text : "none";
}

static void print_size(const char *label, uint64_t bytes)
{
    printf("%-14s  %.2f MiB\n", label, (double)bytes / (1 << 20));
}

static void print_shape(const struct engine_inspection *file)
{
    printf("%-14s  %" PRId64 " layers, width %" PRId64 ", %" PRId64 " heads (%" PRId64
           " for keys and values) of %" PRId64 ", feed-forward %" PRId64 "\n",
           "shape", file->layers, file->width, file->heads, file->kv_heads, file->head_dim,
           file->feed_forward);
    if (file->experts)
        printf("%-14s  %" PRId64 ", %" PRId64 " used a token\n", "experts", file->experts,
               file->experts_used);
    printf("%-14s  %" PRId64 " tokens\n", "context", file->context);
}

static void print(const char *path, const struct engine_inspection *file)
{
    printf("%-14s  %s\n%-14s  %s %s\n", "file", path, "format", file->format, file->architecture);
    if (*file->name)
        printf("%-14s  %s\n", "name", file->name);
    printf("%-14s  %s\n", "runs here", file->runs ? "yes" : file->why_not);
    print_shape(file);
    printf("%-14s  %.1f million in %" PRIu64 " tensors\n", "parameters",
           (double)file->parameters / 1e6, file->tensors);
    for (size_t i = 0; i < file->type_count; i++)
        printf("  %-12s  %10.2f MiB  %6.1f %%  %" PRIu64 " tensors\n", file->types[i].name,
               (double)file->types[i].bytes / (1 << 20),
               file->tensor_bytes
                   ? 100.0 * (double)file->types[i].bytes / (double)file->tensor_bytes
                   : 0.0,
               file->types[i].tensors);
    print_size("weights", file->tensor_bytes);
    printf("%-14s  %s, %d tokens\n", "tokenizer", or_none(file->tokenizer), file->vocabulary);
    if (*file->tokenizer_problem)
        printf("%-14s  %s\n", "", file->tokenizer_problem);
    printf("%-14s  %s\n", "chat template", or_none(file->chat_template));
    if (*file->template_problem)
        printf("%-14s  %s\n", "", file->template_problem);
    printf("%-14s  %" PRIu64 " bytes a token\n", "KV cache", file->kv_bytes_a_token);
    print_size("memory needed", file->memory);
}

static void put_count(struct json_out *out, const char *key, uint64_t count)
{
    json_put_int(out, key, count > INT64_MAX ? INT64_MAX : (int64_t)count);
}

static void put_text(struct json_out *out, const char *key, const char *text)
{
    json_put_cstring(out, key, *text ? text : NULL);
}

static void put_types(struct json_out *out, const struct engine_inspection *file)
{
    json_put_open(out, "types", '[');
    for (size_t i = 0; i < file->type_count; i++) {
        json_put_open(out, NULL, '{');
        json_put_cstring(out, "name", file->types[i].name);
        put_count(out, "tensors", file->types[i].tensors);
        put_count(out, "parameters", file->types[i].parameters);
        put_count(out, "bytes", file->types[i].bytes);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

static void put_shape(struct json_out *out, const struct engine_inspection *file)
{
    json_put_int(out, "layers", file->layers);
    json_put_int(out, "width", file->width);
    json_put_int(out, "heads", file->heads);
    json_put_int(out, "kv_heads", file->kv_heads);
    json_put_int(out, "head_dim", file->head_dim);
    json_put_int(out, "feed_forward", file->feed_forward);
    json_put_int(out, "experts", file->experts);
    json_put_int(out, "experts_used", file->experts_used);
    json_put_int(out, "context", file->context);
}

static void put_object(struct json_out *out, const char *path, const struct engine_inspection *file)
{
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "file", path);
    json_put_cstring(out, "format", file->format);
    put_text(out, "name", file->name);
    put_text(out, "architecture", file->architecture);
    json_put_bool(out, "runs", file->runs);
    put_text(out, "why_not", file->why_not);
    put_shape(out, file);
    put_count(out, "tensors", file->tensors);
    put_count(out, "parameters", file->parameters);
    put_count(out, "tensor_bytes", file->tensor_bytes);
    put_types(out, file);
    put_text(out, "tokenizer", file->tokenizer);
    put_text(out, "tokenizer_problem", file->tokenizer_problem);
    json_put_int(out, "vocabulary", file->vocabulary);
    put_text(out, "chat_template", file->chat_template);
    put_text(out, "template_problem", file->template_problem);
    put_count(out, "kv_bytes_a_token", file->kv_bytes_a_token);
    put_count(out, "memory", file->memory);
    json_put_close(out, '}');
}

int models_inspect(const char *path, bool json)
{
    struct engine_inspection file;
    struct engine_error error = {ENGINE_OK, ""};
    if (!engine_inspect(path, &file, &error)) {
        struct err err = {ERR_CONFIG, ""};
        err_set(&err, error.code == ENGINE_MEMORY ? ERR_MEMORY : ERR_CONFIG, "%s", error.message);
        return command_fail(&command_models, &err);
    }
    if (!json) {
        print(path, &file);
        return EXIT_OK;
    }
    struct buf text;
    buf_init(&text, 64 << 10);
    struct json_out out = json_out_to(&text);
    put_object(&out, path, &file);
    printf("%s\n", text.failed ? "{}" : text.data);
    int code = text.failed ? EXIT_NO : EXIT_OK;
    buf_done(&text);
    return code;
}
