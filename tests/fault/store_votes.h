/* What the fault tests of the store have in common: a folder with battles that wait for their
 * votes, casting them, and the questions afterwards. */
#ifndef ARENA_TESTS_FAULT_STORE_VOTES_H
#define ARENA_TESTS_FAULT_STORE_VOTES_H

#include "unit/store/fixture.h"

#include <sys/stat.h>

#include "base/file.h"
#include "store/ledger.h"

enum { BATTLES = 24 };

struct arena_copy {
    struct fixture fixture;
    char battles[BATTLES][STORE_ID_SIZE];
    char *database; /* the file's bytes, to start from again */
    size_t length;
};

/* Makes the folder once; `copy_restart` brings its first state back. */
static inline void copy_make(struct arena_copy *copy)
{
    void *made;
    fixture_setup(&made);
    copy->fixture = *(struct fixture *)made;
    free(made);
    for (int i = 0; i < BATTLES; i++)
        fixture_battle(&copy->fixture, BATTLE_READY, copy->battles[i]);
    store_close(copy->fixture.store);
    loop_free(copy->fixture.loop);
    copy->fixture.store = NULL;
    copy->fixture.loop = NULL;
    char path[128];
    struct buf bytes;
    struct err err = ERR_INIT;
    buf_init(&bytes, 16 << 20);
    snprintf(path, sizeof path, "%s/arena.db", copy->fixture.dir);
    need(file_read(path, &bytes, &err), &err);
    copy->database = buf_take(&bytes, &copy->length);
}

static inline void copy_restart(const struct arena_copy *copy)
{
    char path[128];
    static const char *const LEFT[] = {"arena.db-wal", "arena.db-shm"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", copy->fixture.dir, LEFT[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/arena.db", copy->fixture.dir);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(copy->database, 1, copy->length, file), copy->length);
    fclose(file);
}

static inline void copy_remove(struct arena_copy *copy)
{
    fixture_remove(&copy->fixture);
    free(copy->database);
}

/* Casts one vote and says what came of it. */
static inline enum err_code copy_vote(struct arena_copy *copy, int battle)
{
    struct fixture_vote vote =
        fixture_vote(&copy->fixture, copy->battles[battle], (enum winner)(battle % 4));
    struct err err = ERR_INIT;
    return store_apply(copy->fixture.store, fixture_vote_apply, &vote, &err) ? ERR_NONE : err.code;
}

/* How many votes this battle has. */
static inline int64_t copy_votes_of(struct db *db, const char *battle)
{
    struct err err = ERR_INIT;
    int64_t count;
    need(db_one_int(
             db,
             "SELECT count(*) FROM votes s JOIN battles b ON b.number = s.battle WHERE b.id = ?",
             DB_VALUES(DB_STRING(battle)), 0, &count, &err),
         &err);
    return count;
}

struct copy_state {
    int lost, unacknowledged,
        problems; /* acknowledged but not there; there but not acknowledged; broken rules */
    char problem[256];
};

static inline void copy_problem(void *user, const char *line)
{
    struct copy_state *state = user;
    snprintf(state->problem, sizeof state->problem, "%s", line);
    state->problems++;
}

/* Looks at the folder as a new owner would. A vote is half there when an invariant or the ledger
 * says so. */
static inline struct copy_state copy_look(const struct arena_copy *copy,
                                          const bool acknowledged[BATTLES])
{
    struct copy_state state = {0};
    struct err err = ERR_INIT;
    struct store *store = store_open(copy->fixture.dir, NULL, &err);
    if (store == NULL) {
        copy_problem(&state, err.message);
        return state;
    }
    struct db *db = fixture_reader(&copy->fixture);
    struct ledger_report report;
    int64_t count;
    need(ledger_verify(db, &report, &err), &err);
    if (report.first_bad != 0)
        copy_problem(&state, report.problem);
    need(ledger_invariants(db, copy_problem, &state, &count, &err), &err);
    for (int i = 0; i < BATTLES; i++) {
        int64_t votes = copy_votes_of(db, copy->battles[i]);
        state.lost += acknowledged[i] && votes == 0;
        state.unacknowledged += !acknowledged[i] && votes > 0;
    }
    db_close(db);
    store_close(store);
    return state;
}

#endif
