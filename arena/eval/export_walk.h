/* The way over the stored battles that the exports with texts share: filter, sieve, tags, labels,
 * progress. Inside eval/ only. */
#ifndef ARENA_EVAL_EXPORT_WALK_H
#define ARENA_EVAL_EXPORT_WALK_H

#include "eval/export.h"
#include "eval/export_tags.h"
#include "eval/version_labels.h"
#include "store/turns.h"

struct export_walk {
    struct db *db;
    const struct export_options *options;
    struct table *table;
    struct export_report *report;
    struct version_labels labels;
    struct export_tags tags;
    struct sieve_marks marks;
    const struct battle_row *row; /* the one at hand */
    bool (*each)(struct export_walk *walk);
    struct err err; /* set by a callback that gives up with false */
};

/* Calls `each` for every battle of the options' model and category; `voted_only` leaves out those
 * without a vote. The caller fills db, options, table and report, nothing else. */
bool export_walk_battles(struct export_walk *walk, bool voted_only,
                         bool (*each)(struct export_walk *walk), struct err *err);

/* The turns of the battle at hand. */
bool export_walk_turns(struct export_walk *walk,
                       bool (*each)(void *user, const struct turn_record *turn), void *user);

/* What a lane said: its text, or its refusal where it said nothing else. */
struct text export_text_said(const struct answer_record *answer);

#endif
