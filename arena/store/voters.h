/* Voters and their sessions, as stored. A voter is a random id; what opens it (a session's
 * token) is stored only as a digest. Whether a voter may do something is the people room's
 * question. */
#ifndef ARENA_STORE_VOTERS_H
#define ARENA_STORE_VOTERS_H

#include "base/digest.h"
#include "store/consents.h"
#include "store/store.h"

/* Stored by number: append only. */
#define VOTER_KIND_MAP(X)                                                                          \
    X(VOTER_HUMAN, "human")                                                                        \
    X(VOTER_MODEL, "model")                                                                        \
    X(VOTER_IMPORTED, "imported")
enum voter_kind {
#define X(name, word) name,
    VOTER_KIND_MAP(X)
#undef X
};

#define VOTER_ROLE_MAP(X)                                                                          \
    X(ROLE_VOTER, "voter")                                                                         \
    X(ROLE_ANALYST, "analyst")                                                                     \
    X(ROLE_ADMIN, "admin")
enum voter_role {
#define X(name, word) name,
    VOTER_ROLE_MAP(X)
#undef X
};
const char *voter_role_word(enum voter_role role);
bool voter_role_from(const char *word, enum voter_role *role);

#define VOTER_NAME_SIZE 129 /* LIMIT_NAME_BYTES and a NUL */
#define VOTER_COHORT_SIZE 65

struct voter_record {
    int64_t number; /* given by the store */
    char id[STORE_ID_SIZE];
    enum voter_kind kind;
    enum voter_role role;
    char name[VOTER_NAME_SIZE];     /* "": none */
    char cohort[VOTER_COHORT_SIZE]; /* "": none */
    bool staff;                     /* boards with and without staff */
    int64_t created_ms;
};

/* `number` is not read. ERR_CONFLICT when the id is taken. */
bool voters_insert(struct db *tx, const struct voter_record *record, struct err *err);
bool voters_find(struct db *db, const char *id, struct voter_record *out,
                 struct err *err); /* ERR_NOT_FOUND */

/* Gives a person another role, cohort or standing (of `record` these three, and its id, are read).
 * ERR_NOT_FOUND. */
bool voters_change(struct db *tx, const struct voter_record *record, struct err *err);

/* The voter that stands for an outside name (a judge model, a voter of an imported file), made
 * where new. */
bool voters_named(struct db *tx, enum voter_kind kind, struct text name, int64_t now_ms,
                  int64_t *number, struct err *err);

/* --- sessions --- */
struct session_record {
    uint8_t token_hash[DIGEST_SIZE];
    struct voter_record voter;      /* only its id is read by voter_sessions_insert */
    struct consent consent;         /* not read by it */
    int64_t created_ms, expires_ms; /* expires 0: never */
};
bool voter_sessions_insert(struct db *tx, const struct session_record *record, struct err *err);
bool voter_sessions_revoke(struct db *tx, const uint8_t token_hash[DIGEST_SIZE], struct err *err);
bool voter_sessions_revoke_all(struct db *tx, const char *voter, struct err *err);
/* Those that are valid at `now_ms`, the newest first, at most `limit`. */
bool voter_sessions_each(struct db *db, int64_t now_ms, int64_t limit,
                         void (*each)(void *user, const struct session_record *record), void *user,
                         struct err *err);

#endif
