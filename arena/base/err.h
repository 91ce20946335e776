/* Errors: one code from a fixed vocabulary, and one line that says what went wrong, where, and
 * what to do.
 *
 * A function that can fail returns `bool` (or a pointer) and fills the caller's `struct err`; a
 * caller that only passes an error up passes its own `err` down. The code decides the HTTP
 * status and the word that clients see; the message is for people. Any thread. */
#ifndef ARENA_BASE_ERR_H
#define ARENA_BASE_ERR_H

#include <stdbool.h>

/* name, HTTP status, word in `{"error":{"code":…}}` (schema/errors.json lists the same words) */
#define ERR_MAP(X)                                                                                 \
    X(ERR_NONE, 200, "ok")                                                                         \
    X(ERR_BAD_REQUEST, 400, "bad_request")                                                         \
    X(ERR_BAD_JSON, 400, "bad_json")                                                               \
    X(ERR_BAD_UTF8, 400, "bad_utf8")                                                               \
    X(ERR_PROMPT_EMPTY, 400, "prompt_empty")                                                       \
    X(ERR_UNAUTHORIZED, 401, "unauthorized")                                                       \
    X(ERR_FORBIDDEN, 403, "forbidden")                                                             \
    X(ERR_CONSENT, 403, "consent_required")                                                        \
    X(ERR_CONFIRM, 403, "confirm_required")                                                        \
    X(ERR_BAD_ORIGIN, 403, "bad_origin")                                                           \
    X(ERR_NOT_FOUND, 404, "not_found")                                                             \
    X(ERR_METHOD, 405, "method_not_allowed")                                                       \
    X(ERR_ALREADY_VOTED, 409, "already_voted")                                                     \
    X(ERR_WRONG_STATE, 409, "wrong_state")                                                         \
    X(ERR_CONFLICT, 409, "conflict")                                                               \
    X(ERR_IN_HOUSE, 409, "in_house_only")                                                          \
    X(ERR_TOO_LARGE, 413, "too_large")                                                             \
    X(ERR_PROMPT_TOO_LONG, 413, "prompt_too_long")                                                 \
    X(ERR_MEDIA_TYPE, 415, "media_type")                                                           \
    X(ERR_BAD_HOST, 421, "bad_host")                                                               \
    X(ERR_TOO_MANY, 429, "too_many")                                                               \
    X(ERR_HEADERS, 431, "headers_too_large")                                                       \
    X(ERR_INTERNAL, 500, "internal")                                                               \
    X(ERR_MEMORY, 503, "unavailable")                                                              \
    X(ERR_BUSY, 503, "busy")                                                                       \
    X(ERR_STORE, 503, "store_unavailable")                                                         \
    X(ERR_IO, 500, "io")                                                                           \
    X(ERR_CONFIG, 400, "bad_config")                                                               \
    X(ERR_FORMAT, 400, "bad_format")                                                               \
    X(ERR_UNSUPPORTED, 400, "unsupported")

enum err_code {
#define X(name, status, word) name,
    ERR_MAP(X)
#undef X
        ERR_COUNT
};

#define ERR_MESSAGE_MAX 512

struct err {
    enum err_code code;
    char message[ERR_MESSAGE_MAX]; /* one line, no newline at its end; cut, never overrun */
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        ERR_NONE, ""                                                                               \
    }

/* Fills `err` (which may be NULL) and returns false, so that a function can `return err_set(…)`. */
__attribute__((format(printf, 3, 4))) bool err_set(struct err *err, enum err_code code,
                                                   const char *format, ...);

/* The same, with ": " and the text of `errnum` at the end. */
__attribute__((format(printf, 4, 5))) bool err_sys(struct err *err, enum err_code code, int errnum,
                                                   const char *format, ...);

/* Puts a formatted text and ": " before the message that is already there (to say where);
 * returns false. */
__attribute__((format(printf, 2, 3))) bool err_prefix(struct err *err, const char *format, ...);

int err_status(enum err_code code);       /* HTTP status */
const char *err_word(enum err_code code); /* the word clients see; static */

#endif
