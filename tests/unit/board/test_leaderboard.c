/* The whole way from votes to what is shown: who is ranked, on which scale, with what reasons; five
 * renderings. */
#include "tests/testing.h"

#include <math.h>

#include "base/json.h"
#include "board/leaderboard.h"
#include "board/render.h"
#include "rating/bradley_terry.h"

static const char *const NAMES[] = {"a", "b", "c", "<d>|\"=1", "e", "f"};

static void put(struct tally *tally, size_t a, size_t b, enum outcome outcome, uint32_t count)
{
    assert_true(tally_add(tally, a, b, outcome, count, NULL));
}

/* a, b, c in a ring with ties; d undefeated; e has met only f. */
static void example(struct tally *tally)
{
    tally_init(tally);
    assert_true(tally_grow(tally, 6, NULL));
    put(tally, 0, 1, OUTCOME_A, 30);
    put(tally, 1, 2, OUTCOME_A, 25);
    put(tally, 0, 2, OUTCOME_A, 15);
    put(tally, 2, 0, OUTCOME_A, 10);
    put(tally, 2, 1, OUTCOME_TIE, 12);
    put(tally, 1, 0, OUTCOME_A, 9);
    put(tally, 0, 1, OUTCOME_BOTH_BAD, 5);
    put(tally, 3, 0, OUTCOME_A, 7);
    put(tally, 4, 5, OUTCOME_A, 2);
    put(tally, 5, 4, OUTCOME_A, 1);
}

static struct leaderboard *fit(const struct tally *tally, const struct leaderboard_options *options)
{
    struct err err = ERR_INIT;
    struct leaderboard *board =
        leaderboard_fit(&(struct leaderboard_votes){.tally = tally, .names = NAMES}, options, &err);
    if (!board)
        fail_msg("%s", err.message);
    return board;
}

static void ranked_and_not(void **state)
{
    struct tally tally;
    struct leaderboard_options options;
    (void)state;
    example(&tally);
    leaderboard_options_init(&options);
    struct leaderboard *board = fit(&tally, &options);
    assert_int_equal(board->votes, tally.votes);
    assert_int_equal(board->model_count, 3);
    assert_int_equal(board->unranked_count, 3);
    assert_string_equal(board->models[0].name, "a");
    double sum = 0;
    for (size_t k = 0; k < 3; k++) {
        const struct leaderboard_model *row = &board->models[k];
        sum += row->rating;
        assert_true(row->rating_lower < row->rating && row->rating < row->rating_upper);
        assert_true(row->rank_lower <= row->rank && row->rank <= row->rank_upper);
        assert_int_equal(row->rank, k + 1);
    }
    assert_true(fabs(sum - 3000) < 1e-9);
    assert_int_equal(board->models[0].record.losses,
                     9 + 10 + 7); /* votes against the unranked count in its record */
    assert_string_equal(board->unranked[0].name, NAMES[3]);
    assert_non_null(strstr(board->unranked[0].reason, "undefeated"));
    assert_int_equal(board->unranked[0].record.wins, 7);
    assert_non_null(strstr(board->unranked[1].reason, "not connected"));
    assert_true(board->warning_count >= 2);
    leaderboard_free(board);
    tally_done(&tally);
}

static void too_few_votes(void **state)
{
    struct tally tally;
    struct leaderboard_options options;
    (void)state;
    example(&tally);
    leaderboard_options_init(&options);
    options.min_votes = 60;
    struct leaderboard *board = fit(&tally, &options);
    assert_int_equal(board->model_count, 3);
    options.min_votes = 65;
    leaderboard_free(board);
    board = fit(&tally, &options);
    assert_int_equal(board->model_count, 2); /* c has 62 */
    assert_string_equal(board->unranked[0].name, "c");
    assert_string_equal(board->unranked[0].reason, "too few votes: 62 of 65");
    leaderboard_free(board);
    options.min_votes = 1000;
    board = fit(&tally, &options);
    assert_int_equal(board->model_count, 0);
    assert_int_equal(board->unranked_count, 6);
    leaderboard_free(board);
    tally_done(&tally);
}

static void first_vote(void **state)
{
    struct tally tally;
    struct leaderboard_options options;
    (void)state;
    tally_init(&tally);
    leaderboard_options_init(&options);
    struct leaderboard *board = fit(&tally, &options);
    assert_int_equal(board->model_count + board->unranked_count, 0);
    leaderboard_free(board);
    assert_true(tally_grow(&tally, 2, NULL));
    put(&tally, 0, 1, OUTCOME_A, 1);
    board = fit(&tally, &options);
    assert_int_equal(board->unranked_count, 2);
    assert_int_equal(board->votes, 1);
    leaderboard_free(board);
    tally_done(&tally);
}

/* Ring of five with ties; model k has the number `number[k]`. */
static void ring(struct tally *tally, const size_t *number)
{
    tally_init(tally);
    assert_true(tally_grow(tally, 6, NULL));
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < i; j++) {
            put(tally, number[i], number[j], OUTCOME_A, (uint32_t)(11 + 3 * i));
            put(tally, number[j], number[i], OUTCOME_A, (uint32_t)(9 + 2 * j));
            put(tally, number[i], number[j], OUTCOME_TIE, (uint32_t)(i + j));
        }
    }
}

/* What is drawn by chance does not hang on how models are numbered (by the order of the votes) or
 * on what they are called: here the names move with the numbers. */
static void numbering(void **state)
{
    static const size_t there[] = {0, 1, 2, 3, 4}, moved[] = {3, 5, 0, 4, 2};
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct tally tally[2];
        struct leaderboard *board[2];
        struct leaderboard_options options;
        leaderboard_options_init(&options);
        options.simultaneous = kind == 0;
        options.interval = kind ? LEADERBOARD_CI_BOOTSTRAP : LEADERBOARD_CI_DEFAULT;
        ring(&tally[0], there);
        ring(&tally[1], moved);
        for (int k = 0; k < 2; k++)
            board[k] = fit(&tally[k], &options);
        assert_int_equal(board[0]->model_count, 5);
        for (size_t k = 0; k < 5; k++) {
            const struct leaderboard_model *x = &board[0]->models[k], *y = &board[1]->models[k];
            assert_int_equal(moved[x->model], y->model);
            assert_true(fabs(x->rating - y->rating) < 1e-9);
            assert_true(fabs(x->rating_lower - y->rating_lower) < 1e-9);
            assert_true(x->best == y->best);
            assert_true(fabs(board[0]->margin[k] - board[1]->margin[k]) < 1e-9);
        }
        for (int k = 0; k < 2; k++) {
            leaderboard_free(board[k]);
            tally_done(&tally[k]);
        }
    }
}

/* Ties alone say how near two models are, by how many they are: not that nothing is uncertain. */
static void ties_alone(void **state)
{
    struct leaderboard_options options;
    double before = INFINITY;
    (void)state;
    leaderboard_options_init(&options);
    for (uint32_t ties = 1; ties < 100; ties *= 4) {
        struct tally tally;
        tally_init(&tally);
        assert_true(tally_grow(&tally, 2, NULL));
        put(&tally, 0, 1, OUTCOME_TIE, ties);
        struct leaderboard *board = fit(&tally, &options);
        assert_int_equal(board->warning_count, ties < 20);
        assert_true(fabs(board->models[0].standard_error - 173.7178 / sqrt(ties)) < 1e-3);
        assert_true(board->models[0].standard_error < before);
        before = board->models[0].standard_error;
        leaderboard_free(board);
        tally_done(&tally);
    }
}

static void anchored(void **state)
{
    struct tally tally;
    struct leaderboard_options options;
    struct err err = ERR_INIT;
    (void)state;
    example(&tally);
    leaderboard_options_init(&options);
    struct leaderboard *plain = fit(&tally, &options);
    options.anchor = "b";
    options.anchor_rating = 1114;
    struct leaderboard *board = fit(&tally, &options);
    for (size_t k = 0; k < 3; k++) {
        const struct leaderboard_model *row = &board->models[k];
        double shift = row->rating - plain->models[k].rating;
        assert_true(fabs(shift - (board->models[0].rating - plain->models[0].rating)) < 1e-9);
        if (strcmp(row->name, "b") == 0)
            assert_true(row->rating == 1114 && row->rating_lower == 1114 &&
                        row->rating_upper == 1114);
    }
    leaderboard_free(board);
    leaderboard_free(plain);
    options.anchor = "nobody";
    const struct leaderboard_votes votes = {.tally = &tally, .names = NAMES};
    assert_null(leaderboard_fit(&votes, &options, &err));
    assert_non_null(strstr(err.message, "nobody"));
    tally_done(&tally);
}

/* Every method runs on the same votes and says what it is. */
static void methods(void **state)
{
    struct tally tally;
    struct leaderboard_options options;
    (void)state;
    example(&tally);
    for (int ties = LEADERBOARD_TIES_HALF; ties <= LEADERBOARD_TIES_GROUNDED; ties++) {
        leaderboard_options_init(&options);
        options.ties = (enum leaderboard_ties)ties;
        options.detail = ties == LEADERBOARD_TIES_HALF;
        struct leaderboard *board = fit(&tally, &options);
        assert_true(board->gradient < 1e-10);
        assert_true(isnan(board->tie_parameter) == (ties == LEADERBOARD_TIES_HALF));
        assert_true(isnan(board->models[0].absolute) == (ties != LEADERBOARD_TIES_GROUNDED));
        assert_true(board->fragility.known == options.detail);
        struct leaderboard_chance chance = leaderboard_chance(board, 0, 2);
        assert_true(chance.lower < chance.p && chance.p < chance.upper && chance.p > 0.5);
        leaderboard_free(board);
    }
    leaderboard_options_init(&options);
    options.position = true;
    put(&tally, 2, 1, OUTCOME_B, 4); /* some shown second must have won, or position has no bound */
    put(&tally, 0, 2, OUTCOME_B, 3);
    struct leaderboard *board = fit(&tally, &options);
    assert_int_equal(board->coefficient_count, 1);
    assert_string_equal(board->coefficients[0].name, "position");
    leaderboard_free(board);
    tally_done(&tally);
}

static void impossible_options(void **state)
{
    struct leaderboard_options options;
    (void)state;
    leaderboard_options_init(&options);
    assert_true(leaderboard_options_check(&options, NULL));
    options.method = LEADERBOARD_ELO;
    options.ties = LEADERBOARD_TIES_DAVIDSON;
    assert_false(leaderboard_options_check(&options, NULL));
}

static void renderings(void **state)
{
    struct tally tally;
    struct leaderboard_options options;
    struct buf text[RENDER_FORMATS];
    (void)state;
    example(&tally);
    leaderboard_options_init(&options);
    options.detail = true;
    options.category = "<b>";
    struct leaderboard *board = fit(&tally, &options);
    for (int format = 0; format < RENDER_FORMATS; format++) {
        buf_init(&text[format], RENDER_MAX);
        assert_true(render(&text[format], board, (enum render_format)format, 90));
    }
    json_t *root = json_read(buf_text(&text[RENDER_JSON]), "board", NULL);
    assert_non_null(root);
    const json_t *models = json_object_get(root, "models"),
                 *unranked = json_object_get(root, "unranked");
    assert_string_equal(json_string_value(json_object_get(root, "method")), "bt");
    assert_int_equal(json_integer_value(json_object_get(root, "votes")), tally.votes);
    assert_int_equal(json_array_size(models), 3);
    assert_int_equal(json_array_size(unranked), 3);
    const json_t *first = json_array_get(models, 0);
    assert_true(fabs(json_real_value(json_object_get(first, "rating")) - board->models[0].rating) <
                1e-8);
    assert_int_equal(json_integer_value(json_object_get(first, "wins")) +
                         json_integer_value(json_object_get(first, "losses")) +
                         json_integer_value(json_object_get(first, "ties")),
                     json_integer_value(json_object_get(first, "votes")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(unranked, 0), "model")),
                        NAMES[3]);
    const json_t *pairs = json_object_get(root, "head_to_head");
    assert_int_equal(json_array_size(json_object_get(pairs, "wins")), 3);
    static const char *const CHANCES[] = {"probability_lower", "probability", "probability_upper"};
    double before = 0;
    for (int k = 0; k < 3; k++) { /* of the first over the second */
        double here = json_real_value(
            json_array_get(json_array_get(json_object_get(pairs, CHANCES[k]), 0), 1));
        assert_true(here > before && here < 1);
        before = here;
    }
    json_decref(root);
    assert_null(strstr(text[RENDER_HTML].data, "<d>"));
    assert_null(strstr(text[RENDER_HTML].data, "<b>"));
    assert_non_null(strstr(text[RENDER_HTML].data, "&lt;d&gt;|&quot;=1"));
    assert_null(strstr(text[RENDER_HTML].data, "http"));
    assert_non_null(strstr(text[RENDER_CSV].data, ",,,\"<d>|\"\"=1\",,,,,,7,7,0,0,0,,"));
    assert_non_null(strstr(text[RENDER_MD].data, "\\<d\\>\\|"));
    assert_non_null(strstr(text[RENDER_TABLE].data, "±"));
    for (int format = 0; format < RENDER_FORMATS; format++)
        buf_done(&text[format]);
    leaderboard_free(board);
    tally_done(&tally);
}

/* A small golden board: CSV with fixed decimals, the same bytes everywhere. */
static void golden_csv(void **state)
{
    static const uint32_t WINS[4][4] = {{0, 2, 0, 1}, {3, 0, 5, 0}, {0, 3, 0, 1}, {4, 0, 3, 0}};
    static const char WANT[] =
        "rank,rank_lower,rank_upper,model,rating,rating_lower,rating_upper,standard_error,";
    struct tally tally;
    struct leaderboard_options options;
    struct buf text;
    (void)state;
    tally_init(&tally);
    assert_true(tally_grow(&tally, 4, NULL));
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            if (WINS[i][j])
                put(&tally, i, j, OUTCOME_A, WINS[i][j]);
    leaderboard_options_init(&options);
    options.compatible = true;
    struct leaderboard *board = fit(&tally, &options);
    buf_init(&text, RENDER_MAX);
    assert_true(render(&text, board, RENDER_CSV, 0));
    assert_memory_equal(text.data, WANT, sizeof WANT - 1);
    assert_non_null(strstr(text.data, "\n1,1,4,<d>|\"") ? NULL : text.data);
    assert_non_null(
        strstr(text.data, ",1142.439163,930.014512,1354.863813,")); /* arena-rank's own bounds */
    assert_non_null(strstr(text.data, ",922.427147,737.106077,1107.748217,"));
    buf_done(&text);
    leaderboard_free(board);
    tally_done(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranked_and_not), cmocka_unit_test(too_few_votes),
        cmocka_unit_test(first_vote),     cmocka_unit_test(anchored),
        cmocka_unit_test(numbering),      cmocka_unit_test(ties_alone),
        cmocka_unit_test(methods),        cmocka_unit_test(impossible_options),
        cmocka_unit_test(renderings),     cmocka_unit_test(golden_csv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
