/* Does a voter vote like somebody who reads the answers? Three tests against everybody else's
 * ratings, each a z value:
 *
 *   side     how often the answer on the left is chosen (always-left)
 *   sense    how well the votes fit the ratings, as the likelihood ratio against coin flips
 *            (random)
 *   boost    the luckiest model's surplus of wins, over the models this voter met (one model
 *            boosted)
 *
 * Honest people differ, so each z is divided by the spread of that test over all voters (robust,
 * at least 1) before its tail is taken, and the smallest of the three tails is multiplied by
 * three. A voter is flagged when that is below `alpha`: the stated share of honest voters
 * flagged by mistake. At least VOTER_CHECK_LEAST votes are needed; a flag is a reason to look,
 * and to leave the votes out of a board, never proof. Pure. */
#ifndef ARENA_RATING_VOTER_CHECK_H
#define ARENA_RATING_VOTER_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rating/ballot.h"

#define VOTER_CHECK_LEAST 10

struct voter_check {
    uint32_t votes;
    double side, sense,
        boost;        /* z values with their spread; positive is suspicious, side either way */
    uint32_t boosted; /* model of `boost` (the ballots' number) */
    double p;         /* 1 where there are too few votes */
    bool flagged;
};

/* checks: one per voter (ballots->voters). theta: strengths of the ballots' models, NAN for those
 * without. `left` is the position effect (contextual.h; 0 if unknown). Ties say nothing here. */
bool voter_check_all(struct voter_check *checks, const struct ballots *ballots, const double *theta,
                     double left, double alpha, struct err *err);

#endif
