/* Values in and out, nested reads of one statement, errors by kind. */
#include "unit/store/fixture.h"

#include <math.h>

static struct db *open_db(const struct fixture *fixture)
{
    struct err err = ERR_INIT;
    char path[128];
    snprintf(path, sizeof path, "%s/arena.db", fixture->dir);
    struct db *db = db_open(path, DB_WRITE, &err);
    need(db != NULL, &err);
    need(db_script(db, "CREATE TABLE v (i, r, t, b, n)", &err), &err);
    return db;
}

static void values_come_back_as_they_went(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct db *db = open_db(fixture);
    struct db_rows rows;
    need(db_run(db, "INSERT INTO v VALUES (?, ?, ?, ?, ?)",
                DB_VALUES(DB_INT(INT64_MIN), DB_REAL(0.1), DB_TEXT(TEXT("a\0b")),
                          DB_BLOB("\0\1", 2), DB_REAL(NAN)),
                &err),
         &err);
    need(db_select(db, &rows, "SELECT i, r, t, b, n, '' FROM v", DB_NONE, &err), &err);
    assert_true(db_next(&rows));
    assert_true(db_int(&rows, 0) == INT64_MIN && db_real(&rows, 1) == 0.1);
    assert_true(text_equal(db_text(&rows, 2), TEXT("a\0b")));
    char bytes[2], cut[3];
    assert_true(db_bytes(&rows, 3, bytes, 2) && bytes[1] == 1);
    assert_false(db_bytes(&rows, 3, bytes, 1));
    assert_true(db_is_null(&rows, 4) && isnan(db_real(&rows, 4)) && db_text(&rows, 4).data == NULL);
    assert_int_equal(db_int_or(&rows, 4, -7), -7);
    assert_true(db_text(&rows, 5).data != NULL &&
                db_text(&rows, 5).length == 0); /* empty is not absent */
    db_copy(&rows, 2, cut, sizeof cut);
    assert_memory_equal(cut, "a\0\0", 3);
    assert_false(db_next(&rows));
    assert_false(db_next(&rows));
    need(db_end(&rows, &err), &err);
    db_close(db);
}

static void absent_values_are_null(void **state)
{
    (void)state;
    assert_int_equal(DB_STRING(NULL).kind, DB_KIND_NULL);
    assert_int_equal(DB_TEXT(((struct text){NULL, 0})).kind, DB_KIND_NULL);
    assert_int_equal(DB_TEXT(TEXT("")).kind, DB_KIND_TEXT);
    assert_int_equal(DB_BLOB(NULL, 0).kind, DB_KIND_NULL);
    assert_int_equal(DB_KNOWN(-1).kind, DB_KIND_NULL);
    assert_int_equal(DB_KNOWN(0).kind, DB_KIND_INT);
    assert_int_equal(DB_REAL(NAN).kind, DB_KIND_NULL);
}

static int64_t count_below(struct db *db, int64_t limit, int depth)
{
    struct err err = ERR_INIT;
    struct db_rows rows;
    int64_t count = 0;
    need(db_select(db, &rows, "SELECT i FROM v WHERE i < ?", DB_VALUES(DB_INT(limit)), &err), &err);
    while (db_next(&rows))
        count += depth > 0 ? count_below(db, db_int(&rows, 0), depth - 1) : 1;
    need(db_end(&rows, &err), &err);
    return count;
}

static void a_read_inside_the_same_read_works(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct db *db = open_db(fixture);
    for (int i = 0; i < 10; i++)
        need(db_run(db, "INSERT INTO v (i) VALUES (?)", DB_VALUES(DB_INT(i)), &err), &err);
    assert_int_equal(count_below(db, 10, 0), 10);
    assert_int_equal(count_below(db, 10, 1), 45);
    assert_int_equal(count_below(db, 10, 2), 120);
    db_close(db);
}

static void more_statements_than_are_kept_still_work(void **state)
{
    static char statements[300][40];
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct db *db = open_db(fixture);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 300; i++) {
            int64_t got;
            snprintf(statements[i], sizeof statements[i], "SELECT %d", i);
            need(db_one_int(db, statements[i], DB_NONE, -1, &got, &err), &err);
            assert_int_equal(got, i);
        }
    db_close(db);
}

static void errors_say_what_and_where(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct db *db = open_db(fixture);
    assert_false(db_run(db, "INSERT INTO nowhere VALUES (1)", DB_NONE, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_non_null(strstr(err.message, "no such table: nowhere"));
    need(db_script(db, "CREATE UNIQUE INDEX u ON v (i); INSERT INTO v (i) VALUES (1)", &err), &err);
    assert_false(db_run(db, "INSERT INTO v (i)\nVALUES (1)", DB_NONE, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_null(strchr(err.message, '\n'));
    assert_false(db_run(db, "INSERT INTO battles (number) VALUES (1)", DB_NONE, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    need(db_script(db, "PRAGMA max_page_count = 1", &err), &err);
    assert_false(db_run(db, "INSERT INTO v (b) VALUES (zeroblob(9000000))", DB_NONE, &err));
    assert_int_equal(err.code, ERR_STORE);
    assert_non_null(strstr(err.message, "free some space"));
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(values_come_back_as_they_went),     cmocka_unit_test(absent_values_are_null),
        TEST(a_read_inside_the_same_read_works), TEST(more_statements_than_are_kept_still_work),
        TEST(errors_say_what_and_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
