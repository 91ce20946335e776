/* The class comes from a table of words looked for in the provider's code, type and message,
 * most telling first; only when none is there does the HTTP status decide. */
#include "competitor/fault.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word; /* in lower case; looked for in code, type, status and message */
    enum chat_error_class class;
} WORDS[] = {
    {"context_length_exceeded", CHAT_CONTEXT_LENGTH},
    {"prompt is too long", CHAT_CONTEXT_LENGTH},
    {"context length", CHAT_CONTEXT_LENGTH},
    {"context window", CHAT_CONTEXT_LENGTH},
    {"context size", CHAT_CONTEXT_LENGTH},
    {"maximum context", CHAT_CONTEXT_LENGTH},
    {"exceed_context_size", CHAT_CONTEXT_LENGTH},
    {"input is too long", CHAT_CONTEXT_LENGTH},
    {"input token count", CHAT_CONTEXT_LENGTH},
    {"maximum prompt length", CHAT_CONTEXT_LENGTH},
    {"max_model_len", CHAT_CONTEXT_LENGTH},
    {"too many tokens in", CHAT_CONTEXT_LENGTH},
    {"maximum model length", CHAT_CONTEXT_LENGTH},
    {"context limit", CHAT_CONTEXT_LENGTH},
    {"inputs` tokens", CHAT_CONTEXT_LENGTH},
    {"request_too_large", CHAT_CONTEXT_LENGTH},
    {"string_above_max_length", CHAT_CONTEXT_LENGTH},
    {"insufficient_quota", CHAT_QUOTA},
    {"credit_balance_exhausted", CHAT_QUOTA},
    {"credit balance", CHAT_QUOTA},
    {"usage_limit_exceeded", CHAT_QUOTA},
    {"spend_limit", CHAT_QUOTA},
    {"insufficient balance", CHAT_QUOTA},
    {"insufficient_balance", CHAT_QUOTA},
    {"insufficient credits", CHAT_QUOTA},
    {"billing_error", CHAT_QUOTA},
    {"billing_hard_limit", CHAT_QUOTA},
    {"payment_required", CHAT_QUOTA},
    {"perday", CHAT_QUOTA},
    {"spending limit", CHAT_QUOTA},
    {"available credits", CHAT_QUOTA},
    {"have any credits", CHAT_QUOTA},
    {"included credits", CHAT_QUOTA},
    {"out of credits", CHAT_QUOTA},
    {"invalid_api_key", CHAT_AUTH},
    {"api_key_invalid", CHAT_AUTH},
    {"authentication_error", CHAT_AUTH},
    {"permission_error", CHAT_AUTH},
    {"permission_denied", CHAT_AUTH},
    {"unauthenticated", CHAT_AUTH},
    {"api_key_invalid", CHAT_AUTH},
    {"api key not valid", CHAT_AUTH},
    {"api key expired", CHAT_AUTH},
    {"incorrect api key", CHAT_AUTH},
    {"invalid api key", CHAT_AUTH},
    {"invalid x-api-key", CHAT_AUTH},
    {"invalid authentication", CHAT_AUTH},
    {"no auth credentials", CHAT_AUTH},
    {"user not found", CHAT_AUTH},
    {"unauthorized", CHAT_AUTH},
    {"model_not_found", CHAT_NOT_FOUND},
    {"deploymentnotfound", CHAT_NOT_FOUND},
    {"not_found_error", CHAT_NOT_FOUND},
    {"invalid_model", CHAT_NOT_FOUND},
    {"invalid model", CHAT_NOT_FOUND},
    {"unknown model", CHAT_NOT_FOUND},
    {"model not exist", CHAT_NOT_FOUND},
    {"not a valid model", CHAT_NOT_FOUND},
    {"model not found", CHAT_NOT_FOUND},
    {"decommissioned", CHAT_NOT_FOUND},
    {"overloaded", CHAT_OVERLOADED},
    {"insufficient_system_resource", CHAT_OVERLOADED},
    {"engine_overloaded", CHAT_OVERLOADED},
    {"slow_down", CHAT_OVERLOADED},
    {"rate_limit", CHAT_RATE_LIMIT},
    {"rate limit", CHAT_RATE_LIMIT},
    {"resource_exhausted", CHAT_RATE_LIMIT},
    {"too many requests", CHAT_RATE_LIMIT},
    {"invalid_request_error", CHAT_BAD_REQUEST},
    {"server_error", CHAT_SERVER},
    {"api_error", CHAT_SERVER},
    {"timeout_error", CHAT_TIMEOUT},
};

static enum chat_error_class class_of_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return CHAT_AUTH;
    case 402:
        return CHAT_QUOTA;
    case 404:
        return CHAT_NOT_FOUND;
    case 408:
        return CHAT_TIMEOUT;
    case 409:
    case 425:
        return CHAT_SERVER;
    case 429:
        return CHAT_RATE_LIMIT;
    case 503:
    case 529:
        return CHAT_OVERLOADED;
    default:
        return status >= 500 || status == 0 ? CHAT_SERVER : CHAT_BAD_REQUEST;
    }
}

static void lower(char *text)
{
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* "the model `x` does not exist", "models/x is not found": a name may stand between the words. */
static bool speaks_of_a_missing_model(const char *words)
{
    const char *model = strstr(words, "model");
    return model && (strstr(model, "does not exist") || strstr(model, "is not found") ||
                     strstr(model, "was not found") || strstr(model, "not found, try pulling") ||
                     strstr(model, "is not supported") || strstr(model, "do not have access"));
}

/* Words that name the kind of request rather than what was wrong with it: they count only where
 * no status does. */
static bool is_weak(enum chat_error_class class)
{
    return class == CHAT_BAD_REQUEST || class == CHAT_SERVER;
}

static enum chat_error_class classify(int status, const char *words)
{
    enum chat_error_class weak = CHAT_OK;
    if (status == 402 || status == 529)
        return class_of_status(status);
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        if (!strstr(words, WORDS[i].word))
            continue;
        if (!is_weak(WORDS[i].class))
            return WORDS[i].class;
        weak = weak == CHAT_OK ? WORDS[i].class : weak;
    }
    if (speaks_of_a_missing_model(words) && status != 429)
        return CHAT_NOT_FOUND;
    return status == 0 && weak != CHAT_OK ? weak : class_of_status(status);
}

/* Some errors carry an HTTP status of their own: inside a stream it is the only one, elsewhere
 * the body decides. */
static int status_in_body(const char *code)
{
    char *end;
    long value = strtol(code, &end, 10);
    return end != code && !*end && value >= 400 && value < 600 ? (int)value : 0;
}

/* --- where the parts stand --- */

static void put(char *out, size_t size, const json_t *value)
{
    if (out[0])
        return;
    if (json_is_string(value))
        snprintf(out, size, "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(out, size, "%lld", (long long)json_integer_value(value));
}

/* FastAPI's {"detail": [{"msg", "loc"}, …]}: the messages, joined; the last word of the first place
 * is the parameter. */
static void put_details(char *out, size_t size, char *parameter, size_t parameter_size,
                        const json_t *list)
{
    size_t index, used = 0;
    const json_t *item;
    json_array_foreach(list, index, item)
    {
        const json_t *place = json_object_get(item, "loc");
        const char *message = json_string_value(json_object_get(item, "msg"));
        if (message && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "; " : "", message);
        put(parameter, parameter_size, json_array_get(place, json_array_size(place) - 1));
    }
}

/* Google's RetryInfo and QuotaFailure stand in a list of details. */
static void read_google_details(const json_t *details, struct fault *fault, char *words,
                                size_t size)
{
    size_t index, i;
    const json_t *item, *violation;
    json_array_foreach(details, index, item)
    {
        const char *delay = json_string_value(json_object_get(item, "retryDelay"));
        if (delay)
            fault->retry_after_s = strtod(delay, NULL);
        const char *reason = json_string_value(json_object_get(item, "reason"));
        size_t used = strlen(words);
        if (reason && used < size)
            snprintf(words + used, size - used, " %s", reason);
        json_array_foreach(json_object_get(item, "violations"), i, violation)
        {
            const char *quota = json_string_value(json_object_get(violation, "quotaId"));
            used = strlen(words);
            if (quota && used < size)
                snprintf(words + used, size - used, " %s", quota);
        }
    }
}

/* "Please try again in 1.5s", "retry in 48.9s", "try again in 350ms". */
static double delay_in_words(const char *words)
{
    static const char *const BEFORE[] = {"try again in ", "retry in ", "retry after "};
    for (size_t i = 0; i < 3; i++) {
        const char *at = strstr(words, BEFORE[i]);
        if (!at)
            continue;
        char *end;
        double value = strtod(at + strlen(BEFORE[i]), &end);
        if (end == at + strlen(BEFORE[i]))
            continue;
        if (strncmp(end, "ms", 2) == 0)
            return value / 1000;
        if (*end == 'm' && end[1] >= '0' && end[1] <= '9')
            return value * 60 + strtod(end + 1, NULL);
        return *end == 'm' ? value * 60 : value;
    }
    return NAN;
}

const json_t *fault_find(const json_t *value)
{
    if (json_is_array(value))
        value = json_array_get(value, 0);
    const json_t *error = json_object_get(value, "error");
    if (error && !json_is_null(error) && !json_is_false(error))
        return value;
    const char *type = json_string_value(json_object_get(value, "type"));
    const char *object = json_string_value(json_object_get(value, "object"));
    if ((type && strcmp(type, "error") == 0) || (object && strcmp(object, "error") == 0))
        return value;
    return NULL;
}

static void read_object(const json_t *body, struct fault *fault, char *words, size_t size)
{
    const json_t *error = json_object_get(body, "error");
    const json_t *inner = json_is_object(error) ? error : body;
    put(fault->message, sizeof fault->message,
        json_is_string(error) ? error : json_object_get(inner, "message"));
    const json_t *detail = json_object_get(body, "detail");
    if (json_is_array(detail) && !fault->message[0])
        put_details(fault->message, sizeof fault->message, fault->parameter,
                    sizeof fault->parameter, detail);
    else
        put(fault->message, sizeof fault->message, detail);
    put(fault->message, sizeof fault->message, json_object_get(body, "message"));
    put(fault->parameter, sizeof fault->parameter, json_object_get(inner, "param"));
    static const char *const CODES[] = {"code", "type", "status", "error_code", "error_type"};
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++) {
        char code[96] = "";
        put(code, sizeof code, json_object_get(inner, CODES[i]));
        if (code[0] && strcmp(code, "error") != 0 && !fault->code[0])
            snprintf(fault->code, sizeof fault->code, "%s", code);
        size_t used = strlen(words);
        snprintf(words + used, size - used, "%s ", code);
    }
    const json_t *details = json_object_get(inner, "details");
    read_google_details(details, fault, words, size);
    const json_t *raw = json_object_get(json_object_get(inner, "metadata"), "raw");
    const json_t *error_code = json_object_get(details, "error_code");
    const char *more[] = {json_string_value(raw), json_string_value(error_code)};
    for (size_t i = 0; i < 2; i++) {
        size_t used = strlen(words);
        if (more[i] && used < size)
            snprintf(words + used, size - used, " %s", more[i]);
    }
}

void fault_read(struct fault *fault, int status, const json_t *body)
{
    char words[4096] = "";
    *fault = (struct fault){.retry_after_s = NAN};
    if (json_is_array(body))
        body = json_array_get(body, 0);
    if (json_is_string(body))
        put(fault->message, sizeof fault->message, body);
    else
        read_object(body, fault, words, sizeof words - sizeof fault->message - 2);
    size_t used = strlen(words);
    snprintf(words + used, sizeof words - used, " %s", fault->message);
    lower(words);
    if (isnan(fault->retry_after_s))
        fault->retry_after_s = delay_in_words(words);
    int told = status_in_body(fault->code);
    fault->class = classify(told ? told : status, words);
    if (!fault->message[0])
        snprintf(fault->message, sizeof fault->message,
                 status ? "HTTP status %d without a message" : "an error without a message",
                 status);
}

void fault_read_text(struct fault *fault, int status, struct text body)
{
    *fault = (struct fault){.retry_after_s = NAN};
    size_t used = 0;
    bool in_tag = false, space = true;
    for (size_t i = 0; i < body.length && used < 200; i++) {
        unsigned char c = (unsigned char)body.data[i];
        if (c == '<' || (in_tag && c != '>')) {
            in_tag = true;
            continue;
        }
        if (c == '>' || c <= ' ') {
            in_tag = false;
            if (!space)
                fault->message[used++] = ' ';
            space = true;
            continue;
        }
        fault->message[used++] = c < 0x7f ? (char)c : '?';
        space = false;
    }
    char words[512];
    snprintf(words, sizeof words, "%s", fault->message);
    lower(words);
    fault->retry_after_s = delay_in_words(words);
    fault->class = classify(status, words);
    if (!used)
        snprintf(fault->message, sizeof fault->message, "HTTP status %d with an empty body",
                 status);
}
