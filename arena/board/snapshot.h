/* A board as it is handed out: JSON and its compressed form, immutable, counted. Made on a
 * worker, then the loop's. */
#ifndef ARENA_BOARD_SNAPSHOT_H
#define ARENA_BOARD_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/digest.h"
#include "board/aside.h"

/* One board as it was after the votes up to `seq`. */
struct live_snapshot {
    struct text json; /* the object of design.md, section 6, with what stands beside it (aside.h) */
    struct text bare; /* without that: what is kept as history and can be computed again */
    struct text filter;        /* what it was made of, with a NUL after it */
    uint8_t hash[DIGEST_SIZE]; /* of its last vote */
    struct text gzip;          /* the same, compressed; empty where that gains nothing */
    char etag[40]; /* quoted, as the header wants it; the same exactly as long as `json` is */
    int64_t seq;
    uint64_t votes;
    size_t holds;
};

/* What it is made of, and what stands beside it. */
struct live_making {
    const struct stored_votes *votes;
    const struct aside *aside;
    const struct leaderboard *board;
    struct text filter;  /* published.h's */
    const uint8_t *hash; /* of the last vote, DIGEST_SIZE bytes */
    struct text bare;    /* the board that is kept, where it is not the one that is shown */
};

/* Returns new with one hold, or NULL with `err`. Takes the board's JSON out of `json`. */
struct live_snapshot *live_snapshot_new(struct buf *json, const struct live_making *making,
                                        struct err *err);

struct live_snapshot *
live_hold(struct live_snapshot *snapshot);         /* returns the same, with one hold more */
void live_release(struct live_snapshot *snapshot); /* NULL is allowed */

#endif
