/* How much a ranking hangs on few votes or few voters.
 *
 * Removing votes: each vote's first-order effect on the lead of #1 over a rival is known from
 * the fit; the votes that carry the lead are taken away in that order, as many as it takes
 * (found by refitting, so the number is what removing them really does; a cleverer choice could
 * need fewer). Leaving out a voter is first-order alone. Pure. */
#ifndef ARENA_RATING_FRAGILITY_H
#define ARENA_RATING_FRAGILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rating/ballot.h"
#include "rating/bradley_terry.h"

#define FRAGILITY_RIVALS 5    /* models below the first that are tried */
#define FRAGILITY_VOTERS 2000 /* the busiest voters that are left out in turn */

struct fragility_flip {
    uint64_t votes; /* 0: no number of removals makes any of the rivals first */
    size_t rival;
};

bool fragility_flip(struct fragility_flip *flip, const struct bt_pairs *pairs,
                    const struct bt_fit *fit, struct err *err);

struct fragility_voters {
    double top_share;     /* the busiest voter's share of the votes; NAN without voters */
    uint32_t rank_change; /* most places that any model moves when one voter is left out */
};

/* map as in cluster.h; ballots without a voter are passed over. */
bool fragility_voters(struct fragility_voters *voters, const struct ballots *ballots,
                      const int32_t *map, const struct bt_pairs *pairs, const struct bt_fit *fit,
                      struct err *err);

#endif
