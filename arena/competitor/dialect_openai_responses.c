/* OpenAI's responses API, which Azure and xAI speak too. Deltas are what counts; the object in
 * the terminal event may hold less than was streamed, and is read only for what was not
 * streamed. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "competitor/dialect.h"

static bool path(const struct dialect_request *request, struct buf *out)
{
    (void)request;
    return buf_add_string(out, "/responses");
}

static void write_request(const struct dialect_request *request, struct buf *body_bytes,
                          struct buf *sent_bytes)
{
    struct json_out body = json_out_to(body_bytes), sent = json_out_to(sent_bytes);
    const struct chat_params *params = request->params;
    struct text system = dialect_system(request);
    json_put_open(&body, NULL, '{');
    json_put_open(&sent, NULL, '{');
    json_put_cstring(&body, "model", request->model);
    if (system.data)
        json_put_string(&body, "instructions", system);
    dialect_put_turns(&body, "input", request);
    if (dialect_wants(request, MEMBER_CAP)) /* the API refuses a cap below 16 */
        dialect_put_int(&body, &sent, "max_output_tokens",
                        params->max_tokens < 16 ? 16 : params->max_tokens);
    if (dialect_wants(request, MEMBER_TEMPERATURE))
        dialect_put_real(&body, &sent, "temperature", params->temperature);
    if (dialect_wants(request, MEMBER_TOP_P))
        dialect_put_real(&body, &sent, "top_p", params->top_p);
    if (dialect_wants(request, MEMBER_REASONING)) {
        json_put_open(&body, "reasoning", '{');
        dialect_put_string(&body, &sent, "effort", params->reasoning);
        json_put_close(&body, '}');
    }
    json_put_bool(&body, "stream", request->stream);
    json_put_bool(&sent, "stream", request->stream);
    json_put_bool(&body, "store", false);
    json_put_close(&body, '}');
    json_put_close(&sent, '}');
}

/* --- responses --- */

static void read_usage(struct reply *reply, const json_t *usage)
{
    int64_t input = reply_count(usage, "input_tokens"),
            output = reply_count(usage, "output_tokens");
    if (input < 0 && output < 0)
        return;
    const json_t *details = json_object_get(usage, "input_tokens_details");
    reply->usage = (struct chat_usage){
        .input = input,
        .output = output,
        .reasoning =
            reply_count(json_object_get(usage, "output_tokens_details"), "reasoning_tokens"),
        .cached = reply_count(details, "cached_tokens"),
        .cache_write = reply_count(details, "cache_write_tokens"),
    };
    const json_t *ticks = json_object_get(usage, "cost_in_usd_ticks");
    if (json_is_integer(ticks))
        reply->reported_cost = (double)json_integer_value(ticks) * 1e-10;
}

/* Output items that were not streamed: everything, where no delta came at all. */
static void read_output(struct reply *reply, const json_t *output)
{
    size_t index, inner;
    const json_t *item, *part;
    bool had[3] = {reply->has[CHAT_TEXT], reply->has[CHAT_REASONING], reply->has[CHAT_REFUSAL]};
    json_array_foreach(output, index, item)
    {
        json_array_foreach(json_object_get(item, "summary"), inner, part)
        {
            if (!had[CHAT_REASONING])
                reply_text(reply, CHAT_REASONING, json_object_get(part, "text"));
        }
        json_array_foreach(json_object_get(item, "content"), inner, part)
        {
            const char *type = json_string_value(json_object_get(part, "type"));
            if (type && strcmp(type, "reasoning_text") == 0 && !had[CHAT_REASONING])
                reply_text(reply, CHAT_REASONING, json_object_get(part, "text"));
            if (type && strcmp(type, "output_text") == 0 && !had[CHAT_TEXT])
                reply_text(reply, CHAT_TEXT, json_object_get(part, "text"));
            if (!had[CHAT_REFUSAL])
                reply_text(reply, CHAT_REFUSAL, json_object_get(part, "refusal"));
        }
    }
}

static void read_response(struct reply *reply, const json_t *response)
{
    const char *status = json_string_value(json_object_get(response, "status"));
    const char *reason = json_string_value(
        json_object_get(json_object_get(response, "incomplete_details"), "reason"));
    const json_t *error = json_object_get(response, "error");
    reply_model(reply, json_object_get(response, "model"));
    reply_id(reply, json_object_get(response, "id"));
    read_usage(reply, json_object_get(response, "usage"));
    if (json_is_object(error))
        reply_error(reply, 0, error);
    if (!status)
        return;
    if (strcmp(status, "completed") == 0)
        reply_finish(reply, CHAT_STOP);
    else if (strcmp(status, "incomplete") == 0 && reason && strcmp(reason, "content_filter") == 0)
        reply_finish(reply, CHAT_CONTENT_FILTER);
    else if (strcmp(status, "incomplete") == 0)
        reply_finish(reply, CHAT_LENGTH);
    else if (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0)
        reply_fail(reply, CHAT_SERVER, "the response was %s", status);
    else
        return; /* in progress */
    read_output(reply, json_object_get(response, "output"));
}

static void event(struct reply *reply, const char *name, const json_t *data)
{
    static const struct {
        const char *type;
        enum chat_channel channel;
    } DELTAS[] = {
        {"response.output_text.delta", CHAT_TEXT},
        {"response.refusal.delta", CHAT_REFUSAL},
        {"response.reasoning_summary_text.delta", CHAT_REASONING},
        {"response.reasoning_text.delta", CHAT_REASONING},
    };
    const char *type = json_string_value(json_object_get(data, "type"));
    type = type ? type : name;
    for (size_t i = 0; i < sizeof DELTAS / sizeof *DELTAS; i++)
        if (strcmp(type, DELTAS[i].type) == 0)
            reply_text(reply, DELTAS[i].channel, json_object_get(data, "delta"));
    const json_t *response = json_object_get(data, "response");
    if (json_is_object(response))
        read_response(reply, response);
}

const struct dialect dialect_openai_responses = {
    "openai-responses", "/models", NULL, path, write_request, event, NULL, read_response, false};
