/* A stored board computed again: the same on the votes it stood on, found out when it was
 * touched. */
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
    struct leaderboard_votes input = {.tally = &votes->tally,
                                      .names = (const char *const *)votes->names,
                                      .ballots = &votes->ballots};
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

static enum board_verdict recompute_as(struct fixture *fixture, const char *filter,
                                       const char *method, const char *json, int64_t last_seq,
                                       char problem[160])
{
    struct err err = ERR_INIT;
    enum board_verdict verdict;
    struct board_record record = {
        .filter = filter, .method = method, .last_seq = last_seq, .json = text_of(json)};
    struct db *db = fixture_reader(fixture);
    struct board_votes kept = {.votes = NULL};
    need(board_recompute(db, &kept, &record, &verdict, problem, 160, &err), &err);
    board_votes_done(&kept);
    db_close(db);
    return verdict;
}

#define FILTER "{\"category\":\"overall\",\"style\":false,\"min_votes\":1"

static enum board_verdict recompute(struct fixture *fixture, const char *method, const char *json,
                                    int64_t last_seq, char problem[160])
{
    return recompute_as(fixture, FILTER "}", method, json, last_seq, problem);
}

static bool newer_version(struct db *tx, void *data, struct err *err)
{
    struct version_record record = {
        .name = "model one", .digest = data, .effective = "{\"new\":1}"};
    int64_t version;
    return competitors_register(tx, &record, NOW, &version, err);
}

/* What was "model one" then is "model one@aaaaaaaa" now: told apart by the versions that the
 * board knew. */
static void a_board_keeps_its_names(void **state)
{
    struct fixture *fixture = *state;
    char problem[160] = "", filter[160], digest[65];
    int64_t last_seq;
    cast_votes(fixture, 12);
    char *json = make_board(fixture, &last_seq);
    digest_text(digest, 'c');
    fixture_apply(fixture, newer_version, digest);
    assert_int_equal(recompute(fixture, "bt/" LEADERBOARD_VERSION, json, last_seq, problem),
                     BOARD_SAME);
    snprintf(filter, sizeof filter, FILTER ",\"versions\":%d}", (int)fixture->version_b);
    assert_int_equal(
        recompute_as(fixture, filter, "bt/" LEADERBOARD_VERSION, json, last_seq, problem),
        BOARD_SAME);
    snprintf(filter, sizeof filter, FILTER ",\"versions\":%d}", (int)fixture->version_b + 1);
    assert_int_equal(
        recompute_as(fixture, filter, "bt/" LEADERBOARD_VERSION, json, last_seq, problem),
        BOARD_DIFFERS);
    free(json);
}

static void a_board_with_a_cap_is_computed_with_it(void **state)
{
    struct fixture *fixture = *state;
    char problem[160] = "";
    int64_t last_seq;
    cast_votes(fixture, 12); /* all on one day, by one voter */
    char *json = make_board(fixture, &last_seq);
    assert_int_equal(recompute_as(fixture, FILTER ",\"daily_votes\":12}", "bt/" LEADERBOARD_VERSION,
                                  json, last_seq, problem),
                     BOARD_SAME);
    assert_int_equal(recompute_as(fixture, FILTER ",\"daily_votes\":11}", "bt/" LEADERBOARD_VERSION,
                                  json, last_seq, problem),
                     BOARD_DIFFERS);
    free(json);
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
    assert_int_equal(recompute(fixture, "bt/" LEADERBOARD_VERSION, json, last_seq, problem),
                     BOARD_SAME);
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
    assert_int_equal(recompute(fixture, "bt/" LEADERBOARD_VERSION, json, last_seq, problem),
                     BOARD_DIFFERS);
    if (strstr(problem, "rating") == NULL)
        fail_msg("%s", problem);
    free(json);
}

struct later {
    struct board_votes kept;
    struct db *db;
    int boards;
};

static bool insert(struct db *tx, void *data, struct err *err)
{
    int64_t id;
    return boards_insert(tx, data, &id, err);
}

static bool is_the_same(void *user, const struct board_record *record)
{
    struct later *later = user;
    struct err err = ERR_INIT;
    enum board_verdict verdict;
    char problem[160] = "";
    need(board_recompute(later->db, &later->kept, record, &verdict, problem, 160, &err), &err);
    if (verdict != BOARD_SAME)
        fail_msg("board %d: %s", (int)record->id, problem);
    later->boards++;
    return true;
}

static struct later check_all(struct fixture *fixture)
{
    struct err err = ERR_INIT;
    struct later later = {.db = fixture_reader(fixture)};
    need(boards_each_alike(later.db, is_the_same, &later, &err), &err);
    board_votes_done(&later.kept);
    db_close(later.db);
    return later;
}

/* Boards of a kind are computed from votes that are read once, whatever else was stored between
 * them; a board of another kind reads its own. */
static void boards_of_a_kind_read_the_votes_once(void **state)
{
    static const char *const FILTERS[] = {FILTER ",\"versions\":0}",
                                          FILTER ",\"daily_votes\":1000}"};
    struct fixture *fixture = *state;
    for (int round = 0; round < 5; round++) {
        struct board_record record = {.method = "bt/" LEADERBOARD_VERSION, .created_ms = NOW};
        cast_votes(fixture, 3 + round);
        char *json = make_board(fixture, &record.last_seq);
        record.json = text_of(json);
        for (size_t k = 0; k < 2; k++) {
            record.filter = FILTERS[k];
            fixture_apply(fixture, insert, &record);
        }
        free(json);
    }
    struct later later = check_all(fixture);
    assert_int_equal(later.boards, 10);
    assert_int_equal(later.kept.loads, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_board_is_the_same_later_too),
        TEST(a_touched_board_is_found_out),
        TEST(a_board_keeps_its_names),
        TEST(a_board_with_a_cap_is_computed_with_it),
        TEST(boards_of_a_kind_read_the_votes_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
