/* A publication: the moment of the store whose boards voters see where live figures are not for
 * everybody.
 *
 * It names the last vote, the versions and the store's lists as they stood, so that any board of
 * then can be made at any time after; what stands beside a board and is no function of the votes
 * is kept as it was. Made on a worker, immutable, counted on the loop. Limit: one row a
 * publication; the newest is in memory. */
#ifndef ARENA_BOARD_PUBLICATION_H
#define ARENA_BOARD_PUBLICATION_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "board/blinding.h"
#include "board/published.h"
#include "store/publications.h"

struct publication {
    int64_t id, at_ms;         /* id: 0 until it is stored */
    int64_t seq;               /* the last vote; 0: there was none */
    uint8_t hash[DIGEST_SIZE]; /* the ledger's there */
    int64_t versions;
    int judge; /* whose votes, where nobody says */
    struct stored_marks marks;
    struct blinding blinding;
    char *reliability, *tagger; /* JSON, as boards show them; tagger NULL: nobody tags */
    size_t holds;
};

/* The store as it is now. Returns new with one hold, or NULL with `err`. Blocks. */
struct publication *publication_take(struct db *db, struct err *err);

/* Makes it the one that holds, with its row in the audit log. In a job of the writer. */
bool publication_store(struct db *tx, struct publication *publication, const char *actor,
                       const char *note, struct err *err);

/* The newest; *out NULL where nothing was published yet. */
bool publication_newest(struct db *db, struct publication **out, struct err *err);

struct publication *publication_hold(struct publication *publication); /* NULL stays NULL */
void publication_release(struct publication *publication);             /* NULL is allowed */

/* The votes that a board of it has; NULL: of before the first one, which has none. Fills in what
 * `published` leaves open. */
void publication_filter(const struct publication *publication, struct published *published,
                        bool any_judge, struct stored_filter *out);

/* {"id","at_ms","votes"}, votes being all that the ledger had; or null. */
void publication_write(const struct publication *publication, struct json_out *out,
                       const char *key);

#endif
