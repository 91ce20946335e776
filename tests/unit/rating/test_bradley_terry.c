/* The fit against exact optima, published tables, and what must hold for any votes. */
#include "close.h"
#include "sets.h"

#include "rating/interval.h"

static void fit_tally(struct bt_fit *fit, struct bt_pairs *pairs, const struct tally *tally,
                      bool reweighted)
{
    struct err err = ERR_INIT;
    assert_true(bt_pairs_init(pairs, tally, reweighted, &err));
    if (!bt_fit(fit, pairs, NULL, &err))
        fail_msg("%s", err.message);
    assert_true(fit->gradient < 1e-12);
}

static void wikipedia_example(void **state)
{
    const double want[4] = {0.63983482, 1.0433144, 0.6598102, 2.27037663};
    struct tally tally;
    struct bt_pairs pairs;
    struct bt_fit fit;
    (void)state;
    set_from_wins(&tally, WIKIPEDIA);
    fit_tally(&fit, &pairs, &tally, false);
    for (int i = 0; i < 4; i++)
        assert_close(exp(fit.theta[i]), want[i], 1e-7, "Wikipedia");
    bt_fit_done(&fit);
    bt_pairs_done(&pairs);
    tally_done(&tally);
}

static void stigler_citations(void **state)
{
    const double want[4] = {0, -2.9490725, -0.47956977,
                            0.26895406}; /* the BradleyTerry2 vignette */
    struct tally tally;
    struct bt_pairs pairs;
    struct bt_fit fit;
    (void)state;
    set_from_wins(&tally, STIGLER);
    fit_tally(&fit, &pairs, &tally, false);
    for (int i = 0; i < 4; i++)
        assert_close(fit.theta[i] - fit.theta[0], want[i], 1e-7, "Stigler");
    bt_fit_done(&fit);
    bt_pairs_done(&pairs);
    tally_done(&tally);
}

/* Ratings, loss and both standard errors against one expected half. */
static void check_half(const struct tally *tally, const json_t *want, bool reweighted,
                       const char *name)
{
    struct bt_pairs pairs;
    struct bt_fit fit;
    struct matrix exact, peer;
    size_t n = tally->models;
    fit_tally(&fit, &pairs, tally, reweighted);
    assert_true(matrix_init(&exact, n) && matrix_init(&peer, n));
    assert_true(interval_sandwich(&exact, &pairs, &fit, NULL));
    assert_true(interval_sandwich_arena_rank(&peer, &pairs, &fit, reweighted, NULL));
    assert_close(fit.loss, json_real_value(json_object_get(want, "loss")), 1e-12, name);
    for (size_t i = 0; i < n; i++) {
        const json_t *rating = json_array_get(json_object_get(want, "rating"), i);
        assert_close(RATING_INITIAL + RATING_ALPHA * fit.theta[i], json_real_value(rating), 1e-6,
                     name);
        assert_close(
            sqrt(exact.a[i * n + i]),
            json_real_value(json_array_get(json_object_get(want, "se_theta_exact_gauge"), i)), 1e-9,
            name);
        assert_close(
            sqrt(peer.a[i * n + i]),
            json_real_value(json_array_get(json_object_get(want, "se_theta_arena_rank"), i)), 1e-7,
            name);
    }
    matrix_done(&exact);
    matrix_done(&peer);
    bt_fit_done(&fit);
    bt_pairs_done(&pairs);
}

static void check_set(const struct tally *tally, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "ranking/expected/%s_bt.json", name);
    json_t *root = set_json(fixture(path));
    check_half(tally, json_object_get(root, "unweighted"), false, name);
    check_half(tally, json_object_get(root, "reweighted"), true, name);
    json_decref(root);
}

static void check_csv(const char *name, const char *csv, int left, int right, int winner)
{
    char path[256];
    struct tally tally;
    snprintf(path, sizeof path, "ranking/expected/%s_bt.json", name);
    json_t *root = set_json(fixture(path));
    tally_init(&tally);
    set_csv(&tally, NULL, fixture(csv), json_object_get(root, "models"), left, right, winner, 0, 0);
    json_decref(root);
    check_set(&tally, name);
    tally_done(&tally);
}

static void exact_optima(void **state)
{
    struct tally tally;
    (void)state;
    if (!fixture(""))
        skip();
    set_from_wins(&tally, WIKIPEDIA);
    check_set(&tally, "wikipedia");
    tally_done(&tally);
    set_from_wins(&tally, STIGLER);
    check_set(&tally, "citations");
    tally_done(&tally);
    set_leaderbot(&tally, true);
    check_set(&tally, "chatbotarena_20240814");
    tally_done(&tally);
    check_csv("simple", "ranking/evalica/simple.csv", 0, 1, 2);
    check_csv("food", "ranking/evalica/food.csv", 0, 1, 2);
    check_csv("llmfao", "ranking/evalica/llmfao.csv", 6, 7, 5);
}

/* Random votes among n models, shown in random order. */
static void simulate(struct tally *tally, size_t n, size_t votes, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed, 0);
    tally_init(tally);
    assert_true(tally_grow(tally, n, NULL));
    for (size_t k = 0; k < votes; k++) {
        size_t a = (size_t)rng_below(&rng, n), b = (size_t)rng_below(&rng, n - 1);
        b += b >= a;
        double d = 0.3 * ((double)a - (double)b);
        assert_true(tally_add(tally, a, b, set_vote(&rng, d, 0.3), 1, NULL));
    }
}

/* Relabelling the models permutes the strengths; doubling every vote leaves them and shrinks errors
 * by sqrt 2. */
static void symmetries(void **state)
{
    enum { N = 9 };
    const uint32_t map[N] = {4, 7, 0, 2, 8, 1, 6, 3, 5};
    struct tally tally, other;
    struct bt_pairs pairs[3];
    struct bt_fit fit[3];
    struct matrix se[3];
    (void)state;
    simulate(&tally, N, 3000, 7);
    fit_tally(&fit[0], &pairs[0], &tally, false);
    tally_init(&other);
    assert_true(tally_grow(&other, N, NULL) && tally_merge(&other, &tally, map, NULL));
    fit_tally(&fit[1], &pairs[1], &other, false);
    assert_true(tally_merge(&other, &tally, map, NULL));
    fit_tally(&fit[2], &pairs[2], &other, false);
    for (int k = 0; k < 3; k++)
        assert_true(matrix_init(&se[k], N) && interval_sandwich(&se[k], &pairs[k], &fit[k], NULL));
    for (size_t i = 0; i < N; i++) {
        size_t m = map[i];
        assert_close(fit[1].theta[m], fit[0].theta[i], 1e-12, "relabelled");
        assert_close(se[1].a[m * N + m], se[0].a[i * N + i], 1e-14, "relabelled error");
        assert_close(fit[2].theta[m], fit[0].theta[i], 1e-12, "doubled");
        assert_close(se[2].a[m * N + m] * 2, se[0].a[i * N + i], 1e-13, "doubled error");
    }
    for (int k = 0; k < 3; k++) {
        matrix_done(&se[k]);
        bt_fit_done(&fit[k]);
        bt_pairs_done(&pairs[k]);
    }
    tally_done(&tally);
    tally_done(&other);
}

/* What has no maximum is refused, not fitted: an undefeated model, two pairs that never met. */
static void no_maximum(void **state)
{
    struct tally tally;
    struct bt_pairs pairs;
    struct bt_fit fit;
    struct err err = ERR_INIT;
    (void)state;
    tally_init(&tally);
    assert_true(tally_grow(&tally, 2, NULL) && tally_add(&tally, 0, 1, OUTCOME_A, 10, NULL));
    assert_true(bt_pairs_init(&pairs, &tally, false, NULL));
    assert_false(bt_fit(&fit, &pairs, NULL, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    bt_pairs_done(&pairs);
    tally_done(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wikipedia_example), cmocka_unit_test(stigler_citations),
        cmocka_unit_test(exact_optima),      cmocka_unit_test(symmetries),
        cmocka_unit_test(no_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
