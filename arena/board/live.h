/* The board, kept current vote by vote.
 *
 * Tallies stand in memory, one per category; a committed vote moves them on the loop's thread, a worker refits (from a
 * copy, in milliseconds), and the loop swaps in a new snapshot: JSON rendered once, immutable, counted. While a fit runs
 * further votes wait for the next one, so any number of votes costs at most one fit at a time for each board shown.
 * The tallies are built from the stored votes by a worker at start, and could be rebuilt so at any time: nothing is
 * known here that the store does not know. Published snapshots are kept as `boards` records.
 *
 * Loop's thread only; snapshots too. Limits: LIMIT_BOARDS boards (category x style x method) are kept current. */
#ifndef ARENA_BOARD_LIVE_H
#define ARENA_BOARD_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct live;
struct loop;
struct workers;
struct store;

struct live_options {
    struct loop *loop;
    struct workers *workers;
    struct store *store;
    uint64_t min_votes; /* a model with fewer is listed as unranked */
};

/* One board as it was after `votes` votes. */
struct live_snapshot {
    struct text json;     /* the object of design.md, section 6 */
    struct text gzip;     /* the same, compressed; empty where that gains nothing */
    char etag[40];        /* quoted, as the header wants it; changes exactly when `json` does */
    uint64_t votes;
    size_t holds;
};

struct live *live_new(const struct live_options *options, struct err *err);
/* Reads the stored votes; votes told of meanwhile are not lost. `ready` is called once, with NULL or what failed. */
void live_start(struct live *live, void (*ready)(void *user, const struct err *err), void *user);
void live_free(struct live *live); /* after the workers are freed; snapshots held elsewhere live on */

/* A vote was committed. Names are competitors' names; `winner` one of the four words; `seq` its place in the ledger (a
 * vote told twice is counted once). */
struct live_vote {
    uint64_t seq;
    const char *model_a, *model_b;
    const char *winner;
    const char *category; /* NULL: only the overall board */
};
void live_vote(struct live *live, const struct live_vote *vote);

/* Which board. NULL members: the default (overall, bt). */
struct live_query {
    const char *category;
    const char *method; /* "bt" or "elo" */
    bool style;
};

/* Hands out the board with every vote that was told of before this call. `reply` is called exactly once: at once when
 * the board is current (the rule), else after the fit under way; a board whose fits take long is handed out as it
 * stands. The snapshot is borrowed for the call (live_hold keeps it); NULL with `err` for a category or method that
 * does not exist, or when the board could not be made. */
void live_ask(struct live *live, const struct live_query *query,
              void (*reply)(void *user, struct live_snapshot *snapshot, const struct err *err), void *user);

struct live_snapshot *live_hold(struct live_snapshot *snapshot); /* returns the same, with one hold more */
void live_release(struct live_snapshot *snapshot);               /* NULL is allowed */

/* For metrics. */
struct live_figures {
    uint64_t votes, fits;
    int64_t last_fit_ns;
    bool loading;
};
struct live_figures live_figures(const struct live *live);

#endif
