/* When both answers of a blind battle may be opened, so that the wait tells nothing of who answers.
 *
 * Where one of them sends its whole answer at once, the wait for it tells how long that answer is,
 * and with both lengths in view which of them it is: so both are waited for, and as long as if both
 * had said as much. Where both stream, the first text of both is enough (battle/pacer.h).
 *
 * A function of the battle as it stands; owns nothing, starts nothing. */
#ifndef ARENA_BATTLE_EVEN_H
#define ARENA_BATTLE_EVEN_H

#include "battle/battle.h"

struct even {
    int64_t due; /* not before this (clock_mono_ns); 0: now */
    double
        usual;  /* characters a tick that the slower of the two is known for; 0: one is not known */
    bool whole; /* both were waited for */
};

/* False while an end is still waited for. */
bool even_look(struct even *even, const struct battle *battle);

#endif
