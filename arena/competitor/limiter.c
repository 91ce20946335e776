#include "competitor/limiter.h"

#include <stdlib.h>

#include "base/clock.h"

enum { START = 20, MOST = 200 };

struct limiter {
    struct loop *loop;
    struct loop_timer timer; /* the cooldown's end */
    struct limiter_waiter *first, **last;
    int64_t cooling_until;
    int inside, waiting;
    double limit;
    int64_t shrunk_at; /* answers to requests sent before that say nothing new */
};

static void admit(struct limiter *limiter)
{
    int64_t now = clock_mono_ns();
    if (limiter->first && limiter->cooling_until > now) {
        loop_timer_start(limiter->loop, &limiter->timer, limiter->cooling_until);
        return;
    }
    while (limiter->first && limiter->inside < (int)limiter->limit) {
        struct limiter_waiter *waiter = limiter->first;
        limiter->first = waiter->next;
        if (!limiter->first)
            limiter->last = &limiter->first;
        waiter->waiting = false;
        limiter->waiting--;
        limiter->inside++;
        waiter->admitted(waiter->user);
    }
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
    limiter->last = &limiter->first;
    limiter->limit = START;
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
    waiter->next = NULL;
    waiter->waiting = true;
    *limiter->last = waiter;
    limiter->last = &waiter->next;
    limiter->waiting++;
    admit(limiter);
}

void limiter_quit(struct limiter *limiter, struct limiter_waiter *waiter)
{
    if (!waiter->waiting)
        return;
    struct limiter_waiter **link = &limiter->first;
    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
    if (!*link)
        limiter->last = link;
    waiter->waiting = false;
    limiter->waiting--;
}

void limiter_leave(struct limiter *limiter, enum limiter_outcome outcome)
{
    int64_t now = clock_mono_ns();
    limiter->inside--;
    if (outcome == LIMITER_GOOD && limiter->limit < MOST)
        limiter->limit += 1 / limiter->limit;
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
