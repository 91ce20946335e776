/* Online Elo, as FastChat computes it: one pass over the votes in their order, R += K (score -
 * expected). What it gives depends on the order; the bootstrap resamples votes with replacement,
 * in a random order, and its median does not. Pure; threads are started and joined inside. */
#ifndef ARENA_RATING_ELO_H
#define ARENA_RATING_ELO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rating/ballot.h"

struct elo_options {
    double k, initial;  /* FastChat: 4, 1000 */
    double scale, base; /* 400, 10: the odds are base^(difference / scale) */
};

/* ratings[map[m]] for the ballots' models m with map[m] >= 0; votes with another model are
 * passed over. / */
void elo_run(double *ratings, size_t models, const struct ballots *ballots, const int32_t *map,
             const struct elo_options *options);

/* draws: rounds x models. Round r depends on (seed, r) alone. */
bool elo_bootstrap(double *draws, size_t models, const struct ballots *ballots, const int32_t *map,
                   const struct elo_options *options, size_t rounds, uint64_t seed, int threads,
                   struct err *err);

#endif
