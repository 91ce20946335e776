/* What counts: exclusions with their time, what a caller leaves out, failures as losses, a model's
 * tags; and that a board that names how far it had read comes out the same later. */
#include "../store/fixture.h"
#include "board/published.h"
#include "store/battle_tags.h"
#include "store/exclusions.h"

#define DAY INT64_C(86400000)

static void cast(struct fixture *fixture, int64_t day, int64_t read_ms, enum winner winner)
{
    char id[STORE_ID_SIZE];
    fixture_battle(fixture, BATTLE_READY, id);
    struct fixture_vote vote = fixture_vote(fixture, id, winner);
    vote.cast.now_ms = NOW + day * DAY;
    vote.cast.read_ms = read_ms;
    fixture_apply(fixture, fixture_vote_apply, &vote);
}

static bool exclude_apply(struct db *tx, void *data, struct err *err)
{
    return exclusions_add(tx, data, err);
}

static void exclude(struct fixture *fixture, int64_t from_ms)
{
    struct exclusion_record record = {
        .from_ms = from_ms, .note = "votes always left", .actor = "test", .at_ms = NOW};
    copy_id(record.voter_id, fixture->voter);
    fixture_apply(fixture, exclude_apply, &record);
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

static uint64_t votes_with(struct fixture *fixture, struct stored_filter filter)
{
    struct stored_votes *votes = load(fixture, filter);
    uint64_t count = votes->votes;
    stored_votes_free(votes);
    return count;
}

static void exclusions_hold_from_their_time(void **state)
{
    struct fixture *fixture = *state;
    const struct stored_filter now = {.marks = STORED_MARKS_NOW};
    for (int day = 0; day < 5; day++)
        cast(fixture, day, -1, WINNER_A);
    assert_int_equal(votes_with(fixture, now), 5);
    exclude(fixture, NOW + 2 * DAY);
    assert_int_equal(votes_with(fixture, now), 2);
    struct stored_votes *votes = load(fixture, now);
    assert_int_equal(votes->left_out[SIEVE_EXCLUDED], 3);
    assert_string_equal(votes->notes[0], "3 votes were left out: their voters are excluded");
    assert_int_equal(votes->marks.exclusions, 1);
    stored_votes_free(votes);
    exclude(fixture, 0);
    assert_int_equal(votes_with(fixture, now), 0);
    exclude(fixture, EXCLUSION_TAKEN_BACK);
    assert_int_equal(votes_with(fixture, now), 5);
    /* what was known then still gives what was published then */
    for (int64_t known = 0; known <= 3; known++)
        assert_int_equal(votes_with(fixture, (struct stored_filter){.marks = {known, 0, 0, 0}}),
                         ((const int[]){5, 2, 0, 5})[known]);
}

static void an_exclusion_needs_a_voter_and_a_reason(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct exclusion_record nobody = {.voter = 77, .note = "why", .actor = "test"},
                            silent = {.voter = 1, .note = "", .actor = "test"};
    assert_false(store_apply(fixture->store, exclude_apply, &nobody, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(store_apply(fixture->store, exclude_apply, &silent, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
}

static void callers_leave_out(void **state)
{
    struct fixture *fixture = *state;
    const int64_t voter = 1;
    cast(fixture, 0, 500, WINNER_A);
    cast(fixture, 0, 5000, WINNER_B);
    cast(fixture, 0, -1, WINNER_B); /* nobody knows how long: kept */
    assert_int_equal(votes_with(fixture, (struct stored_filter){.fast_ms = 2000}), 2);
    struct stored_filter without = {.without = &voter, .without_count = 1};
    assert_int_equal(votes_with(fixture, without), 0);
    assert_int_equal(votes_with(fixture, (struct stored_filter){.without_staff = true}), 3);
}

/* --- failures --- */

static bool fail_apply(struct db *tx, void *data, struct err *err)
{
    const struct fixture_battle *battle = data;
    struct incident_record incident = {.battle = battle->id,
                                       .kind = INCIDENT_VOID,
                                       .version = battle->fixture->version_b,
                                       .against = battle->fixture->version_a,
                                       .side = 1,
                                       .code = "timeout",
                                       .at_ms = NOW};
    return incidents_add(tx, &incident, err);
}

static bool void_apply(struct db *tx, void *data, struct err *err)
{
    const struct fixture_battle *battle = data;
    return battles_change(tx, battle->id, BATTLE_STREAMING, BATTLE_VOID, "failed", NOW, err);
}

static void failures_are_losses_once_the_battle_is_over(void **state)
{
    struct fixture *fixture = *state;
    struct stored_filter losses = {.losses = true, .marks = STORED_MARKS_NOW};
    struct fixture_battle battle = {.fixture = fixture};
    struct err err = ERR_INIT;
    cast(fixture, 0, -1, WINNER_B);
    fixture_battle(fixture, BATTLE_STREAMING, battle.id);
    fixture_apply(fixture, fail_apply, &battle);
    assert_int_equal(votes_with(fixture, losses), 1); /* under way: it would tell who answers */
    struct stored_votes *following = load(fixture, losses);
    fixture_apply(fixture, void_apply, &battle);
    struct stored_votes *votes = load(fixture, losses);
    struct db *db = fixture_reader(fixture);
    need(stored_votes_more(following, db, &err), &err);
    db_close(db);
    assert_int_equal(votes->votes, 2);
    assert_int_equal(following->votes, 2);
    assert_int_equal(votes->losses, 1);
    assert_int_equal(votes->marks.losses, 1);
    assert_int_equal(tally_count(&votes->tally, 0, 1, OUTCOME_A), 1); /* model two failed */
    assert_int_equal(tally_count(&votes->tally, 0, 1, OUTCOME_B), 1); /* and won its vote */
    assert_int_equal(votes_with(fixture, (struct stored_filter){.losses = true}), 1);
    assert_int_equal(votes_with(fixture, (struct stored_filter){.marks = STORED_MARKS_NOW}), 1);
    losses.judge = JUDGE_MODEL; /* no model read the answers that did come */
    assert_int_equal(votes_with(fixture, losses), 0);
    stored_votes_free(following);
    stored_votes_free(votes);
}

/* --- a model's tags --- */

static bool choose_apply(struct db *tx, void *data, struct err *err)
{
    int64_t id;
    return taggers_choose(tx, data, NOW, &id, err);
}

static int64_t choose(struct fixture *fixture, const char *name, char fill)
{
    struct tagger_record record = {.method = "test"};
    snprintf(record.name, sizeof record.name, "%s", name);
    digest_text(record.version, fill);
    fixture_apply(fixture, choose_apply, &record);
    struct db *db = fixture_reader(fixture);
    struct stored_marks marks;
    struct err err = ERR_INIT;
    need(stored_marks_now(db, &marks, &err), &err);
    db_close(db);
    return marks.tagger;
}

static bool tag_apply(struct db *tx, void *data, struct err *err)
{
    return battle_tags_add(tx, data, err);
}

static void tag(struct fixture *fixture, int64_t battle, int64_t tagger, const char *tags)
{
    struct battle_tags_record record = {
        .battle = battle, .tagger = tagger, .tags = text_of(tags), .at_ms = NOW};
    fixture_apply(fixture, tag_apply, &record);
}

#define CREATIVE "{\"creative_writing_v0.1\":{\"creative_writing\":true,\"score\":\"yes\"}}"

static void tags_of_the_chosen_tagger_hold(void **state)
{
    struct fixture *fixture = *state;
    struct stored_filter creative = {.category = "creative_writing", .marks = STORED_MARKS_NOW};
    for (int i = 0; i < 3; i++)
        cast(fixture, 0, -1, WINNER_A);
    int64_t one = choose(fixture, "one", 'a');
    struct stored_votes *before = load(fixture, creative);
    tag(fixture, 1, one, CREATIVE);
    tag(fixture, 2, one, "{}");
    tag(fixture, 1, one, "{}"); /* a battle keeps its tags */
    struct err err = ERR_INIT;
    struct db *db = fixture_reader(fixture);
    bool stale = false;
    need(stored_votes_stale(before, db, &stale, &err), &err);
    db_close(db);
    assert_true(stale);
    stored_votes_free(before);
    assert_int_equal(votes_with(fixture, creative), 1);
    int64_t two = choose(fixture, "two", 'b');
    assert_int_equal(votes_with(fixture, creative), 0);
    tag(fixture, 2, two, CREATIVE);
    tag(fixture, 3, two, CREATIVE);
    assert_int_equal(votes_with(fixture, creative), 2);
    creative.marks = (struct stored_marks){.tagger = one, .tags = 2}; /* as it was published */
    assert_int_equal(votes_with(fixture, creative), 1);
    assert_int_equal(choose(fixture, "one", 'a'), one);
}

/* --- the filter as it is stored --- */

static void a_filter_comes_back(void **state)
{
    (void)state;
    struct published published = {.category = "coding",
                                  .style = true,
                                  .losses = true,
                                  .judge = JUDGE_MODEL,
                                  .min_votes = 3,
                                  .daily_votes = 50,
                                  .versions = 7,
                                  .marks = {4, 5, 6, 8}},
                     back;
    struct err err = ERR_INIT;
    struct buf text;
    buf_init(&text, 4096);
    assert_true(published_write(&published, &text));
    json_t *json = json_read(buf_text(&text), "filter", &err);
    need(json && published_read(json, &back, &err), &err);
    assert_string_equal(back.category, "coding");
    assert_true(back.style && back.losses && back.judge == JUDGE_MODEL);
    assert_memory_equal(&back.marks, &published.marks, sizeof back.marks);
    assert_true(back.min_votes == 3 && back.daily_votes == 50 && back.versions == 7);
    json_decref(json);
    buf_done(&text);
}

static void style_that_cannot_be_told_is_left_out_aloud(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    for (int i = 0; i < 4; i++)
        cast(fixture, 0, -1, i % 2 ? WINNER_A : WINNER_B);
    struct stored_votes *votes = load(fixture, (struct stored_filter){.style = true});
    struct published published = {.category = "overall", .style = true};
    struct leaderboard *board = published_fit(&published, votes, &err);
    need(board != NULL, &err);
    assert_int_equal(board->model_count, 2);
    assert_true(board->warning_count > 0);
    leaderboard_free(board);
    stored_votes_free(votes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST_OF(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST_OF(exclusions_hold_from_their_time),
        TEST_OF(an_exclusion_needs_a_voter_and_a_reason),
        TEST_OF(callers_leave_out),
        TEST_OF(failures_are_losses_once_the_battle_is_over),
        TEST_OF(tags_of_the_chosen_tagger_hold),
        cmocka_unit_test(a_filter_comes_back),
        TEST_OF(style_that_cannot_be_told_is_left_out_aloud),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
