/* Which pair to show next: probabilities that shrink the intervals that matter most.
 *
 * `pairing_spread` is the rule of the Chatbot Arena paper (eq. 9): a pair's chance is how much
 * one more vote would shrink the standard error of its win rate. `pairing_target` looks at one
 * model: how much one more vote on a pair would shrink the variance of its differences to all
 * others. Both are mixed with uniform chances, so that every pair can come up and a vote's
 * inverse probability is a bounded weight. The probability a pair was drawn with belongs in the
 * battle's record. Pure. */
#ifndef ARENA_RATING_PAIRING_H
#define ARENA_RATING_PAIRING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "rating/tally.h"

#define PAIRING_UNIFORM 0.1 /* share of the draws that is uniform */

/* probability[j (j - 1) / 2 + i] for i < j, summing to 1 over the pairs whose models are both
 * `active` (NULL: all). False (ERR_BAD_REQUEST) when fewer than two are. */
bool pairing_spread(double *probability, const struct tally *tally, const bool *active,
                    struct err *err);
bool pairing_target(double *probability, const struct tally *tally, const bool *active,
                    size_t target, struct err *err);

/* The pair that a uniform draw u in [0, 1) falls on. */
void pairing_pick(const double *probability, size_t models, double u, size_t *i, size_t *j);

#endif
