/* How sure the strengths are when every vote stands alone: sandwich covariances of theta in the
 * sum-to-zero gauge. Votes that share voters or prompts do not stand alone: cluster.h. Pure. */
#ifndef ARENA_RATING_INTERVAL_H
#define ARENA_RATING_INTERVAL_H

#include <stdbool.h>

#include "base/err.h"
#include "rating/bradley_terry.h"
#include "rating/dense.h"

/* Sandwich: K^-1 B K^-1, B the scores' outer products, votes independent; K^-1 where B is 0. */
bool interval_sandwich(struct matrix *covariance, const struct bt_pairs *pairs,
                       const struct bt_fit *fit, struct err *err);

/* The same with arena-rank's H + eps I instead of the exact gauge (eps 1e-5, times the votes when
 * unweighted). */
bool interval_sandwich_arena_rank(struct matrix *covariance, const struct bt_pairs *pairs,
                                  const struct bt_fit *fit, bool reweighted, struct err *err);

#endif
