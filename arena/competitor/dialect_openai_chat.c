/* OpenAI's chat completions, as OpenAI, Azure, Mistral, DeepSeek, xAI, Groq, OpenRouter, vLLM,
 * llama-server and Ollama speak it. What differs between them in a response is met here by
 * accepting all of it: usage anywhere, either name of the reasoning text, content as a string or a
 * list, nulls where objects are expected, a finish that comes with text. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "competitor/delta_scan.h"
#include "competitor/dialect.h"

static bool path(const struct dialect_request *request, struct buf *out)
{
    (void)request;
    return buf_add_string(out, "/chat/completions");
}

static void write_messages(const struct dialect_request *request, struct json_out *out)
{
    static const char *const ROLES[] = {"system", "user", "assistant"};
    json_put_open(out, "messages", '[');
    for (size_t i = 0; i < request->count; i++) {
        const struct chat_message *message = &request->messages[i];
        if (message->role == CHAT_SYSTEM && !message->text.length)
            continue;
        json_put_open(out, NULL, '{');
        json_put_cstring(out, "role",
                         message->role == CHAT_SYSTEM ? request->quirks->system_role
                                                      : ROLES[message->role]);
        json_put_string(out, "content", message->text);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

static void write_reasoning(const struct dialect_request *request, struct json_out *body,
                            struct json_out *sent)
{
    const char *reasoning = request->params->reasoning;
    bool none = strcmp(reasoning, "none") == 0;
    if (!request->quirks->thinking_switch) {
        dialect_put_string(body, sent, "reasoning_effort", reasoning);
        return;
    }
    json_put_open(body, "thinking", '{');
    dialect_put_string(body, sent, "type", none ? "disabled" : "enabled");
    json_put_close(body, '}');
    if (!none)
        dialect_put_string(body, sent, "reasoning_effort", reasoning);
}

static void write_settings(const struct dialect_request *request, struct json_out *body,
                           struct json_out *sent)
{
    const struct chat_params *params = request->params;
    if (dialect_wants(request, MEMBER_CAP))
        dialect_put_int(body, sent, request->quirks->cap_key, params->max_tokens);
    if (dialect_wants(request, MEMBER_TEMPERATURE))
        dialect_put_real(body, sent, "temperature", params->temperature);
    if (dialect_wants(request, MEMBER_TOP_P))
        dialect_put_real(body, sent, "top_p", params->top_p);
    if (dialect_wants(request, MEMBER_TOP_K))
        dialect_put_int(body, sent, "top_k", params->top_k);
    if (dialect_wants(request, MEMBER_MIN_P))
        dialect_put_real(body, sent, "min_p", params->min_p);
    if (dialect_wants(request, MEMBER_SEED))
        dialect_put_int(body, sent, request->quirks->seed_key, params->seed);
    if (dialect_wants(request, MEMBER_STOP))
        dialect_put_stop(body, sent, "stop", params);
    if (dialect_wants(request, MEMBER_REASONING))
        write_reasoning(request, body, sent);
}

static void write_request(const struct dialect_request *request, struct buf *body_bytes,
                          struct buf *sent_bytes)
{
    struct json_out body = json_out_to(body_bytes), sent = json_out_to(sent_bytes);
    json_put_open(&body, NULL, '{');
    json_put_open(&sent, NULL, '{');
    json_put_cstring(&body, "model", request->model);
    write_messages(request, &body);
    write_settings(request, &body, &sent);
    json_put_bool(&body, "stream", request->stream);
    json_put_bool(&sent, "stream", request->stream);
    if (dialect_wants(request, MEMBER_STREAM_OPTIONS)) {
        json_put_open(&body, "stream_options", '{');
        json_put_bool(&body, "include_usage", true);
        if (request->quirks->no_store)
            json_put_bool(&body, "include_obfuscation", false);
        json_put_close(&body, '}');
    }
    if (request->quirks->no_store)
        json_put_bool(&body, "store", false);
    json_put_close(&body, '}');
    json_put_close(&sent, '}');
}

/* --- responses --- */

static void read_usage(struct reply *reply, const json_t *usage)
{
    int64_t input = reply_count(usage, "prompt_tokens"),
            output = reply_count(usage, "completion_tokens");
    if (input < 0 && output < 0)
        return;
    const json_t *details = json_object_get(usage, "completion_tokens_details");
    int64_t reasoning = reply_count(details, "reasoning_tokens"),
            total = reply_count(usage, "total_tokens");
    /* xAI counts reasoning beside the completion; the total tells. */
    if (reasoning > 0 && total == input + output + reasoning)
        output += reasoning;
    details = json_object_get(usage, "prompt_tokens_details");
    int64_t cached = reply_count(details, "cached_tokens");
    if (cached < 0)
        cached = reply_count(usage, "prompt_cache_hit_tokens"); /* DeepSeek */
    if (cached < 0)
        cached = reply_count(usage, "cached_tokens"); /* Moonshot */
    reply->usage = (struct chat_usage){input, output, reasoning, cached,
                                       reply_count(details, "cache_write_tokens")};
    const json_t *ticks = json_object_get(usage, "cost_in_usd_ticks"),
                 *cost = json_object_get(usage, "cost");
    if (json_is_integer(ticks))
        reply->reported_cost = (double)json_integer_value(ticks) * 1e-10; /* xAI */
    else if (json_is_number(cost))
        reply->reported_cost = json_number_value(cost); /* OpenRouter */
}

static void read_finish(struct reply *reply, const char *word)
{
    static const struct {
        const char *word;
        enum chat_finish finish;
    } FINISHES[] = {
        {"stop", CHAT_STOP},
        {"eos", CHAT_STOP},
        {"eos_token", CHAT_STOP},
        {"stop_sequence", CHAT_STOP},
        {"end_turn", CHAT_STOP},
        {"tool_calls", CHAT_STOP},
        {"function_call", CHAT_STOP},
        {"length", CHAT_LENGTH},
        {"model_length", CHAT_LENGTH},
        {"max_tokens", CHAT_LENGTH},
        {"content_filter", CHAT_CONTENT_FILTER},
        {"refusal", CHAT_REFUSED},
    };
    for (size_t i = 0; i < sizeof FINISHES / sizeof *FINISHES; i++)
        if (strcmp(word, FINISHES[i].word) == 0) {
            reply_finish(reply, FINISHES[i].finish);
            return;
        }
    if (strcmp(word, "insufficient_system_resource") == 0)
        reply_fail(reply, CHAT_OVERLOADED, "the provider ran out of resources (%s)", word);
    else if (strcmp(word, "error") == 0)
        reply_fail(reply, CHAT_SERVER, "the provider ended the answer with an error");
}

/* Mistral's list: {"type":"text","text"} and
 * {"type":"thinking","thinking":[{"type":"text","text"}]}. */
static void read_parts(struct reply *reply, const json_t *parts)
{
    size_t index, inner;
    const json_t *part, *thought;
    json_array_foreach(parts, index, part)
    {
        const char *type = json_string_value(json_object_get(part, "type"));
        if (type && strcmp(type, "text") == 0)
            reply_text(reply, CHAT_TEXT, json_object_get(part, "text"));
        if (!type || strcmp(type, "thinking") != 0)
            continue;
        const json_t *thinking = json_object_get(part, "thinking");
        reply_text(reply, CHAT_REASONING, thinking);
        json_array_foreach(thinking, inner, thought)
        {
            reply_text(reply, CHAT_REASONING, json_object_get(thought, "text"));
        }
    }
}

/* Some gateways send several of its names at once: one of them is enough. OpenRouter's list comes
 * with or without the plain text. */
static void read_reasoning(struct reply *reply, const json_t *message)
{
    static const char *const NAMES[] = {"reasoning_content", "reasoning"};
    size_t index;
    const json_t *detail;
    for (size_t i = 0; i < 2; i++)
        if (json_string_length(json_object_get(message, NAMES[i]))) {
            reply_text(reply, CHAT_REASONING, json_object_get(message, NAMES[i]));
            return;
        }
    json_array_foreach(json_object_get(message, "reasoning_details"), index, detail)
    {
        reply_text(reply, CHAT_REASONING, json_object_get(detail, "text"));
        reply_text(reply, CHAT_REASONING, json_object_get(detail, "summary"));
    }
}

static void read_message(struct reply *reply, const json_t *message)
{
    const json_t *content = json_object_get(message, "content");
    read_reasoning(reply, message);
    if (json_is_array(content))
        read_parts(reply, content);
    else
        reply_text(reply, CHAT_TEXT, content);
    reply_text(reply, CHAT_REFUSAL, json_object_get(message, "refusal"));
}

/* One chunk of a stream or a whole answer: they differ in the name of the message. */
static void read_chunk(struct reply *reply, const json_t *chunk, const char *message_key)
{
    reply_model(reply, json_object_get(chunk, "model"));
    reply_id(reply, json_object_get(chunk, "id"));
    size_t index;
    const json_t *choice;
    json_array_foreach(json_object_get(chunk, "choices"), index, choice)
    {
        if (reply_count(choice, "index") > 0)
            continue; /* of n > 1 answers the first is ours */
        read_message(reply, json_object_get(choice, message_key));
        const char *finish = json_string_value(json_object_get(choice, "finish_reason"));
        if (finish && *finish)
            read_finish(reply, finish);
        const json_t *error = json_object_get(choice, "error"); /* OpenRouter */
        if (json_is_object(error))
            reply_error(reply, 0, error);
        read_usage(reply, json_object_get(choice, "usage")); /* Moonshot */
    }
    read_usage(reply, json_object_get(chunk, "usage"));
    const json_t *groq = json_object_get(chunk, "x_groq");
    read_usage(reply, json_object_get(groq, "usage"));
    if (json_string_length(json_object_get(groq, "error")))
        reply_error(reply, 0, groq);
}

static void event(struct reply *reply, const char *name, const json_t *data)
{
    (void)name;
    read_chunk(reply, data, "delta");
}

static void whole(struct reply *reply, const json_t *body)
{
    read_chunk(reply, body, "message");
}

/* Nothing but text in it, and who answers is known. */
static bool quick(struct reply *reply, struct buf *data)
{
    struct delta_scan found;
    if (!reply->model[0] || !reply->id[0] || !delta_scan(&found, data))
        return false;
    reply_say(reply, CHAT_REASONING,
              found.reasoning_content.length ? found.reasoning_content : found.reasoning);
    reply_say(reply, CHAT_TEXT, found.content);
    return true;
}

const struct dialect dialect_openai_chat = {"openai-chat", "/models", NULL,  path, write_request,
                                            event,         quick,     whole, false};
