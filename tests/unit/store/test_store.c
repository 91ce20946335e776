/* Opening and its refusals, jobs and their answers, readers. */
#include "unit/store/fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "store/migrations.h"

static bool make_table(struct db *tx, void *data, struct err *err)
{
    (void)data;
    return db_script(tx, "CREATE TABLE t (x INTEGER UNIQUE)", err);
}

struct number {
    int64_t value;
    struct err err;
    int answered;
    int *order;
};

static bool insert_number(struct db *tx, void *data, struct err *err)
{
    return db_run(tx, "INSERT INTO t VALUES (?)", DB_VALUES(DB_INT(((struct number *)data)->value)),
                  err);
}

static void note(void *data, const struct err *err)
{
    struct number *number = data;
    number->err = *err;
    number->answered = ++*number->order;
}

static int64_t count_rows(const struct fixture *fixture, const char *sql)
{
    struct err err = ERR_INIT;
    struct db *db = fixture_reader(fixture);
    int64_t count = -1;
    need(db_one_int(db, sql, DB_NONE, -1, &count, &err), &err);
    db_close(db);
    return count;
}

static void answers_come_in_order_and_one_fails_alone(void **state)
{
    struct fixture *fixture = *state;
    struct number numbers[5];
    int64_t values[] = {1, 2, 2, 3, 1};
    int order = 0;
    struct err err = ERR_INIT;
    fixture_apply(fixture, make_table, NULL);
    for (int i = 0; i < 5; i++) {
        numbers[i] = (struct number){.value = values[i], .order = &order};
        struct store_job job = {insert_number, note, &numbers[i]};
        need(store_submit(fixture->store, &job, &err), &err);
    }
    while (order < 5)
        loop_turn(fixture->loop, 1000);
    static const enum err_code EXPECTED[] = {ERR_NONE, ERR_NONE, ERR_CONFLICT, ERR_NONE,
                                             ERR_CONFLICT};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(numbers[i].answered, i + 1);
        assert_int_equal(numbers[i].err.code, EXPECTED[i]);
    }
    assert_int_equal(count_rows(fixture, "SELECT count(*) FROM t"), 3);
}

/* Nothing is answered before it is committed: another connection sees it at once. */
static void is_committed_when_answered(void **state)
{
    struct fixture *fixture = *state;
    fixture_apply(fixture, make_table, NULL);
    for (int i = 0; i < 20; i++) {
        struct number number = {.value = i};
        fixture_apply(fixture, insert_number, &number);
        assert_int_equal(count_rows(fixture, "SELECT count(*) FROM t"), i + 1);
    }
}

static bool sleep_inside(struct db *tx, void *data, struct err *err)
{
    (void)tx, (void)err;
    pthread_mutex_lock(data);
    pthread_mutex_unlock(data);
    return true;
}

static void a_full_queue_is_busy_and_drains(void **state)
{
    struct fixture *fixture = *state;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    struct err err = ERR_INIT;
    struct store_job blocker = {sleep_inside, NULL, &gate};
    int order = 0, taken = 0;
    struct number number = {.value = 1, .order = &order};
    struct store_job job = {insert_number, note, &number};
    fixture_apply(fixture, make_table, NULL);
    pthread_mutex_lock(&gate);
    need(store_submit(fixture->store, &blocker, &err), &err);
    while (store_submit(fixture->store, &job, &err))
        taken++;
    assert_int_equal(err.code, ERR_BUSY);
    assert_int_equal(taken, LIMIT_WRITE_QUEUE - 1);
    pthread_mutex_unlock(&gate);
    while (order < taken)
        loop_turn(fixture->loop, 1000);
    struct store_stats stats;
    store_stats(fixture->store, &stats);
    assert_int_equal(stats.waiting, 0);
    assert_true(stats.healthy);
    assert_true(stats.commits < 10); /* thousands of jobs, a few commits */
}

static void closing_answers_what_waits(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    int order = 0;
    struct number numbers[50];
    fixture_apply(fixture, make_table, NULL);
    for (int i = 0; i < 50; i++) {
        numbers[i] = (struct number){.value = i, .order = &order};
        need(store_submit(fixture->store, &(struct store_job){insert_number, note, &numbers[i]},
                          &err),
             &err);
    }
    store_close(fixture->store);
    loop_turn(fixture->loop, 0);
    assert_int_equal(order, 50);
    fixture_open(fixture);
    assert_int_equal(count_rows(fixture, "SELECT count(*) FROM t"), 50);
}

/* --- refusals at opening --- */

static void expect_refusal(const char *dir, enum err_code code, const char *word)
{
    struct err err = ERR_INIT;
    assert_null(store_open(dir, NULL, &err));
    assert_int_equal(err.code, code);
    if (strstr(err.message, word) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, word);
}

static void a_second_owner_is_refused_by_name(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    char process[32];
    snprintf(process, sizeof process, "process %d", (int)getpid());
    expect_refusal(fixture->dir, ERR_CONFLICT, process);
    need(store_announce(fixture->store, "http://127.0.0.1:8080", &err), &err);
    expect_refusal(fixture->dir, ERR_CONFLICT, "at http://127.0.0.1:8080");
    store_close(fixture->store);
    fixture_open(fixture); /* given back */
}

static void set_pragma(const struct fixture *fixture, const char *sql)
{
    char path[128];
    sqlite3 *handle;
    snprintf(path, sizeof path, "%s/arena.db", fixture->dir);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
}

static void a_newer_version_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    store_close(fixture->store);
    set_pragma(fixture, "PRAGMA user_version = 9999");
    expect_refusal(fixture->dir, ERR_UNSUPPORTED, "9999");
    assert_null(store_read_open(fixture->dir, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    fixture->store = NULL;
}

/* What the first arena stored: a vote, and a competitor that failed. */
static const char FIRST_ROWS[] =
    "INSERT INTO competitors (name, in_house, outputs_may_train, created_ms)"
    " VALUES ('left', 1, 1, 1), ('right', 0, 0, 1);"
    "INSERT INTO competitor_versions (competitor, digest, effective, imported, created_ms)"
    " VALUES (1, printf('%064d', 1), '{}', 0, 1), (2, printf('%064d', 2), '{}', 0, 1);"
    "INSERT INTO voters (id, kind, role, created_ms) VALUES ('somebody', 0, 0, 1);"
    "INSERT INTO battles (id, voter, state, source, mode, version_a, version_b, created_ms)"
    " VALUES ('first', 1, 2, 0, 0, 1, 2, 1);"
    "INSERT INTO votes (battle, voter, winner, judge, counted, at_ms, turns, voter_digest,"
    " content_digest, prev_hash, hash) VALUES (1, 1, 0, 0, 0, 1, 1, zeroblob(32), zeroblob(32),"
    " zeroblob(32), zeroblob(32));"
    "INSERT INTO incidents VALUES (7, 1, 2, 0, 'timeout', 1)";

static void an_older_version_is_brought_up(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    char path[128];
    store_close(fixture->store);
    snprintf(path, sizeof path, "%s/arena.db", fixture->dir);
    assert_int_equal(unlink(path), 0);
    struct db *db = db_open(path, DB_WRITE, &err);
    assert_non_null(db);
    assert_true(migrations_apply_to(db, path, 1, &err));
    assert_true(db_script(db, FIRST_ROWS, &err));
    db_close(db);
    assert_null(store_read_open(fixture->dir, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "arena serve"));
    fixture_open(fixture);
    assert_int_equal(count_rows(fixture, "SELECT count(*) FROM votes"), 1);
    assert_int_equal(count_rows(fixture, "SELECT count(*) FROM api_keys"), 0);
    assert_int_equal(count_rows(fixture, "SELECT count(*) FROM incidents i JOIN battles b"
                                         " ON b.number = i.battle WHERE i.side = 1"
                                         " AND i.against = b.version_a AND i.closed = 7"),
                     1);
}

static void anothers_database_is_refused(void **state)
{
    struct fixture *fixture = *state;
    store_close(fixture->store);
    set_pragma(fixture, "PRAGMA application_id = 5");
    expect_refusal(fixture->dir, ERR_FORMAT, "not arena's");
    fixture->store = NULL;
}

static void write_over(const struct fixture *fixture, off_t at, const char *bytes, size_t length)
{
    char path[128];
    snprintf(path, sizeof path, "%s/arena.db", fixture->dir);
    int file = open(path, O_WRONLY);
    assert_int_equal(pwrite(file, bytes, length, at), length);
    close(file);
}

static void a_damaged_database_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char noise[4096];
    store_close(fixture->store);
    memset(noise, 0x5a, sizeof noise);
    write_over(fixture, 4096 * 3, noise, sizeof noise);
    expect_refusal(fixture->dir, ERR_STORE, "damaged");
    write_over(fixture, 0, noise, 100);
    expect_refusal(fixture->dir, ERR_STORE, "not a database");
    fixture->store = NULL;
}

static void an_impossible_directory_is_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    expect_refusal("/proc/nowhere", ERR_IO, "/proc/nowhere");
    expect_refusal("/dev/null/x", ERR_IO, "/dev/null");
    assert_null(store_read_open("/tmp/arena-nowhere", &err));
    assert_non_null(strstr(err.message, "there is no arena in /tmp/arena-nowhere"));
}

static void files_are_the_owners_alone(void **state)
{
    struct fixture *fixture = *state;
    static const char *const FILES[] = {"arena.db", "arena.db-wal", "arena.lock"};
    for (int i = 0; i < 3; i++) {
        char path[128];
        struct stat status;
        snprintf(path, sizeof path, "%s/%s", fixture->dir, FILES[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
}

static void readers_cannot_write(void **state)
{
    struct db *db = fixture_reader(*state);
    struct err err = ERR_INIT;
    assert_false(db_run(db, "DELETE FROM voters", DB_NONE, &err));
    assert_int_equal(err.code, ERR_STORE);
    db_close(db);
}

static void a_read_can_be_one_view(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct db *db = fixture_reader(fixture);
    int64_t before, after;
    fixture_apply(fixture, make_table, NULL);
    need(store_read_begin(db, &err), &err);
    need(db_one_int(db, "SELECT count(*) FROM t", DB_NONE, -1, &before, &err), &err);
    fixture_apply(fixture, insert_number, &(struct number){.value = 1});
    need(db_one_int(db, "SELECT count(*) FROM t", DB_NONE, -1, &after, &err), &err);
    assert_int_equal(after, before);
    store_read_end(db);
    need(db_one_int(db, "SELECT count(*) FROM t", DB_NONE, -1, &after, &err), &err);
    assert_int_equal(after, before + 1);
    db_close(db);
}

/* --- the log is cut, also after a reader that sat on it --- */

static bool insert_blob(struct db *tx, void *data, struct err *err)
{
    return db_run(tx, "INSERT INTO big VALUES (zeroblob(?))", DB_VALUES(DB_INT(*(int64_t *)data)),
                  err);
}

static bool make_big(struct db *tx, void *data, struct err *err)
{
    (void)data;
    return db_script(tx, "CREATE TABLE big (x BLOB)", err);
}

static int64_t wal_size(const struct fixture *fixture)
{
    char path[128];
    struct stat status;
    snprintf(path, sizeof path, "%s/arena.db-wal", fixture->dir);
    return stat(path, &status) == 0 ? status.st_size : 0;
}

static void the_log_is_cut(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    int64_t size = 1 << 20;
    struct db *reader = fixture_reader(fixture);
    fixture_apply(fixture, make_big, NULL);
    need(store_read_begin(reader, &err), &err);
    int64_t count;
    need(db_one_int(reader, "SELECT count(*) FROM big", DB_NONE, 0, &count, &err), &err);
    for (int i = 0; i < 40; i++)
        fixture_apply(fixture, insert_blob, &size);
    assert_true(wal_size(fixture) > LIMIT_WAL_BYTES);
    store_read_end(reader);
    db_close(reader);
    size = 1; /* a checkpoint that a reader held up is tried again after a second */
    for (int i = 0; i < 2000 && wal_size(fixture) > LIMIT_WAL_BYTES; i++) {
        usleep(50000);
        fixture_apply(fixture, insert_blob, &size);
    }
    assert_true(wal_size(fixture) <= LIMIT_WAL_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(answers_come_in_order_and_one_fails_alone),
        TEST(is_committed_when_answered),
        TEST(a_full_queue_is_busy_and_drains),
        TEST(closing_answers_what_waits),
        TEST(a_second_owner_is_refused_by_name),
        TEST(a_newer_version_is_refused),
        TEST(an_older_version_is_brought_up),
        TEST(anothers_database_is_refused),
        TEST(a_damaged_database_is_refused),
        TEST(an_impossible_directory_is_refused),
        TEST(files_are_the_owners_alone),
        TEST(readers_cannot_write),
        TEST(a_read_can_be_one_view),
        TEST(the_log_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
