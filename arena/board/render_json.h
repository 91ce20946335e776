/* The leaderboard as the JSON object of `rank`, `leaderboard` and GET /api/leaderboard (schema/).
 * Pure; any thread. */
#ifndef ARENA_BOARD_RENDER_JSON_H
#define ARENA_BOARD_RENDER_JSON_H

#include "base/buf.h"
#include "board/leaderboard.h"

void render_json(struct buf *out, const struct leaderboard *const *boards, size_t count);

/* Ties as the board counts them: with both-bad, unless that is an outcome of its own. */
uint64_t render_ties(const struct leaderboard *board, const struct tally_record *record);

const char *render_plural(uint64_t count); /* "" of one, "s" of others; static */

const char *render_ties_word(enum leaderboard_ties ties); /* "half", "davidson", … */

#endif
