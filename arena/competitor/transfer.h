/* HTTP requests out, through libcurl's multi interface on the loop.
 *
 * A pool belongs to the loop's thread and keeps connections alive between transfers. A transfer
 * calls back with the status line and headers, the body in pieces, and one end; after
 * transfer_cancel nothing is called any more. Redirects are never followed (a key would follow
 * them), names are looked up off the loop, proxies of the environment are honoured except for
 * loopback addresses. */
#ifndef ARENA_COMPETITOR_TRANSFER_H
#define ARENA_COMPETITOR_TRANSFER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"

struct transfer_pool;
struct transfer;

struct transfer_pool *transfer_pool_new(struct loop *loop, struct err *err);
void transfer_pool_free(struct transfer_pool *pool); /* no transfer is under way */

enum transfer_failure { TRANSFER_OK, TRANSFER_NETWORK, TRANSFER_TIMEOUT, TRANSFER_TLS };

struct transfer_events {
    void (*header)(void *user, struct text name,
                   struct text value);           /* name in lower case; of the final response */
    void (*status)(void *user, int status);      /* once, after the headers, before the body */
    bool (*body)(void *user, struct text bytes); /* false: enough, end it */
    /* `why`: one line, without secrets; `sent`: some of the request may have arrived. */
    void (*end)(void *user, enum transfer_failure failure, bool sent, const char *why);
    void *user;
};

struct transfer_request {
    const char *url;
    const char *const *headers; /* NULL-terminated, "Name: value"; copied */
    struct text body;           /* copied; empty with NULL data: a GET */
    bool allow_http;            /* plain http is refused otherwise, except for loopback addresses */
    bool compressed;            /* offer compression: not for streams, it delays tokens */
};

/* Returns NULL with ERR_CONFIG for a URL that is refused, ERR_MEMORY otherwise; nothing is
 * called then. */
struct transfer *transfer_start(struct transfer_pool *pool, const struct transfer_request *request,
                                const struct transfer_events *events, struct err *err);

/* Frees it; the connection is closed. Allowed inside its own callbacks. Not after its end. */
void transfer_cancel(struct transfer *transfer);

/* Writes a URL's host. */
bool transfer_host(const char *url, char *out, size_t size);

/* Is this URL's host a loopback address or "localhost"? */
bool transfer_is_loopback(const char *url);

#endif
