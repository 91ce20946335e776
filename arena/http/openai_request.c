/* Members stand in tables, each with what becomes of it, so that nothing is ignored by accident.
 * A reader that fails leaves the member's name in `param`: clients are told it apart from the
 * text. */
#include "http/openai_request.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/schema.h"

#define WHAT "the request"

/* What is read below by a function of its own, and what changes nothing about the answer. */
static const char *const TAKEN[] = {
    "model",      "messages",        "stream", "stop",     "stream_options", "seed", "logprobs",
    "logit_bias", "response_format", "user",   "metadata", "store",          NULL};
static const char *const IDLE[] = {"service_tier",     "safety_identifier",   "prompt_cache_key",
                                   "reasoning_effort", "parallel_tool_calls", NULL};

static const struct {
    const char *name;
    size_t offset; /* of a double in struct openai_request */
    double low, high;
    bool own_engine;
} NUMBERS[] = {
#define AT(member) offsetof(struct openai_request, member)
    {"temperature", AT(params.temperature), 0, 2, false},
    {"top_p", AT(params.top_p), 0, 1, false},
    {"min_p", AT(params.min_p), 0, 1, false},
    {"presence_penalty", AT(detail.presence_penalty), -2, 2, true},
    {"frequency_penalty", AT(detail.frequency_penalty), -2, 2, true},
    {"repetition_penalty", AT(detail.repetition_penalty), 0.01, 10, true},
};

static const struct {
    const char *name;
    size_t offset; /* of an int64_t */
    int64_t low, high;
} INTEGERS[] = {
    {"max_tokens", AT(params.max_tokens), 1, 1 << 20},
    {"max_completion_tokens", AT(params.max_tokens), 1, 1 << 20}, /* the newer name wins */
    {"top_k", AT(params.top_k), -1, 1 << 20},                     /* vLLM's -1 and 0: off */
    {"n", AT(choices), 1, OPENAI_CHOICES},
#undef AT
};
enum {
    NUMBER_COUNT = sizeof NUMBERS / sizeof *NUMBERS,
    INTEGER_COUNT = sizeof INTEGERS / sizeof *INTEGERS
};

static bool is_given(const json_t *body, const char *key)
{
    const json_t *value = json_object_get(body, key);
    return value && !json_is_null(value);
}

static bool is_among(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names;
}

static bool is_known(const char *name)
{
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        if (strcmp(NUMBERS[i].name, name) == 0)
            return true;
    for (size_t i = 0; i < INTEGER_COUNT; i++)
        if (strcmp(INTEGERS[i].name, name) == 0)
            return true;
    return is_among(TAKEN, name) || is_among(IDLE, name) || strcmp(name, "top_logprobs") == 0;
}

static bool check_members(struct openai_request *request, const json_t *body, struct err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)body, name, value)
    {
        request->param = name;
        if (!json_is_null(value) && !is_known(name))
            return err_set(err, ERR_UNSUPPORTED, "\"%.64s\" is not served here: leave it out",
                           name);
    }
    return true;
}

/* --- messages --- */

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
    request->param = "messages";
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

/* --- settings --- */

static bool read_stop(struct openai_request *request, const json_t *body, struct err *err)
{
    const json_t *stop = json_object_get(body, "stop");
    request->param = "stop";
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

static bool read_numbers(struct openai_request *request, const json_t *body, struct err *err)
{
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        double *out = (double *)(void *)((char *)request + NUMBERS[i].offset);
        request->param = NUMBERS[i].name;
        if (!is_given(body, request->param))
            continue;
        if (!json_get_number_or(body, request->param, WHAT, NUMBERS[i].low, NUMBERS[i].high, out,
                                err))
            return false;
        if (NUMBERS[i].own_engine && *out != (NUMBERS[i].low > 0)) /* what is off anyway is fine */
            request->needs = NUMBERS[i].name;
    }
    return true;
}

static bool read_integers(struct openai_request *request, const json_t *body, struct err *err)
{
    for (size_t i = 0; i < INTEGER_COUNT; i++) {
        int64_t *out = (int64_t *)(void *)((char *)request + INTEGERS[i].offset);
        request->param = INTEGERS[i].name;
        if (is_given(body, request->param) &&
            !json_get_int_or(body, request->param, WHAT, INTEGERS[i].low, INTEGERS[i].high, out,
                             err))
            return false;
    }
    return true;
}

/* Any 64-bit integer is a seed to OpenAI; ours have 63 bits. */
static bool read_seed(struct openai_request *request, const json_t *body, struct err *err)
{
    int64_t seed = 0;
    request->param = "seed";
    if (!is_given(body, "seed"))
        return true;
    if (!json_get_int_or(body, "seed", WHAT, INT64_MIN, INT64_MAX, &seed, err))
        return false;
    request->params.seed = seed & INT64_MAX;
    return true;
}

static bool read_logprobs(struct openai_request *request, const json_t *body, struct err *err)
{
    int64_t tops = 0;
    request->param = "logprobs";
    if (is_given(body, "logprobs") &&
        !json_get_bool_or(body, "logprobs", WHAT, &request->detail.logprobs, err))
        return false;
    if (request->detail.logprobs)
        request->needs = "logprobs";
    request->param = "top_logprobs";
    if (is_given(body, "top_logprobs") &&
        !json_get_int_or(body, "top_logprobs", WHAT, 0, OPENAI_TOP_LOGPROBS, &tops, err))
        return false;
    if (tops && !request->detail.logprobs)
        return err_set(err, ERR_BAD_REQUEST, "\"top_logprobs\" needs \"logprobs\": true");
    request->detail.top_logprobs = (int)tops;
    return true;
}

static bool read_bias(struct chat_bias *bias, const char *name, const json_t *value,
                      struct err *err)
{
    char *end;
    errno = 0;
    long token = strtol(name, &end, 10);
    double number = json_number_value(value);
    if (*name < '0' || *name > '9' || *end || errno || token > INT32_MAX)
        return err_set(err, ERR_BAD_REQUEST, "\"logit_bias\": \"%.32s\" is no token's number",
                       name);
    if (!json_is_number(value) || !(fabs(number) <= 100))
        return err_set(err, ERR_BAD_REQUEST,
                       "\"logit_bias\" of token %ld must be a number from -100 to 100", token);
    *bias = (struct chat_bias){(int32_t)token, number};
    return true;
}

static bool read_biases(struct openai_request *request, const json_t *body, struct err *err)
{
    json_t *map = json_object_get(body, "logit_bias"), *value;
    size_t count = json_object_size(map);
    const char *name;
    request->param = "logit_bias";
    if (!is_given(body, "logit_bias"))
        return true;
    if (!json_is_object(map) || count > OPENAI_BIASES)
        return err_set(err, ERR_BAD_REQUEST,
                       "\"logit_bias\" must be an object of at most %d tokens", OPENAI_BIASES);
    if (!count)
        return true;
    request->needs = "logit_bias";
    request->detail.bias = request->biases = calloc(count, sizeof *request->biases);
    if (!request->biases)
        return err_set(err, ERR_MEMORY, "out of memory");
    json_object_foreach(map, name, value)
    {
        if (!read_bias(&request->biases[request->detail.biases++], name, value, err))
            return false;
    }
    return true;
}

static bool read_stream(struct openai_request *request, const json_t *body, struct err *err)
{
    const json_t *options = json_object_get(body, "stream_options");
    request->param = "stream";
    if (is_given(body, "stream") && !json_get_bool_or(body, "stream", WHAT, &request->stream, err))
        return false;
    request->param = "stream_options";
    if (!is_given(body, "stream_options"))
        return true;
    if (!json_is_object(options) || !request->stream)
        return err_set(err, ERR_BAD_REQUEST,
                       "\"stream_options\" must be an object, beside \"stream\": true");
    return !is_given(options, "include_usage") ||
           json_get_bool_or(options, "include_usage", "stream_options", &request->include_usage,
                            err);
}

/* {"type": "json_schema", "json_schema": {"name", "description", "strict", "schema"}}. */
static const json_t *schema_of(const json_t *format, struct err *err)
{
    static const char *const KEYS[] = {"name", "description", "strict", "schema", NULL};
    const json_t *outer = json_object_get(format, "json_schema");
    if (!json_is_object(json_object_get(outer, "schema"))) {
        err_set(err, ERR_BAD_REQUEST,
                "\"response_format\" needs \"json_schema\" with a \"schema\" in it");
        return NULL;
    }
    return json_only_keys(outer, KEYS, "json_schema", err) ? json_object_get(outer, "schema")
                                                           : NULL;
}

static bool keep_schema(struct openai_request *request, char *schema, struct err *err)
{
    struct engine_error error = {ENGINE_OK, ""};
    request->schema = schema;
    if (!schema)
        return err_set(err, ERR_MEMORY, "out of memory");
    struct grammar *grammar = schema_compile(schema, strlen(schema), &error);
    grammar_free(grammar);
    request->needs = "response_format";
    request->params.schema = schema;
    return grammar || err_set(err, ERR_BAD_REQUEST, "\"response_format\": %s", error.message);
}

static bool read_format(struct openai_request *request, const json_t *body, struct err *err)
{
    const json_t *format = json_object_get(body, "response_format"), *schema;
    const char *kind = json_string_value(json_object_get(format, "type"));
    request->param = "response_format";
    if (!is_given(body, "response_format") || (kind && strcmp(kind, "text") == 0))
        return true;
    if (kind && strcmp(kind, "json_object") == 0)
        return keep_schema(request, strdup("{\"type\":\"object\"}"), err);
    if (!kind || strcmp(kind, "json_schema") != 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "\"response_format\": its type must be text, json_object or json_schema");
    schema = schema_of(format, err);
    return schema && keep_schema(request, json_dumps(schema, JSON_COMPACT), err);
}

static bool read_model(struct openai_request *request, const json_t *body, struct err *err)
{
    request->param = "model";
    return json_get_string(body, "model", WHAT, &request->model, err);
}

bool openai_request_read(struct openai_request *request, const json_t *body, struct err *err)
{
    static bool (*const READERS[])(struct openai_request *, const json_t *, struct err *) = {
        check_members, read_model,    read_messages, read_numbers, read_integers, read_seed,
        read_stop,     read_logprobs, read_biases,   read_stream,  read_format};
    *request = (struct openai_request){
        .params = CHAT_PARAMS_UNSET,
        .detail = {NAN, NAN, NAN, NULL, 0, false, 0},
        .choices = 1,
    };
    buf_init(&request->joined, LIMIT_BODY_BYTES);
    request->params.stop = request->stop;
    request->params.detail = &request->detail;
    if (!body)
        return err_set(err, ERR_BAD_REQUEST, "the request has no body");
    for (size_t i = 0; i < sizeof READERS / sizeof *READERS; i++)
        if (!READERS[i](request, body, err))
            return false;
    request->param = NULL;
    return true;
}

void openai_request_done(struct openai_request *request)
{
    free(request->messages);
    free(request->biases);
    free(request->schema);
    buf_done(&request->joined);
}
