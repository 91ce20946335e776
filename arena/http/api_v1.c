/* /v1: the in-house models for programs, in the OpenAI dialect, for holders of a key. */
#include "http/api.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
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

static struct competitor *find_model(const struct http_request *request, const char *name,
                                     struct err *err)
{
    const struct roster *roster = request->context->roster;
    struct competitor *competitor = roster ? roster_find(roster, name) : NULL;
    if (competitor && is_served(competitor))
        return competitor;
    err_set(err, ERR_NOT_FOUND,
            "the model \"%.100s\" is not served here: GET /v1/models lists those that are", name);
    return NULL;
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
    if (competitor)
        completion_start(server_completions(request->server), request, competitor, &asked, who);
    else
        response_error(request, &err);
    openai_request_done(&asked);
}

void api_v1_models(struct http_request *request)
{
    const struct roster *roster = request->context->roster;
    size_t count = roster ? roster_count(roster) : 0;
    struct err err = ERR_INIT;
    char who[STORE_ID_SIZE];
    if (!admit(request, who, &err)) {
        response_error(request, &err);
        return;
    }
    struct buf buf;
    buf_init(&buf, (count + 1) * MODEL_BYTES_MAX);
    struct json_out out = json_out_to(&buf);
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "object", "list");
    json_put_open(&out, "data", '[');
    for (size_t i = 0; i < count; i++) {
        const struct competitor *competitor = roster_at(roster, i);
        if (!is_served(competitor))
            continue;
        json_put_open(&out, NULL, '{');
        json_put_cstring(&out, "id", competitor->config.name);
        json_put_cstring(&out, "object", "model");
        json_put_int(&out, "created", 0);
        const char *owner = competitor->config.organisation;
        json_put_cstring(&out, "owned_by", owner ? owner : "arena");
        json_put_close(&out, '}');
    }
    json_put_close(&out, ']');
    json_put_close(&out, '}');
    if (buf.failed)
        response_with(request, 503, NULL);
    else
        response_json(request, 200, buf_text(&buf));
    buf_done(&buf);
}
