/* Keys for /v1 and what was used with them, as stored. A key's secret is stored only as a
 * digest. */
#ifndef ARENA_STORE_API_KEYS_H
#define ARENA_STORE_API_KEYS_H

#include "base/digest.h"
#include "store/store.h"
#include "store/voters.h"

struct api_key_record {
    char id[STORE_ID_SIZE]; /* names the key in lists; opens nothing */
    uint8_t token_hash[DIGEST_SIZE];
    char name[VOTER_NAME_SIZE];
    char organisation[VOTER_NAME_SIZE];          /* "": none */
    char contact[VOTER_NAME_SIZE];               /* "": none */
    int64_t requests_per_minute, tokens_per_day; /* 0: no limit */
    int64_t created_ms, expires_ms, revoked_ms;  /* 0: never, not */
};

bool api_keys_insert(struct db *tx, const struct api_key_record *record, struct err *err);
bool api_keys_revoke(struct db *tx, const char *id, int64_t now_ms,
                     struct err *err); /* ERR_NOT_FOUND: none open */

/* With what was used today (`day`); newest first; borrowed for the call. */
struct api_usage {
    int64_t requests, input_tokens, output_tokens;
};
bool api_keys_each(struct db *db, int64_t day,
                   void (*each)(void *user, const struct api_key_record *record,
                                const struct api_usage *today),
                   void *user, struct err *err);

/* What a key used on `day` and later, and the last day on which it did (0: never). */
bool api_keys_since(struct db *db, const char *id, int64_t day, struct api_usage *usage,
                    int64_t *last, struct err *err);

/* Adds to the key's day. */
bool api_keys_count(struct db *tx, const char *id, int64_t day, const struct api_usage *usage,
                    struct err *err);

int64_t api_day(int64_t wall_ms); /* Unix days, UTC */

#endif
