/* The pacer: how much of both answers may be shown, and when, so that the showing tells nothing
 * of who answers.
 *
 * Nothing is shown before both lanes have begun. From then on one clock ticks for both, and at
 * each tick the same number of characters of either is released (fewer only where a text has
 * ended). That number is a symmetric function of the two supplies: while both come in it follows
 * the slower, smoothed over PACER_HORIZON ticks; when one has ended and the other has not, it
 * stays at the pace reached before, so that no jump tells which of the two was waited for; when
 * both are there it grows by PACER_GROWTH a tick, so that nobody reads long behind a text that
 * is finished.
 *
 * Pure: no clock, no lane, no text; a function of the supplies at the ticks. */
#ifndef ARENA_BATTLE_PACER_H
#define ARENA_BATTLE_PACER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"

#define PACER_TICK_NS (50 * CLOCK_MS) /* 20 updates a second read as one flow */
#define PACER_HORIZON 6   /* ticks over which what has come is spread: hides the supply's bursts */
#define PACER_START 5.0   /* characters a tick before anything is known: about 25 tokens/s */
#define PACER_GROWTH 1.15 /* 3,000 characters that wait are out in 2 s */

/* What has come in of one lane. */
struct pacer_supply {
    size_t characters;
    bool ended;
};

struct pacer {
    bool open;    /* both lanes have begun */
    size_t shown; /* characters that either lane may have shown */
    double pace;  /* characters a tick, smoothed */
};

void pacer_init(struct pacer *pacer);

/* True as soon as both lanes have a first character or have ended; stays true. */
bool pacer_open(struct pacer *pacer, const struct pacer_supply supply[2]);

/* One tick: adds to `shown` and returns how much was added (0: the slower lane has nothing new). */
size_t pacer_tick(struct pacer *pacer, const struct pacer_supply supply[2]);

/* Both ended and all of both shown. */
bool pacer_finished(const struct pacer *pacer, const struct pacer_supply supply[2]);

#endif
