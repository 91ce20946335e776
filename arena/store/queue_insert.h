/* Puts a pair of finished answers into the queue of those that wait for a vote. In a store job. */
#ifndef ARENA_STORE_QUEUE_INSERT_H
#define ARENA_STORE_QUEUE_INSERT_H

#include "store/store.h"
#include "store/votes.h"

/* Stored by number: append only. */
enum queue_kind { QUEUE_PAIR, QUEUE_SAME_MODEL, QUEUE_GOLD };

struct queue_item {
    int64_t run, pair;    /* run 0: no evaluation made it */
    const char *campaign; /* id; NULL: none */
    enum queue_kind kind;
    int gold; /* QUEUE_GOLD: enum winner, for the sides as they stand here; else -1 */
    int64_t version_a, version_b;
    int64_t overlap; /* how many people shall vote on it; 0: judges alone */
    int64_t created_ms;
};

struct queue_turn {
    struct text prompt;
    int64_t answer_a, answer_b; /* ids */
};

/* Gives its id; that of the item which is there where this pair of this run is in the queue
 * already. */
bool queue_insert_item(struct db *tx, const struct queue_item *item, const struct queue_turn *turns,
                       size_t count, int64_t *id, struct err *err);

#endif
