/* Replies: every way to answer a request. Each answers once, wakes the connection where it sleeps,
 * and puts the same security headers on everything. Texts are copied unless said otherwise.
 * Answering a request whose client is gone does nothing. Loop's thread only. */
#ifndef ARENA_HTTP_RESPONSE_H
#define ARENA_HTTP_RESPONSE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/request.h"

void response_json(struct http_request *request, unsigned status, struct text json);
/* What was built in `buf`, which is done with it; a failed buffer answers 503, or the
 * error that it was for. */
void response_built(struct http_request *request, unsigned status, struct buf *buf);
void response_error(struct http_request *request,
                    const struct err *err); /* {"error":{"code","message"}} */
void response_text(struct http_request *request, unsigned status, const char *content_type,
                   struct text text);
void response_empty(struct http_request *request, unsigned status);

void response_with(struct http_request *request, unsigned status,
                   struct MHD_Response *response); /* takes it; NULL: 503 */
/* Borrows a response that serves many requests and outlives the server's connections. */
void response_shared(struct http_request *request, unsigned status, struct MHD_Response *response);

/* --- responses made ahead: they carry every header but the request's own (cookie, Retry-After,
 * Allow) --- */
enum response_policy {
    RESPONSE_DATA, /* never stored, nothing may be loaded from it */
    RESPONSE_PAGE  /* revalidated each time; the page's Content-Security-Policy */
};

struct response_headers {
    enum response_policy policy;
    bool https;
    const char *content_type;
    const char *etag;          /* NULL: none */
    const char *encoding;      /* NULL: none */
    const char *cache_control; /* NULL: the policy's */
};

/* Over bytes that outlive the response (`copy` false) or are copied. NULL without memory. */
struct MHD_Response *response_prepare(struct text body, bool copy,
                                      const struct response_headers *headers);

/* Adds the headers to a response made elsewhere (event streams). False without memory. */
bool response_dress(struct MHD_Response *response, const struct response_headers *headers);

#endif
