/* Ranks and how sure they are, from strengths and their covariance.
 *
 * A model's best rank counts the models that are surely better, its worst rank those that are
 * surely worse, where "surely" looks at the standard error of the difference of the two, not at
 * whether two intervals overlap (which misses a third of what can be told apart). Pure. */
#ifndef ARENA_RATING_RANK_H
#define ARENA_RATING_RANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rating/dense.h"

struct rank {
    uint32_t rank;         /* 1 + models with a higher strength */
    uint32_t lower, upper; /* best and worst rank that the votes allow */
};

double rank_difference_se(const struct matrix *covariance, size_t i, size_t j);

/* Rank ranges: j is surely better than i when theta_j - theta_i > margin[i n + j] (symmetric). */
void rank_ranges(struct rank *ranks, const double *theta, const double *margin, size_t n);

/* The critical value under which all n (n - 1) / 2 differences hold at once with probability
 * `confidence` (max-t, by simulation with `draws` draws). */
bool rank_simultaneous(double *critical, const struct matrix *covariance, double confidence,
                       size_t draws, uint64_t seed, struct err *err);

/* P(best) of each model under a normal with this covariance. Models with no real chance (more
 * than 4 standard errors behind the leader) get 0 and are not simulated; with more than 32
 * contenders there are fewer draws, down to a quarter. */
bool rank_probability_best(double *best, const double *theta, const struct matrix *covariance,
                           size_t draws, uint64_t seed, struct err *err);

/* distribution[i n + r]: probability that model i has rank r + 1. */
bool rank_distribution(double *distribution, const double *theta, const struct matrix *covariance,
                       size_t draws, uint64_t seed, struct err *err);

#endif
