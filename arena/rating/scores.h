/* What one vote says: the gradient of its log-likelihood under each method, for clustered
 * intervals. Pure. */
#ifndef ARENA_RATING_SCORES_H
#define ARENA_RATING_SCORES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rating/ballot.h"
#include "rating/cluster.h"
#include "rating/contextual.h"
#include "rating/tie.h"

/* All borrowed. Model k of the ballots is map[k] of the fit; a ballot with a negative one has no
 * score. */
struct scores {
    const int32_t *map;
    const double *theta;
    size_t models;
    const double *weight; /* of a pair's vote, models x models; NULL: 1 */
    const double *power;  /* scores_bradley_terry: e^theta of each model */
    enum tie_model tie;   /* scores_tie */
    const struct contextual_data
        *data;           /* scores_contextual: row k is the k-th ballot that takes part */
    const uint32_t *row; /* its row of each ballot */
};

/* Of the shape that struct cluster_scores wants; `context` is a struct scores. The first two look
 * at nothing but the vote's models and outcome. */
bool scores_bradley_terry(const void *context, const struct ballot *vote, size_t ballot,
                          struct cluster_score *score, double *extra);
bool scores_tie(const void *context, const struct ballot *vote, size_t ballot,
                struct cluster_score *score, double *extra);
bool scores_contextual(const void *context, const struct ballot *vote, size_t ballot,
                       struct cluster_score *score, double *extra);

#endif
