/* The roster: every configured competitor, read from the configuration and opened (models
 * loaded, keys found).
 *
 * Owned by the loop's thread once opened; opening blocks (it loads models) and happens before
 * serving. The same model file named twice is loaded once. A competitor is never freed while a
 * chat is under way. */
#ifndef ARENA_COMPETITOR_ROSTER_H
#define ARENA_COMPETITOR_ROSTER_H

#include <jansson.h>

#include "base/err.h"
#include "competitor/competitor.h"
#include "loop/loop.h"

struct roster;

struct roster_options {
    const char *folder; /* that relative paths start from: the config file's */
    const char *only;   /* open this competitor alone (arena chat); NULL: all */
    bool unopened;      /* read and check only: nobody can be asked (arena models list) */
    double budget_usd;  /* the most that remote competitors may cost a day; 0: no limit */
    int engine_threads; /* 0: the engine's default */
    const char *device; /* NULL: auto */
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

size_t roster_count(const struct roster *roster);
struct competitor *roster_at(const struct roster *roster, size_t index);
struct competitor *roster_find(const struct roster *roster, const char *name); /* NULL: nobody */

#endif
