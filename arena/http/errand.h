/* A request that is answered elsewhere than on the loop: read or computed on a worker, then written
 * by the writer, then answered.
 *
 * A handler fills an errand with the steps that it needs and sends it off; each step may write the
 * reply's JSON into `out`. The first step that fails ends it with its error. `data` is the
 * handler's own; steps on other threads use it and `voter`, never the request. */
#ifndef ARENA_HTTP_ERRAND_H
#define ARENA_HTTP_ERRAND_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "http/request.h"

struct db;

struct errand {
    /* The steps, in this order; NULL: not needed. */
    bool (*read)(struct errand *errand, struct db *db, struct err *err);  /* a worker, reading */
    bool (*apply)(struct errand *errand, struct db *tx, struct err *err); /* the writer */
    bool (*then)(struct errand *errand, struct err *err);                 /* the loop */
    void (*done)(struct errand *errand); /* frees `data` where there is any; the loop */
    void *data;

    unsigned status;          /* of the reply; 200 */
    const char *content_type; /* NULL: JSON */
    struct buf out;           /* of at most errand_new's `most` bytes; empty: {} is answered */

    struct http_request *request; /* held; the loop's steps only */
    struct voter voter;           /* who asks; zeros: nobody */
    char actor[STORE_ID_SIZE];    /* for the audit log */
    struct err err;
};

/* Returns new, or NULL after it has answered 503. Fill in the steps, then send it. */
struct errand *errand_new(struct http_request *request, size_t most);

/* Takes the errand; answers the request exactly once, now or later. */
void errand_send(struct errand *errand);

/* Ends one that was not sent: answers with `err`. */
void errand_refuse(struct errand *errand, const struct err *err);

#endif
