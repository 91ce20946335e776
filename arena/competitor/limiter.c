#include "competitor/limiter.h"

#include <stdlib.h>

#include "base/clock.h"

enum { START = 20, MOST = 200 };

struct queue {
    struct limiter_waiter *first, **last;
};

struct limiter {
    struct loop *loop;
    struct loop_timer timer; /* the cooldown's end */
    struct queue queue[2];   /* [1]: the background */
    bool growing;            /* no provider has said that it is too much yet */
    int64_t cooling_until;
    int inside, waiting;
    double limit;
    int64_t shrunk_at; /* answers to requests sent before that say nothing new */
};

/* Places for those of the background, or for the others. A limit of a few is shared by all. */
static int places(const struct limiter *limiter, bool background)
{
    int limit = (int)limiter->limit;
    return background && limit > 2 * LIMITER_KEPT_FREE ? limit - LIMITER_KEPT_FREE : limit;
}

static void admit_first(struct limiter *limiter, struct queue *queue)
{
    struct limiter_waiter *waiter = queue->first;
    queue->first = waiter->next;
    if (!queue->first)
        queue->last = &queue->first;
    waiter->waiting = false;
    limiter->waiting--;
    limiter->inside++;
    waiter->admitted(waiter->user);
}

static void admit(struct limiter *limiter)
{
    if (limiter->waiting && limiter->cooling_until > clock_mono_ns() &&
        loop_timer_start(limiter->loop, &limiter->timer, limiter->cooling_until))
        return; /* without memory for that nobody would wake those who wait */
    for (int k = 0; k < 2; k++)
        while (limiter->queue[k].first && limiter->inside < places(limiter, k == 1))
            admit_first(limiter, &limiter->queue[k]);
}

static void cooled(void *user)
{
    admit(user);
}

struct limiter *limiter_new(struct loop *loop)
{
    struct limiter *limiter = calloc(1, sizeof *limiter);
    if (!limiter)
        return NULL;
    limiter->loop = loop;
    limiter->timer = (struct loop_timer){.expired = cooled, .user = limiter};
    for (int k = 0; k < 2; k++)
        limiter->queue[k].last = &limiter->queue[k].first;
    limiter->limit = START;
    limiter->growing = true;
    return limiter;
}

void limiter_free(struct limiter *limiter)
{
    if (!limiter)
        return;
    loop_timer_stop(limiter->loop, &limiter->timer);
    free(limiter);
}

void limiter_join(struct limiter *limiter, struct limiter_waiter *waiter)
{
    struct queue *queue = &limiter->queue[waiter->background];
    waiter->next = NULL;
    waiter->waiting = true;
    *queue->last = waiter;
    queue->last = &waiter->next;
    limiter->waiting++;
    admit(limiter);
}

void limiter_quit(struct limiter *limiter, struct limiter_waiter *waiter)
{
    if (!waiter->waiting)
        return;
    struct queue *queue = &limiter->queue[waiter->background];
    struct limiter_waiter **link = &queue->first;
    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
    if (!*link)
        queue->last = link;
    waiter->waiting = false;
    limiter->waiting--;
}

void limiter_leave(struct limiter *limiter, enum limiter_outcome outcome)
{
    int64_t now = clock_mono_ns();
    limiter->inside--;
    if (outcome == LIMITER_GOOD)
        limiter->limit += limiter->growing ? 2 : 1 / limiter->limit;
    if (limiter->limit > MOST)
        limiter->limit = MOST;
    limiter->growing = limiter->growing && outcome != LIMITER_TOO_MUCH;
    if (outcome == LIMITER_TOO_MUCH && now - limiter->shrunk_at > CLOCK_S) {
        limiter->limit = limiter->limit * 0.8 < 1 ? 1 : limiter->limit * 0.8;
        limiter->shrunk_at = now;
    }
    admit(limiter);
}

void limiter_cool_down(struct limiter *limiter, int64_t until)
{
    if (until > limiter->cooling_until)
        limiter->cooling_until = until;
}

struct limiter_figures limiter_figures(const struct limiter *limiter)
{
    return (struct limiter_figures){(int)limiter->limit, limiter->inside, limiter->waiting,
                                    limiter->cooling_until};
}
