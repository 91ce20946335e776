/* The health figures of battles that left memory before they were over: kept until they are over by
 * their age, and counted then.
 *
 * Whether somebody votes meanwhile makes no difference, so figures never move before a battle is
 * over. At most LIMIT_BATTLES_OVERDUE; past that, and without memory, figures are missing. Loop's
 * thread only. */
#ifndef ARENA_BATTLE_OVERDUE_H
#define ARENA_BATTLE_OVERDUE_H

#include "battle/battle.h"

struct overdue {
    struct overdue_battle *first;
    size_t count;
};

/* Takes the notes of a battle that is about to leave memory and still waits for its vote. */
void overdue_keep(struct overdue *overdue, struct battle *battle);

/* Counts what is over at this time (clock_wall_ms). */
void overdue_count(struct overdue *overdue, int64_t now_ms);

void overdue_done(struct overdue *overdue);

#endif
