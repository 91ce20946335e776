/* LMArena's regular expressions, matched by hand: all of them look at the start of a line or for
 * a pair of marks. */
#include "board/style.h"

#include <string.h>

#include "base/json.h"

const char *const STYLE_NAMES[STYLE_FEATURES] = {"token length", "headers", "lists", "bold"};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80;
}

/* After a closed fence "```…```" with no backtick inside, or NULL where there is none at `at`. */
static const char *fence_end(const char *at, const char *end)
{
    if (end - at < 6 || memcmp(at, "```", 3) != 0)
        return NULL;
    const char *close = memchr(at + 3, '`', (size_t)(end - at - 3));
    return close && end - close >= 3 && memcmp(close, "```", 3) == 0 ? close + 3 : NULL;
}

/* The text without fenced code. */
static void strip_code(struct text text, struct buf *out)
{
    const char *at = text.data, *end = at + text.length;
    while (at < end) {
        const char *tick = memchr(at, '`', (size_t)(end - at)),
                   *after = tick ? fence_end(tick, end) : NULL;
        const char *stop = after ? tick : tick ? tick + 1 : end;
        buf_add(out, at, (size_t)(stop - at));
        at = after ? after : stop;
    }
}

/* One line, with the line end (white space too) when there is one. */
static void count_line(struct style *style, const char *at, const char *end)
{
    const char *mark = at;
    while (mark < end && *mark == '#')
        mark++;
    if (mark > at && mark - at <= 6 && mark < end && is_space(*mark))
        style->count[STYLE_HEADERS]++;
    while (at < end && is_space(*at))
        at++;
    mark = at;
    while (mark < end && is_digit(*mark))
        mark++;
    bool ordered = mark > at && mark < end && *mark == '.';
    bool bullet = mark == at && mark < end && strchr("-*+", *mark) && *mark;
    if ((ordered || bullet) && mark + 1 < end && is_space(mark[1]))
        style->count[STYLE_LISTS]++;
}

/* Spans between two pairs of `mark` on one line, with something but no mark between. */
static double count_spans(const char *at, const char *end, char mark)
{
    double spans = 0;
    while (end - at >= 5) {
        const char *open = memchr(at, mark, (size_t)(end - at - 1));
        if (!open)
            break;
        at = open + 1;
        if (*at != mark)
            continue;
        const char *close = at + 1;
        while (close < end && *close != mark && *close != '\n')
            close++;
        if (close > at + 1 && end - close >= 2 && close[0] == mark && close[1] == mark) {
            spans++;
            at = close + 2;
        }
    }
    return spans;
}

static double count_tokens(struct text text)
{
    double tokens = 0;
    bool inside = false;
    for (size_t k = 0; k < text.length; k++) {
        bool word = is_word(text.data[k]);
        tokens += (word && !inside) || (!word && !is_space(text.data[k]));
        inside = word;
    }
    return tokens;
}

void style_add(struct style *style, struct text message)
{
    struct buf visible;
    style->count[STYLE_TOKENS] += count_tokens(message);
    buf_init(&visible, message.length + 1);
    strip_code(message, &visible);
    const char *at = visible.data, *end = at + visible.length;
    if (visible.length) {
        style->count[STYLE_BOLD] += count_spans(at, end, '*') + count_spans(at, end, '_');
        while (at < end) {
            const char *line = memchr(at, '\n', (size_t)(end - at)), *next = line ? line + 1 : end;
            count_line(style, at, next);
            at = next;
        }
    }
    buf_done(&visible);
}

static void add_content(struct style *style, const json_t *content)
{
    size_t index;
    const json_t *part;
    if (json_is_string(content))
        style_add(style, (struct text){json_string_value(content), json_string_length(content)});
    json_array_foreach(content, index, part)
    {
        const json_t *text = json_is_string(part) ? part : json_object_get(part, "text");
        if (json_is_string(text))
            style_add(style, (struct text){json_string_value(text), json_string_length(text)});
    }
}

bool style_add_conversation(struct style *style, struct text json)
{
    json_t *root = json_loadb(json.data, json.length, JSON_ALLOW_NUL, NULL);
    const json_t *message;
    size_t index;
    bool ok = json_is_array(root);
    json_array_foreach(root, index, message)
    {
        const char *role = json_string_value(json_object_get(message, "role"));
        if (role && strcmp(role, "assistant") == 0)
            add_content(style, json_object_get(message, "content"));
    }
    json_decref(root);
    return ok;
}

void style_difference(const struct style *a, const struct style *b, float x[STYLE_FEATURES])
{
    for (int k = 0; k < STYLE_FEATURES; k++) {
        double sum = a->count[k] + b->count[k];
        x[k] = sum > 0 ? (float)((a->count[k] - b->count[k]) / sum) : 0;
    }
}
