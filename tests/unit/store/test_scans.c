/* What a voter's request does to the store costs the same whatever is in it: no statement walks
 * through a table that grows. SQLite counts the rows that it steps over without an index. */
#include "unit/store/fixture.h"

#include <sqlite3.h>

#include "store/erasure.h"
#include "store/exclusions.h"
#include "store/logins.h"
#include "store/queue.h"

enum { FEW = 50 }; /* of the 2,000 of each that others have */

/* Others' voters, battles, turns, answers, votes and exclusions. */
static bool fill(struct db *tx, void *data, struct err *err)
{
    (void)data;
    return db_script(
        tx,
        "CREATE TEMP TABLE n AS WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c"
        " WHERE i < 2000) SELECT i + 1000 AS i FROM c;"
        "INSERT INTO voters (number, id, kind, role, name, password, created_ms)"
        " SELECT i, 'v' || i, 0, 0, 'name' || i, 'x', 1 FROM n;"
        "INSERT INTO battles (number, id, voter, state, source, mode, version_a, version_b, turns,"
        " prompt_value, created_ms, ended_ms)"
        " SELECT i, 'b' || i, i, 2, 0, 0, 1, 2, 1, i, 1, 1 FROM n;"
        "INSERT INTO answers (id, key, version, text, finish, attempts, first_content_ns, total_ns,"
        " created_ms) SELECT i, randomblob(32), 1, 'text', 'stop', 1, 1, 1, 1 FROM n;"
        "INSERT INTO turns (battle, turn, prompt, answer_a, answer_b, created_ms, answered_ms)"
        " SELECT i, 1, 'prompt', i, i, 1, 1 FROM n;"
        "INSERT INTO exclusions (voter, from_ms, note, actor, at_ms, told)"
        " SELECT i, 1, 'n', 'a', 1, 1 FROM n;"
        "INSERT INTO consents (voter, notice, scope, at_ms) SELECT i, 'n', 'export', 1 FROM n;"
        "DROP TABLE n",
        err);
}

static int64_t steps_of_all(struct db *db)
{
    int64_t steps = 0;
    for (sqlite3_stmt *one = NULL; (one = sqlite3_next_stmt(db_handle(db), one)) != NULL;)
        steps += sqlite3_stmt_status(one, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0);
    return steps;
}

struct acting {
    struct fixture *fixture;
    struct fixture_battle battle;
};

static bool open_battle(struct db *tx, struct acting *acting, struct err *err)
{
    acting->battle = (struct fixture_battle){
        .fixture = acting->fixture, .prompt = "mine", .state = BATTLE_READY};
    return fixture_battle_apply(tx, &acting->battle, err);
}

static bool vote(struct db *tx, struct acting *acting, struct err *err)
{
    struct vote_feedback feedback = {.comment = TEXT("a remark")};
    struct fixture_vote its = fixture_vote(acting->fixture, acting->battle.id, WINNER_A);
    return fixture_vote_apply(tx, &its, err) &&
           votes_feedback(tx, acting->battle.id, acting->fixture->voter, &feedback, NOW, err);
}

static bool count_votes(struct db *tx, struct acting *acting, struct err *err)
{
    int64_t count;
    return votes_count_since(tx, acting->fixture->voter, 0, &count, err);
}

static bool go_on(void *user, const struct battle_summary *summary)
{
    (void)user;
    (void)summary;
    return true;
}

static bool history(struct db *tx, struct acting *acting, struct err *err)
{
    return battles_of_voter(tx, acting->fixture->voter, 0, 50, go_on, NULL, err);
}

static bool next_pair(struct db *tx, struct acting *acting, struct err *err)
{
    char battle[STORE_ID_SIZE];
    return queue_open(tx, acting->fixture->voter, battle, err);
}

static bool sign_in(struct db *tx, struct acting *acting, struct err *err)
{
    struct login login;
    bool found;
    (void)acting;
    return logins_by_name(tx, "nobody", &login, &found, err);
}

static bool look_whether_excluded(struct db *tx, struct acting *acting, struct err *err)
{
    struct exclusion_record record;
    bool found;
    return exclusions_told(tx, acting->fixture->voter, &record, &found, err);
}

static bool sweep(struct db *tx, struct acting *acting, struct err *err)
{
    int64_t count;
    (void)acting;
    return battles_expire(tx, NOW, &count, err) && battles_restart(tx, NOW, &count, err);
}

static bool let_go(struct db *tx, struct acting *acting, struct err *err)
{
    struct erasure_report report;
    return erasure_voter(tx, acting->fixture->voter, NOW, &report, err);
}

/* In this order, in one job. */
static bool act(struct db *tx, void *data, struct err *err)
{
    static const struct {
        const char *what;
        bool (*does)(struct db *tx, struct acting *acting, struct err *err);
    } ACTS[] = {{"opening a battle", open_battle},
                {"voting", vote},
                {"counting a day's votes", count_votes},
                {"listing own battles", history},
                {"looking for the open pair", next_pair},
                {"signing in", sign_in},
                {"looking at exclusions", look_whether_excluded},
                {"the sweep", sweep},
                {"erasing", let_go}};
    for (size_t i = 0; i < sizeof ACTS / sizeof *ACTS; i++) {
        int64_t before = steps_of_all(tx);
        if (!ACTS[i].does(tx, data, err))
            return false;
        int64_t steps = steps_of_all(tx) - before;
        if (steps > FEW)
            return err_set(err, ERR_INTERNAL, "%s steps over %lld rows", ACTS[i].what,
                           (long long)steps);
    }
    return true;
}

static void no_request_of_a_voter_reads_a_table(void **state)
{
    struct acting acting = {.fixture = *state};
    fixture_apply(acting.fixture, fill, NULL);
    fixture_apply(acting.fixture, act, &acting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_request_of_a_voter_reads_a_table, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
