/* The parts of a report, for the files that draw it: what is computed once (report.c), the tables
 * (report_tables.c), the JSON (report_json.c), our own models (report_why.c), the pages of single
 * prompts (report_pages.c). */
#ifndef ARENA_EVAL_REPORT_PARTS_H
#define ARENA_EVAL_REPORT_PARTS_H

#include "eval/report.h"
#include "eval/sheet.h"
#include "eval/stand.h"
#include "store/eval_calls.h"

#define REPORT_CATEGORIES 64

/* [STAND_JUDGES], [STAND_PEOPLE]; NULL where nobody of them voted. */
struct report {
    struct results results;
    struct leaderboard *board[2], *at_length[2];
    const char *categories[REPORT_CATEGORIES];
    size_t category_count;
    struct eval_people people; /* how far their part is */
};

/* Everything that is computed; report_done frees it, also after a failure. */
bool report_load(struct report *report, struct db *db, const char *id, struct err *err);
void report_done(struct report *report);

extern const char *const REPORT_RATERS[2]; /* "judges", "people" */

/* A board as a table of the page. */
void report_board(const struct report *report, int who, struct sheet *sheet);

/* Their cells. */
void report_percent(struct sheet *sheet, double share);
void report_interval(struct sheet *sheet, double lower, double upper);
bool report_tables(const struct report *report, struct db *db, enum sheet_form form,
                   struct buf *out, struct err *err);
/* The boards and the tables as one JSON array. */
bool report_sheets(const struct report *report, struct db *db, struct buf *out, struct err *err);

/* "Why 13th?", of the run's votes alone: what our models did against each rival by category, and
 * what they lost. */
void report_why(const struct report *report, struct sheet *sheet);
void report_lost(const struct report *report, struct sheet *sheet);
void report_json(const struct report *report, struct buf *out);
/* Every prompt with all its answers side by side, to be linked to as #pN. */
bool report_pages(const struct report *report, struct db *db, struct buf *out, struct err *err);

/* Totals of a competitor's answers. */
struct report_totals {
    size_t answers, refused, cut, empty;
    int64_t input, output; /* -1: not all told */
    double cost_usd;       /* of all answers, whoever asked first; NaN: unknown */
    double first_p50, first_p95, total_p50, total_p95, characters;
};
bool report_totals(const struct results *results, size_t side, struct report_totals *out);

#endif
