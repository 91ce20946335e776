/* Depth is checked by a scan before jansson sees the text, since jansson recurses to its own,
 * much larger, limit. The writer exists because json_dumps() can return broken text after a
 * failed allocation. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/utf8.h"

static bool depth_allowed(struct text text)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > LIMIT_JSON_DEPTH)
                return false;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

json_t *json_read(struct text text, const char *what, struct err *err)
{
    size_t bad = utf8_find_invalid(text.data, text.length);
    if (bad < text.length) {
        err_set(err, ERR_BAD_UTF8, "%s: byte %zu is not UTF-8", what, bad);
        return NULL;
    }
    if (!text.length) {
        err_set(err, ERR_BAD_JSON, "%s: empty, not JSON", what);
        return NULL;
    }
    if (!depth_allowed(text)) {
        err_set(err, ERR_BAD_JSON, "%s: nested deeper than %d", what, LIMIT_JSON_DEPTH);
        return NULL;
    }
    json_error_t error;
    json_t *value =
        json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value && json_error_code(&error) == json_error_null_character)
        err_set(err, ERR_BAD_JSON, "%s: line %d column %d: a text holds \\u0000", what, error.line,
                error.column);
    else if (!value)
        err_set(err, ERR_BAD_JSON, "%s: line %d column %d: %s", what, error.line, error.column,
                error.text);
    return value;
}

static bool wrong_type(const char *what, const char *key, const char *expected, struct err *err)
{
    return err_set(err, ERR_BAD_REQUEST, "%s: \"%s\" must be %s", what, key, expected);
}

bool json_get_string_or(const json_t *object, const char *key, const char *what, const char **out,
                        struct err *err)
{
    json_t *value = json_object_get(object, key);
    if (!value)
        return true;
    if (!json_is_string(value))
        return wrong_type(what, key, "a string", err);
    *out = json_string_value(value);
    return true;
}

bool json_get_string(const json_t *object, const char *key, const char *what, const char **out,
                     struct err *err)
{
    if (!json_object_get(object, key))
        return err_set(err, ERR_BAD_REQUEST, "%s: \"%s\" is missing", what, key);
    return json_get_string_or(object, key, what, out, err);
}

bool json_get_number_or(const json_t *object, const char *key, const char *what, double low,
                        double high, double *out, struct err *err)
{
    json_t *value = json_object_get(object, key);
    if (!value)
        return true;
    double number = json_number_value(value);
    if (!json_is_number(value) || number < low || number > high) {
        char expected[96];
        snprintf(expected, sizeof expected, "a number from %g to %g", low, high);
        return wrong_type(what, key, expected, err);
    }
    *out = number;
    return true;
}

bool json_get_int_or(const json_t *object, const char *key, const char *what, int64_t low,
                     int64_t high, int64_t *out, struct err *err)
{
    json_t *value = json_object_get(object, key);
    if (!value)
        return true;
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < low || number > high) {
        char expected[96];
        snprintf(expected, sizeof expected, "a whole number from %lld to %lld", (long long)low,
                 (long long)high);
        return wrong_type(what, key, expected, err);
    }
    *out = number;
    return true;
}

bool json_get_bool_or(const json_t *object, const char *key, const char *what, bool *out,
                      struct err *err)
{
    json_t *value = json_object_get(object, key);
    if (!value)
        return true;
    if (!json_is_boolean(value))
        return wrong_type(what, key, "true or false", err);
    *out = json_is_true(value);
    return true;
}

static bool is_known(const char *key, const char *const *known)
{
    for (; *known; known++)
        if (strcmp(key, *known) == 0)
            return true;
    return false;
}

bool json_only_keys(const json_t *object, const char *const *known, const char *what,
                    struct err *err)
{
    if (!json_is_object(object))
        return err_set(err, ERR_BAD_REQUEST, "%s: must be a JSON object", what);
    for (void *at = json_object_iter((json_t *)object); at;
         at = json_object_iter_next((json_t *)object, at)) {
        const char *key = json_object_iter_key(at);
        if (is_known(key, known))
            continue;
        char list[256] = "";
        for (size_t i = 0, used = 0; known[i] && used < sizeof list - 1; i++)
            used +=
                (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", known[i]);
        return err_set(err, ERR_BAD_REQUEST, "%s: unknown key \"%.64s\" (known: %s)", what, key,
                       list);
    }
    return true;
}

struct json_out json_out_to(struct buf *buf)
{
    return (struct json_out){buf, false};
}

void json_quote(struct buf *buf, struct text text)
{
    static const char SHORT[32] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (utf8_find_invalid(text.data, text.length) < text.length) {
        struct buf repaired;
        buf_init(&repaired, text.length * 3);
        if (utf8_repair(&repaired, text.data, text.length))
            json_quote(buf, buf_text(&repaired));
        else
            buf->failed = true;
        buf_done(&repaired);
        return;
    }
    buf_add_char(buf, '"');
    size_t from = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(buf, text.data + from, i - from);
        from = i + 1;
        if (c >= 0x20)
            buf_printf(buf, "\\%c", c);
        else if (SHORT[c])
            buf_printf(buf, "\\%c", SHORT[c]);
        else
            buf_printf(buf, "\\u%04x", c);
    }
    buf_add(buf, text.data + from, text.length - from);
    buf_add_char(buf, '"');
}

static void start_value(struct json_out *out, const char *key)
{
    if (out->comma)
        buf_add_char(out->buf, ',');
    out->comma = true;
    if (key) {
        json_quote(out->buf, text_of(key));
        buf_add_char(out->buf, ':');
    }
}

void json_put_open(struct json_out *out, const char *key, char bracket)
{
    start_value(out, key);
    buf_add_char(out->buf, bracket);
    out->comma = false;
}

void json_put_close(struct json_out *out, char bracket)
{
    buf_add_char(out->buf, bracket);
    out->comma = true;
}

void json_put_string(struct json_out *out, const char *key, struct text value)
{
    start_value(out, key);
    json_quote(out->buf, value);
}

void json_put_cstring(struct json_out *out, const char *key, const char *value)
{
    if (value)
        json_put_string(out, key, text_of(value));
    else
        json_put_null(out, key);
}

void json_put_int(struct json_out *out, const char *key, int64_t value)
{
    start_value(out, key);
    buf_printf(out->buf, "%lld", (long long)value);
}

void json_put_time(struct json_out *out, const char *key, int64_t unix_ms)
{
    char text[32] = "";
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm parts;
    if (gmtime_r(&seconds, &parts))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    json_put_cstring(out, key, text);
}

void json_put_real(struct json_out *out, const char *key, double value)
{
    char digits[40];
    if (!isfinite(value)) {
        json_put_null(out, key);
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    start_value(out, key);
    buf_add_string(out->buf, digits);
}

void json_put_fixed(struct json_out *out, const char *key, double value, int decimals)
{
    if (!isfinite(value)) {
        json_put_null(out, key);
        return;
    }
    start_value(out, key);
    buf_printf(out->buf, "%.*f", decimals, value);
}

void json_put_bool(struct json_out *out, const char *key, bool value)
{
    start_value(out, key);
    buf_add_string(out->buf, value ? "true" : "false");
}

void json_put_null(struct json_out *out, const char *key)
{
    start_value(out, key);
    buf_add_string(out->buf, "null");
}

void json_put_raw(struct json_out *out, const char *key, struct text json)
{
    start_value(out, key);
    buf_add_text(out->buf, json);
}
