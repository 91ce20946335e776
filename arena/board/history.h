/* How ratings moved: the board as it would have stood at the end of up to 24 days, weeks or months,
 * each refitted from all votes until then. Needs the days of the votes. Pure; any thread. */
#ifndef ARENA_BOARD_HISTORY_H
#define ARENA_BOARD_HISTORY_H

#include <stdbool.h>

#include "base/err.h"
#include "board/leaderboard.h"

/* Fills board->history for its `models`, which are in order; leaves it empty where the votes' days
 * are not known or all in one step. */
bool history_fill(struct leaderboard *board, const struct leaderboard_votes *votes,
                  struct err *err);

#endif
