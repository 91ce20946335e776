#include "command/spender.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/spending.h"

enum { DAY_MS = 86400000 };

/* One name's sum: what is on its way to the disk, and what came since. */
struct sum {
    struct spender *spender;
    char *name;
    struct {
        int64_t day;
        double usd;
    } writing, wanted;
    bool under_way, again;
    struct sum *next;
};

struct spender {
    struct store *store;
    struct sum *first;
};

static bool apply(struct db *tx, void *data, struct err *err)
{
    const struct sum *sum = data;
    return spending_set(tx, sum->writing.day, sum->name, sum->writing.usd, err);
}

static void write_sum(struct sum *sum);

static void done(void *data, const struct err *err)
{
    struct sum *sum = data;
    sum->under_way = false;
    if (err->code != ERR_NONE)
        log_warning("budget", "what %s cost could not be written down: %s",
                    *sum->name ? sum->name : "the day", err->message);
    if (sum->again)
        write_sum(sum);
}

static void write_sum(struct sum *sum)
{
    struct err err = ERR_INIT;
    struct store_job job = {apply, done, sum};
    sum->again = false;
    sum->writing.day = sum->wanted.day;
    sum->writing.usd = sum->wanted.usd;
    sum->under_way = store_submit(sum->spender->store, &job, &err);
    if (!sum->under_way)
        done(sum, &err);
}

static struct sum *find(struct spender *spender, const char *name)
{
    for (struct sum *at = spender->first; at; at = at->next)
        if (strcmp(at->name, name) == 0)
            return at;
    struct sum *sum = calloc(1, sizeof *sum);
    if (!sum || !(sum->name = strdup(name))) {
        free(sum);
        return NULL;
    }
    sum->spender = spender;
    sum->next = spender->first;
    return spender->first = sum;
}

static void moved(void *user, const struct budget *budget)
{
    struct sum *sum = find(user, budget->name);
    if (!sum)
        return;
    sum->wanted.day = budget->day;
    sum->wanted.usd = budget->spent_usd + budget->held_usd;
    if (sum->under_way)
        sum->again = true;
    else
        write_sum(sum);
}

struct restoring {
    struct roster *roster;
    int64_t day;
};

static bool restore_one(void *user, const char *name, double usd, struct err *err)
{
    const struct restoring *restoring = user;
    return roster_restore_budget(restoring->roster, name, restoring->day, usd, err);
}

static bool restore(struct roster *roster, const struct store *store, struct err *err)
{
    struct restoring restoring = {roster, clock_wall_ms() / DAY_MS};
    struct db *db = store_read_open(store_dir(store), err);
    bool ok = db && spending_each(db, restoring.day, restore_one, &restoring, err);
    db_close(db);
    return ok;
}

struct spender *spender_new(struct roster *roster, struct store *store, struct err *err)
{
    struct spender *spender = calloc(1, sizeof *spender);
    if (!spender) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    spender->store = store;
    if (restore(roster, store, err) && roster_watch_budgets(roster, moved, spender, err))
        return spender;
    free(spender);
    return NULL;
}

void spender_free(struct spender *spender)
{
    while (spender && spender->first) {
        struct sum *sum = spender->first;
        spender->first = sum->next;
        free(sum->name);
        free(sum);
    }
    free(spender);
}
