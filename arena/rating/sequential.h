/* Tests of one pair that may be looked at after every vote: e-processes and confidence
 * sequences.
 *
 * An e-value E says: under the hypothesis, the chance that E ever reaches 1/alpha is at most
 * alpha, whenever one stops. Two kinds. `sequential_votes` mixes over all rates of decisive
 * votes and needs votes that are independent. Votes on one prompt are not: `sequential_bet`
 * takes one observation in [0, 1] a prompt (the mean score of all its votes: orders, samples,
 * judges, voters) and bets against a mean of m, on a fixed grid of stakes; it holds for any
 * distribution of prompts. Neither depends on the order of what it is given. Pure. */
#ifndef ARENA_RATING_SEQUENTIAL_H
#define ARENA_RATING_SEQUENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rating/ballot.h"

struct sequential_interval {
    double lower, upper;
};

/* Independent decisive votes: evidence against an even pair, and the rates not excluded at level
 * alpha. / */
double sequential_votes(uint64_t wins, uint64_t losses);
struct sequential_interval sequential_votes_interval(uint64_t wins, uint64_t losses, double alpha);

/* ln E against "the mean is m", 0 < m < 1: two-sided, or one-sided against "at most m" / "at
 * least m". / */
enum sequential_side { SEQUENTIAL_BOTH, SEQUENTIAL_ABOVE, SEQUENTIAL_BELOW };
double sequential_bet(const double *observations, size_t count, double m,
                      enum sequential_side side);
struct sequential_interval sequential_bet_interval(const double *observations, size_t count,
                                                   double alpha);

/* The same two where every observation is 1, 1/2 or 0: how many there are of each is all that
 * matters. They need not be whole. */
struct sequential_counts {
    double wins, ties, losses;
};
double sequential_bet_counts(const struct sequential_counts *counts, double m,
                             enum sequential_side side);
struct sequential_interval sequential_counts_interval(const struct sequential_counts *counts,
                                                      double alpha);

/* About how many further observations like these are needed until E reaches 1/alpha against m;
 * 0: it has; INFINITY: what was seen does not grow. */
double sequential_needed(const double *observations, size_t count, double m,
                         enum sequential_side side, double alpha);

/* One observation a prompt of the pair (i, j): i's mean score. A ballot without a prompt is an
 * observation of its own. Returns new (free it), `*count` of them in order of first appearance;
 * NULL without memory. */
double *sequential_observations(const struct ballots *ballots, size_t i, size_t j, size_t *count);

#endif
