/* The one thread that runs every model: admits requests, makes steps, hands out results.
 *
 * There is no prefill or decode phase: every request is a row of tokens whose computed part catches
 * up, under one budget of tokens a step. Decoding requests come first, one token each; what is left
 * of the budget goes to prompts in the order of admission. Admission is first come, first served
 * for each model; when KV pages run short the youngest request of that model gives its pages back
 * and is computed again later (its tokens are kept, so its answer does not change). A prompt whose
 * next page is just being computed by an older request waits for that page. Requests of the
 * background stand still while any other runs, are admitted after all others, and are the first to
 * give up places and pages. On a device a step is started while the one before it runs; a cancel
 * ends a request at once all the same.
 *
 * Submit, cancel and metrics may be called from any thread; the rest from the engine. */
#ifndef ENGINE_SCHEDULER_H
#define ENGINE_SCHEDULER_H

#include "engine/request.h"

struct scheduler;

enum { SCHEDULER_DEFAULT_RUNNING = 16, SCHEDULER_DEFAULT_QUEUE = 256, SCHEDULER_MAX_RUNNING = 256 };

/* Starts the thread. Limits of 0 mean the defaults. Returns new. */
struct scheduler *scheduler_new(int max_running, int max_queue, struct engine_error *error);

/* Ends every request (ENGINE_CANCELLED) and joins the thread. Returns the list of its models, now
 * the caller's. */
struct engine_model *scheduler_free(struct scheduler *scheduler);

/* Takes the model until scheduler_free or scheduler_remove_model. */
void scheduler_add_model(struct scheduler *scheduler, struct engine_model *model);

/* The model, to which nothing is submitted any more, is freed by the scheduler's thread when its
 * last request has ended. */
void scheduler_remove_model(struct scheduler *scheduler, struct engine_model *model);

/* Takes the request; returns its id, or 0 with `error` filled when the queue is full (the request
 * is freed then). */
uint64_t scheduler_submit(struct scheduler *scheduler, struct request *request,
                          struct engine_error *error);
void scheduler_cancel(struct scheduler *scheduler, uint64_t id);
void scheduler_metrics(struct scheduler *scheduler, struct engine_metrics *metrics);

#endif
