/* Erasing a voter and old text: nothing of the person or the text is left, counts and ledger
 * stay. */
#include "unit/store/fixture.h"

#include "store/erasure.h"
#include "store/ledger.h"
#include "store/turns.h"
#include "store/vote_rows.h"

static void cast(struct fixture *fixture, char id[STORE_ID_SIZE])
{
    fixture_battle(fixture, BATTLE_READY, id);
    struct fixture_vote vote = fixture_vote(fixture, id, WINNER_A);
    fixture_apply(fixture, fixture_vote_apply, &vote);
}

static bool second_voter(struct db *tx, void *data, struct err *err)
{
    struct voter_record voter = {.created_ms = NOW, .name = "Berta", .cohort = "staff"};
    random_id(voter.id);
    copy_id(data, voter.id);
    return voters_insert(tx, &voter, err);
}

struct erasing {
    const char *voter;
    struct erasure_report report;
};

static bool erase(struct db *tx, void *data, struct err *err)
{
    struct erasing *erasing = data;
    return erasing->voter != NULL
               ? erasure_voter(tx, erasing->voter, NOW + 9, &erasing->report, err)
               : erasure_before(tx, &(int64_t){0}, NOW + 2, &erasing->report, err);
}

static bool remark(struct db *tx, void *data, struct err *err)
{
    struct vote_feedback feedback = {.comment = TEXT("I know this one"),
                                     .recognised = TEXT("\"gpt\"")};
    struct fixture_vote *vote = data;
    return votes_feedback(tx, vote->cast.battle, vote->cast.voter, &feedback, NOW, err);
}

static int64_t number(const struct fixture *fixture, const char *sql)
{
    struct err err = ERR_INIT;
    struct db *db = fixture_reader(fixture);
    int64_t value;
    need(db_one_int(db, sql, DB_NONE, -1, &value, &err), &err);
    db_close(db);
    return value;
}

static void expect_whole(const struct fixture *fixture, int64_t votes, int64_t erased)
{
    struct err err = ERR_INIT;
    struct ledger_report report;
    struct db *db = fixture_reader(fixture);
    need(ledger_verify(db, &report, &err), &err);
    assert_string_equal(report.problem, "");
    assert_int_equal(report.votes, votes);
    assert_int_equal(report.erased, erased);
    db_close(db);
}

static bool sum_prompts(void *user, const struct vote_row *row)
{
    uint64_t *prompts = user;
    prompts[row->seq - 1] = row->prompt;
    return true;
}

static void read_prompts(const struct fixture *fixture, uint64_t prompts[4])
{
    struct err err = ERR_INIT;
    struct vote_filter filter = VOTE_FILTER_ALL;
    struct db *db = fixture_reader(fixture);
    need(votes_each(db, &filter, sum_prompts, prompts, &err), &err);
    db_close(db);
}

static void a_voter_is_erased(void **state)
{
    struct fixture *fixture = *state;
    char first[STORE_ID_SIZE], open[STORE_ID_SIZE], id[STORE_ID_SIZE], berta[STORE_ID_SIZE];
    uint64_t before[4], after[4];
    cast(fixture, first);
    cast(fixture, id);
    struct fixture_vote vote = fixture_vote(fixture, first, WINNER_A);
    fixture_apply(fixture, remark, &vote);
    fixture_battle(fixture, BATTLE_READY, open);
    char anna[STORE_ID_SIZE];
    copy_id(anna, fixture->voter);
    fixture_apply(fixture, second_voter, berta);
    copy_id(fixture->voter, berta);
    cast(fixture, id);
    read_prompts(fixture, before);
    struct erasing berta_goes = {.voter = berta}, anna_goes = {.voter = anna},
                   nobody = {.voter = "nobody"};
    fixture_apply(fixture, erase, &berta_goes);
    assert_int_equal(berta_goes.report.votes, 1);
    assert_int_equal(berta_goes.report.answers, 2);
    read_prompts(fixture, after);
    assert_true(after[2] == before[2]); /* Anna asked the same: it gives nobody away */
    expect_whole(fixture, 3, 1);
    fixture_apply(fixture, erase, &anna_goes);
    assert_int_equal(anna_goes.report.battles, 3);
    read_prompts(fixture, after);
    assert_true(after[0] == after[1]); /* still one cluster */
    expect_whole(fixture, 3, 3);
    assert_int_equal(number(fixture, "SELECT count(*) FROM turns WHERE prompt NOTNULL"), 0);
    assert_int_equal(number(fixture, "SELECT count(*) FROM answers WHERE text NOTNULL"), 0);
    assert_int_equal(number(fixture, "SELECT count(*) FROM feedback WHERE comment NOTNULL"), 0);
    assert_int_equal(number(fixture, "SELECT count(*) FROM feedback WHERE recognised = 'true'"), 1);
    assert_int_equal(
        number(fixture, "SELECT count(*) FROM voters WHERE name = 'Berta' OR cohort NOTNULL"), 0);
    assert_int_equal(number(fixture, "SELECT count(DISTINCT voter) FROM votes"),
                     2); /* clusters stay */
    assert_int_equal(number(fixture, "SELECT count(*) FROM battles WHERE state = 3"), 1);
    struct err err = ERR_INIT;
    assert_false(store_apply(fixture->store, erase, &nobody, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(store_apply(fixture->store, erase, &anna_goes, &err)); /* the id is gone */
}

static void a_prompt_that_nobody_else_asked_is_hidden(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE];
    uint64_t before[4], after[4];
    cast(fixture, id);
    cast(fixture, id);
    read_prompts(fixture, before);
    fixture_apply(fixture, erase, &(struct erasing){.voter = fixture->voter});
    read_prompts(fixture, after);
    assert_true(after[0] == after[1] && after[0] != before[0]);
}

static bool share_answers(struct db *tx, void *data, struct err *err)
{
    return db_run(tx,
                  "UPDATE turns SET answer_a = (SELECT min(answer_a) FROM turns), answer_b = "
                  "(SELECT min(answer_b) FROM"
                  " turns) WHERE battle = (SELECT number FROM battles WHERE id = ?)",
                  DB_VALUES(DB_STRING(data)), err);
}

/* A queue shows the same answers to several voters. */
static void what_others_were_shown_too_stays(void **state)
{
    struct fixture *fixture = *state;
    char first[STORE_ID_SIZE], second[STORE_ID_SIZE], anna[STORE_ID_SIZE], berta[STORE_ID_SIZE];
    cast(fixture, first);
    copy_id(anna, fixture->voter);
    fixture_apply(fixture, second_voter, berta);
    copy_id(fixture->voter, berta);
    fixture_battle(fixture, BATTLE_READY, second);
    fixture_apply(fixture, share_answers, second);
    struct fixture_vote vote = fixture_vote(fixture, second, WINNER_B);
    fixture_apply(fixture, fixture_vote_apply, &vote);
    fixture_apply(fixture, erase, &(struct erasing){.voter = anna});
    assert_int_equal(number(fixture, "SELECT count(*) FROM answers WHERE text NOTNULL AND id <= 2"),
                     2);
    expect_whole(fixture, 2, 1);
}

static void old_text_goes(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE], open[STORE_ID_SIZE];
    cast(fixture, id);
    fixture_battle(fixture, BATTLE_READY, open);
    struct erasing old = {.voter = NULL};
    fixture_apply(fixture, erase, &old);
    assert_int_equal(old.report.battles, 1);
    fixture_apply(fixture, erase, &old);
    assert_int_equal(old.report.battles, 0);
    assert_int_equal(number(fixture, "SELECT count(*) FROM turns WHERE prompt NOTNULL"),
                     1); /* the open one's */
    expect_whole(fixture, 1, 1);
}

static bool answer_again(struct db *tx, void *data, struct err *err)
{
    static const struct turn_timing TIMING = {-1, -1, -1, -1, -1, -1};
    int64_t ids[2];
    for (int side = 0; side < 2; side++) {
        struct answer_record record = {.key = {(uint8_t)(7 + side)},
                                       .version = 1,
                                       .text = TEXT("another answer"),
                                       .finish = "stop",
                                       .created_ms = NOW};
        if (!answers_insert(tx, &record, &ids[side], err))
            return false;
    }
    return turns_answer(tx, data, 1, ids[0], ids[1], &TIMING, NOW, err);
}

/* Its text would be out of reach of whoever erases later. */
static void an_answer_that_was_replaced_goes_at_once(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE];
    fixture_battle(fixture, BATTLE_READY, id);
    assert_int_equal(number(fixture, "SELECT count(*) FROM answers WHERE text NOTNULL"), 2);
    fixture_apply(fixture, answer_again, id);
    assert_int_equal(number(fixture, "SELECT count(*) FROM answers WHERE text NOTNULL"), 2);
    assert_int_equal(number(fixture, "SELECT count(*) FROM answers WHERE text IS NULL"), 2);
    fixture_apply(fixture, erase, &(struct erasing){.voter = fixture->voter});
    assert_int_equal(number(fixture, "SELECT count(*) FROM answers WHERE text NOTNULL"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_voter_is_erased),
        TEST(a_prompt_that_nobody_else_asked_is_hidden),
        TEST(what_others_were_shown_too_stays),
        TEST(old_text_goes),
        TEST(an_answer_that_was_replaced_goes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
