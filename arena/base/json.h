/* JSON in, by jansson within limits; JSON out, by a small bounded writer that cannot fail
 * half-way unnoticed.
 *
 * Reading refuses what would be ambiguous or dangerous: duplicate keys, nesting past
 * LIMIT_JSON_DEPTH, NUL in strings, bytes that are not UTF-8, anything after the value. Errors
 * name `what` (the file or the request) and the line. Any thread; a json_t must not be changed
 * by two. */
#ifndef ARENA_BASE_JSON_H
#define ARENA_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

/* Returns a new reference, or NULL with ERR_BAD_JSON, ERR_BAD_UTF8 or ERR_TOO_LARGE. */
json_t *json_read(struct text text, const char *what, struct err *err);

/* Typed members of an object. Each returns false with ERR_BAD_REQUEST that names `what`, the key
 * and what was expected. The `_or` forms leave *out as it is when the key is absent. Strings are
 * borrowed from the object. */
bool json_get_string(const json_t *object, const char *key, const char *what, const char **out,
                     struct err *err);
bool json_get_string_or(const json_t *object, const char *key, const char *what, const char **out,
                        struct err *err);
bool json_get_number_or(const json_t *object, const char *key, const char *what, double low,
                        double high, double *out, struct err *err);
bool json_get_int_or(const json_t *object, const char *key, const char *what, int64_t low,
                     int64_t high, int64_t *out, struct err *err);
bool json_get_bool_or(const json_t *object, const char *key, const char *what, bool *out,
                      struct err *err);

/* Refuses a key that is not in `known` (NULL-terminated), naming it and the keys that are. */
bool json_only_keys(const json_t *object, const char *const *known, const char *what,
                    struct err *err);

/* Writing: calls nest as the JSON does; commas are the writer's business. Bytes that are not
 * UTF-8 come out as U+FFFD. All go to one buf; look at `buf->failed` once at the end.
 *
 *     struct json_out out = json_out_to(&buf);
 *     json_put_open(&out, NULL, '{');
 *     json_put_string(&out, "state", text_of("ready"));
 *     json_put_open(&out, "models", '[');  …  json_put_close(&out, ']');
 *     json_put_close(&out, '}');
 *
 * `key` is NULL inside an array and for the outermost value. */
struct json_out {
    struct buf *buf;
    bool comma; /* the next value needs a comma before it */
};

struct json_out json_out_to(struct buf *buf);
void json_put_open(struct json_out *out, const char *key, char bracket);
void json_put_close(struct json_out *out, char bracket);
void json_put_string(struct json_out *out, const char *key, struct text value);
void json_put_cstring(struct json_out *out, const char *key,
                      const char *value); /* NULL writes null */
void json_put_int(struct json_out *out, const char *key, int64_t value);
void json_put_time(struct json_out *out, const char *key,
                   int64_t unix_ms); /* as ISO 8601 has it, in whole seconds, UTC */
void json_put_real(struct json_out *out, const char *key,
                   double value); /* shortest that reads back; NaN: null */
void json_put_fixed(struct json_out *out, const char *key, double value,
                    int decimals); /* NaN: null */
void json_put_bool(struct json_out *out, const char *key, bool value);
void json_put_null(struct json_out *out, const char *key);
void json_put_raw(struct json_out *out, const char *key, struct text json); /* already JSON */

/* Appends a quoted and escaped JSON string. */
void json_quote(struct buf *buf, struct text text);

#endif
