/* Every expression is symmetric in the two lanes: swapping them swaps nothing in the result. And
 * while something of the shorter text is still to be shown, none asks whether a lane has ended or
 * how much more the other has: those differ between a long answer of the fast one and of the slow
 * one, and would be the leak that tests/bench/blindness.py measures. */
#include "battle/pacer.h"

#include <math.h>

void pacer_init(struct pacer *pacer)
{
    *pacer = (struct pacer){.pace = PACER_WHOLE};
}

void pacer_expect(struct pacer *pacer, double usual, bool whole)
{
    pacer->usual = fmin(usual, PACER_MOST);
    pacer->whole = whole;
}

bool pacer_open(struct pacer *pacer, const struct pacer_supply supply[2])
{
    bool begun[2];
    for (int i = 0; i < 2; i++)
        begun[i] = supply[i].characters || supply[i].ended;
    pacer->open |= begun[0] && begun[1];
    return pacer->open;
}

static size_t longest(const struct pacer_supply supply[2])
{
    return supply[0].characters > supply[1].characters ? supply[0].characters
                                                       : supply[1].characters;
}

static size_t shortest(const struct pacer_supply supply[2])
{
    return supply[0].characters + supply[1].characters - longest(supply);
}

/* How far the showing may go: to the end of what both have, or, once that is a whole answer, of
 * the other. */
static size_t reach(const struct pacer_supply supply[2])
{
    size_t least = shortest(supply);
    for (int i = 0; i < 2; i++)
        if (supply[i].ended && supply[i].characters == least)
            return longest(supply);
    return least;
}

/* The mean rate, taken when something came and at no other time: an end that is told late
 * changes nothing. */
static void measure(struct pacer *pacer, const struct pacer_supply supply[2])
{
    size_t least = shortest(supply);
    if (pacer->ticks == 0)
        pacer->first = pacer->least = least;
    if (least > pacer->least && pacer->ticks >= PACER_SURE)
        pacer->rate = (double)(least - pacer->first) / (double)pacer->ticks;
    pacer->least = least;
    /* one tick's grace: an end comes a moment after the last of its text */
    pacer->whole |= !(pacer->usual > 0) && pacer->ticks < 2 && supply[0].ended && supply[1].ended;
    pacer->ticks++;
}

static double speed(const struct pacer *pacer)
{
    bool measured = pacer->rate > 0, known = pacer->usual > 0;
    if (!measured)
        return known ? pacer->usual : PACER_WHOLE;
    return known ? fmin(pacer->usual, fmax(pacer->rate, pacer->usual / PACER_FALLS)) : pacer->rate;
}

static double next_pace(const struct pacer *pacer)
{
    double gently = fmin((double)pacer->ticks / PACER_RAMP, 1);
    double steady = fmax(speed(pacer) * PACER_FOLLOW * gently, PACER_LEAST);
    if (pacer->whole)
        return pacer->pace * PACER_GROWTH;
    if (pacer->shown >= pacer->least)
        return steady;
    return fmax(steady, (double)(pacer->least - pacer->shown) / PACER_HORIZON * gently);
}

size_t pacer_tick(struct pacer *pacer, const struct pacer_supply supply[2])
{
    if (!pacer->open)
        return 0;
    measure(pacer, supply);
    size_t limit = reach(supply), waiting = limit > pacer->shown ? limit - pacer->shown : 0;
    pacer->pace = next_pace(pacer);
    pacer->credit += pacer->pace;
    size_t count = pacer->credit < (double)waiting ? (size_t)pacer->credit : waiting;
    pacer->credit = fmin(pacer->credit - (double)count, 1);
    pacer->shown += count;
    return count;
}

bool pacer_finished(const struct pacer *pacer, const struct pacer_supply supply[2])
{
    return pacer->open && supply[0].ended && supply[1].ended && pacer->shown >= longest(supply);
}
