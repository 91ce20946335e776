/* Bradley-Terry by Newton: the strengths theta that maximise the likelihood of a tally, P(i
 * beats j) = 1 / (1 + exp(theta_j - theta_i)), a tie being half a win for each. sum(theta) = 0.
 *
 * The votes must satisfy Ford's condition (connect.h), else there is no maximum and the fit says
 * so. Every step solves with K = H + (tr H / n^2) 1 1^T, which is positive definite although H
 * is not, and whose inverse is H's pseudo-inverse in every direction that matters. Converged
 * means: no component of the mean log-likelihood's gradient reaches 1e-12 (1e-10 is what is
 * promised). Pure. */
#ifndef ARENA_RATING_BRADLEY_TERRY_H
#define ARENA_RATING_BRADLEY_TERRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rating/dense.h"
#include "rating/tally.h"

#define RATING_SCALE 400.0
#define RATING_BASE 10.0
#define RATING_INITIAL 1000.0
#define RATING_ALPHA 173.71779276130076 /* 400 / ln 10: rating = 1000 + RATING_ALPHA theta */
#define BT_MIN_PAIR_COUNT 50            /* reweighting counts a rarer pair as this often */

/* One pair that met, flattened for the fit. `weight` is that of one vote. */
struct bt_pair {
    uint32_t i, j;
    double wins, losses, ties; /* of i; ties hold both-bad too */
    double weight;
};

struct bt_pairs {
    size_t models, count;
    struct bt_pair *pairs;
    double votes; /* sum of counts */
    double mass;  /* sum of count x weight */
};

struct bt_fit {
    size_t models;
    double *theta;
    double loss;     /* mean negative log-likelihood at theta */
    double gradient; /* largest component of its gradient */
    int iterations;
    struct matrix
        inverse; /* K^-1 at theta, for the intervals; in units of the mean loss x mass (the sum) */
};

/* The pairs of a tally that met; reweighted: each vote counts 1 / max(votes of its pair, 50),
 * otherwise 1. */
bool bt_pairs_init(struct bt_pairs *pairs, const struct tally *tally, bool reweighted,
                   struct err *err);
void bt_pairs_done(struct bt_pairs *pairs);

/* Fits from `start` (NULL: all 0). ERR_FORMAT when there is no maximum. */
bool bt_fit(struct bt_fit *fit, const struct bt_pairs *pairs, const double *start, struct err *err);
void bt_fit_done(struct bt_fit *fit);

/* Mean loss and its gradient (n values, may be NULL) at any theta. */
double bt_loss(const struct bt_pairs *pairs, const double *theta, double *gradient);

double bt_probability(double difference); /* 1 / (1 + exp(-difference)), exact at both ends */

/* max(z, 0) + log1p(exp(-|z|)) */
double bt_softplus(double z);

#endif
