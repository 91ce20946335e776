/* The parts of a report, for the files that draw it: what is computed once (report.c), the tables
 * (report_tables.c), the JSON (report_json.c), the pages of single prompts (report_pages.c). */
#ifndef ARENA_EVAL_REPORT_PARTS_H
#define ARENA_EVAL_REPORT_PARTS_H

#include "eval/report.h"
#include "eval/sheet.h"
#include "eval/stand.h"

#define REPORT_CATEGORIES 64

/* [STAND_JUDGES], [STAND_PEOPLE]; NULL where nobody of them voted. */
struct report {
    struct results results;
    struct leaderboard *board[2], *at_length[2];
    const char *categories[REPORT_CATEGORIES];
    size_t category_count;
};

extern const char *const REPORT_RATERS[2]; /* "judges", "people" */

/* A board as a table of the page. */
void report_board(const struct leaderboard *board, struct sheet *sheet);
void report_tables(const struct report *report, enum sheet_form form, struct buf *out);
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
