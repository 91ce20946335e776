/* libmicrohttpd 0.9.75 lets much through that a strict server refuses (two Content-Lengths, a
 * length beside an encoding, NUL in a value): http_request_check walks the headers once and refuses
 * it here, before any handler. A refused body is still read and dropped, up to a limit, since a
 * reset would reach the client before our answer. */
#include "http/request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "http/guard.h"
#include "http/proxied.h"
#include "http/replay.h"
#include "http/route.h"

struct http_request *http_request_new(struct http_server *server, struct MHD_Connection *connection,
                                      struct peer *peer)
{
    struct http_request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->server = server;
    request->connection = connection;
    request->peer = peer;
    request->holds = 1;
    request->started_ns = clock_mono_ns();
    buf_init(&request->body, LIMIT_BODY_BYTES);
    return request;
}

void http_request_hold(struct http_request *request)
{
    request->holds++;
}

void http_request_release(struct http_request *request)
{
    if (--request->holds)
        return;
    replay_drop(request->replay);
    if (request->response && !request->borrowed)
        MHD_destroy_response(request->response);
    json_decref(request->json);
    buf_done(&request->body);
    free(request);
}

static struct text value_of(const struct http_request *request, enum MHD_ValueKind kind,
                            const char *name)
{
    const char *value = NULL;
    size_t length = 0;
    if (!request->connection ||
        MHD_lookup_connection_value_n(request->connection, kind, name, strlen(name), &value,
                                      &length) != MHD_YES ||
        !value)
        return (struct text){"", 0};
    return (struct text){value, length};
}

struct text http_request_header(const struct http_request *request, const char *name)
{
    return value_of(request, MHD_HEADER_KIND, name);
}

struct text http_request_query(const struct http_request *request, const char *name)
{
    return value_of(request, MHD_GET_ARGUMENT_KIND, name);
}

bool http_request_query_int(const struct http_request *request, const char *name, int64_t *out,
                            struct err *err)
{
    struct text text = http_request_query(request, name);
    uint64_t number;
    if (!text.length)
        return true;
    if (!guard_length(text, &number) || number > INT64_MAX)
        return err_set(err, ERR_BAD_REQUEST, "%s is no whole number", name);
    *out = (int64_t)number;
    return true;
}

/* --- headers --- */

/* Those of which two would let two programs read two different requests. */
static const char *const ONCE[] = {
    "Host",   "Content-Length", "Transfer-Encoding", "Content-Type",
    "Origin", "Cookie",         "Idempotency-Key",   "Last-Event-ID"};
enum { ONCE_COUNT = sizeof ONCE / sizeof *ONCE };

struct header_walk {
    unsigned seen[ONCE_COUNT];
    size_t bytes;
    bool bad_name, bad_value, raw;
};

/* A header's name is a token (RFC 9110, 5.6.2): no space before the colon, nothing else either. */
static bool is_token(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && (!name[i] || !strchr("!#$%&'*+-.^_`|~", name[i])))
            return false;
    return length > 0;
}

/* 0.9.75 ends a value at a NUL byte that was sent and takes a bare LF for a line's end. It parses
 * in place and puts two NULs over the CR and LF of an honest line: another byte there shows either.
 * Later versions refuse both themselves. */
static bool ends_with_crlf(const char *value, size_t length)
{
    return !value[length] && !value[length + 1];
}

static enum MHD_Result look_at_header(void *user, enum MHD_ValueKind kind, const char *name,
                                      size_t name_length, const char *value, size_t length)
{
    (void)kind;
    struct header_walk *walk = user;
    walk->bytes += name_length + length + 4;
    for (size_t i = 0; i < length; i++)
        walk->bad_value |= ((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f;
    for (size_t i = 0; i < ONCE_COUNT; i++)
        if (strcasecmp(name, ONCE[i]) == 0)
            walk->seen[i]++;
    walk->bad_name |= !is_token(name, name_length);
    walk->bad_value |= walk->raw && value && !ends_with_crlf(value, length);
    return MHD_YES;
}

static bool check_headers(struct http_request *request, struct err *err)
{
    struct header_walk walk = {.raw = strcmp(MHD_get_version(), "0.9.75") == 0};
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, look_at_header, &walk);
    if (walk.bytes > LIMIT_HEADER_BYTES)
        return err_set(err, ERR_HEADERS, "the headers are longer than %d bytes",
                       LIMIT_HEADER_BYTES);
    if (walk.bad_name)
        return err_set(err, ERR_BAD_REQUEST,
                       "a header's name holds a character that is not allowed");
    if (walk.bad_value)
        return err_set(err, ERR_BAD_REQUEST,
                       "a header holds a control character or a bare line feed");
    if (!walk.seen[0] && !request->peer->administers)
        return err_set(err, ERR_BAD_REQUEST, "the request names no Host");
    for (size_t i = 0; i < ONCE_COUNT; i++)
        if (walk.seen[i] > 1)
            return err_set(err, ERR_BAD_REQUEST, "the header %s stands there more than once",
                           ONCE[i]);
    return true;
}

bool http_request_expects_body(const struct http_request *request, uint64_t *length)
{
    *length = 0;
    if (http_request_header(request, "Transfer-Encoding").length) {
        *length = UINT64_MAX;
        return true;
    }
    return guard_length(http_request_header(request, "Content-Length"), length) && *length > 0;
}

static bool check_length(struct http_request *request, struct err *err)
{
    struct text encoding = http_request_header(request, "Transfer-Encoding");
    struct text told = http_request_header(request, "Content-Length");
    uint64_t length = 0;
    if (encoding.length && told.data[0])
        return err_set(err, ERR_BAD_REQUEST,
                       "Content-Length and Transfer-Encoding exclude each other");
    if (encoding.length && strcasecmp(encoding.data, "chunked") != 0)
        return err_set(err, ERR_BAD_REQUEST,
                       "the only transfer encoding that is understood is chunked");
    if (told.length && !guard_length(told, &length))
        return err_set(err, ERR_BAD_REQUEST, "Content-Length is not a number of bytes");
    if (length > LIMIT_BODY_BYTES)
        return err_set(err, ERR_TOO_LARGE, "a request's body may have at most %d bytes",
                       LIMIT_BODY_BYTES);
    return true;
}

/* What a request that changes something must show. */
static bool check_sender(struct http_request *request, struct err *err)
{
    if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0)
        return true;
    struct guard_sender sender = {.host = http_request_header(request, "Host"),
                                  .origin = http_request_header(request, "Origin"),
                                  .fetch_site = http_request_header(request, "Sec-Fetch-Site")};
    if (!request->peer->administers && !guard_origin(request->context, &sender, err))
        return false;
    uint64_t length;
    struct text type = http_request_header(request, "Content-Type");
    if ((type.length || http_request_expects_body(request, &length)) && !guard_is_json(type))
        return err_set(err, ERR_MEDIA_TYPE,
                       "the body must be JSON, with Content-Type: application/json");
    return true;
}

bool http_request_check(struct http_request *request, struct err *err)
{
    if (request->peer->bad_escape)
        return err_set(err, ERR_BAD_REQUEST, "the address holds an escape that is not allowed");
    if (!check_headers(request, err) || !check_length(request, err))
        return false;
    if (!request->peer->administers &&
        !guard_host(request->context, http_request_header(request, "Host"), err))
        return false;
    return check_sender(request, err);
}

/* --- body --- */

bool http_request_take(struct http_request *request, const char *bytes, size_t length)
{
    request->received += length;
    if (request->refusal.code == ERR_NONE && !buf_add(&request->body, bytes, length)) {
        bool full = request->received > LIMIT_BODY_BYTES;
        if (full)
            err_set(&request->refusal, ERR_TOO_LARGE, "a request's body may have at most %d bytes",
                    LIMIT_BODY_BYTES);
        else
            err_set(&request->refusal, ERR_MEMORY, "out of memory");
    }
    return request->received <= LIMIT_DRAIN_BYTES;
}

static bool check_key(struct http_request *request, struct err *err)
{
    struct text key = http_request_header(request, "Idempotency-Key");
    if (!key.length)
        return true;
    if (key.length > LIMIT_IDEMPOTENCY_KEY)
        return err_set(err, ERR_BAD_REQUEST, "Idempotency-Key is longer than %d bytes",
                       LIMIT_IDEMPOTENCY_KEY);
    for (size_t i = 0; i < key.length; i++)
        if ((unsigned char)key.data[i] > 0x7e)
            return err_set(err, ERR_BAD_REQUEST, "Idempotency-Key holds bytes that are not ASCII");
    request->key = key.data;
    return true;
}

/* The value of our cookie; empty when there is none. */
static struct text find_cookie(struct text header, const char *wanted)
{
    const size_t name = strlen(wanted);
    const char *at = header.data, *end = header.data + header.length;
    while (at < end) {
        while (at < end && (*at == ' ' || *at == ';'))
            at++;
        const char *stop = memchr(at, ';', (size_t)(end - at));
        stop = stop ? stop : end;
        if ((size_t)(stop - at) > name && memcmp(at, wanted, name) == 0 && at[name] == '=')
            return (struct text){at + name + 1, (size_t)(stop - at) - name - 1};
        at = stop;
    }
    return (struct text){"", 0};
}

const char *http_request_actor(const struct http_request *request)
{
    return request->has_voter           ? request->voter.id
           : request->peer->administers ? "command line"
                                        : "administrator";
}

struct text http_request_session(const struct http_request *request)
{
    return find_cookie(http_request_header(request, "Cookie"),
                       request->context->https ? SESSION_COOKIE_SECURE : SESSION_COOKIE);
}

static bool find_voter(struct http_request *request, struct err *err)
{
    if (request->context->auth == AUTH_PROXY && !request->peer->administers)
        return request->route->access == ROUTE_OPEN || proxied_voter(request, err);
    struct text token = http_request_session(request);
    const struct voter *voter = token.length && request->context->sessions
                                    ? sessions_find(request->context->sessions, token)
                                    : NULL;
    if (voter) {
        request->voter = *voter;
        request->has_voter = true;
        request->confirmed = sessions_confirmed(request->context->sessions, token);
    }
    return true;
}

bool http_request_complete(struct http_request *request, struct err *err)
{
    if (!find_voter(request, err) || !check_key(request, err))
        return false;
    if (!request->body.length || strcmp(request->method, "POST") != 0)
        return true;
    request->json = json_read(buf_text(&request->body), "the body", err);
    if (request->json && !json_is_object(request->json))
        return err_set(err, ERR_BAD_REQUEST, "the body must be a JSON object");
    return request->json != NULL;
}

bool http_request_need_voter(struct http_request *request, struct err *err)
{
    if (request->has_voter)
        return true;
    if (!request->context->sessions)
        return err_set(err, ERR_BUSY, "voters are not served here");
    const struct voter *voter = sessions_start(request->context->sessions, request->token, err);
    if (!voter)
        return false;
    request->voter = *voter;
    request->has_voter = true;
    return true;
}
