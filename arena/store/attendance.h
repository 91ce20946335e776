/* The people of the arena as their administrator sees them: who they are, how much they voted, when
 * they were here last. Any thread with its own reader. */
#ifndef ARENA_STORE_ATTENDANCE_H
#define ARENA_STORE_ATTENDANCE_H

#include "store/voters.h"

struct attendance {
    struct voter_record voter;
    int64_t votes, counted;
    int64_t sessions; /* that are open */
    int64_t last_ms;  /* its last battle, vote or new session */
    bool password;
};

/* The newest first, with numbers below `before` (0: from the newest), at most `limit`; borrowed for
 * the call. */
bool attendance_each(struct db *db, int64_t before, int64_t limit, int64_t now_ms,
                     void (*each)(void *user, const struct attendance *person), void *user,
                     struct err *err);

bool attendance_count(struct db *db, int64_t *count, struct err *err);

#endif
