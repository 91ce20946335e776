/* What a plan can come to at most: calls, tokens, money, before anything was asked. Pure. */
#ifndef ARENA_EVAL_BOUNDS_H
#define ARENA_EVAL_BOUNDS_H

#include "competitor/roster.h"
#include "eval/plan.h"

struct eval_bounds {
    int64_t calls;
    double input_tokens, output_tokens;
    double usd;    /* NaN: no price is known; 0 for our own engine */
    bool uncapped; /* no "max_tokens" anywhere: its answers end where the model ends */
};

/* Of a competitor, or of a judge, at its place. A byte is counted as a token: no tokenizer makes
 * more. ERR_BAD_REQUEST where the roster has no such competitor. */
bool eval_bounds_of(struct eval_bounds *bounds, const struct eval_plan *plan,
                    const struct roster *roster, bool judge, size_t place, struct err *err);

#endif
