/* Answers kept for requests that may come again: (voter, route, Idempotency-Key) -> the reply
 * that was given, stored in the same transaction as the act itself. They are kept for
 * IDEMPOTENCY_HOURS. */
#ifndef ARENA_STORE_IDEMPOTENCY_H
#define ARENA_STORE_IDEMPOTENCY_H

#include "base/digest.h"
#include "store/store.h"

#define IDEMPOTENCY_HOURS 48 /* longer than a battle can stay open */

struct idempotency_key {
    const char *voter; /* id */
    const char *route; /* method and path, with the ids in it: "POST /api/battles/ID/vote" */
    struct text key;   /* the header's value */
    uint8_t request[DIGEST_SIZE]; /* digest of the request's body */
};

/* In a job, before the act: true in *found and the stored reply when this request was already
 * answered. The same key with another body is ERR_CONFLICT. */
bool idempotency_find(struct db *db, const struct idempotency_key *key, bool *found, int *status,
                      struct buf *reply, struct err *err);

/* In the same job, after the act. */
bool idempotency_store(struct db *tx, const struct idempotency_key *key, int status,
                       struct text reply, int64_t now_ms, struct err *err);

/* A request whose act is no job of its own: `status` 0 reserves its key before the act; this gives
 * it the reply, or frees it. */
bool idempotency_finish(struct db *tx, const struct idempotency_key *key, int status,
                        struct text reply, struct err *err);
bool idempotency_drop(struct db *tx, const struct idempotency_key *key, struct err *err);

bool idempotency_sweep(struct db *tx, int64_t now_ms, struct err *err);

#endif
