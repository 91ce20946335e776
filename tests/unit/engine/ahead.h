/* The CPU's backend in a device's manners: it takes a second step while the first is under way,
 * reads lists of tokens and pages at submit alone, and finds out what a slice follows when the step
 * before has drawn. So the scheduler's steps ahead can be held to the CPU's own answers, bit for
 * bit. */
#ifndef TESTS_ENGINE_AHEAD_H
#define TESTS_ENGINE_AHEAD_H

#include "engine/model.h"
#include "testing.h"

enum { AHEAD_SLICES = 64, AHEAD_PAGES = 64, AHEAD_TOKENS = 512 };

struct ahead_step {
    const struct backend_step *wanted;
    struct backend_slice slices[AHEAD_SLICES];
    int32_t tokens[AHEAD_TOKENS], pages[AHEAD_SLICES][AHEAD_PAGES];
    int32_t last[AHEAD_SLICES]; /* what each slice drew last */
};

/* One model's; all on the scheduler's thread. */
struct ahead {
    const struct backend_ops *cpu;
    struct backend_ops ops;
    struct ahead_step steps[2];
    int oldest, count;
    unsigned long followed; /* slices that followed a draw */
    int fail_after;         /* steps until one fails; 0: none does */
};

static struct ahead ahead;

static bool ahead_submit(struct backend_model *model, const struct backend_step *step,
                         struct engine_error *error)
{
    struct ahead_step *made = &ahead.steps[(ahead.oldest + ahead.count) % 2];
    int at = 0;
    (void)model, (void)error;
    assert_in_range(ahead.count, 0, 1);
    assert_in_range(step->count, 1, AHEAD_SLICES);
    made->wanted = step;
    for (int i = 0; i < step->count; i++) {
        struct backend_slice *slice = &made->slices[i];
        *slice = step->slices[i];
        int pages = (slice->position + slice->count + CACHE_BLOCK - 1) / CACHE_BLOCK;
        assert_in_range(pages, 1, AHEAD_PAGES);
        assert_in_range(at + slice->count, 1, AHEAD_TOKENS);
        memcpy(made->pages[i], slice->pages, (size_t)pages * sizeof *slice->pages);
        slice->pages = made->pages[i];
        if (slice->tokens) {
            memcpy(made->tokens + at, slice->tokens, (size_t)slice->count * sizeof *slice->tokens);
        } else {
            assert_int_equal(ahead.count, 1);
            assert_int_equal(slice->count, 1);
            assert_in_range(slice->follows, 0, ahead.steps[ahead.oldest].wanted->count - 1);
        }
        if (slice->tokens)
            slice->tokens = made->tokens + at;
        at += slice->count;
    }
    ahead.count++;
    return true;
}

static bool ahead_wait(struct backend_model *model, struct engine_error *error)
{
    struct ahead_step *step = &ahead.steps[ahead.oldest];
    struct ahead_step *before = &ahead.steps[!ahead.oldest];
    struct backend_step run = {step->slices, step->wanted->count};
    ahead.oldest = !ahead.oldest;
    ahead.count--;
    if (ahead.fail_after && !--ahead.fail_after) {
        error->code = ENGINE_DEVICE;
        snprintf(error->message, sizeof error->message, "lost");
        return false;
    }
    for (int i = 0; i < run.count; i++)
        if (!step->slices[i].tokens) {
            step->slices[i].tokens = &before->last[step->slices[i].follows];
            ahead.followed++;
        }
    if (!ahead.cpu->submit(model, &run, error) || !ahead.cpu->wait(model, error))
        return false;
    for (int i = 0; i < run.count; i++) {
        struct backend_slice *slice = &step->slices[i];
        step->wanted->slices[i].made_count = slice->made_count;
        if (slice->made_count)
            step->last[i] = slice->made[slice->made_count - 1];
    }
    return true;
}

/* Before the model's first request. */
static inline void ahead_take(struct engine_model *model)
{
    struct backend *backend = model->backend->backend;
    ahead = (struct ahead){.cpu = backend->ops, .ops = *backend->ops};
    ahead.ops.submit = ahead_submit;
    ahead.ops.wait = ahead_wait;
    backend->ops = &ahead.ops;
    model->backend->on_device = true;
}

#endif
