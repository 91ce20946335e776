/* How the competitors of a run stand: boards, win rates against a baseline with and without length
 * control, by category and by why a prompt was chosen. Pure functions of the results. */
#ifndef ARENA_EVAL_STAND_H
#define ARENA_EVAL_STAND_H

#include "board/leaderboard.h"
#include "eval/results.h"

/* Whose votes: a board never mixes them. */
enum stand_raters { STAND_JUDGES, STAND_PEOPLE };

/* A board of these votes; `length`: as if all answers were of one length. Returns new
 * (leaderboard_free); NULL with `err`. */
struct leaderboard *stand_board(const struct results *results, enum stand_raters raters,
                                bool length, struct err *err);
size_t stand_votes(const struct results *results, enum stand_raters raters);

/* A mean score with its interval: one prompt is one observation. */
struct stand_rate {
    double rate, lower, upper; /* NaN: no votes; bounds NaN: fewer than two prompts */
    size_t votes, prompts, wins, losses, ties;
};

/* Which votes a rate is of; members that are not set let all through. */
struct stand_filter {
    enum stand_raters raters;
    const char *category; /* NULL: any */
    int chosen;           /* enum eval_chosen; -1: any */
    ptrdiff_t against;    /* a side; -1: any */
};
#define STAND_ALL(who) ((struct stand_filter){who, NULL, -1, -1})

/* False without memory. */
bool stand_rate(const struct results *results, const struct stand_filter *filter, size_t side,
                struct stand_rate *out);

/* The same at equal lengths, from a board with length control; NaN where it cannot tell. */
struct stand_rate stand_rate_at_length(const struct leaderboard *board, const char *side,
                                       const char *against);

/* The categories of the prompts, each once, in order of appearance: borrowed names, at most `most`;
 * gives how many there are. */
size_t stand_categories(const struct results *results, const char **names, size_t most);

/* The place that others are measured against: the spec's baseline, else the first. */
size_t stand_baseline(const struct results *results);

#endif
