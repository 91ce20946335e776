/* A lab gives out tens of keys, so the table is an array that is searched; comparing digests of
 * the secret in constant time tells nothing of the secret. The day's use is kept beside each key
 * and starts again at midnight UTC. */
#include "people/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "store/audit.h"

#define DAY_MS INT64_C(86400000)

struct key {
    struct api_key_record record;
    struct api_usage today;
    int64_t day;     /* that `today` is of */
    int64_t full_ns; /* token bucket of requests: when it will be full (people/rates.c) */
};

struct keys {
    struct store *store;
    size_t count;
    struct key list[LIMIT_API_KEYS];
};

static struct key *find_id(struct keys *keys, const char *id)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->list[i].record.id, id) == 0)
            return &keys->list[i];
    return NULL;
}

static void load_one(void *user, const struct api_key_record *record, const struct api_usage *today)
{
    struct keys *keys = user;
    if (record->revoked_ms == 0 && keys->count < LIMIT_API_KEYS)
        keys->list[keys->count++] =
            (struct key){.record = *record, .today = *today, .day = api_day(clock_wall_ms())};
}

struct keys *keys_new(struct store *store, struct err *err)
{
    struct keys *keys = calloc(1, sizeof *keys);
    struct db *db = keys != NULL ? store_read_open(store_dir(store), err) : NULL;
    if (keys == NULL)
        err_set(err, ERR_MEMORY, "no memory for the keys");
    else
        keys->store = store;
    bool good = db != NULL && api_keys_each(db, api_day(clock_wall_ms()), load_one, keys, err);
    db_close(db);
    if (good)
        return keys;
    free(keys);
    return NULL;
}

void keys_free(struct keys *keys)
{
    free(keys);
}

const char *key_id(const struct key *key)
{
    return key->record.id;
}

/* --- creating --- */

static bool copy_text(char *out, size_t size, const char *text, const char *what, struct err *err)
{
    size_t length = text != NULL ? strlen(text) : 0;
    if (length >= size)
        return err_set(err, ERR_BAD_REQUEST, "the key's %s is too long: at most %zu bytes", what,
                       size - 1);
    memcpy(out, text != NULL ? text : "", length + 1);
    return true;
}

bool keys_make(struct key_made *made, const struct key_wish *wish, struct err *err)
{
    struct api_key_record *record = &made->record;
    int64_t now = clock_wall_ms();
    *record = (struct api_key_record){.requests_per_minute = wish->requests_per_minute,
                                      .tokens_per_day = wish->tokens_per_day,
                                      .created_ms = now,
                                      .expires_ms = wish->expires_ms};
    if (wish->days > 0)
        record->expires_ms = now + wish->days * DAY_MS;
    random_id(record->id);
    memcpy(made->secret, KEY_PREFIX, sizeof KEY_PREFIX - 1);
    token_new(made->secret + sizeof KEY_PREFIX - 1);
    token_hash((struct text){made->secret + sizeof KEY_PREFIX - 1, TOKEN_LENGTH},
               record->token_hash);
    if (wish->name == NULL || wish->name[0] == '\0')
        return err_set(err, ERR_BAD_REQUEST, "a key needs a name: whose is it?");
    return copy_text(record->name, sizeof record->name, wish->name, "name", err) &&
           copy_text(record->organisation, sizeof record->organisation, wish->organisation,
                     "organisation", err) &&
           copy_text(record->contact, sizeof record->contact, wish->contact, "contact", err) &&
           copy_text(made->actor, sizeof made->actor, wish->actor, "creator", err);
}

bool keys_store(struct db *tx, const struct key_made *made, struct err *err)
{
    struct audit_record audit = {.at_ms = made->record.created_ms,
                                 .actor = made->actor,
                                 .act = "create key",
                                 .detail = made->record.id};
    return api_keys_insert(tx, &made->record, err) && audit_add(tx, &audit, err);
}

bool keys_room(const struct keys *keys, struct err *err)
{
    return keys->count < LIMIT_API_KEYS ||
           err_set(err, ERR_BUSY, "there are as many keys as can be used: revoke some");
}

bool keys_admit_new(struct keys *keys, const struct key_made *made, struct err *err)
{
    if (!keys_room(keys, err))
        return err_prefix(err, "the key is stored, but is let in after a restart alone");
    keys->list[keys->count++] =
        (struct key){.record = made->record, .day = api_day(clock_wall_ms())};
    return true;
}

void keys_made_done(struct key_made *made)
{
    secret_wipe(made->secret, sizeof made->secret);
}

struct creating {
    struct keys *keys;
    struct key_made made;
    void (*reply)(void *user, const char *secret, const char *id, const struct err *err);
    void *user;
};

static bool store_key(struct db *tx, void *data, struct err *err)
{
    return keys_store(tx, &((struct creating *)data)->made, err);
}

static void key_stored(void *data, const struct err *err)
{
    struct creating *creating = data;
    struct err why = *err;
    if (why.code == ERR_NONE && keys_admit_new(creating->keys, &creating->made, &why))
        creating->reply(creating->user, creating->made.secret, creating->made.record.id, &why);
    else
        creating->reply(creating->user, NULL, NULL, &why);
    keys_made_done(&creating->made);
    free(creating);
}

void keys_create(struct keys *keys, const struct key_wish *wish,
                 void (*reply)(void *user, const char *secret, const char *id,
                               const struct err *err),
                 void *user)
{
    struct err err = ERR_INIT;
    struct creating *creating = calloc(1, sizeof *creating);
    if (creating == NULL) {
        err_set(&err, ERR_MEMORY, "no memory for a key: try again");
        reply(user, NULL, NULL, &err);
        return;
    }
    creating->keys = keys;
    creating->reply = reply;
    creating->user = user;
    struct store_job job = {store_key, key_stored, creating};
    if (keys_make(&creating->made, wish, &err) && store_submit(keys->store, &job, &err))
        return;
    key_stored(creating, &err);
}

/* --- revoking --- */

struct revoking {
    char id[STORE_ID_SIZE], actor[STORE_ID_SIZE];
    int64_t now_ms;
    void (*reply)(void *user, const struct err *err);
    void *user;
};

static bool store_revocation(struct db *tx, void *data, struct err *err)
{
    struct revoking *revoking = data;
    struct audit_record audit = {.at_ms = revoking->now_ms,
                                 .actor = revoking->actor,
                                 .act = "revoke key",
                                 .detail = revoking->id};
    return api_keys_revoke(tx, revoking->id, revoking->now_ms, err) && audit_add(tx, &audit, err);
}

static void revocation_stored(void *data, const struct err *err)
{
    struct revoking *revoking = data;
    revoking->reply(revoking->user, err);
    free(revoking);
}

void keys_revoke(struct keys *keys, const char *id, const char *actor,
                 void (*reply)(void *user, const struct err *err), void *user)
{
    struct err err = ERR_INIT;
    struct key *key = find_id(keys, id);
    struct revoking *revoking = calloc(1, sizeof *revoking);
    if (key != NULL)
        *key = keys->list[--keys->count];
    if (revoking == NULL) {
        err_set(&err, ERR_MEMORY, "no memory to revoke a key: try again");
        reply(user, &err);
        return;
    }
    *revoking = (struct revoking){.now_ms = clock_wall_ms(), .reply = reply, .user = user};
    memcpy(revoking->id, id, strnlen(id, sizeof revoking->id - 1));
    memcpy(revoking->actor, actor, strnlen(actor, sizeof revoking->actor - 1));
    struct store_job job = {store_revocation, revocation_stored, revoking};
    if (!store_submit(keys->store, &job, &err))
        revocation_stored(revoking, &err);
}

/* --- use --- */

static struct key *find_secret(struct keys *keys, struct text secret)
{
    uint8_t hash[DIGEST_SIZE];
    size_t prefix = sizeof KEY_PREFIX - 1;
    if (secret.length != KEY_LENGTH || memcmp(secret.data, KEY_PREFIX, prefix) != 0 ||
        !token_hash((struct text){secret.data + prefix, TOKEN_LENGTH}, hash))
        return NULL;
    struct key *found = NULL;
    for (size_t i = 0; i < keys->count; i++)
        if (digest_same(keys->list[i].record.token_hash, hash, DIGEST_SIZE))
            found = &keys->list[i];
    return found;
}

static void turn_day(struct key *key, int64_t now_ms)
{
    int64_t day = api_day(now_ms);
    if (day != key->day)
        key->today = (struct api_usage){0};
    key->day = day;
}

static bool refuse(int wait_s, int *retry_after_s, const char *what, int64_t limit, struct err *err)
{
    if (retry_after_s != NULL)
        *retry_after_s = wait_s;
    return err_set(err, ERR_TOO_MANY, "this key's %lld %s are used up; try again in %d s",
                   (long long)limit, what, wait_s);
}

/* The bucket of rates.c: `full_ns` is when it will be full again; a minute's worth may come at
 * once. */
static bool take_request(struct key *key, int *retry_after_s, struct err *err)
{
    int64_t limit = key->record.requests_per_minute, now = clock_mono_ns();
    if (limit <= 0)
        return true;
    int64_t token_ns = 60 * CLOCK_S / limit, full = key->full_ns > now ? key->full_ns : now;
    int64_t wait = full + token_ns - now - 60 * CLOCK_S;
    if (wait > 0)
        return refuse((int)(wait / CLOCK_S) + 1, retry_after_s, "requests a minute", limit, err);
    key->full_ns = full + token_ns;
    return true;
}

const struct key *keys_admit(struct keys *keys, struct text secret, int *retry_after_s,
                             struct err *err)
{
    int64_t now = clock_wall_ms();
    struct key *key = find_secret(keys, secret);
    if (key == NULL || (key->record.expires_ms > 0 && key->record.expires_ms <= now)) {
        err_set(err, ERR_UNAUTHORIZED,
                key == NULL ? "this API key is not known" : "this API key has expired");
        return NULL;
    }
    turn_day(key, now);
    int64_t limit = key->record.tokens_per_day;
    if (limit > 0 && key->today.input_tokens + key->today.output_tokens >= limit) {
        refuse((int)((DAY_MS - now % DAY_MS) / 1000) + 1, retry_after_s, "tokens a day", limit,
               err);
        return NULL;
    }
    if (!take_request(key, retry_after_s, err))
        return NULL;
    key->today.requests++;
    return key;
}

struct spending {
    char id[STORE_ID_SIZE];
    int64_t day;
    struct api_usage usage;
};

static bool store_usage(struct db *tx, void *data, struct err *err)
{
    struct spending *spending = data;
    return api_keys_count(tx, spending->id, spending->day, &spending->usage, err);
}

static void usage_stored(void *data, const struct err *err)
{
    if (err->code != ERR_NONE)
        log_warning("people", "a key's use could not be stored: %s", err->message);
    free(data);
}

void keys_spent(struct keys *keys, const char *id, int64_t input_tokens, int64_t output_tokens)
{
    struct err err = ERR_INIT;
    struct key *key = find_id(keys, id);
    int64_t now = clock_wall_ms();
    if (key != NULL) {
        turn_day(key, now);
        key->today.input_tokens += input_tokens;
        key->today.output_tokens += output_tokens;
    }
    struct spending *spending = calloc(1, sizeof *spending);
    if (spending == NULL)
        return;
    *spending = (struct spending){.day = api_day(now), .usage = {1, input_tokens, output_tokens}};
    memcpy(spending->id, id, strnlen(id, sizeof spending->id - 1));
    struct store_job job = {store_usage, usage_stored, spending};
    if (!store_submit(keys->store, &job, &err))
        usage_stored(spending, &err);
}
