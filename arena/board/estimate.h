/* Strengths and how sure they are, whatever the method: the step between counted votes and a
 * leaderboard.
 *
 * Takes votes whose models can all be ranked (connect.h) and gives, in the natural scale (rating
 * = 1000 + 173.7 theta), the strengths, their bounds, and the half-width of every difference.
 * Pure; any thread. / */
#ifndef ARENA_BOARD_ESTIMATE_H
#define ARENA_BOARD_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "board/leaderboard.h"
#include "rating/dense.h"

#define ESTIMATE_COEFFICIENTS_MAX (BALLOT_FEATURES_MAX + 1)

struct estimate_input {
    const struct tally *tally; /* of the ranked models alone */
    const struct leaderboard_votes *votes;
    const int32_t *map; /* number in `votes` -> number in `tally`, or negative */
    const struct leaderboard_options *options;
    int32_t anchor; /* in `tally`; negative: none */
};

struct estimate {
    size_t n;
    double *theta, *se, *lower, *upper; /* n each; the last three NAN without intervals */
    double *median;                     /* of the bootstrap's draws; NAN without */
    double *margin;                     /* n x n, NULL without intervals */
    struct matrix covariance;           /* n x n, for simulations; a is NULL without intervals */
    const char *interval;               /* "sandwich", … "none" */
    double loss, gradient;
    double tie_parameter;     /* NAN when ties count half */
    bool absolute;            /* grounded: theta 0 is the threshold of a bad answer */
    double absolute_shift;    /* added to theta gives strength over that threshold */
    uint32_t voters, prompts; /* clusters */
    size_t rounds, failed;    /* of the bootstrap */
    bool held;                /* style and position effects are kept finite by a penalty */
    size_t coefficients;
    double value[ESTIMATE_COEFFICIENTS_MAX], value_se[ESTIMATE_COEFFICIENTS_MAX];
};

bool estimate_fit(struct estimate *estimate, const struct estimate_input *input, struct err *err);
void estimate_done(struct estimate *estimate);

#endif
