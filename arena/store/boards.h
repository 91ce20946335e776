/* Published boards: each with its filter, method version, data hash and seed, so that it can be
 * computed again. */
#ifndef ARENA_STORE_BOARDS_H
#define ARENA_STORE_BOARDS_H

#include "base/digest.h"
#include "store/store.h"

struct board_record {
    int64_t id;                     /* given by the store */
    const char *filter;             /* a JSON object */
    const char *method;             /* method and its version */
    uint8_t data_hash[DIGEST_SIZE]; /* the ledger's hash at last_seq, or the digest of what was
                                       counted */
    int64_t last_seq;               /* votes up to this one */
    int64_t seed;
    struct text json; /* the board itself */
    int64_t created_ms;
};
bool boards_insert(struct db *tx, const struct board_record *record, int64_t *id, struct err *err);

/* Is one of the same filter, method and votes there? */
bool boards_have(struct db *db, const struct board_record *record, bool *there, struct err *err);

/* Newest first, at most `limit` (0: all); borrowed for the call; stops when `each` returns
 * false. */
bool boards_each(struct db *db, int64_t limit,
                 bool (*each)(void *user, const struct board_record *record), void *user,
                 struct err *err);

/* Every board, those that count the same kind of votes one after the other, the earlier ones first:
 * whoever reads the votes for one has them for the next. */
bool boards_each_alike(struct db *db, bool (*each)(void *user, const struct board_record *record),
                       void *user, struct err *err);

#endif
