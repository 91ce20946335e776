/* All votes in a row (store/vote_rows.h), read by a thread of their own while the caller works on
 * those before: an export writes as fast as the slower of the two.
 *
 * The thread lives as long as the call and has `db` to itself meanwhile. Memory: READ_AHEAD_BATCHES
 * batches of READ_AHEAD_ROWS rows with their texts. */
#ifndef ARENA_EVAL_READ_AHEAD_H
#define ARENA_EVAL_READ_AHEAD_H

#include "store/vote_rows.h"

#define READ_AHEAD_BATCHES 4
#define READ_AHEAD_ROWS 256

/* As votes_each does it; `each` runs on the caller's thread. */
bool read_ahead_each(struct db *db, const struct vote_filter *filter,
                     bool (*each)(void *user, const struct vote_row *row), void *user,
                     struct err *err);

#endif
