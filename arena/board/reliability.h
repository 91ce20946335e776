/* How reliable each model is, beside the board: battles that it made void, that it was swapped
 * out of, answers refused or cut off. No function of the votes. Counted over battles that are
 * over and not skipped, so that nothing here tells who answers in a battle under way. One owner. */
#ifndef ARENA_BOARD_RELIABILITY_H
#define ARENA_BOARD_RELIABILITY_H

#include "base/json.h"
#include "board/render.h"
#include "board/stored.h"
#include "store/competitors.h"

/* it is counted anew at most this often: that reads every battle */
#define RELIABILITY_SECONDS 60

struct reliability {
    struct incident_count *list; /* of versions that have battled */
    char **names;                /* of each, as the board labels them (stored_label) */
    size_t count;
    int64_t read_ns, cost_ns; /* when it was counted, how long that took; 0: never */
};

void reliability_done(struct reliability *reliability);

/* Counts anew where that is due: after RELIABILITY_SECONDS, and a hundred times what counting
 * costs. */
bool reliability_refresh(struct reliability *reliability, struct db *db, struct err *err);

/* [{"model","battles","voids","void_rate","swaps","swap_rate","answers","refusals",
 * "refusal_rate","length_stops"}] of every model that has battled, voted on or not. A rate is null
 * where there is nothing to divide by. */
void reliability_write(const struct reliability *reliability, struct json_out *out,
                       const char *key);

/* The same as a table of text, Markdown or HTML; nothing where no model has battled here. */
void reliability_draw(const struct reliability *reliability, struct buf *out,
                      enum render_format format);

#endif
