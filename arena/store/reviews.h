/* What an analyst decided on a battle in whose texts personal data was found: released for export,
 * or refused. Appended; the newest of a battle holds. Writing is inside a store job. */
#ifndef ARENA_STORE_REVIEWS_H
#define ARENA_STORE_REVIEWS_H

#include "store/store.h"

struct review_record {
    char battle[STORE_ID_SIZE];
    bool released;
    const char *actor; /* a voter's id, or "command line" */
    int64_t at_ms;
};

/* ERR_NOT_FOUND for a battle that there is not. Goes into the audit log too. */
bool reviews_add(struct db *tx, const struct review_record *record, struct err *err);

#endif
