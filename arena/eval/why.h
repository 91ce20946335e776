/* "Why 13th?": a model against each rival and each version of its own: where it stands, its record
 * by category, the battles it lost with the voters' reasons, refusals and voids, and the settings
 * that each side ran with. From the stored votes; blocking. */
#ifndef ARENA_EVAL_WHY_H
#define ARENA_EVAL_WHY_H

#include "eval/sheet.h"
#include "store/db.h"

#define WHY_MAX (64u << 20)

struct why_options {
    const char *model; /* a competitor's name */
    int judge;         /* enum judge_kind; -1: any */
};

/* Appends it; SHEET_HTML is one page, with the lost battles side by side. ERR_NOT_FOUND. */
bool why_write(struct buf *out, struct db *db, const struct why_options *options,
               enum sheet_form form, struct err *err);

#endif
