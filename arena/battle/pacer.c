/* Three regimes, by how many lanes have ended. Every expression is symmetric in the two lanes:
 * swapping them swaps nothing in the result, which is the whole of its blindness and what its
 * test checks. */
#include "battle/pacer.h"

#include <math.h>

void pacer_init(struct pacer *pacer)
{
    *pacer = (struct pacer){.pace = PACER_START};
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

/* How far the showing may go: to the end of the shortest text that still comes in, or of the
 * longest that has ended. */
static size_t reach(const struct pacer_supply supply[2])
{
    size_t least = longest(supply);
    for (int i = 0; i < 2; i++)
        if (!supply[i].ended && supply[i].characters < least)
            least = supply[i].characters;
    return least;
}

size_t pacer_tick(struct pacer *pacer, const struct pacer_supply supply[2])
{
    size_t limit = reach(supply), waiting = limit > pacer->shown ? limit - pacer->shown : 0;
    int ended = supply[0].ended + supply[1].ended;
    if (!pacer->open || !waiting)
        return 0;
    double step = ceil((double)waiting / PACER_HORIZON);
    if (ended == 0) {
        pacer->pace += (step - pacer->pace) / (2 * PACER_HORIZON);
    } else if (ended == 1) {
        step = fmin(step, ceil(fmax(pacer->pace, 1)));
    } else {
        pacer->pace = fmax(pacer->pace, 1) * PACER_GROWTH;
        step = ceil(pacer->pace);
    }
    size_t count = step < (double)waiting ? (size_t)step : waiting;
    pacer->shown += count;
    return count;
}

bool pacer_finished(const struct pacer *pacer, const struct pacer_supply supply[2])
{
    return pacer->open && supply[0].ended && supply[1].ended && pacer->shown >= longest(supply);
}
