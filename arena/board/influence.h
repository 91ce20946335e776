/* "Without any one voter": how far the board would move if the votes of one voter were left out,
 * the most that any of them moves each model.
 *
 * Every voter is left out in turn and the rest is fitted again, so what is said is what `arena
 * leaderboard --without-voter` shows: a model's rating moves too because another one drops out of
 * the ranked. The busiest voters are tried, as many as INFLUENCE_WORK allows. Of plain
 * Bradley-Terry; pure, on a worker: at most some 2.4 s of a core (126 models, 2,000 voters). */
#ifndef ARENA_BOARD_INFLUENCE_H
#define ARENA_BOARD_INFLUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "board/leaderboard.h"
#include "board/stored.h"

#define INFLUENCE_VOTERS 2000
#define INFLUENCE_VOTERS_LEAST 16
#define INFLUENCE_WORK 4.0e9 /* voters x models^3: 2,000 voters of up to 126 models */

struct influence_model {
    double rating;  /* its largest change, with its sign */
    int32_t places; /* its farthest move among the ranks; positive: down */
    bool unranked;  /* without some voter it has no rank */
    int64_t voter; /* who takes its rank or else moves its rating, among the ballots'; -1: nobody */
};

struct influence {
    struct influence_model *models; /* in the board's order */
    size_t count;
    uint32_t voters, tried; /* who voted at all; how many were left out in turn */
};

/* `board` is leaderboard_fit's of these votes, by the method bt without anything controlled for. */
bool influence_find(struct influence *influence, const struct leaderboard *board,
                    const struct leaderboard_votes *votes, struct err *err);
void influence_done(struct influence *influence);

/* {"voters","tried","models":[{"model","rating_change","rank_change","unranked"}]}; with `named`
 * each has "voter" too: the store's number. */
bool influence_write(const struct influence *influence, const struct leaderboard *board,
                     const struct stored_votes *named, struct buf *out, struct err *err);

#endif
