/* The table of routes: which handler answers what, and who may ask.
 *
 * A pattern is a path; "*" stands for one segment (an id), handed to the handler in request->part.
 * What is in no row is an asset or nothing. */
#ifndef ARENA_HTTP_ROUTE_H
#define ARENA_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "http/request.h"
#include "people/voters.h"

enum route_access {
    ROUTE_OPEN,  /* anyone who may connect */
    ROUTE_ACT,   /* who may `act`; in local mode everyone is the administrator */
    ROUTE_START, /* the same, and in local mode a first visitor becomes a voter */
    ROUTE_OWNER, /* the same, but a visitor without a session owns nothing: not found */
    ROUTE_INSIDE /* loopback, or who may `act` */
};

/* Where the reply to a POST with an Idempotency-Key is kept (replay.h). */
enum route_reply {
    REPLY_IN_MEMORY, /* it may hold a secret; of what is not a POST nothing is kept */
    REPLY_STORED,    /* it may lie on the disk as it is */
    REPLY_OF_HALL    /* the hall keeps it, in the transaction of the act */
};

struct route {
    const char *method; /* "GET" answers HEAD too */
    const char *pattern;
    void (*handle)(struct http_request *request);
    enum route_access access;
    enum voter_act act;
    enum route_reply reply;
};

extern const struct route ROUTES[]; /* ends with a NULL method */

/* Fills request->route and part. ERR_METHOD with request->allow for a path that knows other
 * methods. False with ERR_NOT_FOUND for a path that is in no row. */
bool route_find(struct http_request *request, struct err *err);

/* May its sender act so? In local mode everyone may. */
bool route_may(const struct http_request *request, enum voter_act act, struct err *err);

/* May this request's sender ask this route? Makes the voter where the route starts one. */
bool route_admit(struct http_request *request, struct err *err);

#endif
