/* Two steps with one buffer: bytes become whole characters (at most three bytes wait in
 * `partial`), characters wait in `text` as long as their tail may begin a stop string. `text` is
 * [taken | ready | held]: what stream_take has given away, what it may give next, and what has
 * to wait. */
#include "engine/stream.h"

#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "engine/utf8.h"

struct stop {
    char *text;
    size_t length;
};

struct stream {
    struct stop stops[STREAM_MAX_STOPS];
    size_t stop_count;
    char partial[4]; /* the start of a character */
    size_t partial_length;
    char *text;
    size_t length, capacity;
    size_t taken, ready; /* offsets: taken <= ready <= length */
    enum stream_state state;
};

static bool add_stop(struct stream *stream, const char *text, struct engine_error *error)
{
    size_t length = text ? strlen(text) : 0;
    if (length == 0 || length > STREAM_MAX_STOP)
        return engine_fail(error, ENGINE_REQUEST,
                           "stop string %zu has %zu bytes: 1 to %d are allowed",
                           stream->stop_count + 1, length, STREAM_MAX_STOP);
    if (utf8_valid_prefix(text, length) < length)
        return engine_fail(error, ENGINE_REQUEST, "stop string %zu is not UTF-8",
                           stream->stop_count + 1);
    struct stop *stop = &stream->stops[stream->stop_count];
    stop->text = strdup(text);
    stop->length = length;
    if (!stop->text)
        return engine_no_memory(error, "a stop string");
    stream->stop_count++;
    return true;
}

struct stream *stream_new(const char *const *stop, size_t stops, struct engine_error *error)
{
    if (stops > STREAM_MAX_STOPS) {
        engine_fail(error, ENGINE_REQUEST, "%zu stop strings: at most %d are allowed", stops,
                    STREAM_MAX_STOPS);
        return NULL;
    }
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        engine_no_memory(error, "a text stream");
        return NULL;
    }
    for (size_t i = 0; i < stops; i++) {
        if (!add_stop(stream, stop[i], error)) {
            stream_free(stream);
            return NULL;
        }
    }
    return stream;
}

void stream_free(struct stream *stream)
{
    if (!stream)
        return;
    for (size_t i = 0; i < stream->stop_count; i++)
        free(stream->stops[i].text);
    free(stream->text);
    free(stream);
}

/* Room for `more` bytes; what has been taken makes room first. */
static bool reserve(struct stream *stream, size_t more)
{
    if (stream->taken > 0) {
        memmove(stream->text, stream->text + stream->taken, stream->length - stream->taken);
        stream->length -= stream->taken;
        stream->ready -= stream->taken;
        stream->taken = 0;
    }
    if (stream->length + more <= stream->capacity)
        return true;
    size_t capacity = (stream->length + more) * 2 + 64;
    char *text = realloc(stream->text, capacity);
    if (!text)
        return false;
    stream->text = text;
    stream->capacity = capacity;
    return true;
}

static void append(struct stream *stream, uint32_t point)
{
    stream->length += utf8_put(stream->text + stream->length, point);
}

/* Moves the whole characters of `partial` plus these bytes into `text`. */
static void take_bytes(struct stream *stream, const char *bytes, size_t length)
{
    while (length > 0 && stream->partial_length > 0) { /* a started character grows byte by byte */
        stream->partial[stream->partial_length++] = *bytes;
        struct utf8_step step = utf8_next(stream->partial, stream->partial_length);
        if (!step.valid && step.cut) {
            bytes++, length--;
            continue;
        }
        append(stream, step.point);
        if (step.valid)
            bytes++, length--; /* else the byte that broke it is looked at again, on its own */
        stream->partial_length = 0;
    }
    while (length > 0) {
        struct utf8_step step = utf8_next(bytes, length);
        if (step.cut) {
            memcpy(stream->partial, bytes, length);
            stream->partial_length = length;
            return;
        }
        append(stream, step.point);
        bytes += step.length;
        length -= step.length;
    }
}

/* Does a stop string stand at `at`? If it only may, because the text ends before it does, `held`
 * is told. */
static bool stop_at(const struct stream *stream, size_t at, bool *held)
{
    size_t left = stream->length - at;
    for (size_t i = 0; i < stream->stop_count; i++) {
        const struct stop *stop = &stream->stops[i];
        size_t common = left < stop->length ? left : stop->length;
        if (memcmp(stream->text + at, stop->text, common) != 0)
            continue;
        if (common == stop->length)
            return true;
        *held = true;
    }
    return false;
}

/* Goes through what is not ready yet, up to the first place where a stop string stands or may
 * come to stand. / */
static void scan(struct stream *stream, bool final)
{
    for (; stream->ready < stream->length; stream->ready++) {
        bool held = false;
        if (stop_at(stream, stream->ready, &held)) {
            stream->length = stream->ready;
            stream->state = STREAM_STOPPED;
            return;
        }
        if (held && !final)
            return;
    }
}

enum stream_state stream_push(struct stream *stream, const char *bytes, size_t length)
{
    if (stream->state != STREAM_OPEN)
        return stream->state;
    if (!reserve(stream, (length + 4) * 3)) /* each byte may become U+FFFD */
        return stream->state = STREAM_FAILED;
    take_bytes(stream, bytes, length);
    scan(stream, false);
    return stream->state;
}

enum stream_state stream_finish(struct stream *stream)
{
    if (stream->state != STREAM_OPEN)
        return stream->state;
    if (stream->partial_length > 0) {
        if (!reserve(stream, 4))
            return stream->state = STREAM_FAILED;
        append(stream, UTF8_REPLACEMENT);
        stream->partial_length = 0;
    }
    scan(stream, true);
    return stream->state;
}

const char *stream_take(struct stream *stream, size_t *length)
{
    const char *text = stream->text ? stream->text + stream->taken : "";
    *length = stream->ready - stream->taken;
    stream->taken = stream->ready;
    return text;
}
