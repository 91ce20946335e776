/* Power loss at every kind of moment: no acknowledged vote may be lost, no vote be half there.
 * And the test of the test: the same with synchronous=NORMAL must lose some.
 *
 * A child process votes with the failing VFS and tells each acknowledgement through a pipe;
 * after its power loss this process opens what is left with the real one. */
#include "fault/store_votes.h"

#include "fault/fault_vfs.h"

#include <dlfcn.h>
#include <sys/wait.h>

/* How many of all the operations are tried, and with how many fates of the unsynced writes. */
enum { SEEDS = 2, VOTES_A_SITTING = BATTLES / 2 };
#ifdef __SANITIZE_THREAD__
enum { POINTS = 12 }; /* forking is slow there, and races are not what is looked for here */
#else
enum { POINTS = 110 };
#endif

/* The executable's own sqlite3_exec stands before the library's: it changes the one setting
 * under test. */
static const char *synchronous = "FULL";

__attribute__((visibility("default"))) int sqlite3_exec(sqlite3 *db, const char *sql,
                                                        int (*row)(void *, int, char **, char **),
                                                        void *user, char **message)
{
    static int (*real)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *,
                       char **);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_exec");
    int result = real(db, sql, row, user, message);
    if (result == SQLITE_OK && strstr(sql, "synchronous = FULL") != NULL &&
        strcmp(synchronous, "FULL") != 0)
        result = real(db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
    return result;
}

/* --- the child --- */

struct waiting {
    int pipe, battle;
    int *open;
    struct fixture_vote vote;
};

static bool vote(struct db *tx, void *data, struct err *err)
{
    return fixture_vote_apply(tx, &((struct waiting *)data)->vote, err);
}

static void acknowledge(void *data, const struct err *err)
{
    struct waiting *waiting = data;
    char battle = (char)waiting->battle;
    if (err->code == ERR_NONE && write(waiting->pipe, &battle, 1) != 1)
        _exit(42);
    --*waiting->open;
}

/* Two votes at a time, so that some transactions hold two. */
static void vote_in_pairs(struct arena_copy *copy, int first, int pipe)
{
    struct err err = ERR_INIT;
    for (int i = first; i < first + VOTES_A_SITTING; i += 2) {
        int open = 2;
        struct waiting pair[2];
        for (int j = 0; j < 2; j++) {
            pair[j] = (struct waiting){
                pipe, i + j, &open, fixture_vote(&copy->fixture, copy->battles[i + j], WINNER_A)};
            struct store_job job = {vote, acknowledge, &pair[j]};
            if (!store_submit(copy->fixture.store, &job, &err))
                _exit(43);
        }
        while (open > 0)
            loop_turn(copy->fixture.loop, 1000);
    }
}

static void child(struct arena_copy *copy, int64_t at, uint64_t seed, int pipe)
{
    struct err err = ERR_INIT;
    fault_install();
    fault_set(at > 0 ? FAULT_POWER : FAULT_NONE, at, 0, seed);
    copy->fixture.loop = loop_new(&err);
    for (int sitting = 0; sitting < 2;
         sitting++) { /* closing checkpoints, so the sweep meets that too */
        copy->fixture.store = store_open(copy->fixture.dir, copy->fixture.loop, &err);
        if (copy->fixture.store == NULL)
            _exit(44);
        vote_in_pairs(copy, sitting * VOTES_A_SITTING, pipe);
        store_close(copy->fixture.store);
    }
    if (at == 0 && write(pipe, &fault.operations, sizeof fault.operations) < 0)
        _exit(45);
    _exit(0);
}

/* Runs a child that loses power at operation `at` (0: never); gives what came through the pipe.
 * The number of operations varies a little, as two votes share a transaction or not, so a late
 * point may not be reached: then it lost nothing. */
static size_t run_child(struct arena_copy *copy, int64_t at, uint64_t seed, char *out, size_t size)
{
    int ends[2], status;
    copy_restart(copy);
    assert_int_equal(pipe(ends), 0);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0)
        child(copy, at, seed, ends[1]);
    close(ends[1]);
    size_t got = 0;
    for (ssize_t more; (more = read(ends[0], out + got, size - got)) > 0;)
        got += (size_t)more;
    close(ends[0]);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || (at > 0 && WEXITSTATUS(status) == FAULT_EXIT));
    return got;
}

static int64_t count_operations(struct arena_copy *copy)
{
    char out[256];
    int64_t operations;
    size_t got = run_child(copy, 0, 0, out, sizeof out);
    assert_int_equal(got, BATTLES + sizeof operations);
    memcpy(&operations, out + BATTLES, sizeof operations);
    return operations;
}

/* --- the sweep --- */

struct sweep {
    int points, points_lost, points_unacknowledged, problems;
    char problem[256];
};

static void crash_at(struct arena_copy *copy, int64_t at, uint64_t seed, struct sweep *sweep)
{
    char out[256];
    bool acknowledged[BATTLES] = {false};
    size_t got = run_child(copy, at, seed, out, sizeof out);
    for (size_t i = 0; i < got; i++)
        acknowledged[(int)out[i]] = true;
    struct copy_state state = copy_look(copy, acknowledged);
    sweep->points++;
    sweep->points_lost += state.lost > 0;
    sweep->points_unacknowledged += state.unacknowledged > 0;
    sweep->problems += state.problems;
    if (state.problems > 0)
        snprintf(sweep->problem, sizeof sweep->problem, "at operation %lld: %.200s", (long long)at,
                 state.problem);
}

static struct sweep run_sweep(struct arena_copy *copy, const char *setting, int points, int seeds)
{
    struct sweep sweep = {0};
    struct rng rng;
    synchronous = setting;
    int64_t operations = count_operations(copy);
    for (int seed = 1; seed <= seeds; seed++) {
        rng_init(&rng, 20261123, (uint64_t)seed);
        for (int i = 0; i < points; i++) {
            int64_t low = 1 + i * operations / points, high = 1 + (i + 1) * operations / points;
            crash_at(copy, low + (int64_t)rng_below(&rng, (uint64_t)(high - low)), (uint64_t)seed,
                     &sweep);
        }
    }
    synchronous = "FULL";
    print_message("%s: %d crash points of %lld operations: %d lost an acknowledged vote, %d kept "
                  "an unacknowledged one\n",
                  setting, sweep.points, (long long)operations, sweep.points_lost,
                  sweep.points_unacknowledged);
    return sweep;
}

static void full_loses_nothing(void **state)
{
    struct sweep sweep = run_sweep(*state, "FULL", POINTS, SEEDS);
    assert_string_equal(sweep.problem, "");
    assert_int_equal(sweep.points_lost, 0);
    if (POINTS > 100) /* enough of them to meet one: it is why requests carry an Idempotency-Key */
        assert_true(sweep.points_unacknowledged > 0);
}

static void normal_would_lose_votes(void **state)
{
    struct sweep sweep = run_sweep(*state, "NORMAL", POINTS / 2, 1);
    assert_true(sweep.points_lost > sweep.points / 4);
}

static int make(void **state)
{
    struct arena_copy *copy = calloc(1, sizeof *copy);
    copy_make(copy);
    *state = copy;
    return 0;
}

static int done(void **state)
{
    copy_remove(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_loses_nothing),
        cmocka_unit_test(normal_would_lose_votes),
    };
    return cmocka_run_group_tests(tests, make, done);
}
