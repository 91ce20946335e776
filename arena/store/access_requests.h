/* Requests for early access, as stored: who asked, what was decided, and the key that came of
 * it. The requester holds a token that shows the state of the one request; only its digest is
 * stored. */
#ifndef ARENA_STORE_ACCESS_REQUESTS_H
#define ARENA_STORE_ACCESS_REQUESTS_H

#include "base/digest.h"
#include "store/store.h"
#include "store/voters.h"

#define ACCESS_REASON_SIZE 513
#define ACCESS_PURPOSE_SIZE 2049

struct access_request {
    char id[STORE_ID_SIZE];
    uint8_t token_hash[DIGEST_SIZE];
    char name[VOTER_NAME_SIZE], email[VOTER_NAME_SIZE], organisation[VOTER_NAME_SIZE];
    char purpose[ACCESS_PURPOSE_SIZE];
    char state[16];                  /* "pending", "waiting", "approved", "refused" */
    char reason[ACCESS_REASON_SIZE]; /* "": none */
    char key[STORE_ID_SIZE];         /* the key's id; "": not fetched */
    int64_t created_ms, decided_ms;  /* decided 0: not yet */
    /* what an approval grants, as in api_keys.h */
    int64_t requests_per_minute, tokens_per_day, key_expires_ms;
};

/* Starts as pending; what is decided later is not read. */
bool access_requests_insert(struct db *tx, const struct access_request *request, struct err *err);

/* How many wait for a decision. */
bool access_requests_open(struct db *db, int64_t *count, struct err *err);

/* What the requester may see. ERR_NOT_FOUND for an unknown token. */
bool access_requests_find(struct db *db, const uint8_t token_hash[DIGEST_SIZE],
                          struct access_request *out, struct err *err);

/* The place of a request among those of its state that wait for a decision; the first is 1. */
bool access_requests_place(struct db *db, const struct access_request *request, int64_t *place,
                           struct err *err);

/* "approved", "refused" (with a reason) or "waiting". ERR_WRONG_STATE when it is refused, or when
 * its key was fetched and stands: a revoked one can be granted anew. */
struct access_decision {
    const char *id, *state, *reason; /* reason NULL: none */
    int64_t requests_per_minute, tokens_per_day, key_expires_ms, now_ms;
};
bool access_requests_decide(struct db *tx, const struct access_decision *decision, struct err *err);

/* Notes the key that its holder fetched. ERR_WRONG_STATE unless it is approved and without one. */
bool access_requests_fetch(struct db *tx, const char *id, const char *key, struct err *err);

/* Oldest first, in one state (NULL: all), at most `limit`; borrowed for the call. */
bool access_requests_each(struct db *db, const char *state, int64_t limit,
                          void (*each)(void *user, const struct access_request *request),
                          void *user, struct err *err);

#endif
