/* How a step's attention is cut into tasks that threads share: one a KV head of a slice and 32
 * queries, and where those are few, one a span of positions too, so that a long context keeps all
 * threads busy. Who finishes a piece's last span joins them. No cut changes a bit.
 *
 * The plan owns its tasks and the spans' parts. One thread calls attention_plan_begin; any number
 * call attention_plan_run, each with tasks of its own. */
#ifndef ENGINE_ATTENTION_H
#define ENGINE_ATTENTION_H

#include "engine/backend.h"
#include "kernels/kernels.h"

#include <stdatomic.h>

struct attention_task {
    int slice, first_row, kv_head, first, last; /* queries [first, last) of the slice */
    int span;                                   /* -1: all */
    int piece;                                  /* of its spans */
};

/* What the tasks of several spans have in common. */
struct attention_piece {
    atomic_int left;
    int spans;
    float *parts;
};

struct attention_plan {
    int count;   /* of tasks */
    bool shared; /* several tasks stand on the same rows and KV head */
    struct attention_task *tasks;

    int heads, kv_heads, threads, pieces;
    size_t part, rows; /* floats of a part; parts in use */
    struct attention_piece *piece;
    float *parts;
};

/* For steps of at most `rows` rows. False: no memory; done is due all the same. */
bool attention_plan_init(struct attention_plan *plan, int heads, int kv_heads, int head_dim,
                         int rows, int threads);
void attention_plan_done(struct attention_plan *plan);

void attention_plan_begin(struct attention_plan *plan, const struct backend_step *step);

/* `attention` is that of the task's slice in some layer. */
void attention_plan_run(struct attention_plan *plan, const struct attention_task *task,
                        const struct kernels *k, const struct kernel_attention *attention);

#endif
