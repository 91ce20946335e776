/* Battles whose texts may not be exported before somebody has looked at them, and the list of
 * them. Whatever a battle holds that an export would tell is searched: prompts, answers, the
 * comment, the guess; by patterns (personal.h), and, where one is configured, by an in-house model
 * (finder.h), whose finds only add. Blocking; any thread with its own reader. */
#ifndef ARENA_EVAL_REVIEW_H
#define ARENA_EVAL_REVIEW_H

#include "eval/personal.h"
#include "eval/search.h"
#include "store/battle_rows.h"
#include "store/turns.h"

/* Bits of personal.h, of one turn. */
unsigned review_turn(const struct turn_record *turn);

/* What was found in a battle and its comment, and by whom; nothing where somebody released it. */
struct review_finds {
    unsigned patterns, model; /* bits of personal.h; either holds the texts back */
    bool unread;              /* a model is configured and has not looked yet */
};
bool review_needed(struct db *db, const struct battle_row *row, struct review_finds *found,
                   struct err *err);

struct review_query {
    int64_t after; /* battles' numbers above it */
    size_t limit;  /* of battles told */
    bool own;      /* as in export_options */
};

/* Held back and not decided yet, in the order of creation: those whose voters agreed to export.
 * Imported and private ones never go out anyway. `next`: where to go on, 0 at the end. */
bool review_each(struct db *db, const struct review_query *query,
                 void (*each)(void *user, const struct battle_row *row,
                              const struct review_finds *found),
                 void *user, int64_t *next, struct err *err);

/* The model's finds in a battle with the words that they stand for; `text` is borrowed. */
bool review_show(struct db *db, const struct battle_row *row,
                 void (*each)(void *user, const struct find_record *find, struct text text),
                 void *user, struct err *err);

#endif
