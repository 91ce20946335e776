/* A rate can be measured only of what streams, so a whole answer's time is that of its model's
 * earlier ones (competitor/tempo.h) or, where there are too few, what this one lets suppose. */
#include "battle/even.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"

/* What is taken for an answer that came whole, from whom nothing is known yet, and how long further
 * characters would have taken it at most: 50 tokens/s or so. */
#define WHOLE_WAIT_NS (CLOCK_S / 5)
#define WHOLE_PACE_NS (5 * CLOCK_MS)
#define EVEN_STEP_NS CLOCK_S /* so little off as what is drawn may be is lost in the rounding */

static const struct tempo *tempo_of(const struct battle *battle, int side)
{
    static const struct tempo UNKNOWN = {0};
    const struct competitor *competitor = battle->competitor[side];
    return competitor && competitor->health ? &competitor->health->tempo : &UNKNOWN;
}

static double usual_rate(const struct battle *battle)
{
    double slowest = 0, tick = (double)PACER_TICK_NS / (double)CLOCK_S;
    for (int i = 0; i < 2; i++) {
        if (!tempo_is_known(tempo_of(battle, i)))
            return 0;
        slowest = fmax(slowest, tempo_pace(tempo_of(battle, i)));
    }
    return tick / fmax(slowest, tick / PACER_MOST);
}

/* Before its tempo is known: an answer that came in one piece after a wait is the only sign. */
static bool came_late(const struct lane *lane)
{
    return lane->first_ns && lane->first_ns - lane->asked_ns > WHOLE_WAIT_NS;
}

static bool came_whole(const struct lane *lane)
{
    int64_t wait = lane->first_ns - lane->asked_ns;
    return lane->ended && came_late(lane) && lane->last_ns - lane->first_ns < wait / 10;
}

/* And a tick must tell whether the end comes with the beginning. */
static int64_t unsure_until(const struct battle *battle)
{
    int64_t until = 0;
    for (int i = 0; i < 2; i++) {
        const struct lane *lane = &battle->lane[i];
        bool unsure = !lane->ended && came_late(lane) && !tempo_is_known(tempo_of(battle, i));
        if (unsure && lane->first_ns + PACER_TICK_NS > until)
            until = lane->first_ns + PACER_TICK_NS;
    }
    return until;
}

static bool is_waited_for(const struct battle *battle, int side)
{
    const struct tempo *tempo = tempo_of(battle, side);
    return tempo_is_known(tempo) ? tempo_comes_whole(tempo) : came_whole(&battle->lane[side]);
}

/* When this lane would have ended, had it said as much as the longer one. */
static int64_t even_end(const struct battle *battle, int side, double chance)
{
    const struct lane *lane = &battle->lane[side], *other = &battle->lane[1 - side];
    const struct tempo *tempo = tempo_of(battle, side);
    if (other->characters <= lane->characters)
        return lane->ended_ns;
    if (tempo_is_known(tempo)) {
        double drawn = fmin(tempo_draw(tempo, other->characters, chance), LIMIT_TURN_SECONDS);
        bool begun = lane->first_ns && !tempo_comes_whole(tempo);
        return (begun ? lane->first_ns : lane->asked_ns) + (int64_t)(drawn * (double)CLOCK_S);
    }
    double more = (double)(other->characters - lane->characters), took = (double)lane->ended_ns;
    took = (took - (double)lane->asked_ns) / (double)(lane->characters + 1);
    return lane->ended_ns + (int64_t)(more * fmin(took, (double)WHOLE_PACE_NS));
}

static int64_t even_due(const struct battle *battle)
{
    struct rng rng;
    uint64_t seed;
    memcpy(&seed, battle->story.nonce, sizeof seed);
    rng_init(&rng, seed, battle->story.turn_count + (uint64_t)battle->regenerations);
    int64_t due = 0, both = 0;
    for (int i = 0; i < 2; i++) {
        int64_t end = even_end(battle, i, rng_uniform(&rng)), ended = battle->lane[i].ended_ns;
        due = end > due ? end : due;
        both = ended > both ? ended : both;
    }
    int64_t latest = both + LIMIT_EVEN_SECONDS * CLOCK_S, begun = battle->started_ns;
    int64_t steps = ((due < latest ? due : latest) - begun + EVEN_STEP_NS - 1) / EVEN_STEP_NS;
    return begun + steps * EVEN_STEP_NS;
}

bool even_look(struct even *even, const struct battle *battle)
{
    *even = (struct even){.usual = usual_rate(battle)};
    even->whole = is_waited_for(battle, 0) || is_waited_for(battle, 1);
    if (even->whole && (!battle->lane[0].ended || !battle->lane[1].ended))
        return false;
    even->due = even->whole ? even_due(battle) : unsure_until(battle);
    return true;
}
