#include "competitor/reply.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "competitor/fault.h"

void reply_init(struct reply *reply,
                void (*delta)(void *user, enum chat_channel channel, struct text text), void *user)
{
    *reply = (struct reply){
        .delta = delta, .user = user, .usage = CHAT_USAGE_UNKNOWN, .reported_cost = NAN};
    reply->error.retry_after_s = NAN;
}

void reply_text(struct reply *reply, enum chat_channel channel, const json_t *string)
{
    reply_say(reply, channel, (struct text){json_string_value(string), json_string_length(string)});
}

void reply_say(struct reply *reply, enum chat_channel channel, struct text text)
{
    if (!text.length)
        return;
    reply->has[channel] = true;
    reply->delta(reply->user, channel, text);
}

void reply_finish(struct reply *reply, enum chat_finish finish)
{
    reply->finished = true;
    reply->finish = finish;
}

static void keep(char *out, size_t size, const json_t *string)
{
    if (json_string_length(string) && !out[0])
        snprintf(out, size, "%s", json_string_value(string));
}

void reply_model(struct reply *reply, const json_t *string)
{
    keep(reply->model, sizeof reply->model, string);
}

void reply_id(struct reply *reply, const json_t *string)
{
    keep(reply->id, sizeof reply->id, string);
}

void reply_error(struct reply *reply, int status, const json_t *body)
{
    if (reply->error.class != CHAT_OK)
        return;
    struct fault fault;
    fault_read(&fault, status, body);
    reply->error.class = fault.class;
    reply->error.retryable = chat_error_retryable(fault.class);
    reply->error.retry_after_s = fault.retry_after_s;
    memcpy(reply->error.message, fault.message, sizeof reply->error.message);
    memcpy(reply->error.parameter, fault.parameter, sizeof reply->error.parameter);
    reply_id(reply, json_object_get(body, "request_id")); /* Anthropic */
}

void reply_fail(struct reply *reply, enum chat_error_class class, const char *format, ...)
{
    if (reply->error.class != CHAT_OK)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(reply->error.message, sizeof reply->error.message, format, args);
    va_end(args);
    reply->error.class = class;
    reply->error.retryable = chat_error_retryable(class);
}

int64_t reply_count(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_integer(value))
        return json_integer_value(value) < 0 ? -1 : json_integer_value(value);
    double real = json_real_value(value);
    return json_is_real(value) && real >= 0 && real < 1e15 && real == floor(real) ? (int64_t)real
                                                                                  : -1;
}

enum chat_finish reply_verdict(const struct reply *reply)
{
    if (reply->error.class != CHAT_OK)
        return CHAT_ERROR;
    if (!reply->finished)
        return CHAT_TRUNCATED;
    if (reply->finish != CHAT_STOP)
        return reply->finish;
    if (reply->has[CHAT_REFUSAL])
        return CHAT_REFUSED;
    return reply->has[CHAT_TEXT] ? CHAT_STOP : CHAT_EMPTY;
}
