/* The pairs of an adaptive run, chosen in waves: the first connects everybody, each further one
 * takes the pairs that shrink the intervals most by the votes so far (rating/pairing.h).
 *
 * A pair of models meets on the prompts in an order of its own, which follows from the spec's seed,
 * so that a run which is resumed goes on as it would have. Loop's thread. */
#ifndef ARENA_EVAL_WAVES_H
#define ARENA_EVAL_WAVES_H

#include "eval/plan.h"
#include "rating/tally.h"

bool waves_first(struct eval_plan *plan, struct err *err);

/* Adds the next wave; `tally`: the votes so far, its models being the sides. `added` 0: there are
 * as many pairs as were asked for, or no more are possible. */
bool waves_next(struct eval_plan *plan, const struct tally *tally, size_t *added, struct err *err);

#endif
