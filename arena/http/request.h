/* One request, from its first header to the last byte of its reply.
 *
 * The server makes it, a handler answers it with one of response.h's functions, at once or later on
 * the loop: until then the connection sleeps. A handler that answers later holds the request
 * (http_request_hold) and releases it when it has answered; if the client left meanwhile, the
 * answer goes nowhere and nothing breaks. Texts are borrowed from the request. Loop's thread only.
 */
#ifndef ARENA_HTTP_REQUEST_H
#define ARENA_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <microhttpd.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/context.h"
#include "http/peer.h"
#include "people/sessions.h"

struct http_server;
struct route;
struct replay;

struct http_request {
    struct http_server *server;
    const struct http_context *context;
    struct MHD_Connection *connection; /* NULL: the client is gone */
    struct peer *peer;
    const struct route *route; /* NULL: none fits */
    const char *method;
    const char *path;      /* decoded, without the query */
    char part[64];         /* what stood for "*" in the route's pattern: an id */
    const char *key;       /* Idempotency-Key; NULL: none */
    struct replay *replay; /* what becomes of the reply to it (replay.h); NULL: nothing */
    struct buf body;
    json_t *json;       /* the body, read; NULL: none */
    struct voter voter; /* who asks, when has_voter */
    bool has_voter;
    bool confirmed;                       /* and typed the password lately (sessions_confirm) */
    char token[SESSION_TOKEN_LENGTH + 1]; /* a new session's, for the Set-Cookie; "": none */

    /* the reply */
    struct err refusal; /* found before the handler: told when the body has been read */
    struct MHD_Response *response;
    unsigned status;
    const char *param; /* /v1: the member that an error is about; NULL: none */
    int retry_after;   /* seconds, for 429 and 503; 0: none */
    const char *allow; /* for 405 */
    bool suspended, dispatched, close_after;
    bool endless;      /* an event stream: no deadline for taking it */
    bool borrowed;     /* the response is not ours to destroy */
    uint64_t received; /* bytes of body, those dropped too */
    int64_t started_ns;

    int holds;
    struct http_request *next, **link; /* the server's list */
};

/* Returns new with one hold (the server's); NULL without memory. */
struct http_request *http_request_new(struct http_server *server, struct MHD_Connection *connection,
                                      struct peer *peer);
void http_request_hold(struct http_request *request);
void http_request_release(struct http_request *request);

/* A header's or a query parameter's value; empty when absent. */
struct text http_request_header(const struct http_request *request, const char *name);
struct text http_request_query(const struct http_request *request, const char *name);

/* A query parameter that is a whole number; absent: *out stays. ERR_BAD_REQUEST. */
bool http_request_query_int(const struct http_request *request, const char *name, int64_t *out,
                            struct err *err);

/* What its headers must be before anything else is looked at: lengths, doubles, NUL bytes, Host,
 * Origin, content type. False with the refusal. */
bool http_request_check(struct http_request *request, struct err *err);

bool http_request_expects_body(const struct http_request *request,
                               uint64_t *length); /* UINT64_MAX: a length it does not tell */

/* Takes a piece of the body. False: more than is worth dropping, so the connection should end. */
bool http_request_take(struct http_request *request, const char *bytes, size_t length);

/* After the body: reads it as JSON, finds the voter behind the cookie, checks the Idempotency-Key.
 */
bool http_request_complete(struct http_request *request, struct err *err);

/* Who asks, for the audit log: a voter's id, "command line" (over the data directory's socket), or
 * "administrator", who has no voter yet. */
const char *http_request_actor(const struct http_request *request);

/* The session's token that came with the request; empty: none. */
struct text http_request_session(const struct http_request *request);

/* Makes sure that there is a voter: in local mode a first visitor gets a session, and its reply the
 * cookie. */
bool http_request_need_voter(struct http_request *request, struct err *err);

#endif
