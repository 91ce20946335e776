/* How far model judges and people agree, over the whole store: wherever both voted on the same
 * prompt and the same two versions, in whatever run, battle or imported file.
 *
 * Each vote of the one is compared with each of the other (FastChat's way); with ties, and without
 * the votes that are one. Blocking; memory is 32 bytes a vote. */
#ifndef ARENA_EVAL_ACCORD_H
#define ARENA_EVAL_ACCORD_H

#include "eval/bias.h"
#include "eval/sheet.h"
#include "store/db.h"

/* Fills the sheet: a row a judge, and one for people among themselves. False with `err`;
 * sheet_done in any case. */
bool accord_sheet(struct sheet *sheet, struct db *db, struct err *err);

#endif
