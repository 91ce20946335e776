/* What a configured proxy says of the client behind it: its address, and who it is.
 *
 * Believed from the addresses in context->proxies alone; from anybody else these headers are
 * nothing. Loop's thread only. */
#ifndef ARENA_HTTP_PROXIED_H
#define ARENA_HTTP_PROXIED_H

#include <stdbool.h>

#include "base/err.h"
#include "http/request.h"
#include "people/rates.h"

/* Who sent the request, as an address: the last one in X-Forwarded-For that is no proxy of ours,
 * or the connection's own. For people/addresses.h alone: nothing keeps it. */
void proxied_address(const struct http_request *request, char out[PEER_ADDRESS_SIZE]);

/* This request's voter comes from where it comes from. Not in local mode, nor over the socket. */
void proxied_saw(const struct http_request *request);

/* Takes one of what this address may do of a kind (people/rates.h); the arena's own socket may do
 * all. ERR_TOO_MANY. */
bool proxied_take_rate(struct http_request *request, enum rate_kind kind, struct err *err);

/* The same by this request's voter, whose id is the same wherever it comes from; in local mode its
 * one user may do all. */
bool proxied_take_own_rate(struct http_request *request, enum rate_kind kind, struct err *err);

/* AUTH_PROXY: finds or makes the voter whom the identity header names. ERR_FORBIDDEN for a request
 * that did not come through a proxy, ERR_BAD_REQUEST for a header that cannot be used; one that is
 * absent leaves the request without a voter. */
bool proxied_voter(struct http_request *request, struct err *err);

#endif
