/* Does each voter vote like somebody who reads the answers? The voter checks of
 * rating/voter_check.h against the ratings of the arena's own board.
 *
 * A flag says who to look at; a person decides. Any thread with its own reader; one owner. */
#ifndef ARENA_BOARD_SUSPECTS_H
#define ARENA_BOARD_SUSPECTS_H

#include "board/leaderboard.h"
#include "board/stored.h"
#include "rating/voter_check.h"

#define SUSPECTS_ALPHA 0.02 /* the share of honest voters that may be flagged by mistake */

struct suspect {
    struct voter_check check;
    int64_t number; /* the store's */
};

struct suspects {
    struct suspect *list; /* those with enough votes, the most suspicious first */
    size_t count;
    size_t voters; /* all that are known */
};

/* `board` was fitted on `votes`. */
bool suspects_find(struct suspects *out, const struct stored_votes *votes,
                   const struct leaderboard *board, struct err *err);
void suspects_done(struct suspects *suspects);

/* Which of the three tests says most against this voter: "side", "sense" or "boost". */
const char *suspects_reason(const struct voter_check *check);

#endif
