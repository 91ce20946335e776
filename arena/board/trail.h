/* How ratings moved, beside the arena's own board: history.h's points, computed now and then.
 *
 * Up to 24 refits, so they are not made at every vote: after a pause of a hundred times what they
 * cost, the last ones stand until then. Kept by the models' numbers, which stay the same while a
 * board goes on reading votes, and written in the order of the board that it stands beside. One
 * owner, with the votes. */
#ifndef ARENA_BOARD_TRAIL_H
#define ARENA_BOARD_TRAIL_H

#include "base/json.h"
#include "board/leaderboard.h"

struct trail {
    size_t count, models;
    uint16_t day[LEADERBOARD_HISTORY_MAX];
    double *rating;           /* count x models, by the model's number; NAN: not ranked then */
    int64_t made_ns, cost_ns; /* 0: never */
};

void trail_done(struct trail *trail);

/* Computes anew where that is due; fills and empties board->history. */
bool trail_refresh(struct trail *trail, struct leaderboard *board,
                   const struct leaderboard_votes *votes, struct err *err);

/* "history": [{"date","ratings"}], the ratings in the order of the board's models; nothing where
 * all votes are of one day. */
void trail_write(const struct trail *trail, const struct leaderboard *board, struct json_out *out);

#endif
