/* A stored board computed again: the same on the votes it stood on, found out when it was touched. */
#include "unit/store/fixture.h"

#include "board/leaderboard.h"
#include "board/render.h"
#include "board/stored.h"
#include "command/verify_boards.h"

static void cast_votes(struct fixture *fixture, int count)
{
    for (int i = 0; i < count; i++) {
        char id[STORE_ID_SIZE];
        fixture_battle(fixture, BATTLE_READY, id);
        struct fixture_vote vote = fixture_vote(fixture, id, (enum winner)(i % 3));
        fixture_apply(fixture, fixture_vote_apply, &vote);
    }
}

/* The board as the arena would have made it. */
static char *make_board(struct fixture *fixture, int64_t *last_seq)
{
    struct err err = ERR_INIT;
    struct db *db = fixture_reader(fixture);
    struct stored_filter filter = {.judge = -1};
    struct stored_votes *votes = stored_votes_load(db, &filter, &err);
    need(votes != NULL, &err);
    struct leaderboard_options options;
    leaderboard_options_init(&options);
    options.min_votes = 1;
    struct leaderboard_votes input = {
        .tally = &votes->tally, .names = (const char *const *)votes->names, .ballots = &votes->ballots};
    struct leaderboard *board = leaderboard_fit(&input, &options, &err);
    need(board != NULL, &err);
    struct buf text;
    buf_init(&text, RENDER_MAX);
    assert_true(render(&text, board, RENDER_JSON, 0));
    *last_seq = votes->last_seq;
    leaderboard_free(board);
    stored_votes_free(votes);
    db_close(db);
    return buf_take(&text, NULL);
}

static enum board_verdict recompute(struct fixture *fixture, const char *method, const char *json,
                                    int64_t last_seq, char problem[160])
{
    struct err err = ERR_INIT;
    enum board_verdict verdict;
    struct board_record record = {.filter = "{\"category\":\"overall\",\"style\":false,\"min_votes\":1}",
                                  .method = method,
                                  .last_seq = last_seq,
                                  .json = text_of(json)};
    struct db *db = fixture_reader(fixture);
    need(board_recompute(db, &record, &verdict, problem, 160, &err), &err);
    db_close(db);
    return verdict;
}

static void a_board_is_the_same_later_too(void **state)
{
    struct fixture *fixture = *state;
    char problem[160] = "";
    int64_t last_seq;
    cast_votes(fixture, 12);
    char *json = make_board(fixture, &last_seq);
    assert_int_equal(last_seq, 12);
    cast_votes(fixture, 5);
    assert_int_equal(recompute(fixture, "bt/" LEADERBOARD_VERSION, json, last_seq, problem), BOARD_SAME);
    assert_int_equal(recompute(fixture, "bt/" LEADERBOARD_VERSION, json, last_seq + 5, problem),
                     BOARD_DIFFERS);
    assert_int_equal(recompute(fixture, "bt/arena-0", json, last_seq, problem), BOARD_UNKNOWN);
    free(json);
}

static void a_touched_board_is_found_out(void **state)
{
    struct fixture *fixture = *state;
    char problem[160] = "";
    int64_t last_seq;
    cast_votes(fixture, 12);
    char *json = make_board(fixture, &last_seq), *rating = strstr(json, "\"rating\":");
    assert_non_null(rating);
    char *digit = rating + strcspn(rating, "123456789");
    *digit = *digit == '9' ? '1' : (char)(*digit + 1);
    assert_int_equal(recompute(fixture, "bt/" LEADERBOARD_VERSION, json, last_seq, problem), BOARD_DIFFERS);
    if (strstr(problem, "rating") == NULL)
        fail_msg("%s", problem);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_board_is_the_same_later_too),
        TEST(a_touched_board_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
