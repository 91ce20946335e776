/* Keys for /v1: who may use the in-house model from a program, how often and how much.
 *
 * The table lives in memory on the loop's thread, filled from the store at start-up and written
 * through; a request finds its key by the digest of the secret, without touching the disk.
 * Limits: LIMIT_API_KEYS keys. */
#ifndef ARENA_PEOPLE_KEYS_H
#define ARENA_PEOPLE_KEYS_H

#include "people/tokens.h"
#include "store/api_keys.h"

#define KEY_PREFIX "arena-" /* so that a secret scanner knows one when it sees it */
#define KEY_LENGTH (sizeof KEY_PREFIX - 1 + TOKEN_LENGTH)

struct keys;
struct key; /* one of the table's; borrowed until the next call that adds or revokes */

/* Reads the stored keys through a connection of its own: call at start-up. Borrows `store`. */
struct keys *keys_new(struct store *store, struct err *err);
void keys_free(
    struct keys *keys); /* after the store's last answers have run on the loop; NULL is allowed */

/* --- administration --- */
struct key_wish {
    const char *name, *organisation, *contact;   /* the last two may be NULL */
    int64_t requests_per_minute, tokens_per_day; /* 0: no limit */
    int64_t days;                                /* until it expires; 0: never */
    int64_t expires_ms;                          /* the same as a time, where it is known; 0 */
    const char *actor;                           /* for the audit log */
};

/* In three steps, for whoever has more to do in the same job: make (any thread), store (the
 * writer), then let it in (the loop). The secret is shown once and stored nowhere. */
struct key_made {
    struct api_key_record record;
    char secret[KEY_LENGTH + 1], actor[STORE_ID_SIZE];
};
bool keys_make(struct key_made *made, const struct key_wish *wish, struct err *err);
bool keys_store(struct db *tx, const struct key_made *made, struct err *err);
bool keys_room(const struct keys *keys, struct err *err); /* for one more? Ask before making it */
bool keys_admit_new(struct keys *keys, const struct key_made *made, struct err *err);
void keys_made_done(struct key_made *made); /* wipes the secret */

/* `reply` comes exactly once, on the loop: with the secret, which is shown once and stored
 * nowhere, and the key's id; or with NULLs and why not. */
void keys_create(struct keys *keys, const struct key_wish *wish,
                 void (*reply)(void *user, const char *secret, const char *id,
                               const struct err *err),
                 void *user);

/* Takes effect at once, in memory; `reply` comes when it is stored too. */
void keys_revoke(struct keys *keys, const char *id, const char *actor,
                 void (*reply)(void *user, const struct err *err), void *user);

/* --- use --- */

/* From the text of "Authorization: Bearer …": ERR_UNAUTHORIZED when unknown, revoked or expired,
 * ERR_TOO_MANY when its requests a minute or its tokens a day are used up (*retry_after_s, which
 * may be NULL). Counts one request. */
const struct key *keys_admit(struct keys *keys, struct text secret, int *retry_after_s,
                             struct err *err);

const char *key_id(const struct key *key);

/* What a request used: counted in memory at once and in the store soon. `id` as key_id gave it:
 * the key itself may be gone by then. */
void keys_spent(struct keys *keys, const char *id, int64_t input_tokens, int64_t output_tokens);

#endif
