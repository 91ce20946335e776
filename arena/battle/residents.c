/* A fixed table of buckets: the limit on battles is the number of buckets, so chains stay short
 * and nothing ever grows. / */
#include "battle/residents.h"

#include <stdlib.h>
#include <string.h>

/* Ids are random: any few of their characters spread well. */
static size_t bucket_of(const char *id)
{
    size_t sum = 0;
    while (*id)
        sum = sum * 31 + (unsigned char)*id++;
    return sum % RESIDENT_BUCKETS;
}

struct resident *residents_find(const struct residents *residents, const char *id)
{
    struct resident *at = residents->bucket[bucket_of(id)];
    while (at && strcmp(at->battle->story.id, id) != 0)
        at = at->next;
    return at;
}

struct resident *residents_add(struct residents *residents, struct hall *hall,
                               struct battle *battle)
{
    struct resident *resident = calloc(1, sizeof *resident);
    if (!resident)
        return NULL;
    struct resident **bucket = &residents->bucket[bucket_of(battle->story.id)];
    *resident = (struct resident){.battle = battle, .hall = hall, .next = *bucket};
    *bucket = resident;
    residents->count++;
    return resident;
}

void residents_remove(struct residents *residents, struct resident *resident)
{
    struct resident **link = &residents->bucket[bucket_of(resident->battle->story.id)];
    while (*link != resident)
        link = &(*link)->next;
    *link = resident->next;
    residents->count--;
    loop_timer_stop(resident->battle->host->loop, &resident->retry);
    overdue_keep(&residents->overdue, resident->battle);
    battle_free(resident->battle);
    free(resident);
}

void residents_each(struct residents *residents,
                    void (*visit)(void *user, struct resident *resident), void *user)
{
    for (size_t i = 0; i < RESIDENT_BUCKETS; i++) {
        struct resident *at = residents->bucket[i];
        while (at) {
            struct resident *next = at->next;
            visit(user, at);
            at = next;
        }
    }
}

bool resident_is_idle(const struct resident *resident)
{
    const struct battle *battle = resident->battle;
    return !resident->busy && !resident->waiting && !resident->settling && !battle->streaming &&
           (eventlog_viewers(battle->log) == 0 || eventlog_ended(battle->log));
}

static void oldest_idle(void *user, struct resident *resident)
{
    struct resident **oldest = user;
    if (resident_is_idle(resident) && (!*oldest || resident->used_ns < (*oldest)->used_ns))
        *oldest = resident;
}

bool residents_make_room(struct residents *residents)
{
    struct resident *oldest = NULL;
    if (residents->count < LIMIT_BATTLES_LIVE)
        return true;
    residents_each(residents, oldest_idle, &oldest);
    if (oldest)
        residents_remove(residents, oldest);
    return oldest != NULL;
}
