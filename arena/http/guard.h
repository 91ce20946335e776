/* Who may speak to this server at all: names in Host, pages in Origin, lengths and encodings of a
 * request.
 *
 * A local service is reachable by every page that the user opens: a foreign page may point its own
 * name at 127.0.0.1 (DNS rebinding: seen by Host) or post to us from afar (CSRF: seen by Origin and
 * Sec-Fetch-Site, and by the content type, which a form cannot set to JSON). Pure functions over
 * texts, any thread. */
#ifndef ARENA_HTTP_GUARD_H
#define ARENA_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/context.h"

/* The name of "name", "name:port", "[address]:port"; empty where the text is none of these.
 * Borrowed from it. */
struct text guard_host_name(struct text host);
bool guard_is_loopback(struct text name); /* localhost, 127.0.0.0/8, ::1 */

/* ERR_BAD_HOST unless the name is a loopback one or stands in context->hosts. */
bool guard_host(const struct http_context *context, struct text host, struct err *err);

/* What an unsafe request must show. Empty texts: the header is absent. A client that sends neither
 * Origin nor Sec-Fetch-Site is no browser, so no foreign page is behind it. */
struct guard_sender {
    struct text host, origin, fetch_site;
};
bool guard_origin(const struct http_context *context, const struct guard_sender *sender,
                  struct err *err);

bool guard_is_json(struct text content_type); /* application/json, with or without parameters */

/* Digits only, no sign, no list. False otherwise or past 2^63. */
bool guard_length(struct text content_length, uint64_t *out);

/* Decodes %XX in place and NUL-terminates; false (with the text cut to nothing) for %00, half an
 * escape, control characters or bytes that are not UTF-8. Returns the new length. */
bool guard_unescape(char *text, size_t *length);

/* True when `token` is in a comma-separated header and not refused there by q=0. */
bool guard_accepts(struct text header, const char *token);

/* If-None-Match against a quoted tag: lists, weak tags and "*". */
bool guard_matches(struct text if_none_match, const char *etag);

#endif
