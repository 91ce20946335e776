#include "competitor/dialect.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

const struct dialect *dialect_find(const char *name)
{
    static const struct dialect *const ALL[] = {&dialect_openai_chat, &dialect_openai_responses,
                                                &dialect_anthropic, &dialect_gemini};
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++)
        if (strcmp(ALL[i]->name, name) == 0)
            return ALL[i];
    return NULL;
}

bool dialect_wants(const struct dialect_request *request, enum dialect_member member)
{
    const struct chat_params *params = request->params;
    if (request->dropped & 1u << member)
        return false;
    switch (member) {
    case MEMBER_TEMPERATURE:
        return !isnan(params->temperature);
    case MEMBER_TOP_P:
        return !isnan(params->top_p);
    case MEMBER_MIN_P:
        return !isnan(params->min_p);
    case MEMBER_TOP_K:
        return params->top_k > 0;
    case MEMBER_SEED:
        return params->seed >= 0;
    case MEMBER_STOP:
        return params->stops > 0;
    case MEMBER_REASONING:
        return params->reasoning != NULL;
    case MEMBER_CAP:
        return params->max_tokens > 0;
    case MEMBER_STREAM_OPTIONS:
        return request->stream && !request->quirks->no_stream_options;
    case MEMBER_COUNT:
        break;
    }
    return false;
}

void dialect_put_real(struct json_out *body, struct json_out *sent, const char *key, double value)
{
    json_put_real(body, key, value);
    json_put_real(sent, key, value);
}

void dialect_put_int(struct json_out *body, struct json_out *sent, const char *key, int64_t value)
{
    json_put_int(body, key, value);
    json_put_int(sent, key, value);
}

void dialect_put_string(struct json_out *body, struct json_out *sent, const char *key,
                        const char *value)
{
    json_put_cstring(body, key, value);
    json_put_cstring(sent, key, value);
}

void dialect_put_stop(struct json_out *body, struct json_out *sent, const char *key,
                      const struct chat_params *params)
{
    struct json_out *const both[] = {body, sent};
    for (size_t i = 0; i < 2; i++) {
        json_put_open(both[i], key, '[');
        for (size_t k = 0; k < params->stops; k++)
            json_put_cstring(both[i], NULL, params->stop[k]);
        json_put_close(both[i], ']');
    }
}

void dialect_put_turns(struct json_out *body, const char *key,
                       const struct dialect_request *request)
{
    json_put_open(body, key, '[');
    for (size_t i = 0; i < request->count; i++) {
        const struct chat_message *message = &request->messages[i];
        if (message->role == CHAT_SYSTEM)
            continue;
        json_put_open(body, NULL, '{');
        json_put_cstring(body, "role", message->role == CHAT_USER ? "user" : "assistant");
        json_put_string(body, "content", message->text);
        json_put_close(body, '}');
    }
    json_put_close(body, ']');
}

struct text dialect_system(const struct dialect_request *request)
{
    /* An empty system prompt means none: providers have no default of their own to switch off. */
    if (!request->count || request->messages[0].role != CHAT_SYSTEM ||
        !request->messages[0].text.length)
        return (struct text){NULL, 0};
    return request->messages[0].text;
}
