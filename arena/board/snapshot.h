/* A board as it is handed out: JSON and its compressed form, immutable, counted. Made on a
 * worker, then the loop's. */
#ifndef ARENA_BOARD_SNAPSHOT_H
#define ARENA_BOARD_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "board/reliability.h"
#include "board/stored.h"

/* One board as it was after the votes up to `seq`. */
struct live_snapshot {
    struct text json; /* the object of design.md, section 6, with what stands beside it (aside.h) */
    struct text bare; /* without that: what is kept as history and can be computed again */
    struct text gzip; /* the same, compressed; empty where that gains nothing */
    char etag[40];    /* quoted, as the header wants it; the same exactly as long as `json` is */
    int64_t seq;
    uint64_t votes;
    size_t holds;
};

/* Returns new with one hold, or NULL with `err`. Takes the board's JSON out of `json`; `votes`
 * are what it was made of, `reliability` stands beside it. */
struct live_snapshot *live_snapshot_new(struct buf *json, const struct stored_votes *votes,
                                        const struct reliability *reliability, struct err *err);

struct live_snapshot *
live_hold(struct live_snapshot *snapshot);         /* returns the same, with one hold more */
void live_release(struct live_snapshot *snapshot); /* NULL is allowed */

#endif
