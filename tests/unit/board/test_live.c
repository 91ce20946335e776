/* The live board: made from the store, following the votes, agreeing with what a fresh reading
 * gives. */
#include "../store/fixture.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "board/live.h"
#include "loop/worker.h"
#include "store/boards.h"
#include "store/vote_import.h"

struct world {
    struct fixture base;
    struct workers *workers;
    struct live *live;
    int votes;
    bool ready;
};

struct winner_of {
    struct world *world;
    const char *a, *b;
    enum winner winner;
    const char *tags; /* NULL: none */
    struct style_counts style[2];
};

static bool import(struct db *tx, void *data, struct err *err)
{
    const struct winner_of *vote = data;
    char key[32];
    bool added;
    snprintf(key, sizeof key, "vote %d", vote->world->votes++);
    struct vote_import row = {.key = text_of(key),
                              .model_a = text_of(vote->a),
                              .model_b = text_of(vote->b),
                              .winner = vote->winner,
                              .judge = JUDGE_HUMAN,
                              .voter = TEXT("someone"),
                              .at_ms = NOW,
                              .tags = vote->tags ? text_of(vote->tags) : (struct text){NULL, 0},
                              .style_a = vote->style[0],
                              .style_b = vote->style[1]};
    struct vote_importer *importer = vote_importer_new(tx, NOW, 1, err);
    bool ok = importer && vote_importer_add(importer, &row, &added, err) &&
              vote_importer_finish(importer, err);
    vote_importer_free(importer);
    return ok;
}

static void cast(struct world *world, const char *a, const char *b, enum winner winner)
{
    struct winner_of vote = {world, a, b, winner, NULL, {{-1, -1, -1, -1}, {-1, -1, -1, -1}}};
    fixture_apply(&world->base, import, &vote);
    live_changed(world->live, world->votes);
}

static void on_ready(void *user, const struct err *err)
{
    struct world *world = user;
    world->ready = !err;
}

static void open_live(struct world *world)
{
    struct live_options options = {.loop = world->base.loop,
                                   .workers = world->workers,
                                   .store = world->base.store,
                                   .slow_fit_ns = INT64_MAX}; /* whatever the machine */
    struct err err = ERR_INIT;
    world->live = live_new(&options, &err);
    need(world->live != NULL, &err);
    world->ready = false;
    live_start(world->live, on_ready, world);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct err err = ERR_INIT;
    fixture_dir(&world->base);
    world->base.loop = loop_new(&err);
    need(world->base.loop != NULL, &err);
    fixture_open(&world->base);
    world->workers = workers_new(world->base.loop, 2, &err);
    need(world->workers != NULL, &err);
    open_live(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    live_stop(world->live);
    workers_free(world->workers);
    loop_turn(world->base.loop, 0);
    live_free(world->live);
    store_close(world->base.store);
    loop_free(world->base.loop);
    fixture_remove(&world->base);
    free(world);
    return 0;
}

struct asked {
    int count;
    enum err_code code;
    struct live_snapshot *snapshot; /* held */
};

static void on_board(void *user, struct live_snapshot *snapshot, const struct err *err)
{
    struct asked *asked = user;
    asked->count++;
    asked->code = err ? err->code : ERR_NONE;
    asked->snapshot = snapshot ? live_hold(snapshot) : NULL;
}

static void turn_until(struct world *world, const int *count, int wanted)
{
    for (int i = 0; i < 60000 && *count < wanted; i++)
        loop_turn(world->base.loop, 1);
    assert_int_equal(*count, wanted);
}

static struct asked ask(struct world *world, struct live_query query)
{
    struct asked asked = {0};
    live_ask(world->live, &query, on_board, &asked);
    turn_until(world, &asked.count, 1);
    return asked;
}

/* The default board when nothing is new any more: handed out twice without a fit between, and none
 * is under way. (What stands beside the ratings may be due a moment after the votes.) */
static struct asked settle(struct world *world)
{
    struct asked last = ask(world, (struct live_query){0});
    struct asked same = ask(world, (struct live_query){0});
    for (int i = 0; i < 1000 && same.snapshot != last.snapshot; i++) {
        live_release(last.snapshot);
        last = same;
        same = ask(world, (struct live_query){0});
    }
    assert_ptr_equal(same.snapshot, last.snapshot);
    live_release(last.snapshot);
    return same;
}

static json_t *board_of(const struct live_snapshot *snapshot)
{
    struct err err = ERR_INIT;
    json_t *json = json_read(snapshot->json, "board", &err);
    need(json != NULL, &err);
    return json;
}

static void test_an_empty_board(void **state)
{
    struct world *world = *state;
    struct asked asked = ask(world, (struct live_query){0});
    json_t *json = board_of(asked.snapshot);
    assert_true(world->ready);
    assert_int_equal(json_integer_value(json_object_get(json, "votes")), 0);
    assert_int_equal(json_array_size(json_object_get(json, "models")), 0);
    assert_int_equal(live_figures(world->live).fits, 1);
    json_decref(json);
    live_release(asked.snapshot);
}

static void test_a_vote_is_on_the_board_at_once(void **state)
{
    struct world *world = *state;
    struct asked before = ask(world, (struct live_query){0});
    for (int i = 1; i <= 5; i++) {
        cast(world, "left", "right", i % 2 ? WINNER_A : WINNER_B);
        struct asked asked = ask(world, (struct live_query){0});
        json_t *json = board_of(asked.snapshot);
        assert_int_equal(json_integer_value(json_object_get(json, "votes")), i);
        size_t listed = json_array_size(json_object_get(json, "models")) +
                        json_array_size(json_object_get(json, "unranked"));
        assert_int_equal(listed, 2);
        assert_string_not_equal(asked.snapshot->etag, before.snapshot->etag);
        live_release(before.snapshot);
        before = asked;
        json_decref(json);
    }
    struct asked same = settle(world);
    assert_string_equal(same.snapshot->etag, before.snapshot->etag); /* nothing new */
    live_release(same.snapshot);
    live_release(before.snapshot);
}

static void test_following_gives_what_reading_gives(void **state)
{
    static const char *const NAMES[] = {"one", "two", "three", "four"};
    struct world *world = *state;
    for (int i = 0; i < 200; i++) {
        int a = i % 4, b = (i + 1 + i / 4 % 3) % 4;
        cast(world, NAMES[a], NAMES[b], (enum winner)(i * 7 % 11 % 4));
        if (i % 17 == 0)
            loop_turn(world->base.loop, 1);
    }
    static const struct live_query QUERIES[] = {
        {0}, {.method = "elo"}, {.category = "multiturn"}, {.style = true}};
    for (size_t i = 0; i < sizeof QUERIES / sizeof QUERIES[0]; i++) {
        struct asked followed = ask(world, QUERIES[i]);
        assert_int_equal(followed.code, ERR_NONE);
        live_release(settle(world).snapshot); /* nothing is under way */
        live_free(world->live);
        open_live(world);
        struct asked read = ask(world, QUERIES[i]);
        assert_string_equal(followed.snapshot->etag, read.snapshot->etag);
        live_release(followed.snapshot);
        live_release(read.snapshot);
        for (int turns = 0; turns < 60000 && !world->ready; turns++)
            loop_turn(world->base.loop, 1);
        assert_true(world->ready);
    }
}

/* Two equal models of which the second writes at length, and voters who like length: style
 * control takes it off. */
static void cast_styled(struct world *world, int i)
{
    bool long_b = i % 8 != 0, likes_length = i % 5 != 0;
    struct winner_of vote = {world,
                             "terse",
                             "wordy",
                             long_b == likes_length ? WINNER_B : WINNER_A,
                             i % 4 ? "{\"is_code\":true,\"language\":\"en\"}"
                                   : "{\"language\":\"de\"}",
                             {{100, 0, i % 3, 1}, {long_b ? 300 : 50, i % 2, 0, 1}}};
    fixture_apply(&world->base, import, &vote);
    live_changed(world->live, world->votes);
}

static double gap_of(struct world *world, bool style)
{
    struct asked asked = ask(world, (struct live_query){.style = style});
    assert_int_equal(asked.code, ERR_NONE);
    json_t *json = board_of(asked.snapshot), *models = json_object_get(json, "models");
    assert_int_equal(json_array_size(models), 2);
    assert_int_equal(json_array_size(json_object_get(json, "coefficients")), style ? 4 : 0);
    double rating[2];
    for (size_t i = 0; i < 2; i++) {
        const json_t *model = json_array_get(models, i);
        bool wordy = strcmp(json_string_value(json_object_get(model, "model")), "wordy") == 0;
        rating[wordy] = json_number_value(json_object_get(model, "rating"));
    }
    json_decref(json);
    live_release(asked.snapshot);
    return rating[1] - rating[0];
}

static void test_style_is_controlled_for(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 120; i++)
        cast_styled(world, i);
    double plain = gap_of(world, false), controlled = gap_of(world, true);
    assert_true(plain > 150);
    assert_true(controlled < plain - 50);
    cast(world, "terse", "wordy", WINNER_A); /* an imported vote that tells nothing of style */
    struct asked asked = ask(world, (struct live_query){.style = true});
    assert_non_null(
        memmem(asked.snapshot->json.data, asked.snapshot->json.length, "1 votes do not say", 18));
    live_release(asked.snapshot);
}

static void test_categories_select_votes(void **state)
{
    static const struct {
        const char *category;
        int votes;
    } EXPECTED[] = {{"coding", 30}, {"de", 10}, {"german", 10}, {"en", 30}, {"math", 0}};
    struct world *world = *state;
    for (int i = 0; i < 40; i++)
        cast_styled(world, i);
    for (size_t i = 0; i < sizeof EXPECTED / sizeof *EXPECTED; i++) {
        struct asked asked = ask(world, (struct live_query){.category = EXPECTED[i].category});
        assert_int_equal(asked.code, ERR_NONE);
        json_t *json = board_of(asked.snapshot);
        assert_int_equal(json_integer_value(json_object_get(json, "votes")), EXPECTED[i].votes);
        char *offered = json_dumps(json_object_get(json, "categories"), JSON_COMPACT);
        assert_string_equal(
            offered, "[{\"name\":\"coding\",\"votes\":30},{\"name\":\"no_tie\",\"votes\":40},"
                     "{\"name\":\"en\",\"votes\":30},{\"name\":\"de\",\"votes\":10}]");
        free(offered);
        json_decref(json);
        live_release(asked.snapshot);
    }
}

static void test_style_needs_no_vote(void **state)
{
    struct world *world = *state;
    struct asked asked = ask(world, (struct live_query){.style = true});
    assert_int_equal(asked.code, ERR_NONE);
    live_release(asked.snapshot);
    for (int i = 0; i < 12; i++)
        cast(world, "left", "right",
             i % 3 ? WINNER_A : WINNER_B); /* no vote says how its answers look */
    asked = ask(world, (struct live_query){.style = true});
    assert_int_equal(asked.code, ERR_NONE);
    live_release(asked.snapshot);
}

static void test_what_there_is_not(void **state)
{
    struct world *world = *state;
    struct asked asked = ask(world, (struct live_query){.method = "guess"});
    assert_int_equal(asked.code, ERR_BAD_REQUEST);
    assert_null(asked.snapshot);
    asked = ask(world, (struct live_query){.category = "non=sense"});
    assert_int_equal(asked.code, ERR_BAD_REQUEST);
    assert_null(asked.snapshot);
}

static void test_boards_have_a_limit(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3 * LIMIT_BOARDS; i++) {
        char category[32];
        snprintf(category, sizeof category, "word%d", i);
        struct asked asked = ask(world, (struct live_query){.category = category});
        if (asked.snapshot)
            live_release(asked.snapshot);
    }
    struct asked asked = ask(world, (struct live_query){0});
    assert_int_equal(asked.code, ERR_NONE);
    live_release(asked.snapshot);
}

static bool count_boards(void *user, const struct board_record *record)
{
    int *count = user;
    assert_true(record->last_seq > 0);
    assert_non_null(strstr(record->filter, "\"category\":\"overall\""));
    assert_null(
        memmem(record->json.data, record->json.length, "categories", 10)); /* the bare board */
    ++*count;
    return true;
}

static void test_history(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;
    int count = 0;
    for (int i = 0; i < 3; i++) {
        cast(world, "left", "right", WINNER_TIE);
        live_release(ask(world, (struct live_query){0}).snapshot);
    }
    live_release(settle(world).snapshot);
    live_stop(world->live);         /* the last one is kept too */
    store_close(world->base.store); /* what is under way is committed */
    loop_turn(world->base.loop, 0);
    struct db *db = store_read_open(world->base.dir, &err);
    need(db != NULL, &err);
    assert_true(boards_each(db, 0, count_boards, &count, &err));
    db_close(db);
    assert_int_equal(count, 2); /* the one between came within the same ten minutes */
    fixture_open(&world->base);
}

static void test_waiters_are_told_at_the_end(void **state)
{
    struct world *world = *state;
    struct asked asked = {0};
    struct live_query query = {0};
    live_ask(world->live, &query, on_board, &asked);
    live_changed(world->live, 1000); /* votes that no fit has read yet */
    live_stop(world->live);
    workers_free(world->workers);
    world->workers = NULL;
    loop_turn(world->base.loop, 0);
    live_free(world->live);
    world->live = NULL;
    assert_int_equal(asked.count, 1);
    live_release(asked.snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_empty_board, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_vote_is_on_the_board_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_following_gives_what_reading_gives, setup, teardown),
        cmocka_unit_test_setup_teardown(test_style_is_controlled_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_categories_select_votes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_style_needs_no_vote, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_there_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_boards_have_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_history, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiters_are_told_at_the_end, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
