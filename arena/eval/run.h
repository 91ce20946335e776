/* One evaluation at work: takes the plan forward, call by call, until nothing is left to ask.
 *
 * Every conversation and every judgement stands in the line of the side that has to answer. A
 * batch is taken from the lines and prepared by a worker, which finds what the store knows
 * already; the rest is asked, as far as the budget's worst case allows. What came of a call counts
 * only once it is stored. Each competitor has at most a window of work under way; how many calls a
 * provider takes at once is its limiter's business (competitor/limiter.h).
 *
 * Loop's thread. The plan belongs to the run. */
#ifndef ARENA_EVAL_RUN_H
#define ARENA_EVAL_RUN_H

#include "eval/evals.h"
#include "eval/state.h"

struct run;

struct run_options {
    const struct evals_options *house; /* borrowed */
    int *own_calls;                    /* under way in our own engine, over all runs; borrowed */
    /* The run has ended and nothing of it is under way; the stored record says how. May free it. */
    void (*over)(struct run *run, void *user);
    void *user;
};

/* What a resumed run brings with it. */
struct run_past {
    int64_t calls, active_ms;
    double spent_usd;
    uint64_t *failed; /* beginnings of the keys that failed and are not to be asked again, sorted;
                         owned, taken by run_new */
    size_t failed_count;
};

/* Takes `plan` (stored already, its sides known) and begins. NULL with `err`: the plan is still the
 * caller's. */
struct run *run_new(struct eval_plan *plan, const struct run_past *past,
                    const struct run_options *options, struct err *err);
void run_free(struct run *run); /* after `over` */

/* Ends its calls; `over` follows. */
void run_stop(struct run *run, const char *why);

const char *run_id(const struct run *run);
const char *run_campaign(const struct run *run);
void run_figures(const struct run *run, struct evals_figures *out);

/* How far it is, as a JSON object: what stands in eval_runs.progress. */
bool run_progress(const struct run *run, struct buf *out);

#endif
