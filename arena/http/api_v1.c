/* /v1: the in-house models for programs, in the OpenAI dialect, for holders of a key. */
#include "http/api.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/limits.h"
#include "competitor/roster.h"
#include "http/completion.h"
#include "http/response.h"
#include "http/server_internal.h"
#include "people/keys.h"

enum { MODEL_BYTES_MAX = 1024 };

/* The key's id goes to `who`, "" where none was needed. */
static bool admit(struct http_request *request, char who[STORE_ID_SIZE], struct err *err)
{
    const struct http_context *context = request->context;
    struct text header = http_request_header(request, "Authorization");
    *who = '\0';
    if (context->open_v1 && request->peer->loopback)
        return true;
    if (!context->keys || header.length <= 7 || strncasecmp(header.data, "Bearer ", 7) != 0)
        return err_set(
            err, ERR_UNAUTHORIZED,
            "/v1 needs a key: send Authorization: Bearer KEY (arena keys create makes one)");
    struct text secret = {header.data + 7, header.length - 7};
    const struct key *key = keys_admit(context->keys, secret, &request->retry_after, err);
    if (!key)
        return false;
    memccpy(who, key_id(key), '\0', STORE_ID_SIZE);
    return true;
}

static bool is_served(const struct competitor *competitor)
{
    return competitor->config.in_house && competitor->availability != COMPETITOR_RETIRED;
}

static struct competitor *find_model(struct http_request *request, const char *name,
                                     struct err *err)
{
    const struct roster *roster = request->context->roster;
    struct competitor *competitor = roster ? roster_find_shown(roster, name) : NULL;
    if (competitor && is_served(competitor))
        return competitor;
    request->param = "model";
    err_set(err, ERR_NOT_FOUND,
            "the model \"%.100s\" is not served here: GET /v1/models lists those that are", name);
    return NULL;
}

/* An in-house model may be another server's (vLLM, …): then only what every server does is passed
 * on, and what would be lost is refused. */
static bool can_serve(struct http_request *request, const struct competitor *competitor,
                      const struct openai_request *asked, struct err *err)
{
    if (!asked->needs || competitor->own_engine)
        return true;
    request->param = asked->needs;
    return err_set(err, ERR_UNSUPPORTED, "\"%s\" is not served for \"%.100s\": leave it out",
                   asked->needs, asked->model);
}

void api_v1_chat(struct http_request *request)
{
    struct err err = ERR_INIT;
    char who[STORE_ID_SIZE];
    struct openai_request asked;
    if (!admit(request, who, &err)) {
        response_error(request, &err);
        return;
    }
    struct competitor *competitor = NULL;
    if (openai_request_read(&asked, request->json, &err))
        competitor = find_model(request, asked.model, &err);
    else
        request->param = asked.param;
    if (competitor && can_serve(request, competitor, &asked, &err))
        completion_start(server_completions(request->server), request, competitor, &asked, who);
    else
        response_error(request, &err);
    request->param = NULL; /* borrowed from what goes now */
    openai_request_done(&asked);
}

static void put_model(struct json_out *out, const struct competitor *competitor)
{
    const struct competitor_config *config = &competitor->config;
    const char *owner = config->code_name ? NULL : config->organisation;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "id", competitor_shown_name(config));
    json_put_cstring(out, "object", "model");
    json_put_int(out, "created", 0);
    json_put_cstring(out, "owned_by", owner ? owner : "arena");
    json_put_close(out, '}');
}

static void put_models(struct json_out *out, const struct roster *roster)
{
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "object", "list");
    json_put_open(out, "data", '[');
    for (size_t i = 0; roster && i < roster_count(roster); i++)
        if (is_served(roster_at(roster, i)))
            put_model(out, roster_at(roster, i));
    json_put_close(out, ']');
    json_put_close(out, '}');
}

/* One of them, or all where `name` is NULL. */
static void answer_models(struct http_request *request, const char *name)
{
    struct err err = ERR_INIT;
    char who[STORE_ID_SIZE];
    struct competitor *competitor = NULL;
    if (!admit(request, who, &err) || (name && !(competitor = find_model(request, name, &err)))) {
        response_error(request, &err);
        return;
    }
    struct buf buf;
    buf_init(&buf, (LIMIT_COMPETITORS + 1) * MODEL_BYTES_MAX);
    struct json_out out = json_out_to(&buf);
    if (competitor)
        put_model(&out, competitor);
    else
        put_models(&out, request->context->roster);
    response_built(request, 200, &buf);
}

void api_v1_models(struct http_request *request)
{
    answer_models(request, NULL);
}

void api_v1_model(struct http_request *request)
{
    answer_models(request, request->part);
}
