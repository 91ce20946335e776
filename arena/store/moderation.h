/* Battles that somebody should look at: an answer gave its model away, or the vote was not counted.
 *
 * Only battles that are over, of voters who agreed to the notice, and none that was kept private.
 * Any thread with its own reader. */
#ifndef ARENA_STORE_MODERATION_H
#define ARENA_STORE_MODERATION_H

#include "store/battles.h"
#include "store/votes.h"

struct moderation_query {
    int64_t before, limit; /* battles' numbers; before 0: from the newest */
    const char *battle;    /* this one alone; NULL: all */
    bool all;              /* those without anything remarkable too */
    bool at_home;          /* nobody is asked to agree there */
};

/* Texts are borrowed for the call; data NULL: there is none. */
struct moderation_battle {
    struct battle_record battle; /* number, id, voter, state, mode, self_identified, created_ms */
    const char *cohort, *name_a, *name_b;
    bool voted; /* the rest only then */
    enum winner winner;
    enum vote_counted counted;
    struct text reasons, recognised; /* JSON */
    struct text comment;
};

/* Newest first. */
bool moderation_each(struct db *db, const struct moderation_query *query,
                     void (*each)(void *user, const struct moderation_battle *battle), void *user,
                     struct err *err);

#endif
