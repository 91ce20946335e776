/* Invitations as stored: each opens the arena once. What an invitation grants and how its link
 * looks is the people room's; here is the rule that one use is one use. */
#ifndef ARENA_STORE_INVITATIONS_H
#define ARENA_STORE_INVITATIONS_H

#include "base/digest.h"
#include "store/store.h"
#include "store/voters.h"

#define INVITATION_ID_LENGTH                                                                       \
    12 /* the first hexadecimal digits of the token's hash: to list and to revoke */

struct invitation_record {
    uint8_t token_hash[DIGEST_SIZE];
    enum voter_role role;
    char cohort[VOTER_COHORT_SIZE]; /* "": none */
    bool staff;
    char note[VOTER_NAME_SIZE];     /* "": none */
    char for_voter[STORE_ID_SIZE];  /* another link for a voter that exists; "": makes a new one */
    int64_t created_ms, expires_ms; /* expires 0: never */
    int64_t used_ms, revoked_ms;    /* 0: not */
    char used_by[STORE_ID_SIZE];
};

bool invitations_insert(struct db *tx, const struct invitation_record *record, struct err *err);

/* Uses it up: gives what it grants, or says why not (unknown: ERR_NOT_FOUND; used, expired or
 * revoked: ERR_FORBIDDEN). Then tell who used it, in the same job. */
bool invitations_use(struct db *tx, const uint8_t token_hash[DIGEST_SIZE], int64_t now_ms,
                     struct invitation_record *out, struct err *err);
bool invitations_used_by(struct db *tx, const uint8_t token_hash[DIGEST_SIZE], const char *voter,
                         struct err *err);

/* `id`: the first INVITATION_ID_LENGTH digits. ERR_NOT_FOUND when no unused invitation has it. */
bool invitations_revoke(struct db *tx, const char *id, int64_t now_ms, struct err *err);

/* Newest first; borrowed for the call. */
bool invitations_each(struct db *db,
                      void (*each)(void *user, const struct invitation_record *record), void *user,
                      struct err *err);

#endif
