/* Addresses that people open from outside: where this arena is for them. */
#ifndef ARENA_HTTP_LINK_H
#define ARENA_HTTP_LINK_H

#include "base/json.h"
#include "http/request.h"
#include "people/invites.h"

#define LINK_BYTES_MAX 512 /* of what link_put_invitation writes */

/* "https://arena.example.org", without a slash at its end: the first declared name where TLS is
 * spoken, else where we listen. */
void link_origin(const struct http_request *request, char *out, size_t size);

/* {"id","link","expires_ms"} */
void link_put_invitation(struct json_out *out, const struct http_request *request,
                         const struct invite *invite);

#endif
