/* Competitors and versions, voters and boards: what is stored once, what is found again. */
#include "unit/store/fixture.h"

#include "store/boards.h"

struct registration {
    struct version_record record;
    char digest[65];
    int64_t version;
};

static bool register_one(struct db *tx, void *data, struct err *err)
{
    struct registration *new = data;
    new->record.digest = new->digest;
    return competitors_register(tx, &new->record, NOW, &new->version, err);
}

static int64_t version_of(struct fixture *fixture, const char *name, char digest,
                          const char *licence)
{
    struct registration new = {.record = {.name = name, .effective = "{}", .licence = licence}};
    digest_text(new.digest, digest);
    fixture_apply(fixture, register_one, &new);
    return new.version;
}

static void a_change_is_a_new_version(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    int64_t first = version_of(fixture, "m", '1', NULL);
    assert_true(version_of(fixture, "m", '1', "MIT") == first);
    int64_t second = version_of(fixture, "m", '2', "MIT"),
            other = version_of(fixture, "n", '1', NULL);
    assert_true(second != first && other != first && other != second);
    struct db *db = fixture_reader(fixture);
    struct versions versions;
    need(versions_load(db, &versions, &err), &err);
    assert_int_equal(versions.count, 5); /* with the fixture's two */
    const struct version_record *found = versions_find(&versions, second);
    assert_string_equal(found->name, "m");
    assert_string_equal(found->licence, "MIT");
    assert_null(found->organisation);
    assert_true(found->competitor == versions_find(&versions, first)->competitor);
    assert_null(versions_find(&versions, 99));
    assert_false(found->imported);
    versions_done(&versions);
    assert_null(versions_find(&versions, second));
    db_close(db);
}

static bool import_names(struct db *tx, void *data, struct err *err)
{
    int64_t *versions = data;
    return competitors_imported(tx, TEXT("model one"), NOW, &versions[0], err) &&
           competitors_imported(tx, TEXT("model one"), NOW, &versions[1], err) &&
           competitors_imported(tx, TEXT("new"), NOW, &versions[2], err);
}

static void an_imported_name_is_one_version(void **state)
{
    struct fixture *fixture = *state;
    int64_t versions[3];
    fixture_apply(fixture, import_names, versions);
    assert_true(versions[0] == versions[1] && versions[0] != versions[2]);
    assert_true(versions[0] != fixture->version_a);
}

struct state_change {
    const char *name, *state;
};

static bool set_state(struct db *tx, void *data, struct err *err)
{
    struct state_change *change = data;
    return competitors_set_state(tx, change->name, change->state, err);
}

static void states_are_kept(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    char word[COMPETITOR_STATE_SIZE];
    struct db *db = fixture_reader(fixture);
    need(competitors_state(db, "model one", word, &err), &err);
    assert_string_equal(word, "active");
    fixture_apply(fixture, set_state, &(struct state_change){"model one", "paused"});
    need(competitors_state(db, "model one", word, &err), &err);
    assert_string_equal(word, "paused");
    assert_false(store_apply(fixture->store, set_state,
                             &(struct state_change){"model one", "asleep"}, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_false(
        store_apply(fixture->store, set_state, &(struct state_change){"nobody", "paused"}, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    need(competitors_state(db, "nobody", word, &err), &err);
    assert_string_equal(word, "");
    db_close(db);
}

/* --- voters --- */

static bool name_voters(struct db *tx, void *data, struct err *err)
{
    int64_t *numbers = data;
    return voters_named(tx, VOTER_IMPORTED, TEXT("anna"), NOW, &numbers[0], err) &&
           voters_named(tx, VOTER_IMPORTED, TEXT("anna"), NOW, &numbers[1], err) &&
           voters_named(tx, VOTER_MODEL, TEXT("anna"), NOW, &numbers[2], err);
}

static void named_voters_are_one_a_kind(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    int64_t numbers[3];
    fixture_apply(fixture, name_voters, numbers);
    assert_true(numbers[0] == numbers[1] && numbers[0] != numbers[2]);
    struct db *db = fixture_reader(fixture);
    struct voter_record record;
    need(voters_find(db, fixture->voter, &record, &err), &err);
    assert_int_equal(record.kind, VOTER_HUMAN);
    assert_false(voters_find(db, "nobody", &record, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    db_close(db);
    enum voter_role role;
    assert_true(voter_role_from("admin", &role) && role == ROLE_ADMIN);
    assert_false(voter_role_from("root", &role));
}

/* --- boards --- */

static bool store_boards(struct db *tx, void *data, struct err *err)
{
    struct board_record record = {.filter = "{}",
                                  .method = "bt-1",
                                  .last_seq = 3,
                                  .seed = -1,
                                  .json = TEXT("{\"a\":1}"),
                                  .created_ms = NOW};
    int64_t *ids = data;
    memset(record.data_hash, 9, DIGEST_SIZE);
    return boards_insert(tx, &record, &ids[0], err) && boards_insert(tx, &record, &ids[1], err);
}

struct seen_board {
    int count;
    int64_t first;
};

static bool see_board(void *user, const struct board_record *record)
{
    struct seen_board *seen = user;
    if (seen->count++ == 0)
        seen->first = record->id;
    assert_string_equal(record->method, "bt-1");
    assert_int_equal(record->seed, -1);
    assert_int_equal(record->data_hash[31], 9);
    assert_true(text_equal(record->json, TEXT("{\"a\":1}")));
    return true;
}

static void boards_come_newest_first(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    int64_t ids[2];
    struct seen_board all = {0}, one = {0};
    fixture_apply(fixture, store_boards, ids);
    struct db *db = fixture_reader(fixture);
    need(boards_each(db, 0, see_board, &all, &err), &err);
    need(boards_each(db, 1, see_board, &one, &err), &err);
    assert_int_equal(all.count, 2);
    assert_int_equal(one.count, 1);
    assert_int_equal(one.first, ids[1]);
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_change_is_a_new_version), TEST(an_imported_name_is_one_version),
        TEST(states_are_kept),           TEST(named_voters_are_one_a_kind),
        TEST(boards_come_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
