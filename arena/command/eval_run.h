/* Runs or resumes an evaluation for `arena eval`, and waits for its end: inside the process that
 * owns the data directory where there is one, else as the owner itself. Ctrl-C ends the calls under
 * way and leaves the run to be resumed; a second one leaves at once. */
#ifndef ARENA_COMMAND_EVAL_RUN_H
#define ARENA_COMMAND_EVAL_RUN_H

#include <stdbool.h>

#include "base/err.h"
#include "store/store.h"

struct eval_order {
    const char *data, *config; /* config NULL: the data directory's */
    const char *spec;          /* a file; NULL: `resume` */
    const char *folder;        /* where the spec's relative paths start; NULL: the spec's own */
    const char *resume;        /* an id */
    bool retry_failed, quiet;
};

/* Gives the run's id once it has one ("" else). False: it could not begin; how it went is in the
 * store. */
bool eval_run_order(const struct eval_order *order, char id[STORE_ID_SIZE], struct err *err);

#endif
