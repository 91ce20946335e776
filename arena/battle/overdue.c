/* A list in no order: it is looked through twice a minute at most, and its end is rarely near. */
#include "battle/overdue.h"

#include <stdlib.h>

#include "base/limits.h"
#include "competitor/health.h"

struct overdue_battle {
    int64_t due_ms;
    struct battle_note *notes; /* owned */
    size_t count;
    struct overdue_battle *next;
};

void overdue_keep(struct overdue *overdue, struct battle *battle)
{
    if (battle->story.state != BATTLE_READY || !battle->note_count ||
        overdue->count >= LIMIT_BATTLES_OVERDUE)
        return;
    struct overdue_battle *kept = malloc(sizeof *kept);
    if (!kept)
        return;
    *kept =
        (struct overdue_battle){battle->story.created_ms + LIMIT_BATTLE_HOURS * INT64_C(3600000),
                                battle->notes, battle->note_count, overdue->first};
    overdue->first = kept;
    overdue->count++;
    battle->notes = NULL;
    battle->note_count = 0;
}

static void drop(struct overdue *overdue, struct overdue_battle **link)
{
    struct overdue_battle *kept = *link;
    *link = kept->next;
    overdue->count--;
    free(kept->notes);
    free(kept);
}

void overdue_count(struct overdue *overdue, int64_t now_ms)
{
    struct overdue_battle **link = &overdue->first;
    while (*link) {
        struct overdue_battle *kept = *link;
        if (kept->due_ms > now_ms) {
            link = &kept->next;
            continue;
        }
        for (size_t i = 0; i < kept->count; i++)
            health_count(kept->notes[i].health, &kept->notes[i].fact);
        drop(overdue, link);
    }
}

void overdue_done(struct overdue *overdue)
{
    while (overdue->first)
        drop(overdue, &overdue->first);
}
