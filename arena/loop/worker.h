/* A small pool of threads for what is pure or slow: refitting a board, password hashing, history
 * pages, exports.
 *
 * A job owns its data; `work` runs on a worker, then `done` on the loop's thread, always,
 * exactly once (`cancelled` is true when the pool was freed before the job could start). Workers
 * run at a lower priority than the loop. */
#ifndef ARENA_LOOP_WORKER_H
#define ARENA_LOOP_WORKER_H

#include <stdbool.h>

#include "base/err.h"
#include "loop/loop.h"

struct workers;

struct workers *workers_new(struct loop *loop, int threads, struct err *err);
/* Waits for running jobs, hands the waiting ones back as cancelled, joins the threads. `done`
 * callbacks are posted to the loop before this returns. NULL is allowed. */
void workers_free(struct workers *workers);

/* false (with ERR_BUSY) when LIMIT_WORKER_QUEUE jobs wait; nothing is called then. Loop's
 * thread. */
bool workers_submit(struct workers *workers, void (*work)(void *data),
                    void (*done)(void *data, bool cancelled), void *data, struct err *err);

#endif
