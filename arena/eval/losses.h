/* The prompts that a model lost on, as the specification of a run that asks them again; with as
 * many that it did not lose on, so that what gets better by chance alone can be told apart.
 *
 * Prompts that were to stay in-house, private battles and erased texts are left out. Blocking. */
#ifndef ARENA_EVAL_LOSSES_H
#define ARENA_EVAL_LOSSES_H

#include <jansson.h>

#include "base/err.h"
#include "store/db.h"

struct losses_options {
    const char *model; /* a competitor's name, any version of it */
    const char *judge; /* who judges the new run: as "judge" of a specification */
    int votes_of;      /* enum judge_kind: whose votes say what was lost; -1: anybody's */
    int64_t most;      /* prompts lost, and as many others */
    bool (*known)(void *user, const char *name); /* is it configured? Others are left out */
    void *user;
};

/* Returns a new specification, or NULL with `err`: ERR_NOT_FOUND where nothing was lost. */
json_t *losses_spec(struct db *db, const struct losses_options *options, struct err *err);

#endif
