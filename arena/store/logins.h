/* How a voter signs in again: a name of its own choice and a password's hash (people/passwords.h
 * makes and checks it), both in the voter's row. A name opens one voter. */
#ifndef ARENA_STORE_LOGINS_H
#define ARENA_STORE_LOGINS_H

#include "store/store.h"
#include "store/voters.h"

#define LOGIN_HASH_SIZE 128

struct login {
    struct voter_record voter;
    char hash[LOGIN_HASH_SIZE]; /* "": no password is set */
};

/* A voter by its login name, or by its id. `found` false is no error. */
bool logins_by_name(struct db *db, const char *name, struct login *out, bool *found,
                    struct err *err);
bool logins_by_voter(struct db *db, const char *voter, struct login *out, struct err *err);

/* ERR_CONFLICT: the name opens another voter. */
bool logins_set(struct db *tx, const char *voter, const char *name, const char *hash,
                struct err *err);

#endif
