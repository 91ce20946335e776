/* Erasing a person: the text goes, the link to the person goes, the counts and the ledger stay.
 *
 * A voter's prompts, comments and the answers given to them alone are emptied; the votes' salts
 * are forgotten, so that nobody can try names or texts against the ledger's digests; the voter's
 * row gets a new random id and loses name, cohort and sessions. What stays is an unnamed number
 * behind the votes, which keeps the boards computable, their intervals too. Inside a store job. */
#ifndef ARENA_STORE_ERASURE_H
#define ARENA_STORE_ERASURE_H

#include "store/store.h"

struct erasure_report {
    int64_t battles, votes, answers; /* emptied */
};

/* ERR_NOT_FOUND for an unknown voter. Battles still open are skipped first. */
bool erasure_voter(struct db *tx, const char *voter, int64_t now_ms, struct erasure_report *out,
                   struct err *err);

/* Retention: the text (not the voters) of battles that ended from `*from_ms` on and before
 * `before_ms`, at most ERASURE_BATCH of them, the oldest first, so that no vote waits long. Moves
 * `*from_ms` to where the next call goes on; it is the caller's memory, 0 at the start. */
#define ERASURE_BATCH 500
bool erasure_before(struct db *tx, int64_t *from_ms, int64_t before_ms, struct erasure_report *out,
                    struct err *err);

#endif
