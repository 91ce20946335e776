/* Voters whose votes boards leave out from a time on, with who decided it and why.
 *
 * The votes stay, in the ledger and in exports; a board says up to which row of this list it has
 * heard, so that it can be computed again whatever is decided later. Rows are appended: the newest
 * of a voter holds, and one without a time takes the exclusion back. Writing is inside a store
 * job; reading is on any thread with its own reader. */
#ifndef ARENA_STORE_EXCLUSIONS_H
#define ARENA_STORE_EXCLUSIONS_H

#include "store/store.h"

#define EXCLUSION_TAKEN_BACK (-1)

struct exclusion_record {
    int64_t id;    /* given by the store */
    int64_t voter; /* the voter's number: that of `arena leaderboard --voters` */
    char voter_id[STORE_ID_SIZE];
    int64_t from_ms;          /* votes cast at it or later (0: all); EXCLUSION_TAKEN_BACK */
    const char *note, *actor; /* why; a voter's id, or "command line" */
    int64_t at_ms;
    bool told; /* its voter may know of it, and appeal */
};

/* Fills `id`, and `voter` from `voter_id` where it is 0. ERR_NOT_FOUND for a voter that there is
 * not; ERR_BAD_REQUEST without a note. Goes into the audit log too. */
bool exclusions_add(struct db *tx, struct exclusion_record *record, struct err *err);

/* The number of the voter with this id; ERR_NOT_FOUND. */
bool exclusions_voter(struct db *db, const char *voter, int64_t *number, struct err *err);

/* What the voter of this id is told: the exclusion that holds, where it is one that is told of.
 * `record->note` and `actor` stay NULL: they are the operator's. */
bool exclusions_told(struct db *db, const char *voter, struct exclusion_record *record, bool *found,
                     struct err *err);

/* The id of the newest row; 0: none. */
bool exclusions_last(struct db *db, int64_t *id, struct err *err);

/* What holds when rows up to `up_to` are known, by voter; those taken back are left out. Borrowed
 * for the call; stops when `each` returns false. */
bool exclusions_each(struct db *db, int64_t up_to,
                     bool (*each)(void *user, const struct exclusion_record *record), void *user,
                     struct err *err);

#endif
