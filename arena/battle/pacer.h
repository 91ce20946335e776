/* The pacer: how much of both answers may be shown, and when, so that the showing tells nothing
 * of who answers.
 *
 * Nothing is shown before both lanes have begun. From then on one clock ticks for both, and at
 * each tick the same number of characters of either is released (fewer only where a text has
 * ended). That both lanes move alike is not enough: lengths are known once the texts are read,
 * and a showing that hurries as soon as everything is there tells that the longer answer was the
 * fast one, while one that drags or falters tells that it was the slow one. So the pace is that of
 * the slower of the two as it is known from its earlier answers, or slower where this answer is:
 * begun gently, to get well behind what comes in, and kept past the end of the shorter text,
 * whether the rest is all there or still comes in. What was waited for until both had ended has no
 * rate to give away, and grows by PACER_GROWTH a tick.
 *
 * The price: the rest of a long answer beside a short one takes as long as the slower of the two
 * would have needed for it.
 *
 * Pure: no clock, no lane, no text; a function of the supplies at the ticks. */
#ifndef ARENA_BATTLE_PACER_H
#define ARENA_BATTLE_PACER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"

#define PACER_TICK_NS (50 * CLOCK_MS) /* 20 updates a second read as one flow */
/* ticks over which what waits is spread: the showing runs so far behind that neither bursts nor
 * the moment of an end come through */
#define PACER_HORIZON 30
#define PACER_RAMP 40     /* ticks until the full pace: that is how it gets behind */
#define PACER_FOLLOW 0.8  /* of the slower's rate: the one that still comes in keeps up */
#define PACER_SURE 20     /* ticks before a rate that is measured is believed */
#define PACER_FALLS 4     /* times slower than usual it may become by that */
#define PACER_LEAST 0.5   /* never slower while something waits: every showing ends */
#define PACER_MOST 150.0  /* characters a tick, however fast both are */
#define PACER_WHOLE 5.0   /* where no rate is known yet: about 25 tokens/s */
#define PACER_GROWTH 1.15 /* and 3,000 characters that are all there are out in 2 s */

/* What has come in of one lane. */
struct pacer_supply {
    size_t characters;
    bool ended;
};

struct pacer {
    bool open;           /* both lanes have begun */
    bool whole;          /* both had ended when they opened, and that tells nothing */
    double usual;        /* characters a tick, of the slower; 0: not known */
    size_t shown;        /* characters that either lane may have shown */
    size_t first, least; /* what both had brought at the first tick, and by now */
    size_t ticks;
    double rate;   /* characters a tick that the slower brings in this battle; 0: not known yet */
    double pace;   /* characters a tick that are shown */
    double credit; /* what is left of a character from the ticks before */
};

void pacer_init(struct pacer *pacer);

/* Before it opens. `usual`: characters a tick that the slower of the two is known for, 0: none is.
 * `whole`: both have ended, and were waited for so that the time of it tells nothing. */
void pacer_expect(struct pacer *pacer, double usual, bool whole);

/* True as soon as both lanes have a first character or have ended; stays true. */
bool pacer_open(struct pacer *pacer, const struct pacer_supply supply[2]);

/* One tick: adds to `shown` and returns how much was added (0: nothing is due). */
size_t pacer_tick(struct pacer *pacer, const struct pacer_supply supply[2]);

/* Both ended and all of both shown. */
bool pacer_finished(const struct pacer *pacer, const struct pacer_supply supply[2]);

#endif
