/* Anthropic's messages. Unknown events, blocks and deltas are skipped, as its versioning policy
 * asks. Usage comes in the first event and is corrected, cumulatively, by the later ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "competitor/dialect.h"

enum { DEFAULT_CAP = 4096 /* the API requires one */ };

static bool path(const struct dialect_request *request, struct buf *out)
{
    (void)request;
    return buf_add_string(out, "/v1/messages");
}

/* A number of tokens as "reasoning" is a thinking budget, at least 1024; 0: it is none. */
static int64_t budget_of(const struct dialect_request *request)
{
    const char *reasoning =
        dialect_wants(request, MEMBER_REASONING) ? request->params->reasoning : "";
    size_t length = strlen(reasoning);
    if (!length || length > 8 || strspn(reasoning, "0123456789") != length)
        return 0;
    int64_t budget = strtoll(reasoning, NULL, 10);
    return budget < 1024 ? 1024 : budget;
}

/* The answer's cap includes the thinking, and must be larger. */
static int64_t cap_of(const struct dialect_request *request)
{
    return request->params->max_tokens > 0 ? request->params->max_tokens
                                           : DEFAULT_CAP + budget_of(request);
}

/* A word is an effort; "none" switches thinking off. */
static void write_reasoning(const struct dialect_request *request, struct json_out *body,
                            struct json_out *sent)
{
    const char *reasoning = request->params->reasoning;
    int64_t budget = budget_of(request);
    json_put_open(body, "thinking", '{');
    if (budget) {
        json_put_cstring(body, "type", "enabled");
        dialect_put_int(body, sent, "budget_tokens", budget);
    } else {
        json_put_cstring(body, "type", strcmp(reasoning, "none") == 0 ? "disabled" : "adaptive");
    }
    json_put_close(body, '}');
    if (budget || strcmp(reasoning, "none") == 0)
        return;
    json_put_open(body, "output_config", '{');
    dialect_put_string(body, sent, "effort", reasoning);
    json_put_close(body, '}');
}

static void write_settings(const struct dialect_request *request, struct json_out *body,
                           struct json_out *sent)
{
    const struct chat_params *params = request->params;
    bool thinks =
        dialect_wants(request, MEMBER_REASONING) && strcmp(params->reasoning, "none") != 0;
    /* With thinking on, temperature must be left out; temperature and top_p are not sent
     * together. */
    bool temperature = dialect_wants(request, MEMBER_TEMPERATURE) && !thinks;
    if (temperature)
        dialect_put_real(body, sent, "temperature",
                         params->temperature > 1 ? 1 : params->temperature);
    if (dialect_wants(request, MEMBER_TOP_P) && !temperature)
        dialect_put_real(body, sent, "top_p", params->top_p);
    if (dialect_wants(request, MEMBER_TOP_K) && !thinks)
        dialect_put_int(body, sent, "top_k", params->top_k);
    if (dialect_wants(request, MEMBER_STOP))
        dialect_put_stop(body, sent, "stop_sequences", params);
    if (dialect_wants(request, MEMBER_REASONING))
        write_reasoning(request, body, sent);
}

static void write_request(const struct dialect_request *request, struct buf *body_bytes,
                          struct buf *sent_bytes)
{
    struct json_out body = json_out_to(body_bytes), sent = json_out_to(sent_bytes);
    struct text system = dialect_system(request);
    json_put_open(&body, NULL, '{');
    json_put_open(&sent, NULL, '{');
    json_put_cstring(&body, "model", request->model);
    dialect_put_int(&body, &sent, "max_tokens", cap_of(request));
    if (system.data)
        json_put_string(&body, "system", system);
    dialect_put_turns(&body, "messages", request);
    write_settings(request, &body, &sent);
    json_put_bool(&body, "stream", request->stream);
    json_put_bool(&sent, "stream", request->stream);
    json_put_close(&body, '}');
    json_put_close(&sent, '}');
}

/* --- responses --- */

static void correct(int64_t *count, const json_t *usage, const char *key)
{
    int64_t value = reply_count(usage, key);
    if (value >= 0)
        *count = value;
}

/* `input` counts what was read from and written to the cache too; Anthropic's own input_tokens
 * does not. The reply keeps the sum, so corrections first take the parts out again. */
static void read_usage(struct reply *reply, const json_t *usage)
{
    struct chat_usage *have = &reply->usage;
    if (!json_is_object(usage))
        return;
    int64_t plain = have->input < 0 ? -1
                                    : have->input - (have->cached > 0 ? have->cached : 0) -
                                          (have->cache_write > 0 ? have->cache_write : 0);
    correct(&plain, usage, "input_tokens");
    correct(&have->cached, usage, "cache_read_input_tokens");
    correct(&have->cache_write, usage, "cache_creation_input_tokens");
    correct(&have->output, usage, "output_tokens");
    correct(&have->reasoning, json_object_get(usage, "output_tokens_details"), "thinking_tokens");
    if (plain >= 0)
        have->input = plain + (have->cached > 0 ? have->cached : 0) +
                      (have->cache_write > 0 ? have->cache_write : 0);
}

static void read_stop(struct reply *reply, const json_t *delta)
{
    static const struct {
        const char *word;
        enum chat_finish finish;
    } STOPS[] = {
        {"end_turn", CHAT_STOP},   {"stop_sequence", CHAT_STOP},
        {"tool_use", CHAT_STOP},   {"max_tokens", CHAT_LENGTH},
        {"refusal", CHAT_REFUSED}, {"model_context_window_exceeded", CHAT_LENGTH},
        {"pause_turn", CHAT_STOP},
    };
    const char *reason = json_string_value(json_object_get(delta, "stop_reason"));
    for (size_t i = 0; reason && i < sizeof STOPS / sizeof *STOPS; i++)
        if (strcmp(reason, STOPS[i].word) == 0)
            reply_finish(reply, STOPS[i].finish);
}

static void read_block(struct reply *reply, const json_t *block)
{
    reply_text(reply, CHAT_TEXT, json_object_get(block, "text"));
    reply_text(reply, CHAT_REASONING, json_object_get(block, "thinking"));
}

static void read_message(struct reply *reply, const json_t *message)
{
    size_t index;
    const json_t *block;
    reply_model(reply, json_object_get(message, "model"));
    reply_id(reply, json_object_get(message, "id"));
    read_usage(reply, json_object_get(message, "usage"));
    json_array_foreach(json_object_get(message, "content"), index, block)
    {
        read_block(reply, block);
    }
    read_stop(reply, message);
}

static void event(struct reply *reply, const char *name, const json_t *data)
{
    const char *type = json_string_value(json_object_get(data, "type"));
    type = type ? type : name;
    if (strcmp(type, "message_start") == 0)
        read_message(reply, json_object_get(data, "message"));
    else if (strcmp(type, "content_block_start") == 0)
        read_block(reply, json_object_get(data, "content_block"));
    else if (strcmp(type, "content_block_delta") == 0)
        read_block(reply, json_object_get(data, "delta"));
    else if (strcmp(type, "message_delta") == 0) {
        read_usage(reply, json_object_get(data, "usage"));
        read_stop(reply, json_object_get(data, "delta"));
    }
}

const struct dialect dialect_anthropic = {"anthropic",
                                          "/v1/models?limit=1000",
                                          "anthropic-version: 2023-06-01",
                                          path,
                                          write_request,
                                          event,
                                          NULL,
                                          read_message,
                                          false};
