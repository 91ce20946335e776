/* One query counts everything; it reads all battles, so it is not asked at every vote. */
#include "board/reliability.h"

#include <stdlib.h>

#include "base/clock.h"

void reliability_done(struct reliability *reliability)
{
    free(reliability->list);
    *reliability = (struct reliability){.list = NULL};
}

struct counting {
    struct reliability *into;
    size_t room;
    bool failed;
};

static void take(void *user, const struct incident_count *count)
{
    struct counting *counting = user;
    struct reliability *into = counting->into;
    if (into->count == counting->room) {
        size_t room = 2 * counting->room + 16;
        struct incident_count *list = realloc(into->list, room * sizeof *list);
        if (!list) {
            counting->failed = true;
            return;
        }
        into->list = list;
        counting->room = room;
    }
    into->list[into->count++] = *count;
}

bool reliability_refresh(struct reliability *reliability, struct db *db, struct err *err)
{
    int64_t now = clock_mono_ns(), pause = RELIABILITY_SECONDS * CLOCK_S;
    if (100 * reliability->cost_ns > pause)
        pause = 100 * reliability->cost_ns;
    if (reliability->read_ns && now - reliability->read_ns < pause)
        return true;
    struct reliability fresh = {.read_ns = now};
    struct counting counting = {.into = &fresh};
    bool good = incidents_each(db, take, &counting, err) &&
                (!counting.failed || err_set(err, ERR_MEMORY, "out of memory"));
    fresh.cost_ns = clock_mono_ns() - now;
    if (!good) {
        reliability_done(&fresh);
        return false;
    }
    reliability_done(reliability);
    *reliability = fresh;
    return true;
}

static const struct incident_count *find(const struct reliability *reliability, int64_t version)
{
    for (size_t i = 0; i < reliability->count; i++)
        if (reliability->list[i].version == version)
            return &reliability->list[i];
    return NULL;
}

void reliability_write(const struct reliability *reliability, const struct stored_votes *votes,
                       struct json_out *out, const char *key)
{
    json_put_open(out, key, '[');
    for (size_t k = 0; k < votes->models; k++) {
        const struct incident_count *count = find(reliability, votes->versions[k]);
        if (!count)
            continue;
        json_put_open(out, NULL, '{');
        json_put_cstring(out, "model", votes->names[k]);
        json_put_int(out, "battles", count->battles);
        json_put_int(out, "voids", count->voids);
        json_put_int(out, "swaps", count->swaps);
        json_put_int(out, "answers", count->answers);
        json_put_int(out, "refusals", count->refusals);
        json_put_int(out, "length_stops", count->lengths);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}
