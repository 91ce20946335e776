/* Queries come in pieces, since all queries of a piece read a key once. Spans cost room for their
 * parts and a loop over rows before them (their queries must be in place), so they are used only
 * where whole pieces would leave threads without work, and as far as the room goes. */
#include "engine/attention.h"

#include <stdlib.h>

enum {
    QUERY_CHUNK = 32,   /* queries of a piece */
    ENOUGH = 4,         /* whole pieces a thread: even enough */
    PARTS_MAX = 1 << 13 /* 131,072 positions under 32 heads */
};

bool attention_plan_init(struct attention_plan *plan, int heads, int kv_heads, int head_dim,
                         int rows, int threads)
{
    size_t pieces = (size_t)(rows + rows / QUERY_CHUNK + 1) * (size_t)kv_heads,
           part = kernel_attention_part(head_dim);
    *plan = (struct attention_plan){
        .heads = heads,
        .kv_heads = kv_heads,
        .threads = threads,
        .part = part,
        .tasks = calloc(pieces + PARTS_MAX, sizeof *plan->tasks),
        .piece = calloc(PARTS_MAX, sizeof *plan->piece),
        .parts = aligned_alloc(KERNEL_ALIGNMENT, PARTS_MAX * part * sizeof *plan->parts),
    };
    return plan->tasks && plan->piece && plan->parts;
}

void attention_plan_done(struct attention_plan *plan)
{
    free(plan->tasks);
    free(plan->piece);
    free(plan->parts);
}

static int pieces_of(const struct attention_plan *plan, const struct backend_step *step)
{
    int count = 0;
    for (int s = 0; s < step->count; s++)
        count += (step->slices[s].count + QUERY_CHUNK - 1) / QUERY_CHUNK * plan->kv_heads;
    return count;
}

/* `whole` as one task, or as one a span if there is more than one and room for all of them. */
static void add_piece(struct attention_plan *plan, struct attention_task whole, int spans)
{
    size_t rows =
        (size_t)(whole.last - whole.first) * (size_t)(plan->heads / plan->kv_heads) * (size_t)spans;
    if (spans == 1 || plan->rows + rows > PARTS_MAX) {
        plan->tasks[plan->count++] = whole;
        return;
    }
    whole.piece = plan->pieces++;
    struct attention_piece *piece = &plan->piece[whole.piece];
    piece->spans = spans;
    piece->parts = plan->parts + plan->rows * plan->part;
    atomic_init(&piece->left, spans);
    plan->rows += rows;
    plan->shared = true;
    for (whole.span = 0; whole.span < spans; whole.span++)
        plan->tasks[plan->count++] = whole;
}

static void add_slice(struct attention_plan *plan, const struct backend_slice *slice, int number,
                      int first_row, bool cut)
{
    for (int kv_head = 0; kv_head < plan->kv_heads; kv_head++)
        for (int last = slice->count; last > 0;) { /* the costliest first */
            int first = (last - 1) / QUERY_CHUNK * QUERY_CHUNK,
                spans = (slice->position + last - 1) / KERNEL_KV_SPAN + 1;
            struct attention_task whole = {.slice = number,
                                           .first_row = first_row,
                                           .kv_head = kv_head,
                                           .first = first,
                                           .last = last,
                                           .span = -1};
            add_piece(plan, whole, cut ? spans : 1);
            last = first;
        }
    plan->shared |= slice->count > QUERY_CHUNK;
}

void attention_plan_begin(struct attention_plan *plan, const struct backend_step *step)
{
    bool cut = plan->threads > 1 && pieces_of(plan, step) < ENOUGH * plan->threads;
    plan->count = plan->pieces = 0;
    plan->rows = 0;
    plan->shared = false;
    for (int s = 0, row = 0; s < step->count; row += step->slices[s++].count)
        add_slice(plan, &step->slices[s], s, row, cut);
}

void attention_plan_run(struct attention_plan *plan, const struct attention_task *task,
                        const struct kernels *k, const struct kernel_attention *attention)
{
    if (task->span < 0) {
        k->attention(attention, task->kv_head, task->first, task->last);
        return;
    }
    struct attention_piece *piece = &plan->piece[task->piece];
    size_t rows = (size_t)(task->last - task->first) * (size_t)(plan->heads / plan->kv_heads);
    k->attention_span(attention, task->kv_head, task->first, task->last, task->span,
                      piece->parts + (size_t)task->span * rows * plan->part);
    if (atomic_fetch_sub(&piece->left, 1) > 1)
        return;
    atomic_store(&piece->left, piece->spans); /* for the next layer */
    k->attention_join(attention, task->kv_head, task->first, task->last, piece->spans,
                      piece->parts);
}
