/* What the files of the hall share: hall.c (its battles' life), op.c (a request under way),
 * actions.c (what each request does). Nobody else includes this. Loop's thread only, but for
 * what a store job reads (see op.h). */
#ifndef ARENA_BATTLE_HALL_STATE_H
#define ARENA_BATTLE_HALL_STATE_H

#include "base/random.h"
#include "battle/battle.h"
#include "battle/hall.h"
#include "battle/lane.h"
#include "battle/residents.h"
#include "competitor/health.h"
#include "loop/loop.h"

struct hall {
    struct hall_options options;
    struct battle_host host;
    struct lane_gate gate;
    struct rng rng;
    struct residents residents;
    struct hall_figures figures;
    struct loop_timer sweep;
    size_t jobs; /* with the writer or a worker: each comes back to us */
    bool stopping, stopped_told;
    bool abandoned; /* freed with something still under way */
    void (*stopped)(void *user);
    void *stopped_user;
};

/* One job went out, came back. The last one back after hall_stop tells whoever waits. */
void hall_job_out(struct hall *hall);
void hall_job_back(struct hall *hall);

/* The resident's job is done: stores a turn that ended meanwhile, then serves those in line. */
void hall_unbusy(struct resident *resident);

/* Battles of a voter that stream or are about to. */
size_t hall_streaming_of(struct hall *hall, const char *voter);

/* Adds to the day's figures of those who stand in the battle. */
void hall_count_day(const struct hall *hall, const struct story *story, struct health_day add);

/* It is over: what was kept from those who vote is counted now. */
void hall_battle_over(const struct hall *hall, struct battle *battle);

/* Reads the roster, or only our own models of it, into an array of LIMIT_COMPETITORS; gives how
 * many. */
size_t hall_competitors(const struct hall *hall, bool in_house_only, struct competitor *list[]);

#endif
