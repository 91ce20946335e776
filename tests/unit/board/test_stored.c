/* Which stored votes a board is made of: the day's cap, draws with a known probability, and that
 * following the votes gives what reading them gives. */
#include "../store/fixture.h"
#include "board/aside.h"
#include "board/stored.h"
#include "store/vote_import.h"

#define DAY INT64_C(86400000)

static void cast_on(struct fixture *fixture, int64_t day, enum winner winner)
{
    char id[STORE_ID_SIZE];
    fixture_battle(fixture, BATTLE_READY, id);
    struct fixture_vote vote = fixture_vote(fixture, id, winner);
    vote.cast.now_ms = NOW + day * DAY;
    fixture_apply(fixture, fixture_vote_apply, &vote);
}

static bool import_apply(struct db *tx, void *data, struct err *err)
{
    struct vote_import row = {.key = text_of(data),
                              .model_a = TEXT("model one"),
                              .model_b = TEXT("model two"),
                              .judge = JUDGE_HUMAN,
                              .voter = TEXT("someone"),
                              .at_ms = NOW,
                              .style_a = {-1, -1, -1, -1},
                              .style_b = {-1, -1, -1, -1}};
    bool added;
    struct vote_importer *importer = vote_importer_new(tx, NOW, 1, err);
    bool ok = importer && vote_importer_add(importer, &row, &added, err) &&
              vote_importer_finish(importer, err);
    vote_importer_free(importer);
    return ok;
}

static struct stored_votes *load(struct fixture *fixture, struct stored_filter filter)
{
    struct err err = ERR_INIT;
    struct db *db = fixture_reader(fixture);
    struct stored_votes *votes = stored_votes_load(db, &filter, &err);
    need(votes != NULL, &err);
    db_close(db);
    return votes;
}

static void a_day_has_its_cap(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 12; i++)
        cast_on(fixture, i / 6,
                i % 6 < 4 ? WINNER_A : WINNER_B); /* two days, six votes each: four A, then two B */
    struct stored_votes *all = load(fixture, (struct stored_filter){.judge = -1});
    assert_int_equal(all->votes, 12);
    assert_null(all->notes[0]);
    struct stored_votes *capped =
        load(fixture, (struct stored_filter){.judge = -1, .daily_votes = 4});
    assert_int_equal(capped->votes, 8);
    assert_int_equal(capped->left_out[SIEVE_DAILY], 4);
    assert_int_equal(tally_record(&capped->tally, 0).wins, 8); /* the first ones count */
    assert_int_equal(capped->ballots.count, 8);
    assert_int_equal(capped->last_seq, 12);
    assert_string_equal(
        capped->notes[0],
        "4 votes were left out: a voter's votes beyond the day's number do not count");
    assert_null(capped->notes[1]);
    stored_votes_free(all);
    stored_votes_free(capped);
}

static void following_keeps_the_cap(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct stored_filter filter = {.judge = -1, .daily_votes = 3};
    cast_on(fixture, 0, WINNER_A);
    cast_on(fixture, 0, WINNER_A);
    struct stored_votes *votes = load(fixture, filter);
    struct db *db = fixture_reader(fixture);
    for (int day = 0; day < 80; day++) {
        cast_on(fixture, day, WINNER_B);
        cast_on(fixture, day, WINNER_B);
        need(stored_votes_more(votes, db, &err), &err);
    }
    db_close(db);
    assert_int_equal(votes->votes, 3 + 79 * 2);
    assert_int_equal(votes->left_out[SIEVE_DAILY], 1);
    struct stored_votes *read = load(fixture, filter);
    assert_int_equal(read->votes, votes->votes);
    assert_memory_equal(read->ballots.rows, votes->ballots.rows,
                        votes->ballots.count * sizeof *votes->ballots.rows);
    stored_votes_free(read);
    stored_votes_free(votes);
}

static void imports_have_no_cap(void **state)
{
    static char keys[10][8];
    struct fixture *fixture = *state;
    for (int i = 0; i < 10; i++) {
        snprintf(keys[i], sizeof keys[i], "key %d", i);
        fixture_apply(fixture, import_apply, keys[i]);
    }
    struct stored_votes *votes =
        load(fixture, (struct stored_filter){.judge = -1, .daily_votes = 2});
    assert_int_equal(votes->votes, 10);
    int64_t number[4] = {0};
    assert_int_equal(votes->ballots.voters, 1);
    stored_votes_voters(votes, number);
    assert_true(number[0] > 0);
    stored_votes_free(votes);
}

static void weights_undo_the_draw(void **state)
{
    struct fixture *fixture = *state;
    cast_on(fixture, 0, WINNER_A);
    cast_on(fixture, 1, WINNER_B);
    fixture_apply(fixture, import_apply, (char[]){"one"}); /* nobody drew it */
    struct stored_votes *votes =
        load(fixture, (struct stored_filter){.judge = -1, .weighted = true});
    assert_int_equal(votes->votes, 2);
    assert_int_equal(votes->undrawn, 1);
    assert_non_null(
        strstr(votes->notes[0], "1 votes were left out: nobody knows with which probability"));
    for (size_t k = 0; k < 2; k++) {
        assert_true(votes->ballots.weight[k] == 4); /* drawn with 0.25 */
        assert_int_equal(votes->ballots.rows[k].day, NOW / DAY + (int64_t)k);
    }
    stored_votes_free(votes);
}

/* What stands beside the board counts what is over, not what is under way. */
static void reliability_waits_for_the_end(void **state)
{
    struct fixture *fixture = *state;
    struct aside aside;
    struct err err = ERR_INIT;
    char id[STORE_ID_SIZE];
    struct buf json;
    fixture_battle(fixture, BATTLE_READY, id); /* answered, not yet voted on */
    cast_on(fixture, 0, WINNER_A);
    struct stored_votes *votes =
        load(fixture, (struct stored_filter){.judge = -1, .catalogue = true});
    struct db *db = fixture_reader(fixture);
    aside_init(&aside);
    need(aside_refresh(&aside, db, &err), &err);
    db_close(db);
    buf_init(&json, 4096);
    buf_add_string(&json, "{\"votes\":1}\n");
    assert_true(aside_append(&json, &aside, votes, NULL, TEXT("{}")));
    assert_string_equal(json.data,
                        "{\"votes\":1,\"filter\":{},\"categories\":[{\"name\":\"no_tie\",\"votes\":"
                        "1}],\"reliability\":["
                        "{\"model\":\"model one\",\"battles\":1,\"voids\":0,\"void_rate\":0.000000,"
                        "\"swaps\":0,\"swap_rate\":0.000000,\"answers\":1,\"refusals\":0,"
                        "\"refusal_rate\":0.000000,\"length_stops\":0},"
                        "{\"model\":\"model two\",\"battles\":1,\"voids\":0,\"void_rate\":0.000000,"
                        "\"swaps\":0,\"swap_rate\":0.000000,\"answers\":1,\"refusals\":0,"
                        "\"refusal_rate\":0.000000,\"length_stops\":0}],\"blinding\":{"
                        "\"answered\":0,\"recognised\":0,\"right\":0,\"wrong\":0,"
                        "\"index\":null}}");
    buf_done(&json);
    aside_done(&aside);
    stored_votes_free(votes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST_OF(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST_OF(a_day_has_its_cap),
        TEST_OF(following_keeps_the_cap),
        TEST_OF(imports_have_no_cap),
        TEST_OF(weights_undo_the_draw),
        TEST_OF(reliability_waits_for_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
