/* Providers' JSON is repaired before it is parsed: bytes that are not UTF-8, halves of surrogate
 * pairs and escaped NULs become U+FFFD, so that an emoji cut by the token limit does not cost
 * the answer. */
#include "competitor/reader.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "competitor/fault.h"

/* Value of four hexadecimal digits behind "\u", or -1. */
static long escape_value(const char *at, size_t length)
{
    char digits[5] = "";
    if (length < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    memcpy(digits, at + 2, 4);
    for (int i = 0; i < 4; i++)
        if (!isxdigit((unsigned char)digits[i]))
            return -1;
    return strtol(digits, NULL, 16);
}

static bool is_high(long value)
{
    return value >= 0xd800 && value < 0xdc00;
}

static bool is_low(long value)
{
    return value >= 0xdc00 && value < 0xe000;
}

/* Replaces escapes that no JSON parser takes, in place: they are as long as what replaces them. */
static void repair_escapes(char *json, size_t length)
{
    for (size_t i = 0; i + 1 < length; i++) {
        if (json[i] != '\\')
            continue;
        long value = escape_value(json + i, length - i);
        if (value < 0) {
            i++; /* another escape: skip what it escapes */
            continue;
        }
        if (is_high(value) && is_low(escape_value(json + i + 6, length - i - 6))) {
            i += 11;
            continue;
        }
        if (is_high(value) || is_low(value) || value == 0)
            memcpy(json + i + 2, "fffd", 4);
        i += 5;
    }
}

/* How deep the text nests. Brackets in strings are what a model said and nest nothing. */
static int depth_of(const char *data, size_t length)
{
    int depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        if (in_string && data[i] == '\\')
            i++;
        else if (data[i] == '"')
            in_string = !in_string;
        else if (!in_string)
            depth += (data[i] == '{' || data[i] == '[') - (data[i] == '}' || data[i] == ']');
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

static json_t *parse(char *data, size_t length)
{
    struct buf repaired;
    if (length >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
        data += 3; /* a byte-order mark */
        length -= 3;
    }
    buf_init(&repaired, 3 * (size_t)LIMIT_SSE_BYTES);
    if (!utf8_valid(data, length)) {
        if (!utf8_repair(&repaired, data, length)) {
            buf_done(&repaired);
            return NULL;
        }
        data = repaired.data;
        length = repaired.length;
    }
    repair_escapes(data, length);
    json_t *value = NULL;
    if (depth_of(data, length) <= 1500) { /* safe for jansson's recursion */
        value = json_loadb(data, length, JSON_DECODE_ANY, NULL);
        if (!value)
            value = json_loadb(data, length, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    }
    buf_done(&repaired);
    return value;
}

static bool is_done_marker(const struct buf *data)
{
    size_t length = data->length;
    while (length && isspace((unsigned char)data->data[length - 1]))
        length--;
    return length == 6 && memcmp(data->data, "[DONE]", 6) == 0;
}

static void take_chunk(struct reader *reader, const char *name, const json_t *value)
{
    const json_t *fault = fault_find(value);
    if (fault)
        reply_error(&reader->reply, 0, fault);
    else if (strcmp(name, "error") == 0)
        reply_error(&reader->reply, 0, value);
    reader->dialect->event(&reader->reply, name, value);
}

/* One event's data; true when it was understood (or rightly ignored). */
static bool take_event(struct reader *reader, const char *name, struct buf *data)
{
    if (!data->length)
        return true;
    if (is_done_marker(data)) {
        reader->saw_done = true;
        return true;
    }
    if (!name[0] && reader->dialect->quick && reader->dialect->quick(&reader->reply, data))
        return true;
    json_t *value = parse(data->data, data->length);
    if (!value)
        return false;
    take_chunk(reader, name, value);
    json_decref(value);
    return true;
}

static void on_event(void *user, const char *name, struct buf *data)
{
    struct reader *reader = user;
    if (!take_event(reader, name, data))
        reply_fail(&reader->reply, CHAT_PROTOCOL, "an event of the stream is not JSON: %.100s",
                   data->data);
}

void reader_init(struct reader *reader, const struct dialect *dialect, bool stream,
                 void (*delta)(void *user, enum chat_channel channel, struct text text), void *user)
{
    *reader = (struct reader){.dialect = dialect, .status = 200, .streams = stream};
    reply_init(&reader->reply, delta, user);
    buf_init(&reader->whole, LIMIT_SSE_BYTES);
    sse_init(&reader->sse, on_event, reader);
}

void reader_done(struct reader *reader)
{
    buf_done(&reader->whole);
    sse_done(&reader->sse);
}

static bool is_error_status(int status)
{
    return status < 200 || status >= 300;
}

void reader_status(struct reader *reader, int status)
{
    reader->status = status;
    if (is_error_status(status))
        reader->streams = false;
}

static bool cannot_keep(struct reader *reader)
{
    reply_fail(
        &reader->reply, CHAT_PROTOCOL,
        "the response is too large (at most %d bytes a line, %d a stream), or memory ran out",
        LIMIT_SSE_BYTES, LIMIT_RESPONSE_BYTES);
    return false;
}

bool reader_feed(struct reader *reader, struct text bytes)
{
    reader->received += bytes.length;
    bool ok =
        reader->received <= LIMIT_RESPONSE_BYTES &&
        (reader->streams ? sse_feed(&reader->sse, bytes) : buf_add_text(&reader->whole, bytes));
    return ok || cannot_keep(reader);
}

/* --- the end: what was no event --- */

/* A whole answer, or an error, that came as one JSON value. Beside an error stands what arrived
 * before it. */
static void take_value(struct reader *reader, const json_t *value)
{
    const json_t *fault = fault_find(value);
    if (is_error_status(reader->status)) {
        reply_error(&reader->reply, reader->status, fault ? fault : value);
        return;
    }
    if (fault)
        reply_error(&reader->reply, 0, fault);
    reader->dialect->whole(&reader->reply, value);
}

/* A list of chunks (Gemini without alt=sse), a list of one (its errors), or one value. */
static void take_values(struct reader *reader, const json_t *value)
{
    size_t index;
    const json_t *chunk;
    if (!json_is_array(value) || json_array_size(value) < 2 || is_error_status(reader->status)) {
        take_value(reader, json_is_array(value) ? json_array_get(value, 0) : value);
        return;
    }
    json_array_foreach(value, index, chunk)
    {
        take_chunk(reader, "", chunk);
    }
}

/* A JSON value a line: true when every line is one. */
static bool take_lines(struct reader *reader, struct buf *lines)
{
    size_t count = 0;
    for (char *line = lines->data, *end; line && *line; line = end) {
        end = line + strcspn(line, "\n");
        json_t *value = *line == '{' ? parse(line, (size_t)(end - line)) : NULL;
        if (!value && end > line)
            return false;
        if (value)
            take_chunk(reader, "", value);
        json_decref(value);
        count++;
        end += *end == '\n';
    }
    return count > 0;
}

static void take_text(struct reader *reader, struct text text)
{
    struct fault fault;
    fault_read_text(&fault, reader->status, text);
    if (!is_error_status(reader->status))
        fault.class = CHAT_PROTOCOL;
    reply_fail(&reader->reply, fault.class, "%s", fault.message);
}

/* The first byte that is no white space; 0: there is none. */
static char first_of(const struct buf *buf)
{
    for (size_t i = 0; i < buf->length; i++)
        if (!isspace((unsigned char)buf->data[i]))
            return buf->data[i];
    return 0;
}

/* What stands after the last blank line, and lines that were no events: a bare error, or a page
 * of HTML. */
static void end_stream(struct reader *reader)
{
    struct sse *sse = &reader->sse;
    if (!sse_end(sse))
        cannot_keep(reader);
    if (sse->has_data)
        take_event(reader, sse->name,
                   &sse->data); /* a cut event is no event: the verdict will be truncated */
    char first = first_of(&sse->stray);
    if (!first)
        return;
    json_t *value = parse(sse->stray.data, sse->stray.length);
    bool is_cut = !value && (first == '{' || first == '[');
    if (value && (fault_find(value) || !reader->reply.finished))
        take_values(reader, value);
    else if (is_cut && !take_lines(reader, &sse->stray) && strstr(sse->stray.data, "\"error\""))
        take_text(reader, buf_text(&sse->stray));
    else if (!value && !is_cut && !reader->reply.finished && !reader->reply.has[CHAT_TEXT])
        take_text(reader, buf_text(&sse->stray));
    json_decref(value);
}

/* An endpoint may stream although nobody asked. */
static bool looks_like_events(const struct buf *body)
{
    static const char *const STARTS[] = {"data:", "event:", ":"};
    const char *at = body->data;
    while (at && isspace((unsigned char)*at))
        at++;
    for (size_t i = 0; at && i < sizeof STARTS / sizeof *STARTS; i++)
        if (strncmp(at, STARTS[i], strlen(STARTS[i])) == 0)
            return true;
    return false;
}

static void end_whole(struct reader *reader, bool clean)
{
    struct buf *body = &reader->whole;
    bool is_error = is_error_status(reader->status);
    json_t *value = body->length ? parse(body->data, body->length) : NULL;
    char first = first_of(body);
    if (value) {
        take_values(reader, value);
    } else if (!is_error && looks_like_events(body)) {
        if (!sse_feed(&reader->sse, buf_text(body)))
            cannot_keep(reader);
        end_stream(reader);
    } else if (is_error || (clean && first && first != '{' && first != '[')) {
        take_text(reader, buf_text(body)); /* else it was cut: truncated */
    }
    json_decref(value);
}

enum chat_finish reader_end(struct reader *reader, bool clean, const char *why)
{
    if (reader->streams)
        end_stream(reader);
    else if (clean || reader->whole.length)
        end_whole(reader, clean);
    if (!clean && !reader->reply.finished)
        reply_fail(&reader->reply, CHAT_NETWORK, "%s", why);
    return reply_verdict(&reader->reply);
}
