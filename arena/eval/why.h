/* "Why 13th?": a model against each rival and each version of its own: where it stands, its rating
 * and record by category, the battles it lost with the voters' reasons, refusals and voids, and the
 * settings that each side ran with. From the stored votes; blocking.
 *
 * What a voter keeps private is counted and never shown. */
#ifndef ARENA_EVAL_WHY_H
#define ARENA_EVAL_WHY_H

#include "base/json.h"
#include "eval/sheet.h"
#include "store/db.h"

#define WHY_MAX (64u << 20)
#define WHY_CATEGORIES 16    /* a board is fitted for each */
#define WHY_JUDGE_BOARD (-2) /* whose votes the board is of: people's where there are any */

struct why_options {
    const char *model;              /* a competitor's name */
    int judge;                      /* enum judge_kind; -1: any; WHY_JUDGE_BOARD */
    int64_t min_votes, daily_votes; /* the leaderboard's (board/live.h) */
};

/* Appends it; SHEET_HTML is one page, with the lost battles side by side. ERR_NOT_FOUND. */
bool why_write(struct buf *out, struct db *db, const struct why_options *options,
               enum sheet_form form, struct err *err);

/* The same tables, each an object, as the member "tables" of the object that is open. */
bool why_tables(struct json_out *out, struct db *db, const struct why_options *options,
                struct err *err);

/* Every version of the model and of the lab's other models, with what went wrong with it: a table
 * of a report, too. */
bool why_variants(struct sheet *sheet, struct db *db, const char *model, struct err *err);

/* The models that have voted battles, ours first, as the member "models": [{"name","in_house",
 * "votes"}]. */
bool why_models(struct json_out *out, struct db *db, struct err *err);

/* A page of the battles that the model lost, the newest first. */
struct why_lost {
    struct why_options of;
    const char *rival, *category; /* NULL: any */
    int64_t before;               /* votes' numbers; 0: from the newest */
    int limit;
};

/* Members "battles" and "next" (null: there are no more) of the object that is open. */
bool why_lost(struct json_out *out, struct db *db, const struct why_lost *wish, struct err *err);

/* One battle to be read side by side: its turns, who answered with what settings, and what its
 * voters said. Members of the object that is open. ERR_NOT_FOUND where there is none that was voted
 * on, or where it is kept private. */
bool why_battle(struct json_out *out, struct db *db, const char *battle, struct err *err);

#endif
