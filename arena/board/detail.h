/* What a leaderboard says beyond its table when `detail` is asked for: where each model could
 * stand, how few votes or voters the first place hangs on, and how far ranks move when ties are
 * counted another way. Pure; any thread. */
#ifndef ARENA_BOARD_DETAIL_H
#define ARENA_BOARD_DETAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "board/estimate.h"
#include "board/leaderboard.h"

struct detail_input { /* all borrowed */
    const struct leaderboard_votes *votes;
    const struct tally *ranked;
    const int32_t *map;     /* model -> ranked number, or -1 */
    const uint32_t *models; /* ranked number -> model */
    const struct estimate *estimate;
};

/* Fills the board's distribution, fragility, tie_rank_change and history; its `models` are in
 * order. */
bool detail_fill(struct leaderboard *board, const struct detail_input *input, struct err *err);

#endif
