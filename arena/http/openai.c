/* Members are known by a table with what becomes of each, so that nothing is ignored by accident:
 * an unknown one is refused like one that cannot be honoured. */
#include "http/openai.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

#define WHAT "the request"

static const char *const KNOWN[] = {"model",
                                    "messages",
                                    "stream",
                                    "stream_options",
                                    "temperature",
                                    "top_p",
                                    "max_tokens",
                                    "max_completion_tokens",
                                    "stop",
                                    "seed",
                                    "n",
                                    "logprobs",
                                    "top_logprobs",
                                    "frequency_penalty",
                                    "presence_penalty",
                                    "logit_bias",
                                    "response_format",
                                    "user",
                                    "metadata",
                                    "store",
                                    "service_tier",
                                    "safety_identifier",
                                    "prompt_cache_key",
                                    "parallel_tool_calls",
                                    "reasoning_effort",
                                    NULL};

/* --- reading --- */

static bool refuse_member(const char *name, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "\"%s\" is not served here: leave it out", name);
}

/* Values that ask for what is done anyway are fine. */
static bool check_unserved(const json_t *body, struct err *err)
{
    static const char *const ZERO[] = {"frequency_penalty", "presence_penalty", "top_logprobs",
                                       NULL};
    int64_t n = 1;
    bool logprobs = false;
    for (const char *const *name = ZERO; *name; name++) {
        const json_t *value = json_object_get(body, *name);
        if (value && !json_is_null(value) && json_number_value(value) != 0)
            return refuse_member(*name, err);
    }
    const json_t *format = json_object_get(body, "response_format");
    const char *kind = json_string_value(json_object_get(format, "type"));
    if (format && !json_is_null(format) && (!kind || strcmp(kind, "text") != 0))
        return refuse_member("response_format", err);
    if (json_object_size(json_object_get(body, "logit_bias")))
        return refuse_member("logit_bias", err);
    if (!json_get_int_or(body, "n", WHAT, 1, 128, &n, err) ||
        !json_get_bool_or(body, "logprobs", WHAT, &logprobs, err))
        return false;
    return (n == 1 || refuse_member("n", err)) && (!logprobs || refuse_member("logprobs", err));
}

static bool read_role(const json_t *message, enum chat_role *role, struct err *err)
{
    static const struct {
        const char *word;
        enum chat_role role;
    } ROLES[] = {{"system", CHAT_SYSTEM},
                 {"developer", CHAT_SYSTEM},
                 {"user", CHAT_USER},
                 {"assistant", CHAT_ASSISTANT}};
    const char *word;
    if (!json_get_string(message, "role", "a message", &word, err))
        return false;
    for (size_t i = 0; i < sizeof ROLES / sizeof *ROLES; i++)
        if (strcmp(word, ROLES[i].word) == 0) {
            *role = ROLES[i].role;
            return true;
        }
    return err_set(err, ERR_UNSUPPORTED, "messages: the role \"%.32s\" is not served here", word);
}

/* Appends the parts' texts to `joined`. */
static bool join_parts(const json_t *parts, struct buf *joined, struct err *err)
{
    size_t index;
    json_t *part;
    json_array_foreach(parts, index, part)
    {
        const char *kind, *text;
        if (!json_get_string(part, "type", "a part of a message", &kind, err))
            return false;
        if (strcmp(kind, "text") != 0)
            return err_set(err, ERR_UNSUPPORTED,
                           "messages: a part of type \"%.32s\" is not served here", kind);
        if (!json_get_string(part, "text", "a part of a message", &text, err))
            return false;
        if (!buf_add_string(joined, text))
            return err_set(err, ERR_TOO_LARGE, "messages: too long");
    }
    return true;
}

/* A content in parts is kept in `joined`, whose block may still move: its text gets the offset for
 * now. */
static bool read_message(struct openai_request *request, const json_t *message,
                         struct chat_message *out, struct err *err)
{
    const json_t *content = json_object_get(message, "content");
    if (!json_is_object(message))
        return err_set(err, ERR_BAD_REQUEST, "messages: each must be an object");
    if (!read_role(message, &out->role, err))
        return false;
    if (json_is_string(content)) {
        out->text = (struct text){json_string_value(content), json_string_length(content)};
        return true;
    }
    if (!json_is_array(content))
        return err_set(err, ERR_BAD_REQUEST,
                       "messages: \"content\" must be a string or a list of parts");
    size_t start = request->joined.length;
    out->text.data = NULL;
    if (!join_parts(content, &request->joined, err))
        return false;
    out->text.length = request->joined.length - start;
    return true;
}

static bool read_messages(struct openai_request *request, const json_t *body, struct err *err)
{
    const json_t *list = json_object_get(body, "messages");
    size_t count = json_array_size(list), offset = 0;
    if (!count || count > 2 * LIMIT_TURNS + 1)
        return err_set(err, ERR_BAD_REQUEST, "\"messages\" must be a list of 1 to %d messages",
                       2 * LIMIT_TURNS + 1);
    request->messages = calloc(count, sizeof *request->messages);
    if (!request->messages)
        return err_set(err, ERR_MEMORY, "out of memory");
    request->count = count;
    for (size_t i = 0; i < count; i++)
        if (!read_message(request, json_array_get(list, i), &request->messages[i], err))
            return false;
    for (size_t i = 0; i < count; i++) { /* the joined texts stand now */
        struct text *text = &request->messages[i].text;
        if (text->data)
            continue;
        text->data = request->joined.data ? request->joined.data + offset : "";
        offset += text->length;
    }
    return true;
}

static bool read_stop(struct openai_request *request, const json_t *body, struct err *err)
{
    const json_t *stop = json_object_get(body, "stop");
    if (!stop || json_is_null(stop))
        return true;
    if (json_is_string(stop)) {
        request->stop[request->params.stops++] = json_string_value(stop);
        return true;
    }
    if (!json_is_array(stop) || json_array_size(stop) > OPENAI_STOPS)
        return err_set(err, ERR_BAD_REQUEST, "\"stop\" must be a string or a list of at most %d",
                       OPENAI_STOPS);
    for (size_t i = 0; i < json_array_size(stop); i++) {
        const char *text = json_string_value(json_array_get(stop, i));
        if (!text)
            return err_set(err, ERR_BAD_REQUEST, "\"stop\" must hold strings");
        request->stop[request->params.stops++] = text;
    }
    return true;
}

/* Absent and null are the same in this dialect. */
static bool is_given(const json_t *body, const char *key)
{
    const json_t *value = json_object_get(body, key);
    return value && !json_is_null(value);
}

static bool read_number(const json_t *body, const char *key, double low, double high, double *out,
                        struct err *err)
{
    return !is_given(body, key) || json_get_number_or(body, key, WHAT, low, high, out, err);
}

static bool read_int(const json_t *body, const char *key, int64_t low, int64_t high, int64_t *out,
                     struct err *err)
{
    return !is_given(body, key) || json_get_int_or(body, key, WHAT, low, high, out, err);
}

static bool read_params(struct openai_request *request, const json_t *body, struct err *err)
{
    struct chat_params *params = &request->params;
    const json_t *options = json_object_get(body, "stream_options");
    return read_number(body, "temperature", 0, 2, &params->temperature, err) &&
           read_number(body, "top_p", 0, 1, &params->top_p, err) &&
           read_int(body, "max_tokens", 1, 1 << 20, &params->max_tokens, err) &&
           read_int(body, "max_completion_tokens", 1, 1 << 20, &params->max_tokens, err) &&
           read_int(body, "seed", 0, INT64_MAX, &params->seed, err) &&
           read_stop(request, body, err) &&
           (!is_given(body, "stream") ||
            json_get_bool_or(body, "stream", WHAT, &request->stream, err)) &&
           (!is_given(options, "include_usage") ||
            json_get_bool_or(options, "include_usage", "stream_options", &request->include_usage,
                             err));
}

bool openai_request_read(struct openai_request *request, const json_t *body, struct err *err)
{
    *request = (struct openai_request){.params = CHAT_PARAMS_UNSET};
    buf_init(&request->joined, LIMIT_BODY_BYTES);
    request->params.stop = request->stop;
    if (!body)
        return err_set(err, ERR_BAD_REQUEST, "the request has no body");
    return json_only_keys(body, KNOWN, WHAT, err) &&
           json_get_string(body, "model", WHAT, &request->model, err) &&
           check_unserved(body, err) && read_messages(request, body, err) &&
           read_params(request, body, err);
}

void openai_request_done(struct openai_request *request)
{
    free(request->messages);
    buf_done(&request->joined);
}

/* --- writing --- */

const char *openai_finish(enum chat_finish finish)
{
    return finish == CHAT_LENGTH           ? "length"
           : finish == CHAT_CONTENT_FILTER ? "content_filter"
                                           : "stop";
}

static void put_head(struct json_out *out, const struct openai_head *head, const char *object)
{
    json_put_cstring(out, "id", head->id);
    json_put_cstring(out, "object", object);
    json_put_int(out, "created", head->created_s);
    json_put_cstring(out, "model", head->model);
    json_put_cstring(out, "system_fingerprint", head->fingerprint);
}

static void put_usage(struct json_out *out, const struct chat_usage *usage)
{
    int64_t input = usage->input < 0 ? 0 : usage->input,
            output = usage->output < 0 ? 0 : usage->output;
    json_put_open(out, "usage", '{');
    json_put_int(out, "prompt_tokens", input);
    json_put_int(out, "completion_tokens", output);
    json_put_int(out, "total_tokens", input + output);
    json_put_close(out, '}');
}

void openai_write(struct buf *buf, const struct openai_head *head, struct text text,
                  const struct chat_end *end)
{
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    put_head(&out, head, "chat.completion");
    json_put_open(&out, "choices", '[');
    json_put_open(&out, NULL, '{');
    json_put_int(&out, "index", 0);
    json_put_open(&out, "message", '{');
    json_put_cstring(&out, "role", "assistant");
    json_put_string(&out, "content", text);
    json_put_null(&out, "refusal");
    json_put_close(&out, '}');
    json_put_null(&out, "logprobs");
    json_put_cstring(&out, "finish_reason", openai_finish(end->finish));
    json_put_close(&out, '}');
    json_put_close(&out, ']');
    put_usage(&out, &end->usage);
    json_put_close(&out, '}');
}

static struct json_out open_chunk(struct buf *buf, const struct openai_head *head)
{
    buf_add_string(buf, "data: ");
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    put_head(&out, head, "chat.completion.chunk");
    json_put_open(&out, "choices", '[');
    return out;
}

static void close_chunk(struct json_out *out)
{
    json_put_close(out, '}');
    buf_add_string(out->buf, "\n\n");
}

/* One choice; `role` or `text` or neither. */
static void put_choice(struct buf *buf, const struct openai_head *head, bool role,
                       const struct text *text, const char *finish)
{
    struct json_out out = open_chunk(buf, head);
    json_put_open(&out, NULL, '{');
    json_put_int(&out, "index", 0);
    json_put_open(&out, "delta", '{');
    if (role)
        json_put_cstring(&out, "role", "assistant");
    if (text)
        json_put_string(&out, "content", *text);
    json_put_close(&out, '}');
    json_put_cstring(&out, "finish_reason", finish);
    json_put_close(&out, '}');
    json_put_close(&out, ']');
    close_chunk(&out);
}

void openai_chunk_role(struct buf *out, const struct openai_head *head)
{
    static const struct text NOTHING = {"", 0};
    put_choice(out, head, true, &NOTHING, NULL);
}

void openai_chunk_text(struct buf *out, const struct openai_head *head, struct text text)
{
    put_choice(out, head, false, &text, NULL);
}

void openai_chunk_finish(struct buf *out, const struct openai_head *head, enum chat_finish finish)
{
    put_choice(out, head, false, NULL, openai_finish(finish));
}

void openai_chunk_usage(struct buf *buf, const struct openai_head *head,
                        const struct chat_usage *usage)
{
    struct json_out out = open_chunk(buf, head);
    json_put_close(&out, ']');
    put_usage(&out, usage);
    close_chunk(&out);
}

void openai_chunk_error(struct buf *out, const struct err *err)
{
    buf_add_string(out, "data: ");
    openai_error(out, err);
    buf_add_string(out, "\n\n");
}

void openai_chunk_done(struct buf *out)
{
    buf_add_string(out, "data: [DONE]\n\n");
}

static const char *type_of(int status)
{
    return status == 429   ? "rate_limit_error"
           : status == 401 ? "authentication_error"
           : status >= 500 ? "server_error"
                           : "invalid_request_error";
}

void openai_error(struct buf *buf, const struct err *err)
{
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    json_put_open(&out, "error", '{');
    json_put_cstring(&out, "code", err_word(err->code));
    json_put_cstring(&out, "message", err->message);
    json_put_cstring(&out, "type", type_of(err_status(err->code)));
    json_put_null(&out, "param");
    json_put_close(&out, '}');
    json_put_close(&out, '}');
}
