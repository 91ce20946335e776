/* What a run is made of, for the files that move it: run.c (its life), run_step.c (from one answer
 * to the next), run_progress.c (what it tells). Loop's thread. */
#ifndef ARENA_EVAL_RUN_WORK_H
#define ARENA_EVAL_RUN_WORK_H

#include "competitor/roster.h"
#include "eval/ask.h"
#include "eval/call.h"
#include "eval/keep.h"
#include "eval/run.h"

/* One thing that is asked; calls[k] belongs to ask.call[k]. */
struct task {
    struct run *run;
    struct ask ask;
    struct call call[2];
    int pending;          /* calls that are not over */
    bool failed;          /* an answer cannot be had */
    bool starved;         /* our own engine was full: it is asked again */
    bool began;           /* a call was made for it */
    struct task *next;    /* in its side's ready line, or in a batch */
    struct task **link;   /* that points to it among those with calls under way */
    struct task *younger; /* the next of these */
};

/* The work of one competitor, of one judge, or of the queue. */
struct work {
    uint32_t first, last;            /* what waits: conversations, or pairs */
    struct task *ready, **ready_end; /* prepared, to be asked */
    int under_way;                   /* tasks taken from the line and not over */
    int64_t done, failed, reused, calls, retries, in_flight;
    double spent_usd;
};

struct run {
    struct run_options options;
    struct eval_plan plan;
    struct run_state state;
    struct run_past past;
    struct work sides[LIMIT_EVAL_SIDES], judges[LIMIT_EVAL_JUDGES], queue;
    struct task *asked; /* with calls under way */
    struct db *db;      /* the workers' */
    struct loop_timer tick, again;
    int batches; /* with a worker: 0 or 1 */
    int keeping; /* store jobs that are not answered */
    bool stopping, ending, waving;
    char why[256]; /* it stops; "": it runs to its end */
    int64_t begun_ns, calls, malformed, disagreements, votes, queued, pairs_failed, wanted;
    double spent_usd, held_usd;
    struct err worker_err;
    size_t wave;
};

/* --- run.c --- */
void run_pump(struct run *run); /* starts whatever can be started, or ends the run */
double run_active_s(const struct run *run);

/* --- run_step.c --- */
struct work *run_work(struct run *run, bool judges, size_t place);
struct work *run_work_of(struct run *run, const struct ask *ask);
void run_enqueue_from(struct run *run, size_t pair); /* what waits because of this pair and later */
uint32_t run_line_pop(struct run *run, bool judges, size_t place);
void run_queue_pairs(struct run *run); /* as many as may be with the writer at once */
/* All of the task's calls are over, or were known: moves the state on, frees the task. */
void run_task_over(struct task *task);

#endif
