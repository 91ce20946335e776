/* A battle's steps as stored, its turns and answers, lists, restart and expiry. */
#include "unit/store/fixture.h"

#include <math.h>

#include "base/limits.h"
#include "store/answers.h"
#include "store/turns.h"

static struct battle_record find(const struct fixture *fixture, const char *id)
{
    struct err err = ERR_INIT;
    struct battle_record record;
    struct db *db = fixture_reader(fixture);
    need(battles_find(db, id, &record, &err), &err);
    db_close(db);
    return record;
}

static void what_was_stored_is_read(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE];
    fixture_battle(fixture, BATTLE_READY, id);
    struct battle_record record = find(fixture, id);
    assert_string_equal(record.id, id);
    assert_string_equal(record.voter, fixture->voter);
    assert_string_equal(record.campaign, "");
    assert_int_equal(record.state, BATTLE_READY);
    assert_int_equal(record.version_a, fixture->version_a);
    assert_int_equal(record.version_b, fixture->version_b);
    assert_true(record.probability == 0.25 && record.side_probability == 0.5);
    assert_int_equal(record.nonce[31], 7);
    assert_int_equal(record.turns, 1);
    assert_int_equal(record.created_ms, NOW);
    assert_int_equal(record.ended_ms, 0);
    assert_false(record.revealed || record.self_identified || record.keep_private);
}

struct change {
    const char *id;
    enum battle_state from, to;
};

static bool change(struct db *tx, void *data, struct err *err)
{
    struct change *step = data;
    return battles_change(tx, step->id, step->from, step->to,
                          step->to == BATTLE_VOID ? "network" : NULL, NOW + 5, err);
}

static void expect_error(struct fixture *fixture, bool (*apply)(struct db *, void *, struct err *),
                         void *data, enum err_code code)
{
    struct err err = ERR_INIT;
    assert_false(store_apply(fixture->store, apply, data, &err));
    assert_int_equal(err.code, code);
}

static void a_state_changes_only_from_where_it_is(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE];
    fixture_battle(fixture, BATTLE_READY, id);
    struct change wrong = {id, BATTLE_STREAMING, BATTLE_VOID},
                  right = {id, BATTLE_READY, BATTLE_VOID};
    struct change voted = {id, BATTLE_READY, BATTLE_VOTED},
                  nowhere = {"x", BATTLE_READY, BATTLE_VOID};
    expect_error(fixture, change, &wrong, ERR_WRONG_STATE);
    expect_error(fixture, change, &voted, ERR_INTERNAL);
    expect_error(fixture, change, &nowhere, ERR_NOT_FOUND);
    fixture_apply(fixture, change, &right);
    struct battle_record record = find(fixture, id);
    assert_int_equal(record.state, BATTLE_VOID);
    assert_string_equal(record.void_code, "network");
    assert_int_equal(record.ended_ms, NOW + 5);
    expect_error(fixture, change, &right, ERR_WRONG_STATE);
}

static bool swap_and_flag(struct db *tx, void *data, struct err *err)
{
    const struct fixture_battle *battle = data;
    struct style_counts a = {1, 2, 3, 4}, b = {-1, 6, 7, 8};
    struct incident_record incident = {.battle = battle->id,
                                       .kind = INCIDENT_SWAP,
                                       .version = battle->fixture->version_a,
                                       .against = battle->fixture->version_b,
                                       .code = "timeout",
                                       .at_ms = NOW};
    return battles_swap(tx, battle->id, 'a', battle->fixture->version_b, err) &&
           incidents_add(tx, &incident, err) && battles_flag_self_identified(tx, battle->id, err) &&
           battles_set_private(tx, battle->id, true, err) &&
           battles_set_tags(tx, battle->id, TEXT("{\"language\":\"en\"}"), err) &&
           battles_set_style(tx, battle->id, &a, &b, err) &&
           battles_set_revealed(tx, battle->id, NOW, err);
}

static void sides_are_swapped_only_while_streaming(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_battle battle = {.fixture = fixture};
    fixture_battle(fixture, BATTLE_READY, battle.id);
    expect_error(fixture, swap_and_flag, &battle, ERR_WRONG_STATE);
    fixture_battle(fixture, BATTLE_STREAMING, battle.id);
    fixture_apply(fixture, swap_and_flag, &battle);
    struct battle_record record = find(fixture, battle.id);
    assert_int_equal(record.version_a, fixture->version_b);
    assert_true(record.self_identified && record.keep_private && record.revealed);
}

struct count_check {
    int64_t version, voids, swaps, battles;
};

static void check_count(void *user, const struct incident_count *count)
{
    struct count_check *check = user;
    if (count->version != check->version)
        return;
    check->swaps = count->swaps;
    check->voids = count->voids;
    check->battles = count->battles;
}

static bool make_void(struct db *tx, void *data, struct err *err)
{
    const struct fixture_battle *battle = data;
    return battles_change(tx, battle->id, BATTLE_STREAMING, BATTLE_VOID, "failed", NOW, err);
}

static void incidents_are_counted_by_version(void **state)
{
    struct fixture *fixture = *state;
    struct fixture_battle battle = {.fixture = fixture};
    struct err err = ERR_INIT;
    fixture_battle(fixture, BATTLE_STREAMING, battle.id);
    fixture_apply(fixture, swap_and_flag, &battle);
    struct db *db = fixture_reader(fixture);
    struct count_check check = {.version = fixture->version_a};
    need(incidents_each(db, check_count, &check, &err), &err);
    assert_int_equal(check.swaps,
                     0); /* a battle under way moves nothing: that would name who answers */
    fixture_apply(fixture, make_void, &battle);
    need(incidents_each(db, check_count, &check, &err), &err);
    assert_int_equal(check.swaps, 1);
    assert_int_equal(check.voids, 0);
    assert_int_equal(check.battles, 1); /* it was drawn for one, and swapped out */
    check.version = fixture->version_b;
    need(incidents_each(db, check_count, &check, &err), &err);
    assert_int_equal(check.battles, 2); /* and stands on both sides */
    db_close(db);
}

/* --- turns --- */

struct next_turn {
    const char *id;
    int turn;
};

static bool add_turn(struct db *tx, void *data, struct err *err)
{
    struct next_turn *next = data;
    return turns_insert(tx, next->id, next->turn, TEXT("and then?"), NOW, err);
}

static void turns_follow_one_another(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE];
    fixture_battle(fixture, BATTLE_READY, id);
    expect_error(fixture, add_turn, &(struct next_turn){id, 1}, ERR_WRONG_STATE);
    expect_error(fixture, add_turn, &(struct next_turn){id, 3}, ERR_WRONG_STATE);
    expect_error(fixture, add_turn, &(struct next_turn){"nowhere", 1}, ERR_NOT_FOUND);
    fixture_apply(fixture, add_turn, &(struct next_turn){id, 2});
    assert_int_equal(find(fixture, id).turns, 2);
    fixture_apply(fixture, change, &(struct change){id, BATTLE_READY, BATTLE_SKIPPED});
    expect_error(fixture, add_turn, &(struct next_turn){id, 3}, ERR_WRONG_STATE);
}

static bool see_turn(void *user, const struct turn_record *turn)
{
    int *seen = user;
    ++*seen;
    assert_int_equal(turn->turn, *seen);
    assert_true(turn->answered == (turn->turn == 1));
    if (turn->turn == 2) {
        assert_true(text_equal(turn->prompt, TEXT("and then?")));
        return true;
    }
    assert_true(text_equal(turn->prompt, TEXT("Why is  the sky\nblue? ")));
    assert_true(text_equal(turn->a.text, TEXT("answer A")) &&
                text_equal(turn->b.text, TEXT("answer B")));
    assert_string_equal(turn->a.finish, "stop");
    assert_null(turn->a.error_class);
    assert_null(turn->a.reasoning.data);
    assert_int_equal(turn->a.input_tokens, 3);
    assert_int_equal(turn->a.output_tokens, -1);
    assert_true(turn->b.cost_usd == 0.5);
    assert_int_equal(turn->timing.released_ms, 50);
    return true;
}

static void turns_are_read_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    char id[STORE_ID_SIZE];
    int seen = 0;
    fixture_battle(fixture, BATTLE_READY, id);
    fixture_apply(fixture, add_turn, &(struct next_turn){id, 2});
    struct db *db = fixture_reader(fixture);
    need(turns_each(db, id, see_turn, &seen, &err), &err);
    assert_int_equal(seen, 2);
    db_close(db);
}

/* --- answers --- */

struct same_answer {
    int64_t version, first, second;
};

static bool insert_twice(struct db *tx, void *data, struct err *err)
{
    struct same_answer *same = data;
    return fixture_answer(tx, "x", same->version, "text", &same->first, err) &&
           fixture_answer(tx, "x", same->version, "text", &same->second, err);
}

static void count_found(void *user, const struct answer_record *record)
{
    assert_true(text_equal(record->text, TEXT("text")));
    ++*(int *)user;
}

static void an_answer_is_stored_once_by_its_key(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct same_answer same = {.version = fixture->version_a};
    fixture_apply(fixture, insert_twice, &same);
    assert_int_equal(same.first, same.second);
    struct db *db = fixture_reader(fixture);
    uint8_t key[DIGEST_SIZE];
    int found = 0;
    answers_key("digest", TEXT("x"), TEXT("text"), key);
    need(answers_find(db, key, count_found, &found, &err), &err);
    answers_key("digest", TEXT("xt"), TEXT("ext"), key); /* fields do not run into each other */
    need(answers_find(db, key, count_found, &found, &err), &err);
    assert_int_equal(found, 1);
    db_close(db);
}

/* --- lists and sweeps --- */

struct listed {
    int count;
    int64_t numbers[8];
    const char *winner;
};

static bool list_one(void *user, const struct battle_summary *summary)
{
    struct listed *listed = user;
    assert_true(text_equal(summary->prompt, TEXT("Why is  the sky\nblue? ")));
    listed->winner = summary->winner;
    listed->numbers[listed->count++] = summary->battle.number;
    return true;
}

static void a_voters_battles_come_newest_first(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    char id[STORE_ID_SIZE];
    for (int i = 0; i < 5; i++)
        fixture_battle(fixture, BATTLE_READY, id);
    struct fixture_vote vote = fixture_vote(fixture, id, WINNER_TIE);
    fixture_apply(fixture, fixture_vote_apply, &vote);
    struct db *db = fixture_reader(fixture);
    struct listed page = {0}, rest = {0}, nobody = {0};
    need(battles_of_voter(db, fixture->voter, 0, 3, list_one, &page, &err), &err);
    assert_int_equal(page.count, 3);
    assert_true(page.numbers[0] > page.numbers[1] && page.numbers[1] > page.numbers[2]);
    need(battles_of_voter(db, fixture->voter, page.numbers[2], 10, list_one, &rest, &err), &err);
    assert_int_equal(rest.count, 2);
    assert_null(rest.winner);
    need(battles_of_voter(db, "somebody else", 0, 10, list_one, &nobody, &err), &err);
    assert_int_equal(nobody.count, 0);
    rest.count = 0;
    need(battles_of_voter(db, fixture->voter, 0, 1, list_one, &rest, &err), &err);
    assert_string_equal(rest.winner, "tie");
    db_close(db);
}

struct sweep {
    int64_t now, voided, expired;
};

static bool sweep(struct db *tx, void *data, struct err *err)
{
    struct sweep *run = data;
    return battles_restart(tx, run->now, &run->voided, err) &&
           battles_expire(tx, run->now, &run->expired, err);
}

static void restart_and_expiry_end_what_they_should(void **state)
{
    struct fixture *fixture = *state;
    char streaming[STORE_ID_SIZE], ready[STORE_ID_SIZE];
    int64_t day = LIMIT_BATTLE_HOURS * INT64_C(3600000);
    fixture_battle(fixture, BATTLE_STREAMING, streaming);
    fixture_battle(fixture, BATTLE_READY, ready);
    struct sweep run = {.now = NOW + day - 1};
    fixture_apply(fixture, sweep, &run);
    assert_int_equal(run.voided, 1);
    assert_int_equal(run.expired, 0);
    assert_int_equal(find(fixture, streaming).state, BATTLE_VOID);
    assert_string_equal(find(fixture, streaming).void_code, "restart");
    assert_int_equal(find(fixture, ready).state, BATTLE_READY);
    run.now = NOW + day;
    fixture_apply(fixture, sweep, &run);
    assert_int_equal(run.voided, 0);
    assert_int_equal(run.expired, 1);
    assert_int_equal(find(fixture, ready).state, BATTLE_EXPIRED);
    struct err err = ERR_INIT;
    int64_t counts[BATTLE_EXPIRED + 1];
    struct db *db = fixture_reader(fixture);
    need(battles_count(db, counts, &err), &err);
    assert_int_equal(counts[BATTLE_VOID], 1);
    assert_int_equal(counts[BATTLE_EXPIRED], 1);
    assert_int_equal(counts[BATTLE_READY], 0);
    db_close(db);
}

static bool insert_orphan(struct db *tx, void *data, struct err *err)
{
    struct battle_record *record = data;
    return battles_insert(tx, record, err);
}

static void a_battle_needs_its_voter_and_versions(void **state)
{
    struct fixture *fixture = *state;
    struct battle_record record = {
        .version_a = fixture->version_a, .version_b = 99, .probability = NAN};
    random_id(record.id);
    expect_error(fixture, insert_orphan, &record, ERR_NOT_FOUND);
    copy_id(record.voter, fixture->voter);
    expect_error(fixture, insert_orphan, &record, ERR_CONFLICT);
    record.version_b = fixture->version_b;
    fixture_apply(fixture, insert_orphan, &record);
    assert_true(isnan(find(fixture, record.id).probability));
    expect_error(fixture, insert_orphan, &record, ERR_CONFLICT); /* the id is taken */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(what_was_stored_is_read),
        TEST(a_state_changes_only_from_where_it_is),
        TEST(sides_are_swapped_only_while_streaming),
        TEST(incidents_are_counted_by_version),
        TEST(turns_follow_one_another),
        TEST(turns_are_read_in_order),
        TEST(an_answer_is_stored_once_by_its_key),
        TEST(a_voters_battles_come_newest_first),
        TEST(restart_and_expiry_end_what_they_should),
        TEST(a_battle_needs_its_voter_and_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
