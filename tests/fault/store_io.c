/* Disk errors and a full disk at every kind of moment, once and for good: nothing is
 * acknowledged that is not stored, nothing is half there, reading goes on, and when the disk is
 * well again the same store stores again, so that every vote can be given (or turns out to be
 * there already). */
#include "fault/store_votes.h"

#include "fault/fault_vfs.h"

#include "base/log.h"

enum { POINTS = 60 };

struct sweep {
    int runs, reported, unreported, unacknowledged;
};

/* A failing disk must not keep anybody from reading. The check reads past the failing VFS's
 * writes only. */
static void read_something(const struct arena_copy *copy)
{
    struct err err = ERR_INIT;
    struct db *db = fixture_reader(&copy->fixture);
    need(copy_votes_of(db, copy->battles[0]) <= 1, &err);
    db_close(db);
}

/* Votes for every battle while the fault lasts; gives how many were refused. */
static int vote_all(struct arena_copy *copy, bool acknowledged[BATTLES])
{
    int refused = 0;
    for (int i = 0; i < BATTLES; i++) {
        enum err_code code = copy_vote(copy, i);
        if (code == ERR_NONE)
            acknowledged[i] = true;
        else if (code == ERR_STORE)
            refused++;
        else
            fail_msg("vote %d: %s", i, err_word(code));
    }
    return refused;
}

/* Every vote that was refused is given again; it counts, or it is there already. */
static void vote_again(struct arena_copy *copy, const bool acknowledged[BATTLES],
                       struct sweep *sweep)
{
    for (int i = 0; i < BATTLES; i++) {
        enum err_code code = copy_vote(copy, i);
        if (code != ERR_ALREADY_VOTED && (code != ERR_NONE || acknowledged[i]))
            fail_msg("vote %d after the fault: %s", i, err_word(code));
        sweep->unacknowledged += code == ERR_ALREADY_VOTED && !acknowledged[i];
    }
}

static void fail_at(struct arena_copy *copy, enum fault_mode mode, int64_t at, int code,
                    struct sweep *sweep)
{
    struct err err = ERR_INIT;
    bool acknowledged[BATTLES] = {false}, all[BATTLES];
    copy_restart(copy);
    fault_reset();
    fault_set(FAULT_NONE, 0, 0, 1);
    copy->fixture.store = store_open(copy->fixture.dir, NULL, &err);
    need(copy->fixture.store != NULL, &err);
    fault_set(mode, at, code, 1);
    int refused = vote_all(copy, acknowledged);
    read_something(copy);
    sweep->runs++;
    sweep->reported += refused > 0;
    sweep->unreported += fault.failures > 0 && refused == 0;
    fault_set(FAULT_NONE, 0, 0, 1);
    vote_again(copy, acknowledged, sweep);
    struct store_stats stats;
    store_stats(copy->fixture.store, &stats);
    assert_true(stats.healthy);
    store_close(copy->fixture.store);
    memset(all, true, sizeof all);
    struct copy_state state = copy_look(copy, all);
    if (state.problems > 0 || state.lost > 0)
        fail_msg("failing at %lld: %d lost; %s", (long long)at, state.lost, state.problem);
}

static int64_t count_operations(struct arena_copy *copy)
{
    struct err err = ERR_INIT;
    bool acknowledged[BATTLES] = {false};
    copy_restart(copy);
    fault_reset();
    copy->fixture.store = store_open(copy->fixture.dir, NULL, &err);
    need(copy->fixture.store != NULL, &err);
    fault_set(FAULT_NONE, 0, 0, 1);
    assert_int_equal(vote_all(copy, acknowledged), 0);
    int64_t operations = fault.operations;
    store_close(copy->fixture.store);
    return operations;
}

static void run_sweep(struct arena_copy *copy, enum fault_mode mode, int code, const char *what)
{
    struct sweep sweep = {0};
    struct rng rng;
    int64_t operations = count_operations(copy);
    rng_init(&rng, 20261123, (uint64_t)mode);
    for (int i = 0; i < POINTS; i++) {
        int64_t low = 1 + i * operations / POINTS, high = 1 + (i + 1) * operations / POINTS;
        fail_at(copy, mode, low + (int64_t)rng_below(&rng, (uint64_t)(high - low)), code, &sweep);
    }
    print_message("%s: %d runs over %lld operations, %d refused votes, %d went unnoticed, %d votes "
                  "stored but refused\n",
                  what, sweep.runs, (long long)operations, sweep.reported, sweep.unreported,
                  sweep.unacknowledged);
    assert_int_equal(sweep.unreported,
                     0); /* only a commit writes here, and a commit's error is always told */
}

static void an_error_once(void **state)
{
    run_sweep(*state, FAULT_ONCE, SQLITE_IOERR, "an I/O error once");
}

static void errors_for_good(void **state)
{
    run_sweep(*state, FAULT_STICKY, SQLITE_IOERR, "I/O errors from then on");
}

static void a_full_disk_once(void **state)
{
    run_sweep(*state, FAULT_ONCE, SQLITE_FULL, "a full disk once");
}

static void a_full_disk_for_good(void **state)
{
    run_sweep(*state, FAULT_STICKY, SQLITE_FULL, "a full disk from then on");
}

/* A checkpoint that fails, at closing or before, takes nothing away: the log still has it. */
static void a_failing_checkpoint_loses_nothing(void **state)
{
    struct arena_copy *copy = *state;
    struct err err = ERR_INIT;
    for (int64_t at = 1; at <= 60; at += 3) {
        bool acknowledged[BATTLES] = {false};
        copy_restart(copy);
        fault_reset();
        fault_set(FAULT_NONE, 0, 0, 1);
        copy->fixture.store = store_open(copy->fixture.dir, NULL, &err);
        need(copy->fixture.store != NULL, &err);
        assert_int_equal(vote_all(copy, acknowledged), 0);
        fault_set(FAULT_STICKY, at, SQLITE_IOERR, 1);
        store_close(copy->fixture.store);
        fault_set(FAULT_NONE, 0, 0, 1);
        struct copy_state state_after = copy_look(copy, acknowledged);
        if (state_after.problems > 0 || state_after.lost > 0)
            fail_msg("checkpoint failing at %lld: %d lost; %s", (long long)at, state_after.lost,
                     state_after.problem);
    }
}

/* At start-up the first write that fails is one clear line. */
static void opening_on_a_bad_disk_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    struct err err = ERR_INIT;
    fixture_dir(&fixture);
    for (int64_t at = 1; at < 40; at += 3) {
        fixture_remove(&fixture);
        fault_reset();
        fault_set(FAULT_STICKY, at, SQLITE_FULL, 1);
        struct store *store = store_open(fixture.dir, NULL, &err);
        if (store == NULL) {
            assert_int_equal(err.code, ERR_STORE);
            assert_non_null(strstr(err.message, "is full: free some space"));
        }
        store_close(store);
        fault_set(FAULT_NONE, 0, 0, 1);
        store = store_open(fixture.dir, NULL, &err); /* what was begun does not stand in the way */
        need(store != NULL, &err);
        store_close(store);
    }
    fixture_remove(&fixture);
}

static int make(void **state)
{
    struct arena_copy *copy = calloc(1, sizeof *copy);
    log_set_level(LOG_ERROR - 1);
    fault_install();
    copy_make(copy);
    *state = copy;
    return 0;
}

static int done(void **state)
{
    copy_remove(*state);
    fault_reset();
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_once),
        cmocka_unit_test(errors_for_good),
        cmocka_unit_test(a_full_disk_once),
        cmocka_unit_test(a_full_disk_for_good),
        cmocka_unit_test(a_failing_checkpoint_loses_nothing),
        cmocka_unit_test(opening_on_a_bad_disk_is_refused),
    };
    return cmocka_run_group_tests(tests, make, done);
}
