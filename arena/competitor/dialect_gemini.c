/* Google's generateContent. There is no terminator: the finish reason in the last chunk is the
 * end. Usage stands in every chunk and the last one counts; a blocked prompt has no candidates
 * at all. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "competitor/dialect.h"

static bool path(const struct dialect_request *request, struct buf *out)
{
    const char *prefix = strncmp(request->model, "models/", 7) == 0 ? "" : "models/";
    return buf_printf(out, "/v1beta/%s%s:%s", prefix, request->model,
                      request->stream ? "streamGenerateContent?alt=sse" : "generateContent");
}

static void write_part(struct json_out *out, struct text text)
{
    json_put_open(out, "parts", '[');
    json_put_open(out, NULL, '{');
    json_put_string(out, "text", text);
    json_put_close(out, '}');
    json_put_close(out, ']');
}

static void write_contents(const struct dialect_request *request, struct json_out *out)
{
    json_put_open(out, "contents", '[');
    for (size_t i = 0; i < request->count; i++) {
        const struct chat_message *message = &request->messages[i];
        if (message->role == CHAT_SYSTEM)
            continue;
        json_put_open(out, NULL, '{');
        json_put_cstring(out, "role", message->role == CHAT_USER ? "user" : "model");
        write_part(out, message->text);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

/* A number is a thinking budget (2.5), a word a thinking level (3 and later), "none" a budget of
 * 0. */
static void write_thinking(const char *reasoning, struct json_out *body, struct json_out *sent)
{
    json_put_open(body, "thinkingConfig", '{');
    if (strcmp(reasoning, "none") == 0)
        dialect_put_int(body, sent, "thinkingBudget", 0);
    else if (isdigit((unsigned char)reasoning[0]))
        dialect_put_int(body, sent, "thinkingBudget", strtoll(reasoning, NULL, 10));
    else
        dialect_put_string(body, sent, "thinkingLevel", reasoning);
    json_put_bool(body, "includeThoughts", strcmp(reasoning, "none") != 0);
    json_put_close(body, '}');
}

static void write_settings(const struct dialect_request *request, struct json_out *body,
                           struct json_out *sent)
{
    const struct chat_params *params = request->params;
    json_put_open(body, "generationConfig", '{');
    if (dialect_wants(request, MEMBER_CAP))
        dialect_put_int(body, sent, "maxOutputTokens", params->max_tokens);
    if (dialect_wants(request, MEMBER_TEMPERATURE))
        dialect_put_real(body, sent, "temperature", params->temperature);
    if (dialect_wants(request, MEMBER_TOP_P))
        dialect_put_real(body, sent, "topP", params->top_p);
    if (dialect_wants(request, MEMBER_TOP_K))
        dialect_put_int(body, sent, "topK", params->top_k);
    if (dialect_wants(request, MEMBER_SEED))
        dialect_put_int(body, sent, "seed", params->seed);
    if (dialect_wants(request, MEMBER_STOP))
        dialect_put_stop(body, sent, "stopSequences", params);
    if (dialect_wants(request, MEMBER_REASONING))
        write_thinking(params->reasoning, body, sent);
    json_put_close(body, '}');
}

static void write_request(const struct dialect_request *request, struct buf *body_bytes,
                          struct buf *sent_bytes)
{
    struct json_out body = json_out_to(body_bytes), sent = json_out_to(sent_bytes);
    struct text system = dialect_system(request);
    json_put_open(&body, NULL, '{');
    json_put_open(&sent, NULL, '{');
    if (system.data) {
        json_put_open(&body, "systemInstruction", '{');
        write_part(&body, system);
        json_put_close(&body, '}');
    }
    write_contents(request, &body);
    write_settings(request, &body, &sent);
    json_put_close(&body, '}');
    json_put_bool(&sent, "stream", request->stream);
    json_put_close(&sent, '}');
}

/* --- responses --- */

static int64_t or_zero(int64_t count)
{
    return count > 0 ? count : 0;
}

static void read_usage(struct reply *reply, const json_t *usage)
{
    int64_t prompt = reply_count(usage, "promptTokenCount"),
            candidates = reply_count(usage, "candidatesTokenCount");
    int64_t thoughts = reply_count(usage, "thoughtsTokenCount"),
            tools = reply_count(usage, "toolUsePromptTokenCount");
    if (!json_is_object(usage))
        return;
    if (candidates < 0) /* not in this chunk: the last one told stands */
        candidates = or_zero(reply->usage.output) - or_zero(reply->usage.reasoning);
    if (prompt >= 0)
        reply->usage.input = prompt + or_zero(tools);
    if (thoughts >= 0)
        reply->usage.reasoning = thoughts;
    if (prompt >= 0 || candidates > 0 ||
        thoughts >= 0) /* no count at all is 0: the prompt was blocked */
        reply->usage.output = candidates + or_zero(reply->usage.reasoning);
    int64_t cached = reply_count(usage, "cachedContentTokenCount");
    if (cached >= 0)
        reply->usage.cached = cached;
}

static void read_finish(struct reply *reply, const char *reason)
{
    static const char *const FILTERED[] = {"SAFETY",    "RECITATION", "PROHIBITED_CONTENT",
                                           "BLOCKLIST", "SPII",       "IMAGE_SAFETY",
                                           "LANGUAGE",  "MODEL_ARMOR"};
    if (strcmp(reason, "STOP") == 0) {
        reply_finish(reply, CHAT_STOP);
        return;
    }
    if (strcmp(reason, "MAX_TOKENS") == 0) {
        reply_finish(reply, CHAT_LENGTH);
        return;
    }
    for (size_t i = 0; i < sizeof FILTERED / sizeof *FILTERED; i++)
        if (strcmp(reason, FILTERED[i]) == 0) {
            reply_finish(reply, CHAT_CONTENT_FILTER);
            return;
        }
    if (strcmp(reason, "FINISH_REASON_UNSPECIFIED") != 0)
        reply_fail(reply, CHAT_SERVER, "the answer ended with %s", reason);
}

static void read_candidate(struct reply *reply, const json_t *candidate)
{
    size_t index;
    const json_t *part;
    json_array_foreach(json_object_get(json_object_get(candidate, "content"), "parts"), index, part)
    {
        bool thought = json_is_true(json_object_get(part, "thought"));
        reply_text(reply, thought ? CHAT_REASONING : CHAT_TEXT, json_object_get(part, "text"));
    }
    const char *reason = json_string_value(json_object_get(candidate, "finishReason"));
    if (reason)
        read_finish(reply, reason);
}

static void read_response(struct reply *reply, const json_t *response)
{
    reply_model(reply, json_object_get(response, "modelVersion"));
    reply_id(reply, json_object_get(response, "responseId"));
    size_t index;
    const json_t *candidate;
    json_array_foreach(json_object_get(response, "candidates"), index, candidate)
    {
        if (reply_count(candidate, "index") <= 0)
            read_candidate(reply, candidate);
    }
    const char *blocked = json_string_value(
        json_object_get(json_object_get(response, "promptFeedback"), "blockReason"));
    if (blocked && strcmp(blocked, "BLOCK_REASON_UNSPECIFIED") != 0)
        reply_finish(reply, CHAT_CONTENT_FILTER);
    read_usage(reply, json_object_get(response, "usageMetadata"));
}

static void event(struct reply *reply, const char *name, const json_t *data)
{
    (void)name;
    read_response(reply, data);
}

const struct dialect dialect_gemini = {
    "gemini", "/v1beta/models?pageSize=1000", NULL, path, write_request, event, NULL, read_response,
    true};
