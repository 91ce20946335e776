/* A team of compute threads for loops over ranges. Each thread has a run of neighbouring pieces,
 * which it takes in order (memory is read in long streams), then takes what is left of others'.
 *
 * Made for hundreds of short loops a step: workers spin for some microseconds after a loop, then
 * sleep on a futex; a loop never waits for a worker that has not begun, so that one asleep or
 * preempted costs nothing but its help. A thread that waits asks the caches for what it will read
 * next, where the caller has said what that is. Workers run at a lower priority (nice 5) than the
 * thread that made them: the event loop comes first.
 *
 * One thread at a time calls threads_for. Limit: THREADS_MAX. */
#ifndef ENGINE_THREADS_H
#define ENGINE_THREADS_H

#include "engine/engine.h"

enum { THREADS_MAX = 256, THREADS_NICE = 5 };

struct threads;

/* Works on the items [first, last); `thread` is 0 for the caller, else the worker's number. */
typedef void threads_work(void *context, int first, int last, int thread);

/* `count` 0: one a core this process may use. Returns new. */
struct threads *threads_new(int count, struct engine_error *error);

/* Joins the workers. No loop may be running. */
void threads_free(struct threads *threads);

int threads_count(const struct threads *threads);

/* Calls `work` for pieces of `grain` items (more where there would be too many pieces; the last may
 * be shorter) that together are [0, items), and returns when all are done. What a piece wrote is
 * then visible to the caller and to all later pieces. */
void threads_for(struct threads *threads, int items, int grain, threads_work *work, void *context);

/* What `thread` is likely to read after the next loop: it fetches that while it waits. Stays until
 * said otherwise; only the addresses matter. */
void threads_read_ahead(struct threads *threads, int thread, const void *from, size_t bytes);

/* Pieces [first, last) of `pieces` that `thread` has at the start of a loop. */
void threads_share(const struct threads *threads, int thread, int pieces, int *first, int *last);

/* Lowers the calling thread's priority as the workers' is. */
void threads_lower_priority(void);

#endif
