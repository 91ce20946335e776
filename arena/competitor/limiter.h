/* How many requests may be under way with one key, and since when none may: shared by every
 * competitor that uses the key.
 *
 * An admission queue of our own (what waits inside libcurl burns its timeouts), first come first
 * served; who waits in the background goes last and leaves LIMITER_KEPT_FREE places to the others.
 * The number adapts: it triples with every full round of successes until the provider first says
 * that it is too much, then grows by one a round; each time it is too much it shrinks to four
 * fifths (AIMD). A cooldown holds everybody back until the provider's own delay has passed. Loop's
 * thread only. */
#ifndef ARENA_COMPETITOR_LIMITER_H
#define ARENA_COMPETITOR_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"

struct limiter;

#define LIMITER_KEPT_FREE 2 /* a battle's two lanes start at once, whatever else runs */

/* Embedded in whoever waits. */
struct limiter_waiter {
    void (*admitted)(void *user); /* it is your turn: give the place back with limiter_leave */
    void *user;
    bool background; /* nobody is looking: whoever is not goes first */
    struct limiter_waiter *next;
    bool waiting;
};

struct limiter *limiter_new(struct loop *loop); /* NULL without memory */
void limiter_free(struct limiter *limiter);     /* nobody may wait or be inside */

/* Joins the queue; `admitted` may be called before this returns. */
void limiter_join(struct limiter *limiter, struct limiter_waiter *waiter);
void limiter_quit(struct limiter *limiter,
                  struct limiter_waiter *waiter); /* leaves the queue; not waiting: nothing */

enum limiter_outcome { LIMITER_GOOD, LIMITER_TOO_MUCH, LIMITER_OTHER };
void limiter_leave(struct limiter *limiter, enum limiter_outcome outcome);

/* Nobody is admitted before `until` (clock_mono_ns); a later end stands. */
void limiter_cool_down(struct limiter *limiter, int64_t until);

struct limiter_figures {
    int limit, inside, waiting;
    int64_t cooling_until;
};
struct limiter_figures limiter_figures(const struct limiter *limiter);

#endif
