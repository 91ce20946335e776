/* What each request does: one row an action, so that all of them share one path through op.c. */
#ifndef ARENA_BATTLE_ACTIONS_H
#define ARENA_BATTLE_ACTIONS_H

#include "battle/op.h"

struct action {
    const char
        *route; /* for Idempotency-Keys, before the battle's id; NULL: keys mean nothing to it */
    const char *const *keys; /* the body's members, NULL-terminated */
    bool waits;              /* in line while the battle is busy */
    /* On the loop: checks the request against the battle as it stands, sets needs_job, and fills
     * `out` (with what will be so once it is stored, where a job is needed; a vote's answer is
     * known only in `apply`). */
    bool (*prepare)(struct op *op, struct err *err);
    /* On the writer: stores it. */
    bool (*apply)(struct db *tx, struct op *op, struct err *err);
    /* On the loop, when it is committed; or when it was not, or an earlier reply was found.
     * Either may be NULL. */
    void (*committed)(struct op *op);
    void (*undone)(struct op *op, const struct err *err);
};

extern const struct action ACTIONS[HALL_ACTIONS + 1];

#endif
