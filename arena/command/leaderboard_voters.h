/* `arena leaderboard --voters`: does each voter vote like somebody who reads the answers? */
#ifndef ARENA_COMMAND_LEADERBOARD_VOTERS_H
#define ARENA_COMMAND_LEADERBOARD_VOTERS_H

#include "base/buf.h"
#include "base/err.h"
#include "board/leaderboard.h"
#include "board/stored.h"

/* Appends the voters with enough votes, the most suspicious first: as a table, or as JSON.
 * `board` was fitted on `votes`. */
bool leaderboard_voters(struct buf *out, const struct stored_votes *votes,
                        const struct leaderboard *board, bool json, struct err *err);

#endif
