/* Casting a vote, its refusals, feedback, idempotency in the same transaction, rows, import. */
#include "unit/store/fixture.h"

#include "store/idempotency.h"
#include "store/vote_import.h"
#include "store/vote_rows.h"

static void expect_error(struct fixture *fixture, bool (*apply)(struct db *, void *, struct err *),
                         void *data, enum err_code code)
{
    struct err err = ERR_INIT;
    assert_false(store_apply(fixture->store, apply, data, &err));
    if (err.code != code)
        fail_msg("%d: %s", err.code, err.message);
}

static void a_vote_is_cast_once(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE];
    fixture_battle(fixture, BATTLE_READY, id);
    struct fixture_vote vote = fixture_vote(fixture, id, WINNER_B);
    fixture_apply(fixture, fixture_vote_apply, &vote);
    assert_int_equal(vote.result.seq, 1);
    assert_int_equal(vote.result.counted, VOTE_COUNTED);
    assert_int_equal(vote.result.battle.state, BATTLE_VOTED);
    assert_int_equal(vote.result.battle.version_b, fixture->version_b);
    struct fixture_vote again = fixture_vote(fixture, id, WINNER_A);
    expect_error(fixture, fixture_vote_apply, &again, ERR_ALREADY_VOTED);
    assert_int_equal(again.result.winner, WINNER_B); /* the committed one */
    assert_int_equal(again.result.seq, 1);
}

static void a_vote_needs_a_ready_battle_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    char streaming[STORE_ID_SIZE], ready[STORE_ID_SIZE];
    fixture_battle(fixture, BATTLE_STREAMING, streaming);
    fixture_battle(fixture, BATTLE_READY, ready);
    struct fixture_vote early = fixture_vote(fixture, streaming, WINNER_A);
    expect_error(fixture, fixture_vote_apply, &early, ERR_WRONG_STATE);
    struct fixture_vote nowhere = fixture_vote(fixture, "nowhere", WINNER_A);
    expect_error(fixture, fixture_vote_apply, &nowhere, ERR_NOT_FOUND);
    struct fixture_vote foreign = fixture_vote(fixture, ready, WINNER_A);
    foreign.cast.voter = "somebody else";
    expect_error(fixture, fixture_vote_apply, &foreign, ERR_NOT_FOUND);
}

static bool flag(struct db *tx, void *data, struct err *err)
{
    return battles_flag_self_identified(tx, data, err);
}

static bool count_votes(struct db *tx, void *data, struct err *err)
{
    struct fixture_vote *vote = data;
    return votes_count_since(tx, vote->cast.voter, NOW, &vote->result.seq, err);
}

static void a_battle_that_named_itself_does_not_count(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE], other[STORE_ID_SIZE];
    fixture_battle(fixture, BATTLE_READY, id);
    fixture_battle(fixture, BATTLE_READY, other);
    fixture_apply(fixture, flag, id);
    struct fixture_vote vote = fixture_vote(fixture, id, WINNER_A),
                        counted = fixture_vote(fixture, other, WINNER_A);
    fixture_apply(fixture, fixture_vote_apply, &vote);
    fixture_apply(fixture, fixture_vote_apply, &counted);
    assert_int_equal(vote.result.counted, VOTE_SELF_IDENTIFIED);
    fixture_apply(fixture, count_votes, &counted);
    assert_int_equal(counted.result.seq, 1);
}

static void the_database_itself_refuses_a_second_vote(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE];
    struct err err = ERR_INIT;
    fixture_battle(fixture, BATTLE_READY, id);
    struct fixture_vote vote = fixture_vote(fixture, id, WINNER_B);
    fixture_apply(fixture, fixture_vote_apply, &vote);
    char path[128];
    snprintf(path, sizeof path, "%s/arena.db", fixture->dir);
    struct db *db = db_open(path, DB_WRITE, &err);
    assert_false(db_script(
        db,
        "INSERT INTO votes SELECT 2, battle, voter, winner, judge, counted, at_ms, turns, delay_ms,"
        " read_ms, salt, voter_digest, content_digest, prev_hash, hash FROM votes",
        &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_false(db_script(db, "UPDATE votes SET winner = 0", &err));
    assert_non_null(strstr(err.message, "final"));
    assert_false(db_script(db, "DELETE FROM votes", &err));
    assert_non_null(strstr(err.message, "final"));
    assert_false(db_script(db, "UPDATE competitor_versions SET digest = digest", &err));
    db_close(db);
}

/* --- feedback --- */

struct remark {
    const char *battle, *voter;
};

static bool remark(struct db *tx, void *data, struct err *err)
{
    struct remark *on = data;
    struct vote_feedback feedback = {.reasons = TEXT("[\"clear\"]"),
                                     .recognised = TEXT("\"model one\"")};
    return votes_feedback(tx, on->battle, on->voter, &feedback, NOW, err);
}

static bool reveal(struct db *tx, void *data, struct err *err)
{
    return battles_set_revealed(tx, data, NOW, err);
}

static void remarks_are_taken_between_vote_and_names(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE];
    fixture_battle(fixture, BATTLE_READY, id);
    struct remark on = {id, fixture->voter}, foreign = {id, "somebody"};
    expect_error(fixture, remark, &on, ERR_WRONG_STATE);
    struct fixture_vote vote = fixture_vote(fixture, id, WINNER_B);
    fixture_apply(fixture, fixture_vote_apply, &vote);
    fixture_apply(fixture, remark, &on);
    fixture_apply(fixture, remark, &on);
    expect_error(fixture, remark, &foreign, ERR_NOT_FOUND);
    fixture_apply(fixture, reveal, id);
    expect_error(fixture, remark, &on, ERR_WRONG_STATE);
}

/* --- idempotency --- */

struct keyed {
    struct idempotency_key key;
    struct fixture_vote vote;
    bool found;
    int status;
    struct buf reply;
};

static bool vote_with_key(struct db *tx, void *data, struct err *err)
{
    struct keyed *keyed = data;
    if (!idempotency_find(tx, &keyed->key, &keyed->found, &keyed->status, &keyed->reply, err) ||
        keyed->found)
        return keyed->found;
    return votes_cast(tx, &keyed->vote.cast, &keyed->vote.result, err) &&
           idempotency_store(tx, &keyed->key, 200, TEXT("{\"reply\":1}"), NOW, err);
}

static bool sweep_keys(struct db *tx, void *data, struct err *err)
{
    return idempotency_sweep(tx, *(int64_t *)data, err);
}

static void the_same_key_gets_the_same_reply(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE];
    fixture_battle(fixture, BATTLE_READY, id);
    struct keyed keyed = {.key = {.voter = fixture->voter, .route = "POST vote", .key = TEXT("k1")},
                          .vote = fixture_vote(fixture, id, WINNER_A)};
    buf_init(&keyed.reply, 1000);
    fixture_apply(fixture, vote_with_key, &keyed);
    assert_false(keyed.found);
    fixture_apply(fixture, vote_with_key, &keyed);
    assert_true(keyed.found);
    assert_int_equal(keyed.status, 200);
    assert_string_equal(keyed.reply.data, "{\"reply\":1}");
    keyed.key.key = TEXT("k2");
    expect_error(fixture, vote_with_key, &keyed, ERR_ALREADY_VOTED);
    keyed.key.key = TEXT("k1");
    keyed.key.request[0] = 1;
    expect_error(fixture, vote_with_key, &keyed, ERR_CONFLICT);
    keyed.key.request[0] = 0;
    fixture_apply(fixture, sweep_keys, &(int64_t){NOW + IDEMPOTENCY_HOURS * INT64_C(3600000) + 1});
    expect_error(fixture, vote_with_key, &keyed, ERR_ALREADY_VOTED); /* forgotten after two days */
    buf_done(&keyed.reply);
}

/* --- rows --- */

struct gathered {
    int count;
    struct vote_row last;
    char battle[STORE_ID_SIZE], recognised[32];
};

static bool gather(void *user, const struct vote_row *row)
{
    struct gathered *gathered = user;
    gathered->count++;
    gathered->last = *row;
    snprintf(gathered->battle, sizeof gathered->battle, "%.*s", (int)row->battle_id.length,
             row->battle_id.data != NULL ? row->battle_id.data : "");
    snprintf(gathered->recognised, sizeof gathered->recognised, "%.*s",
             (int)row->recognised_text.length,
             row->recognised_text.data != NULL ? row->recognised_text.data : "");
    return true;
}

static struct gathered rows_of(struct fixture *fixture, struct vote_filter filter)
{
    struct err err = ERR_INIT;
    struct gathered gathered = {.count = 0};
    struct db *db = fixture_reader(fixture);
    need(votes_each(db, &filter, gather, &gathered, &err), &err);
    db_close(db);
    return gathered;
}

static void rows_tell_all_of_a_vote(void **state)
{
    struct fixture *fixture = *state;
    char id[STORE_ID_SIZE], other[STORE_ID_SIZE];
    fixture_battle(fixture, BATTLE_READY, other);
    fixture_battle(fixture, BATTLE_READY, id);
    fixture_apply(fixture, flag, other);
    struct fixture_vote first = fixture_vote(fixture, other, WINNER_A),
                        vote = fixture_vote(fixture, id, WINNER_BOTH_BAD);
    fixture_apply(fixture, fixture_vote_apply, &first);
    fixture_apply(fixture, fixture_vote_apply, &vote);
    fixture_apply(fixture, remark, &(struct remark){id, fixture->voter});
    struct vote_filter filter = VOTE_FILTER_ALL;
    filter.with_ids = true;
    struct gathered got = rows_of(fixture, filter);
    assert_int_equal(got.count, 2);
    assert_string_equal(got.battle, id);
    assert_string_equal(got.recognised, "\"model one\"");
    assert_int_equal(got.last.seq, 2);
    assert_int_equal(got.last.winner, WINNER_BOTH_BAD);
    assert_int_equal(got.last.version_a, fixture->version_a);
    assert_int_equal(got.last.turns, 1);
    assert_true(got.last.recognised_ms && got.last.voter != 0 && got.last.probability == 0.25);
    assert_int_equal(got.last.delay_ms, 5000);
    assert_int_equal(got.last.read_ms, -1);
    assert_true(got.last.prompt == votes_prompt_value(TEXT("  Why is the\tsky blue?")));
    assert_int_equal(
        rows_of(fixture, (struct vote_filter){.judge = -1, .source = -1, .counted_only = true})
            .count,
        1);
    assert_int_equal(
        rows_of(fixture, (struct vote_filter){.judge = JUDGE_MODEL, .source = -1}).count, 0);
    assert_int_equal(
        rows_of(fixture, (struct vote_filter){.judge = -1, .source = BATTLE_IMPORT}).count, 0);
    assert_int_equal(
        rows_of(fixture, (struct vote_filter){.judge = -1, .source = -1, .after = 1}).count, 1);
    assert_int_equal(
        rows_of(fixture, (struct vote_filter){.judge = -1, .source = -1, .to_ms = NOW}).count, 0);
    assert_int_equal(
        rows_of(fixture, (struct vote_filter){.judge = -1, .source = -1, .voter = "nobody"}).count,
        0);
    assert_int_equal(
        rows_of(fixture, (struct vote_filter){.judge = -1, .source = -1, .voter = fixture->voter})
            .count,
        2);
}

static void prompt_values_fold_only_white_space(void **state)
{
    (void)state;
    char longer[3000];
    memset(longer, 'x', sizeof longer);
    assert_true(votes_prompt_value(TEXT("a b")) == votes_prompt_value(TEXT("\n a \t b ")));
    assert_true(votes_prompt_value(TEXT("a b")) != votes_prompt_value(TEXT("ab")));
    assert_true(votes_prompt_value(TEXT("a b")) != votes_prompt_value(TEXT("A b")));
    assert_true(votes_prompt_value(TEXT("")) == votes_prompt_value(TEXT(" ")));
    assert_true(votes_prompt_value((struct text){longer, 2999}) !=
                votes_prompt_value((struct text){longer, 3000}));
}

/* --- import --- */

struct imported {
    struct vote_import vote;
    bool added;
};

static bool import_one(struct db *tx, void *data, struct err *err)
{
    struct imported *imported = data;
    struct vote_importer *importer = vote_importer_new(tx, NOW, 1, err);
    bool ok = importer && vote_importer_add(importer, &imported->vote, &imported->added, err) &&
              vote_importer_finish(importer, err);
    vote_importer_free(importer);
    return ok;
}

static struct imported imported(const char *key)
{
    return (struct imported){.vote = {.key = text_of(key),
                                      .model_a = TEXT("gpt"),
                                      .model_b = TEXT("model one"),
                                      .winner = WINNER_TIE,
                                      .voter = TEXT("anna"),
                                      .prompt = TEXT("p1"),
                                      .tags = TEXT("{\"language\":\"de\"}"),
                                      .style_a = {1, 2, 3, 4},
                                      .style_b = {-1, -1, -1, -1},
                                      .turns = 2,
                                      .at_ms = 77}};
}

static void a_file_is_imported_once(void **state)
{
    struct fixture *fixture = *state;
    struct imported one = imported("file:1"), two = imported("file:2"), judge = imported("file:3");
    judge.vote.judge = JUDGE_MODEL;
    judge.vote.voter.data = NULL;
    fixture_apply(fixture, import_one, &one);
    assert_true(one.added);
    fixture_apply(fixture, import_one, &one);
    assert_false(one.added);
    fixture_apply(fixture, import_one, &two);
    fixture_apply(fixture, import_one, &judge);
    assert_true(two.added && judge.added);
    struct vote_filter filter = VOTE_FILTER_ALL;
    filter.with_tags = true;
    filter.judge = JUDGE_HUMAN;
    struct gathered got = rows_of(fixture, filter);
    assert_int_equal(got.count, 2);
    assert_int_equal(got.last.source, BATTLE_IMPORT);
    assert_int_equal(got.last.at_ms, 77);
    assert_int_equal(got.last.style_a.bold, 4);
    assert_int_equal(got.last.style_b.bold, -1);
    assert_true(got.last.version_b !=
                fixture->version_a); /* an imported name is a version of its own */
    filter.judge = JUDGE_MODEL;
    assert_int_equal(rows_of(fixture, filter).last.voter, 0);
}

static void an_impossible_import_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct imported same = imported("x"), nameless = imported("x");
    same.vote.model_b = same.vote.model_a;
    struct imported first = imported("y"), other = imported("y");
    nameless.vote.model_a.length = 0;
    other.vote.winner = WINNER_A;
    fixture_apply(fixture, import_one, &first);
    expect_error(fixture, import_one, &other, ERR_CONFLICT); /* one key, two votes */
    expect_error(fixture, import_one, &same, ERR_BAD_REQUEST);
    expect_error(fixture, import_one, &nameless, ERR_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_vote_is_cast_once),
        TEST(a_vote_needs_a_ready_battle_of_its_own),
        TEST(a_battle_that_named_itself_does_not_count),
        TEST(the_database_itself_refuses_a_second_vote),
        TEST(remarks_are_taken_between_vote_and_names),
        TEST(the_same_key_gets_the_same_reply),
        TEST(rows_tell_all_of_a_vote),
        cmocka_unit_test(prompt_values_fold_only_white_space),
        TEST(a_file_is_imported_once),
        TEST(an_impossible_import_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
