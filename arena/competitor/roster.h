/* The roster: every configured competitor, read from the configuration and opened (models
 * loaded, keys found), and how it changes while battles run.
 *
 * Owned by the loop's thread once opened; opening blocks (it loads models) and happens before
 * serving. A change is a plan: read and loaded off the loop, attached and committed on it, so that
 * the old roster stands until nothing can fail any more. A competitor whose row did not change
 * stays the same object, also where only its weight, caps, state or code name did; one that changed
 * or is gone leaves the roster, and is freed when the last
 * battle that holds it lets go (competitor_hold). */
#ifndef ARENA_COMPETITOR_ROSTER_H
#define ARENA_COMPETITOR_ROSTER_H

#include <jansson.h>

#include "base/err.h"
#include "competitor/budget.h"
#include "competitor/competitor.h"
#include "loop/loop.h"

struct roster;

struct roster_options {
    const char *folder; /* that relative paths start from: the config file's. Outlives the roster */
    const json_t *prices; /* prices of models whose rows have none, by "PROVIDER/MODEL"; NULL */
    const char *only;     /* open this competitor alone (arena chat); NULL: all */
    bool unopened;        /* read and check only: nobody can be asked (arena models list) */
    double budget_usd;    /* the most that remote competitors may cost a day; 0: no limit */
    int engine_threads;   /* 0: the engine's default */
    const char *device;   /* NULL: auto */
};

/* Reads "competitors" of a configuration object (already checked to be an object; NULL: the
 * default in-house pair, found in $ARENA_MODELS or ~/.cache/arena). The error names the
 * competitor and the key. */
struct roster *roster_open(struct loop *loop, const json_t *competitors,
                           const struct roster_options *options, struct err *err);
void roster_free(struct roster *roster); /* after every chat has ended */

/* Where the default pair's model is looked for: written to `out`, or borrowed from the
 * environment. */
const char *roster_default_folder(char *out, size_t size);

/* The default pair's rows with whole paths, for a configuration that goes on from them. Returns a
 * new reference. */
json_t *roster_default_rows(struct err *err);

size_t roster_count(const struct roster *roster);
struct competitor *roster_at(const struct roster *roster, size_t index);

/* roster_find for a name that somebody wrote: NULL with ERR_BAD_REQUEST, which tells the names that
 * there are. */
struct competitor *roster_need(const struct roster *roster, const char *name, struct err *err);
struct competitor *roster_find(const struct roster *roster, const char *name); /* NULL: nobody */

/* By what voters are told (competitor_shown_name): a model with a code name is not found by its
 * name. */
struct competitor *roster_find_shown(const struct roster *roster, const char *name);

/* --- changing it --- */
struct roster_plan;

/* Pure: any thread. `options` are those of the new configuration. */
struct roster_plan *roster_plan_new(struct roster *roster, const json_t *competitors,
                                    const struct roster_options *options, struct err *err);
/* How many of it could be drawn: active, with a weight. */
size_t roster_plan_drawable(const struct roster_plan *plan);
/* Loads the models that are new: blocks, any thread, one plan at a time. */
bool roster_plan_load(struct roster_plan *plan, struct err *err);
/* On the loop; the roster still stands as it is. */
bool roster_plan_attach(struct roster_plan *plan, struct err *err);
/* On the loop, after a successful attach: the plan is the roster now. Cannot fail. */
void roster_plan_commit(struct roster_plan *plan);
void roster_plan_free(struct roster_plan *plan); /* on the loop; NULL is allowed */

/* --- money --- */

/* Every budget's movements are told from now on; false without memory. */
bool roster_watch_budgets(struct roster *roster,
                          void (*moved)(void *user, const struct budget *budget), void *user,
                          struct err *err);
/* What an earlier process spent on a day (since 1970) for the competitor of this name; "" is all
 * of them. */
bool roster_restore_budget(struct roster *roster, const char *name, int64_t day, double usd,
                           struct err *err);

#endif
