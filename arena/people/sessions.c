/* A hash table with chains from a token's digest to its session; the digest is random already,
 * so its first bytes are the slot. Looking up by digest also means that no comparison's timing
 * tells anything of a token. A session whose row could not be stored is found again by its
 * digest when the store answers, so it may have ended meanwhile. */
#include "people/sessions.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "people/tokens.h"

_Static_assert(SESSION_TOKEN_LENGTH == TOKEN_LENGTH, "a session's token is a token");

#define PROXIED "arena: named by a proxy"

enum { SLOTS = 1 << 14, PROXIED_DAYS = 36500 /* the name stays the same voter's */ };
#define DAY_MS INT64_C(86400000)

struct session {
    struct session *next;
    uint8_t hash[DIGEST_SIZE];
    int64_t expires_ms;
    int64_t confirmed_ns; /* monotonic; 0: not since the start */
    struct voter voter;
};

struct sessions {
    struct store *store;
    enum auth_mode mode;
    size_t count;
    struct session *slots[SLOTS];
};

static struct session **slot_of(struct sessions *sessions, const uint8_t hash[DIGEST_SIZE])
{
    return &sessions->slots[(hash[0] | hash[1] << 8) % SLOTS];
}

/* The link that points at the session, or at the end of its chain. */
static struct session **find_link(struct sessions *sessions, const uint8_t hash[DIGEST_SIZE])
{
    struct session **link = slot_of(sessions, hash);
    while (*link != NULL && memcmp((*link)->hash, hash, DIGEST_SIZE) != 0)
        link = &(*link)->next;
    return link;
}

static void drop(struct sessions *sessions, struct session **link)
{
    struct session *session = *link;
    *link = session->next;
    free(session);
    sessions->count--;
}

/* Who never came back still has a place. */
static void drop_expired(struct sessions *sessions)
{
    int64_t now_ms = clock_wall_ms();
    for (size_t i = 0; i < SLOTS; i++)
        for (struct session **link = &sessions->slots[i]; *link != NULL;) {
            if ((*link)->expires_ms <= now_ms)
                drop(sessions, link);
            else
                link = &(*link)->next;
        }
}

static struct session *insert(struct sessions *sessions, const uint8_t hash[DIGEST_SIZE],
                              const struct voter *voter, int64_t expires_ms, struct err *err)
{
    if (sessions->count == LIMIT_SESSIONS)
        drop_expired(sessions);
    struct session *session = sessions->count < LIMIT_SESSIONS ? malloc(sizeof *session) : NULL;
    if (session == NULL) {
        err_set(err, ERR_BUSY, "the arena holds as many sessions as it can: try again later");
        return NULL;
    }
    struct session **slot = slot_of(sessions, hash);
    *session = (struct session){.next = *slot, .expires_ms = expires_ms, .voter = *voter};
    memcpy(session->hash, hash, DIGEST_SIZE);
    *slot = session;
    sessions->count++;
    return session;
}

/* --- from the store --- */

static void load_one(void *user, const struct session_record *record)
{
    struct voter voter = voter_from_record(&record->voter);
    struct err ignored;
    voter.consent = record->consent;
    insert(user, record->token_hash, &voter, record->expires_ms,
           &ignored); /* past the limit the oldest stay out */
}

static bool load(struct sessions *sessions, struct err *err)
{
    struct db *db = store_read_open(store_dir(sessions->store), err);
    if (db == NULL)
        return false;
    bool good = voter_sessions_each(db, clock_wall_ms(), LIMIT_SESSIONS, load_one, sessions, err);
    db_close(db);
    return good;
}

struct sessions *sessions_new(struct store *store, enum auth_mode mode, struct err *err)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);
    if (sessions == NULL) {
        err_set(err, ERR_MEMORY, "no memory for the sessions");
        return NULL;
    }
    sessions->store = store;
    sessions->mode = mode;
    if (load(sessions, err))
        return sessions;
    sessions_free(sessions);
    return NULL;
}

void sessions_free(struct sessions *sessions)
{
    if (sessions == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        while (sessions->slots[i] != NULL)
            drop(sessions, &sessions->slots[i]);
    free(sessions);
}

void sessions_change(struct sessions *sessions, const char *voter, const struct voter *changed)
{
    for (size_t i = 0; i < SLOTS; i++)
        for (struct session *at = sessions->slots[i]; at != NULL; at = at->next) {
            if (strcmp(at->voter.id, voter) != 0)
                continue;
            at->voter.role = changed->role;
            at->voter.staff = changed->staff;
            memcpy(at->voter.cohort, changed->cohort, sizeof at->voter.cohort);
        }
}

void sessions_consent(struct sessions *sessions, const char *voter, const struct consent *consent)
{
    for (size_t i = 0; i < SLOTS; i++)
        for (struct session *at = sessions->slots[i]; at != NULL; at = at->next)
            if (strcmp(at->voter.id, voter) == 0)
                at->voter.consent = *consent;
}

size_t sessions_count(const struct sessions *sessions)
{
    return sessions->count;
}

const struct voter *sessions_find(struct sessions *sessions, struct text token)
{
    uint8_t hash[DIGEST_SIZE];
    if (!token_hash(token, hash))
        return NULL;
    struct session **link = find_link(sessions, hash);
    if (*link == NULL)
        return NULL;
    if ((*link)->expires_ms > clock_wall_ms())
        return &(*link)->voter;
    drop(sessions, link);
    return NULL;
}

/* The session of a token; NULL: none. */
static struct session *of_token(struct sessions *sessions, struct text token)
{
    uint8_t hash[DIGEST_SIZE];
    return token_hash(token, hash) ? *find_link(sessions, hash) : NULL;
}

void sessions_confirm(struct sessions *sessions, struct text token)
{
    struct session *session = of_token(sessions, token);
    if (session != NULL)
        session->confirmed_ns = clock_mono_ns();
}

bool sessions_confirmed(struct sessions *sessions, struct text token)
{
    const struct session *session = of_token(sessions, token);
    return session != NULL && session->confirmed_ns != 0 &&
           clock_mono_ns() - session->confirmed_ns < CONFIRMED_MINUTES * 60 * CLOCK_S;
}

/* --- ending --- */

struct ending {
    uint8_t hash[DIGEST_SIZE];
    char voter[STORE_ID_SIZE]; /* "": only the one session */
};

static bool end_stored(struct db *tx, void *data, struct err *err)
{
    struct ending *ending = data;
    return ending->voter[0] != '\0' ? voter_sessions_revoke_all(tx, ending->voter, err)
                                    : voter_sessions_revoke(tx, ending->hash, err);
}

static void ended(void *data, const struct err *err)
{
    if (err->code != ERR_NONE)
        log_error("people", "a session ended but is still stored: %s", err->message);
    free(data);
}

static bool submit_end(struct sessions *sessions, const struct ending *ending, struct err *err)
{
    struct ending *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return err_set(err, ERR_MEMORY, "no memory to end a session: try again");
    *copy = *ending;
    struct store_job job = {end_stored, ended, copy};
    if (store_submit(sessions->store, &job, err))
        return true;
    free(copy);
    return false;
}

/* The voter's oldest session where there are too many; NULL: there are not. */
static const struct session *one_too_many(const struct sessions *sessions, const char *voter)
{
    size_t count = 0;
    const struct session *oldest = NULL;
    for (size_t i = 0; i < SLOTS; i++)
        for (const struct session *at = sessions->slots[i]; at != NULL; at = at->next) {
            if (strcmp(at->voter.id, voter) != 0)
                continue;
            count++;
            if (oldest == NULL || at->expires_ms < oldest->expires_ms)
                oldest = at;
        }
    return count > LIMIT_SESSIONS_PER_VOTER ? oldest : NULL;
}

static void end_oldest(struct sessions *sessions, const char *voter)
{
    const struct session *oldest;
    while ((oldest = one_too_many(sessions, voter)) != NULL) {
        struct ending ending = {.voter = ""};
        struct err err = ERR_INIT;
        memcpy(ending.hash, oldest->hash, DIGEST_SIZE);
        if (!submit_end(sessions, &ending, &err)) {
            log_warning("people", "a session too many stays for now: %s", err.message);
            return;
        }
        drop(sessions, find_link(sessions, ending.hash));
    }
}

/* --- new ones --- */

/* A session on its way to the disk; `with_voter` when the voter is new too. */
struct saving {
    struct sessions *sessions;
    struct session_record record;
    bool with_voter;
};

static bool save(struct db *tx, void *data, struct err *err)
{
    struct saving *saving = data;
    return (!saving->with_voter || voters_insert(tx, &saving->record.voter, err)) &&
           voter_sessions_insert(tx, &saving->record, err);
}

static void saved(void *data, const struct err *err)
{
    struct saving *saving = data;
    if (err->code != ERR_NONE) {
        struct session **link = find_link(saving->sessions, saving->record.token_hash);
        log_warning("people", "a session could not be stored: %s", err->message);
        if (*link != NULL)
            drop(saving->sessions, link);
    } else {
        end_oldest(saving->sessions, saving->record.voter.id);
    }
    free(saving);
}

static struct voter_record record_of(const struct voter *voter, int64_t now_ms)
{
    struct voter_record record = {.role = voter->role, .staff = voter->staff, .created_ms = now_ms};
    memcpy(record.id, voter->id, sizeof record.id);
    memcpy(record.name, voter->name, sizeof record.name);
    memcpy(record.cohort, voter->cohort, sizeof record.cohort);
    return record;
}

static bool submit_save(struct sessions *sessions, const struct session *session, bool with_voter,
                        struct err *err)
{
    struct saving *saving = malloc(sizeof *saving);
    if (saving == NULL)
        return err_set(err, ERR_MEMORY, "no memory for a session: try again");
    int64_t now = clock_wall_ms();
    *saving = (struct saving){.sessions = sessions, .with_voter = with_voter};
    saving->record = (struct session_record){.voter = record_of(&session->voter, now),
                                             .created_ms = now,
                                             .expires_ms = session->expires_ms};
    memcpy(saving->record.token_hash, session->hash, DIGEST_SIZE);
    struct store_job job = {save, saved, saving};
    if (store_submit(sessions->store, &job, err))
        return true;
    free(saving);
    return false;
}

static const struct voter *open_session(struct sessions *sessions, const struct voter *voter,
                                        bool with_voter, const uint8_t hash[DIGEST_SIZE],
                                        int64_t days, struct err *err)
{
    struct session *session = insert(sessions, hash, voter, clock_wall_ms() + days * DAY_MS, err);
    if (session == NULL)
        return NULL;
    if (submit_save(sessions, session, with_voter, err))
        return &session->voter;
    drop(sessions, find_link(sessions, hash));
    return NULL;
}

static void new_token(char token[SESSION_TOKEN_LENGTH + 1], uint8_t hash[DIGEST_SIZE])
{
    token_new(token);
    token_hash(text_of(token), hash);
}

const struct voter *sessions_start(struct sessions *sessions, char token[SESSION_TOKEN_LENGTH + 1],
                                   struct err *err)
{
    if (sessions->mode != AUTH_LOCAL) {
        err_set(err, ERR_UNAUTHORIZED,
                "this arena is for invited voters: open your invitation's link");
        return NULL;
    }
    uint8_t hash[DIGEST_SIZE];
    struct voter voter = {.role = ROLE_ADMIN};
    random_id(voter.id);
    new_token(token, hash);
    return open_session(sessions, &voter, true, hash, SESSION_DAYS, err);
}

/* No cookie can open this session: its slot is no plain digest of a token. */
const struct voter *sessions_identify(struct sessions *sessions, const char *name,
                                      enum voter_role role, struct err *err)
{
    uint8_t hash[DIGEST_SIZE];
    digest_keyed(PROXIED, sizeof PROXIED - 1, name, strlen(name), hash);
    struct session **link = find_link(sessions, hash);
    if (*link != NULL)
        return &(*link)->voter;
    struct voter voter = {.role = role};
    random_id(voter.id);
    memcpy(voter.name, name, strnlen(name, sizeof voter.name - 1));
    return open_session(sessions, &voter, true, hash, PROXIED_DAYS, err);
}

const struct voter *sessions_add(struct sessions *sessions, const struct voter *voter,
                                 char token[SESSION_TOKEN_LENGTH + 1], struct err *err)
{
    uint8_t hash[DIGEST_SIZE];
    new_token(token, hash);
    return open_session(sessions, voter, false, hash, SESSION_DAYS, err);
}

bool sessions_end(struct sessions *sessions, struct text token, struct err *err)
{
    struct ending ending = {.voter = ""};
    if (!token_hash(token, ending.hash))
        return true;
    struct session **link = find_link(sessions, ending.hash);
    if (*link == NULL)
        return true;
    drop(sessions, link);
    return submit_end(sessions, &ending, err);
}

bool sessions_end_all(struct sessions *sessions, const char *voter, struct err *err)
{
    struct ending ending = {.voter = ""};
    memcpy(ending.voter, voter, strnlen(voter, sizeof ending.voter - 1));
    for (size_t i = 0; i < SLOTS; i++)
        for (struct session **link = &sessions->slots[i]; *link != NULL;) {
            if (strcmp((*link)->voter.id, voter) == 0)
                drop(sessions, link);
            else
                link = &(*link)->next;
        }
    return submit_end(sessions, &ending, err);
}
