/* What one vote says: the gradient of its log-likelihood under each method, for clustered
 * intervals. Pure. */
#ifndef ARENA_RATING_SCORES_H
#define ARENA_RATING_SCORES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rating/ballot.h"
#include "rating/contextual.h"
#include "rating/tie.h"

/* All borrowed. Model k of the ballots is map[k] of the fit; a ballot with a negative one has no
 * score. */
struct scores {
    const struct ballots *ballots;
    const int32_t *map;
    const double *theta;
    size_t models;
    const double *weight; /* of a pair's vote, models x models; NULL: 1 */
    const double *chance; /* scores_bradley_terry: that the row's model beats the column's, models x
                             models; NULL: worked out for each vote */
    enum tie_model tie;   /* scores_tie */
    const struct contextual_data
        *data;           /* scores_contextual: row k is the k-th ballot that takes part */
    const uint32_t *row; /* its row of each ballot */
};

/* Of the shape that struct cluster_scores wants; `context` is a struct scores. */
bool scores_bradley_terry(const void *context, size_t ballot, uint16_t *which, double *value);
bool scores_tie(const void *context, size_t ballot, uint16_t *which, double *value);
bool scores_contextual(const void *context, size_t ballot, uint16_t *which, double *value);

#endif
