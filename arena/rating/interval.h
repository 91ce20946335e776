/* How sure the strengths are: covariance matrices of theta in the sum-to-zero gauge.
 *
 * Every method gives a covariance; bounds, rank ranges and the probability that A beats B follow from it the same way
 * (the bootstrap also keeps its draws). Pure. */
#ifndef ARENA_RATING_INTERVAL_H
#define ARENA_RATING_INTERVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rating/ballot.h"
#include "rating/bradley_terry.h"
#include "rating/dense.h"

/* Sandwich: K^-1 B K^-1, B the scores' outer products, votes independent. */
bool interval_sandwich(struct matrix *covariance, const struct bt_pairs *pairs, const struct bt_fit *fit,
                       struct err *err);

/* The same with arena-rank's H + eps I instead of the exact gauge (eps 1e-5, times the votes when unweighted). */
bool interval_sandwich_arena_rank(struct matrix *covariance, const struct bt_pairs *pairs, const struct bt_fit *fit,
                                  bool reweighted, struct err *err);

struct interval_clusters {
    uint32_t voters, prompts; /* clusters of each kind that hold votes; 0: not clustered by it */
    double freedom;           /* degrees of freedom for the t quantile; INFINITY when not clustered */
};

/* Sandwich with scores summed within voters, within prompts, and (subtracted) within both, each with its small-sample
 * factor G / (G - 1). Ballots name models as the fit does; those with a model number >= fit->models are left out. */
bool interval_clustered(struct matrix *covariance, struct interval_clusters *clusters, const struct ballots *ballots,
                        const struct bt_pairs *pairs, const struct bt_fit *fit, struct err *err);

struct interval_bootstrap {
    size_t models, rounds; /* rounds kept */
    size_t failed;         /* rounds whose resample has no maximum */
    double *draws;         /* rounds x models thetas */
};

/* `rounds` multinomial resamples of the cells, each refitted; round r depends on (seed, r) alone, so any number of
 * threads gives the same draws. */
bool interval_bootstrap(struct interval_bootstrap *boot, const struct bt_pairs *pairs, const struct bt_fit *fit,
                        size_t rounds, uint64_t seed, int threads, struct err *err);
void interval_bootstrap_done(struct interval_bootstrap *boot);

/* Quantile of one model's draws (linear between order statistics); `scratch` has `rounds` values. */
double interval_bootstrap_quantile(const struct interval_bootstrap *boot, size_t model, double p, double *scratch);
bool interval_bootstrap_covariance(struct matrix *covariance, const struct interval_bootstrap *boot, struct err *err);

#endif
