/* Every provider answers GET …/models with a list of objects; only the names of the list and of
 * the id differ. */
#include "competitor/catalogue.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "competitor/fault.h"
#include "competitor/transfer.h"

enum { PATIENCE_SECONDS = 60 };

struct fetch {
    struct catalogue *catalogue;
    struct loop *loop;
    struct transfer *transfer;
    struct loop_timer patience;
    struct buf body;
    int status;
};

__attribute__((format(printf, 3, 4))) static void
fail(struct catalogue *catalogue, enum chat_error_class class, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(catalogue->error.message, sizeof catalogue->error.message, format, args);
    va_end(args);
    catalogue->error.class = class;
}

/* --- reading --- */

/* Gemini lists what only embeds, too: what cannot chat says so. */
static bool can_chat(const json_t *model)
{
    const json_t *methods = json_object_get(model, "supportedGenerationMethods"), *method;
    size_t index;
    json_array_foreach(methods, index, method)
    {
        if (json_is_string(method) && strcmp(json_string_value(method), "generateContent") == 0)
            return true;
    }
    return !json_is_array(methods);
}

static const char *id_of(const json_t *model)
{
    const char *id = json_string_value(json_object_get(model, "id"));
    if (!id)
        id = json_string_value(json_object_get(model, "name"));
    return id && strncmp(id, "models/", 7) == 0 ? id + 7 : id;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* False without memory: a list with gaps is none. */
static bool take_list(struct catalogue *catalogue, const json_t *list)
{
    size_t index,
        most = json_array_size(list) < LIMIT_CATALOGUE ? json_array_size(list) : LIMIT_CATALOGUE;
    const json_t *model;
    catalogue->models = calloc(most + 1, sizeof *catalogue->models);
    json_array_foreach(list, index, model)
    {
        const char *id = id_of(model);
        if (!catalogue->models)
            return false;
        if (catalogue->count == most || !id || !can_chat(model))
            continue;
        if (!(catalogue->models[catalogue->count] = strdup(id)))
            return false;
        catalogue->count++;
    }
    if (catalogue->count)
        qsort(catalogue->models, catalogue->count, sizeof *catalogue->models, by_name);
    return catalogue->models != NULL;
}

void catalogue_read(struct catalogue *catalogue, int status, struct text body)
{
    json_t *value = json_loadb(body.data ? body.data : "", body.length, 0, NULL);
    const json_t *list = json_is_array(value) ? value : json_object_get(value, "data");
    if (!list)
        list = json_object_get(value, "models");
    struct fault fault;
    if (status >= 200 && status < 300 && json_is_array(list)) {
        if (!take_list(catalogue, list))
            fail(catalogue, CHAT_OVERLOADED, "out of memory");
    } else {
        if (value)
            fault_read(&fault, status, value);
        else
            fault_read_text(&fault, status, body);
        fail(catalogue, status < 300 ? CHAT_PROTOCOL : fault.class, "%s", fault.message);
    }
    json_decref(value);
}

/* --- asking --- */

static void on_header(void *user, struct text name, struct text value)
{
    (void)user;
    (void)name;
    (void)value;
}

static void on_status(void *user, int status)
{
    ((struct fetch *)user)->status = status;
}

static bool on_body(void *user, struct text bytes)
{
    return buf_add_text(&((struct fetch *)user)->body, bytes);
}

static void on_end(void *user, enum transfer_failure failure, bool sent, const char *why)
{
    (void)sent;
    struct fetch *fetch = user;
    fetch->transfer = NULL;
    if (failure != TRANSFER_OK)
        fail(fetch->catalogue, failure == TRANSFER_TIMEOUT ? CHAT_TIMEOUT : CHAT_NETWORK, "%s",
             why);
    else if (fetch->status >= 300 && fetch->status < 400)
        fail(fetch->catalogue, CHAT_PROTOCOL, "the endpoint redirects (HTTP %d), which is refused",
             fetch->status);
    else
        catalogue_read(fetch->catalogue, fetch->status, buf_text(&fetch->body));
    loop_stop(fetch->loop);
}

static void took_too_long(void *user)
{
    struct fetch *fetch = user;
    transfer_cancel(fetch->transfer);
    fail(fetch->catalogue, CHAT_TIMEOUT, "no list of models came within %d s", PATIENCE_SECONDS);
    loop_stop(fetch->loop);
}

static struct transfer *start(struct fetch *fetch, struct transfer_pool *pool,
                              const struct endpoint *endpoint, bool allow_http, struct err *err)
{
    struct buf url, key;
    const char *headers[4] = {"Accept: application/json"};
    buf_init(&url, 8192);
    buf_init(&key, 8192);
    endpoint_headers(endpoint, &key, headers + 1);
    struct transfer *transfer = NULL;
    if (!endpoint_url(endpoint, endpoint->dialect->models, &url) || key.failed) {
        err_set(err, ERR_MEMORY, "out of memory");
    } else {
        struct transfer_request request = {url.data, headers, {NULL, 0}, allow_http, true};
        struct transfer_events events = {on_header, on_status, on_body, on_end, fetch};
        transfer = transfer_start(pool, &request, &events, err);
    }
    secret_wipe(key.data, key.capacity);
    buf_done(&key);
    buf_done(&url);
    return transfer;
}

void catalogue_fetch(struct catalogue *catalogue, struct loop *loop,
                     const struct endpoint *endpoint, bool allow_http)
{
    struct err err = ERR_INIT;
    struct fetch fetch = {.catalogue = catalogue, .loop = loop};
    *catalogue = (struct catalogue){0};
    if (endpoint->key_error[0]) {
        fail(catalogue, CHAT_AUTH, "%s", endpoint->key_error);
        return;
    }
    buf_init(&fetch.body, LIMIT_SSE_BYTES);
    struct transfer_pool *pool = transfer_pool_new(loop, &err);
    fetch.transfer = pool ? start(&fetch, pool, endpoint, allow_http, &err) : NULL;
    if (fetch.transfer) {
        fetch.patience = (struct loop_timer){.expired = took_too_long, .user = &fetch};
        loop_timer_start(loop, &fetch.patience, clock_mono_ns() + PATIENCE_SECONDS * CLOCK_S);
        loop_run(loop);
        loop_timer_stop(loop, &fetch.patience);
    } else {
        fail(catalogue, CHAT_BAD_REQUEST, "%s", err.message);
    }
    endpoint_mask(endpoint, catalogue->error.message);
    transfer_pool_free(pool);
    buf_done(&fetch.body);
}

void catalogue_done(struct catalogue *catalogue)
{
    for (size_t i = 0; i < catalogue->count; i++)
        free(catalogue->models[i]);
    free(catalogue->models);
    *catalogue = (struct catalogue){0};
}
