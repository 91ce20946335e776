/* The bootstrap: resample the votes, fit again, look at the spread.
 *
 * A round draws the counts of all cells from one multinomial over what was observed and refits
 * from the optimum. Round r depends on (seed, r) alone, so any number of threads gives the same
 * draws. A resample that no finite rating fits (some model lost every tie-breaking vote) is
 * counted and left out. Threads are started and joined inside. */
#ifndef ARENA_RATING_BOOTSTRAP_H
#define ARENA_RATING_BOOTSTRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rating/bradley_terry.h"
#include "rating/dense.h"

#define BOOTSTRAP_ROUNDS_MAX 1000000
#define BOOTSTRAP_THREADS_MAX 64

struct bootstrap {
    size_t models, rounds; /* rounds kept */
    size_t failed;
    double *draws; /* rounds x models thetas, in the order of the rounds */
};

bool bootstrap_run(struct bootstrap *boot, const struct bt_pairs *pairs, const struct bt_fit *fit,
                   size_t rounds, uint64_t seed, int threads, struct err *err);
void bootstrap_done(struct bootstrap *boot);

/* Sorted draws of model i minus model j (of model i alone when j == i) into `sorted`, which has
 * `rounds` values. */
void bootstrap_sorted(const struct bootstrap *boot, size_t i, size_t j, double *sorted);

bool bootstrap_covariance(struct matrix *covariance, const struct bootstrap *boot);

#endif
