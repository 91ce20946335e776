/* The battles that are in memory, found by their id: those that stream, and those lately asked
 * for. The others are in the store and come back when they are asked for. At most
 * LIMIT_BATTLES_LIVE; loop's thread only. */
#ifndef ARENA_BATTLE_RESIDENTS_H
#define ARENA_BATTLE_RESIDENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "battle/overdue.h"

struct op;

enum resident_settling { SETTLING_NO, SETTLING_READY, SETTLING_VOID };

/* A battle and who waits for it. While `busy`, one store job for it is under way: its story does
 * not change, and further requests wait in line. */
struct resident {
    struct battle *battle; /* owned */
    bool busy;
    bool opens;                      /* what is being stored makes it stream */
    bool stale;                      /* the store knows better: to be read anew */
    enum resident_settling settling; /* the turn ended; to be stored as soon as it is not busy */
    int settle_tries;
    struct loop_timer retry;
    struct op *first, *last; /* requests in line */
    size_t waiting;
    int64_t used_ns; /* last asked for */
    struct hall *hall;
    struct resident *next; /* of its bucket */
};

#define RESIDENT_BUCKETS 1024

struct residents {
    struct resident *bucket[RESIDENT_BUCKETS];
    size_t count;
    struct overdue overdue; /* of those that were removed before they were over */
};

struct resident *residents_find(const struct residents *residents,
                                const char *id); /* NULL: not in memory */

/* Takes the battle, which nobody else has under its id. NULL without memory (the battle is then
 * still the caller's). */
struct resident *residents_add(struct residents *residents, struct hall *hall,
                               struct battle *battle);

/* Frees it and its battle; nobody waits for it and it is not busy. */
void residents_remove(struct residents *residents, struct resident *resident);

/* Calls `visit` for each; it may remove the one it is called with. */
void residents_each(struct residents *residents,
                    void (*visit)(void *user, struct resident *resident), void *user);

/* May leave memory: the store knows all of it, and nobody looks at it. */
bool resident_is_idle(const struct resident *resident);

/* Makes room for one more by removing the idle one that was not asked for the longest; false
 * when none is idle. */
bool residents_make_room(struct residents *residents);

#endif
