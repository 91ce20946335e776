/* Bradley-Terry with context: P(a beats b) = s(theta_a - theta_b + x . gamma), for how the answers
 * look (style) and where they were shown (position), a tie being half a win each.
 *
 * Features are antisymmetric and are scaled by their root mean square, never centred, so swapping
 * the sides of every vote mirrors the fit; gamma is per standard deviation. Position is a feature
 * that is 1 for whoever was shown first. There is no penalty while the votes determine every
 * effect, and the errors are the textbook sandwich. `compatible` follows arena-rank instead:
 * features centred and scaled twice, a penalty of 1/2 |gamma|^2 on the mean loss, and its
 * standard-error formula. sum(theta) = 0. Pure. */
#ifndef ARENA_RATING_CONTEXTUAL_H
#define ARENA_RATING_CONTEXTUAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rating/ballot.h"
#include "rating/dense.h"
#include "rating/tally.h"

/* Votes that look alike: `count` of them with score y (1, 1/2 or 0) of a, each of this weight. */
struct contextual_row {
    uint16_t a, b;
    float y, count, weight;
};

struct contextual_data {
    size_t models, features, count;
    struct contextual_row *rows;
    float *x;       /* count x features, scaled */
    double *weight; /* of a vote of each row's pair: models x models; NULL: 1 */
    double mass;    /* sum of count x weights */
    double votes;
};

struct contextual_fit {
    size_t models, features;
    double *theta; /* models strengths, then features coefficients */
    double loss, gradient;
    int iterations;
    bool held;                /* the votes do not say every effect: a penalty keeps them finite */
    struct matrix inverse;    /* of the summed loss's second derivative, models + features */
    struct matrix covariance; /* sandwich, or arena-rank's; where effects are held, with `open` */
    struct matrix open;       /* what may be wrong by holding them; empty otherwise */
};

struct contextual_options {
    bool style; /* the ballots' features; needs ballots */
    bool position;
    bool reweighted;
    bool compatible;
    int threads; /* 0 is 1; the result does not depend on it */
};

/* What the votes leave open (too few of them, or features that always go together) is held near 0
 * by a penalty of CONTEXTUAL_HOLD/2 |gamma|^2 on the summed loss, and the fit says so. An effect
 * that is not 0 then moves the strengths: the errors count in what effects of variance
 * 1/CONTEXTUAL_HOLD would do. */
#define CONTEXTUAL_HOLD 1.0

/* Rows from ballots (map: ballot's model -> model, negative to leave out), or, for position alone,
 * from the tally. */
bool contextual_data_init(struct contextual_data *data, const struct tally *tally,
                          const struct ballots *ballots, const int32_t *map,
                          const struct contextual_options *options, struct err *err);
void contextual_data_done(struct contextual_data *data);

bool contextual_fit(struct contextual_fit *fit, const struct contextual_data *data,
                    const struct contextual_options *options, struct err *err);
void contextual_fit_done(struct contextual_fit *fit);

#endif
