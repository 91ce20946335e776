/* A store in a folder of its own with two competitors and a voter, for the tests of the store
 * and of what stands on it. Everything is written through store_apply, as the arena would. */
#ifndef ARENA_TESTS_STORE_FIXTURE_H
#define ARENA_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/battles.h"
#include "store/competitors.h"
#include "store/store.h"
#include "store/turns.h"
#include "store/voters.h"
#include "store/votes.h"

enum { NOW = 1000000 };

struct fixture {
    char dir[64];
    struct loop *loop;
    struct store *store;
    int64_t version_a, version_b;
    char voter[STORE_ID_SIZE];
};

static inline void need(bool good, const struct err *err)
{
    if (!good)
        fail_msg("%s", err->message);
}

static inline void copy_id(char out[STORE_ID_SIZE], const char *id)
{
    memcpy(out, id, strlen(id) + 1);
}

static inline void fixture_dir(struct fixture *fixture)
{
    /* In memory where that is possible: none of these tests is about how fast the disk is. */
    bool memory = access("/dev/shm", W_OK) == 0;
    snprintf(fixture->dir, sizeof fixture->dir, "%s/arena-store-XXXXXX",
             memory ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(fixture->dir));
}

static inline void fixture_remove(struct fixture *fixture)
{
    static const char *const FILES[] = {"arena.db", "arena.db-wal", "arena.db-shm", "arena.lock"};
    char path[128];
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", fixture->dir, FILES[i]);
        unlink(path);
    }
    rmdir(fixture->dir);
}

static inline void fixture_open(struct fixture *fixture)
{
    struct err err = ERR_INIT;
    fixture->store = store_open(fixture->dir, fixture->loop, &err);
    need(fixture->store != NULL, &err);
}

static inline void digest_text(char out[65], char fill)
{
    memset(out, fill, 64);
    out[64] = '\0';
}

static inline bool fixture_fill(struct db *tx, void *data, struct err *err)
{
    struct fixture *fixture = data;
    char digest[65];
    struct version_record record = {.name = "model one",
                                    .digest = digest,
                                    .effective = "{}",
                                    .in_house = true,
                                    .outputs_may_train = true};
    digest_text(digest, 'a');
    if (!competitors_register(tx, &record, NOW, &fixture->version_a, err))
        return false;
    record.name = "model two";
    digest_text(digest, 'b');
    struct voter_record voter = {.created_ms = NOW};
    random_id(voter.id);
    copy_id(fixture->voter, voter.id);
    return competitors_register(tx, &record, NOW, &fixture->version_b, err) &&
           voters_insert(tx, &voter, err);
}

static inline void fixture_apply(struct fixture *fixture,
                                 bool (*apply)(struct db *, void *, struct err *), void *data)
{
    struct err err = ERR_INIT;
    need(store_apply(fixture->store, apply, data, &err), &err);
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct err err = ERR_INIT;
    fixture_dir(fixture);
    fixture->loop = loop_new(&err);
    need(fixture->loop != NULL, &err);
    fixture_open(fixture);
    fixture_apply(fixture, fixture_fill, fixture);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    store_close(fixture->store);
    loop_free(fixture->loop);
    fixture_remove(fixture);
    free(fixture);
    return 0;
}

/* --- a battle with one answered turn, ready for its vote --- */
struct fixture_battle {
    const struct fixture *fixture;
    char id[STORE_ID_SIZE];
    const char *prompt;
    enum battle_state state;
};

static inline bool fixture_answer(struct db *tx, const char *battle, int64_t version,
                                  const char *text, int64_t *id, struct err *err)
{
    struct answer_record answer = {.version = version,
                                   .text = text_of(text),
                                   .finish = "stop",
                                   .input_tokens = 3,
                                   .output_tokens = -1,
                                   .reasoning_tokens = -1,
                                   .cached_tokens = -1,
                                   .cache_write_tokens = -1,
                                   .cost_usd = 0.5,
                                   .attempts = 1,
                                   .created_ms = NOW};
    answers_key("digest", text_of(battle), text_of(text), answer.key);
    return answers_insert(tx, &answer, id, err);
}

static inline bool fixture_battle_apply(struct db *tx, void *data, struct err *err)
{
    struct fixture_battle *new = data;
    struct battle_record battle = {.version_a = new->fixture->version_a,
                                   .version_b = new->fixture->version_b,
                                   .probability = 0.25,
                                   .side_probability = 0.5,
                                   .created_ms = NOW};
    struct turn_timing timing = {10, 20, 30, 40, 50, 60};
    int64_t a, b;
    random_id(battle.id);
    copy_id(new->id, battle.id);
    copy_id(battle.voter, new->fixture->voter);
    memset(battle.nonce, 7, sizeof battle.nonce);
    if (!battles_insert(tx, &battle, err) ||
        !turns_insert(tx, battle.id, 1, text_of(new->prompt), NOW, err))
        return false;
    if (new->state == BATTLE_STREAMING)
        return true;
    return fixture_answer(tx, battle.id, battle.version_a, "answer A", &a, err) &&
           fixture_answer(tx, battle.id, battle.version_b, "answer B", &b, err) &&
           turns_answer(tx, battle.id, 1, a, b, &timing, NOW, err) &&
           battles_change(tx, battle.id, BATTLE_STREAMING, BATTLE_READY, NULL, NOW, err);
}

static inline void fixture_battle(struct fixture *fixture, enum battle_state state,
                                  char id[STORE_ID_SIZE])
{
    struct fixture_battle new = {
        .fixture = fixture, .prompt = "Why is  the sky\nblue? ", .state = state};
    fixture_apply(fixture, fixture_battle_apply, &new);
    copy_id(id, new.id);
}

/* --- a vote --- */
struct fixture_vote {
    struct vote_cast cast;
    struct vote_result result;
};

static inline bool fixture_vote_apply(struct db *tx, void *data, struct err *err)
{
    struct fixture_vote *vote = data;
    return votes_cast(tx, &vote->cast, &vote->result, err);
}

static inline struct fixture_vote fixture_vote(const struct fixture *fixture, const char *battle,
                                               enum winner winner)
{
    return (struct fixture_vote){.cast = {.battle = battle,
                                          .voter = fixture->voter,
                                          .winner = winner,
                                          .delay_ms = 5000,
                                          .read_ms = -1,
                                          .now_ms = NOW + 1}};
}

/* A connection to look with. */
static inline struct db *fixture_reader(const struct fixture *fixture)
{
    struct err err = ERR_INIT;
    struct db *db = store_read_open(fixture->dir, &err);
    need(db != NULL, &err);
    return db;
}

#endif
