/* A line is collected only when it is split between pieces; whole lines are read in place. */
#include "competitor/sse.h"

#include <string.h>

#include "base/limits.h"

void sse_init(struct sse *sse, void (*event)(void *user, const char *name, struct buf *data),
              void *user)
{
    *sse = (struct sse){.event = event, .user = user};
    buf_init(&sse->line, LIMIT_SSE_BYTES);
    buf_init(&sse->data, LIMIT_SSE_BYTES);
    buf_init(&sse->stray, LIMIT_SSE_BYTES);
}

void sse_done(struct sse *sse)
{
    buf_done(&sse->line);
    buf_done(&sse->data);
    buf_done(&sse->stray);
}

static void dispatch(struct sse *sse)
{
    if (sse->has_data)
        sse->event(sse->user, sse->name, &sse->data);
    buf_clear(&sse->data);
    sse->has_data = false;
    sse->name[0] = '\0';
}

static bool is(struct text field, const char *name)
{
    return text_equal(field, text_of(name));
}

static bool take_field(struct sse *sse, struct text line)
{
    const char *colon = memchr(line.data, ':', line.length);
    struct text field = {line.data, colon ? (size_t)(colon - line.data) : line.length},
                value = {"", 0};
    if (colon) {
        value = (struct text){colon + 1, line.length - field.length - 1};
        if (value.length && value.data[0] == ' ')
            value = (struct text){value.data + 1, value.length - 1};
    }
    if (is(field, "data")) {
        bool ok =
            (!sse->has_data || buf_add_char(&sse->data, '\n')) && buf_add_text(&sse->data, value);
        sse->has_data = true;
        return ok;
    }
    if (is(field, "event")) {
        size_t length = value.length < sizeof sse->name - 1 ? value.length : sizeof sse->name - 1;
        memcpy(sse->name, value.data, length);
        sse->name[length] = '\0';
        return true;
    }
    if (is(field, "id") || is(field, "retry"))
        return true;
    return buf_add_text(&sse->stray, line) && buf_add_char(&sse->stray, '\n');
}

static bool take_line(struct sse *sse, struct text line)
{
    if (!sse->begun) {
        sse->begun = true;
        if (line.length >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0)
            line = (struct text){line.data + 3, line.length - 3};
    }
    if (!line.length) {
        dispatch(sse);
        return true;
    }
    return line.data[0] == ':' || take_field(sse, line);
}

static bool finish_line(struct sse *sse, struct text rest)
{
    if (!sse->line.length)
        return take_line(sse, rest);
    bool ok = buf_add_text(&sse->line, rest) && take_line(sse, buf_text(&sse->line));
    buf_clear(&sse->line);
    return ok;
}

/* Index of the first CR or LF, or the length. */
static size_t line_end(struct text text)
{
    const char *lf = memchr(text.data, '\n', text.length);
    size_t length = lf ? (size_t)(lf - text.data) : text.length;
    const char *cr = memchr(text.data, '\r', length);
    return cr ? (size_t)(cr - text.data) : length;
}

bool sse_feed(struct sse *sse, struct text bytes)
{
    while (bytes.length) {
        if (sse->after_cr) {
            sse->after_cr = false;
            if (bytes.data[0] == '\n') {
                bytes = (struct text){bytes.data + 1, bytes.length - 1};
                continue;
            }
        }
        size_t end = line_end(bytes);
        if (end == bytes.length)
            return buf_add_text(&sse->line, bytes);
        if (!finish_line(sse, (struct text){bytes.data, end}))
            return false;
        sse->after_cr = bytes.data[end] == '\r';
        bytes = (struct text){bytes.data + end + 1, bytes.length - end - 1};
    }
    return true;
}

bool sse_end(struct sse *sse)
{
    return !sse->line.length || finish_line(sse, (struct text){"", 0});
}
