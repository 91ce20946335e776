/* kill -9 in the middle of voting, again and again, over one and the same folder: what was
 * acknowledged is there, once, the ledger verifies, and the next owner starts at once. (It says
 * nothing of power loss: store_crash.c does.) */
#include "fault/store_votes.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/random.h"

enum { ROUNDS = 25, ACKNOWLEDGED_MAX = 1 << 16 };

struct acknowledged {
    char ids[ACKNOWLEDGED_MAX][STORE_ID_SIZE];
    size_t count;
};

static void vote_for_ever(struct fixture *fixture, int pipe)
{
    struct err err = ERR_INIT;
    fixture->store = store_open(fixture->dir, NULL, &err);
    for (;;) {
        struct fixture_battle battle = {.fixture = fixture, .prompt = "?", .state = BATTLE_READY};
        if (fixture->store == NULL ||
            !store_apply(fixture->store, fixture_battle_apply, &battle, &err))
            _exit(43);
        struct fixture_vote vote = fixture_vote(fixture, battle.id, WINNER_A);
        if (!store_apply(fixture->store, fixture_vote_apply, &vote, &err))
            _exit(44);
        if (write(pipe, battle.id, STORE_ID_SIZE) != STORE_ID_SIZE)
            _exit(45);
    }
}

/* With `voting` the time begins at the first vote, so that a slow machine too acknowledges some. */
static void kill_one(struct fixture *fixture, bool voting, int64_t after_us,
                     struct acknowledged *acknowledged)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0)
        vote_for_ever(fixture, ends[1]);
    close(ends[1]);
    struct pollfd first = {.fd = ends[0], .events = POLLIN};
    assert_true(!voting || poll(&first, 1, 120000) == 1);
    usleep((useconds_t)after_us);
    kill(process, SIGKILL);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFSIGNALED(status));
    while (acknowledged->count < ACKNOWLEDGED_MAX &&
           read(ends[0], acknowledged->ids[acknowledged->count], STORE_ID_SIZE) == STORE_ID_SIZE)
        acknowledged->count++;
    close(ends[0]);
}

static void tell_problem(void *user, const char *line)
{
    (void)user;
    fail_msg("%s", line);
}

static void look(struct fixture *fixture, const struct acknowledged *acknowledged, size_t from)
{
    struct err err = ERR_INIT;
    int64_t began = clock_cpu_ns(), count;
    fixture_open(fixture);
    assert_true(clock_cpu_ns() - began < 2 * CLOCK_S);
    struct db *db = fixture_reader(fixture);
    struct ledger_report report;
    need(ledger_verify(db, &report, &err), &err);
    assert_string_equal(report.problem, "");
    need(ledger_invariants(db, tell_problem, NULL, &count, &err), &err);
    for (size_t i = from; i < acknowledged->count; i++)
        assert_int_equal(copy_votes_of(db, acknowledged->ids[i]), 1);
    assert_true((size_t)report.votes >= acknowledged->count);
    db_close(db);
    store_close(fixture->store);
    fixture->store = NULL;
}

static void no_acknowledged_vote_is_lost(void **state)
{
    struct fixture *fixture = *state;
    struct acknowledged *acknowledged = calloc(1, sizeof *acknowledged);
    struct rng rng;
    rng_init(&rng, 9, 9);
    store_close(fixture->store);
    fixture->store = NULL;
    for (int i = 0; i < ROUNDS; i++) {
        size_t before = acknowledged->count;
        kill_one(fixture, i % 2 == 1, 10000 + (int64_t)rng_below(&rng, 70000), acknowledged);
        look(fixture, acknowledged, before);
    }
    assert_true(acknowledged->count >= ROUNDS / 2);
    look(fixture, acknowledged, 0);
    print_message("%d kills, %zu acknowledged votes, none lost\n", ROUNDS, acknowledged->count);
    free(acknowledged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_acknowledged_vote_is_lost, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
