/* A recursive descent over exactly the shape that is expected. Strings are checked first and
 * unescaped last, in place: what is unescaped is never longer, and nothing may change before
 * everything was accepted. */
#include "competitor/delta_scan.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

struct cursor {
    const char *at, *end;
};

static void skip_space(struct cursor *cursor)
{
    while (cursor->at < cursor->end && strchr(" \t\n\r", *cursor->at) && *cursor->at)
        cursor->at++;
}

static bool take(struct cursor *cursor, char expected)
{
    skip_space(cursor);
    if (cursor->at == cursor->end || *cursor->at != expected)
        return false;
    cursor->at++;
    return true;
}

/* Behind a backslash. Surrogates and NUL are for the repairs of the whole way. */
static bool take_escape(struct cursor *cursor)
{
    char digits[5] = "";
    if (cursor->at == cursor->end)
        return false;
    char kind = *cursor->at++;
    if (kind != 'u')
        return kind && strchr("\"\\/bfnrt", kind);
    if (cursor->end - cursor->at < 4)
        return false;
    for (int i = 0; i < 4; i++)
        if (!isxdigit((unsigned char)(digits[i] = cursor->at[i])))
            return false;
    cursor->at += 4;
    long value = strtol(digits, NULL, 16);
    return value && (value < 0xd800 || value > 0xdfff);
}

static bool take_string(struct cursor *cursor, struct text *inner)
{
    if (!take(cursor, '"'))
        return false;
    const char *start = cursor->at;
    while (cursor->at < cursor->end && *cursor->at != '"') {
        unsigned char c = (unsigned char)*cursor->at++;
        if (c < 0x20 || (c == '\\' && !take_escape(cursor)))
            return false;
    }
    *inner = (struct text){start, (size_t)(cursor->at - start)};
    return take(cursor, '"');
}

static bool take_word(struct cursor *cursor, const char *word)
{
    size_t length = strlen(word);
    skip_space(cursor);
    if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, word, length) != 0)
        return false;
    cursor->at += length;
    return true;
}

/* A short count without sign, fraction or leading zero. */
static bool take_count(struct cursor *cursor)
{
    const char *start = cursor->at;
    while (cursor->at < cursor->end && isdigit((unsigned char)*cursor->at) &&
           cursor->at - start < 16)
        cursor->at++;
    size_t length = (size_t)(cursor->at - start);
    return length && length < 16 && (length == 1 || *start != '0') &&
           (cursor->at == cursor->end || !strchr(".eE", *cursor->at));
}

/* A string, or null, which leaves it empty. */
static bool take_text(struct cursor *cursor, struct text *text)
{
    return take_word(cursor, "null") || take_string(cursor, text);
}

static bool take_scalar(struct cursor *cursor, struct text *text)
{
    skip_space(cursor);
    if (cursor->at < cursor->end && isdigit((unsigned char)*cursor->at))
        return take_count(cursor);
    return take_word(cursor, "true") || take_word(cursor, "false") || take_text(cursor, text);
}

typedef bool member_reader(struct cursor *cursor, struct text key, void *user);

/* An object whose every member `member` takes. */
static bool take_object(struct cursor *cursor, member_reader *member, void *user)
{
    struct text key;
    if (!take(cursor, '{'))
        return false;
    if (take(cursor, '}'))
        return true;
    do {
        if (!take_string(cursor, &key) || memchr(key.data, '\\', key.length) ||
            !take(cursor, ':') || !member(cursor, key, user))
            return false;
    } while (take(cursor, ','));
    return take(cursor, '}');
}

static bool is(struct text key, const char *word)
{
    return text_equal(key, text_of(word));
}

/* Taken once: of two members of one name the last counts, which the whole way knows. */
static bool take_once(struct cursor *cursor, struct text *text)
{
    return !text->data && take_text(cursor, text);
}

static bool in_delta(struct cursor *cursor, struct text key, void *user)
{
    struct delta_scan *found = user;
    struct text role;
    if (is(key, "content"))
        return take_once(cursor, &found->content);
    if (is(key, "reasoning_content"))
        return take_once(cursor, &found->reasoning_content);
    if (is(key, "reasoning"))
        return take_once(cursor, &found->reasoning);
    return is(key, "role") ? take_text(cursor, &role) : take_word(cursor, "null");
}

struct choice {
    struct delta_scan *found;
    bool has_delta;
};

static bool in_choice(struct cursor *cursor, struct text key, void *user)
{
    struct choice *choice = user;
    if (is(key, "delta") && !choice->has_delta) {
        choice->has_delta = true;
        return take_object(cursor, in_delta, choice->found);
    }
    return is(key, "index") ? take_word(cursor, "0") : take_word(cursor, "null");
}

struct top {
    struct delta_scan *found;
    bool has_choices;
};

static bool in_top(struct cursor *cursor, struct text key, void *user)
{
    struct top *top = user;
    struct text value = {NULL, 0};
    struct choice choice = {top->found, false};
    if (is(key, "choices") && !top->has_choices) {
        top->has_choices = true;
        return take(cursor, '[') && take_object(cursor, in_choice, &choice) && take(cursor, ']');
    }
    if (is(key, "choices") || is(key, "error") || is(key, "type") || is(key, "usage"))
        return take_word(cursor, "null");
    return take_scalar(cursor, &value) && !(is(key, "object") && is(value, "error"));
}

/* --- unescaping --- */

static size_t put_code(char *out, unsigned long code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3f));
    out[2] = (char)(0x80 | (code & 0x3f));
    return 3;
}

static void unescape(struct text *text)
{
    static const char FROM[] = "bfnrt", TO[] = "\b\f\n\r\t";
    if (!text->length || !memchr(text->data, '\\', text->length))
        return;
    char *out = (char *)text->data;
    for (const char *at = text->data, *end = at + text->length; at < end; at++) {
        if (*at != '\\') {
            *out++ = *at;
            continue;
        }
        const char *letter = strchr(FROM, *++at);
        if (*at == 'u') {
            char digits[5] = "";
            memcpy(digits, at + 1, 4);
            out += put_code(out, strtoul(digits, NULL, 16));
            at += 4;
        } else {
            *out++ = letter ? TO[letter - FROM] : *at;
        }
    }
    text->length = (size_t)(out - text->data);
}

bool delta_scan(struct delta_scan *found, struct buf *data)
{
    struct cursor cursor = {data->data, data->data + data->length};
    struct top top = {found, false};
    *found = (struct delta_scan){0};
    if (!take_object(&cursor, in_top, &top) || !utf8_valid(data->data, data->length))
        return false;
    skip_space(&cursor);
    if (cursor.at != cursor.end)
        return false;
    unescape(&found->content);
    unescape(&found->reasoning);
    unescape(&found->reasoning_content);
    return true;
}
