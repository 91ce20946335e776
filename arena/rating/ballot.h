/* Single votes, for what a tally cannot say: who voted on which prompt (clustered intervals, voter
 * checks, online Elo's order) and how the two answers looked (style). 16 bytes a vote; votes stand
 * in the order they were cast.
 *
 * Voters and prompts are numbers that whoever read the votes gave out, from 0; BALLOT_NONE where it
 * is not known. Features are rows of `features` floats, the same for every ballot: each is
 * antisymmetric, so that swapping the sides of a vote flips their sign. A vote's weight is 1 unless
 * weights are kept
 * (`weighted`): then each vote is given its own by ballots_weigh. One owner; pure. */
#ifndef ARENA_RATING_BALLOT_H
#define ARENA_RATING_BALLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rating/tally.h"

#define BALLOT_NONE UINT32_MAX
#define BALLOT_FEATURES_MAX 16
#define BALLOTS_MAX (1u << 28) /* 4 GB of them: past this, aggregate */

struct ballot {
    uint16_t a, b; /* model numbers; a was shown first */
    uint8_t outcome;
    uint16_t day; /* since 1970-01-01; 0: not known */
    uint32_t voter;
    uint32_t prompt;
};

struct ballots {
    struct ballot *rows;
    size_t count, capacity;
    uint32_t voters, prompts; /* numbers given out so far; 0: not known */
    size_t features;
    float *x; /* count x features, or NULL */
    bool weighted;
    float *weight; /* of each vote, or NULL */
};

void ballots_init(struct ballots *ballots, size_t features);
void ballots_done(struct ballots *ballots);

/* Appends one; `x` has `features` values (NULL when there are none). */
bool ballots_add(struct ballots *ballots, struct ballot ballot, const float *x, struct err *err);

/* Gives the last ballot its weight; `weighted` was set before the first. */
void ballots_weigh(struct ballots *ballots, float weight);

/* Adds every ballot to a tally that has room for its models. */
bool ballots_tally(const struct ballots *ballots, struct tally *tally, struct err *err);

#endif
