/* Style and position: known effects are found, swapped sides mirror the fit, and real votes lean to
 * the left. */
#include "close.h"
#include "sets.h"

#include "rating/contextual.h"

enum { N = 6, FEATURES = 2 };

static const int32_t SAME[SET_MODELS] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
    40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59};

static void simulate(struct ballots *ballots, struct tally *tally, size_t votes,
                     const double gamma[FEATURES], double left)
{
    struct rng rng;
    rng_init(&rng, 8, 0);
    ballots_init(ballots, FEATURES);
    tally_init(tally);
    assert_true(tally_grow(tally, N, NULL));
    for (size_t k = 0; k < votes; k++) {
        size_t a = (size_t)rng_below(&rng, N), b = (a + 1 + (size_t)rng_below(&rng, N - 1)) % N;
        float x[FEATURES] = {(float)(2 * rng_uniform(&rng) - 1),
                             (float)((double)rng_below(&rng, 3) - 1)};
        double z = 0.3 * ((double)a - (double)b) + left + gamma[0] * (double)x[0] +
                   gamma[1] * (double)x[1];
        enum outcome outcome = set_vote(&rng, z, 0);
        assert_true(ballots_add(ballots,
                                (struct ballot){(uint16_t)a, (uint16_t)b, (uint8_t)outcome, 0,
                                                BALLOT_NONE, BALLOT_NONE},
                                x, NULL));
        assert_true(tally_add(tally, a, b, outcome, 1, NULL));
    }
}

static void fit(struct contextual_fit *fitted, const struct tally *tally,
                const struct ballots *ballots, const struct contextual_options *options)
{
    struct contextual_data data;
    struct err err = ERR_INIT;
    assert_true(contextual_data_init(&data, tally, ballots, SAME, options, &err));
    if (!contextual_fit(fitted, &data, options, &err))
        fail_msg("%s", err.message);
    assert_true(fitted->gradient < 1e-10);
    contextual_data_done(&data);
}

static void known_effects(void **state)
{
    const double gamma[FEATURES] = {0.5, -0.25}, left = 0.2;
    const double rms[FEATURES] = {sqrt(1.0 / 3), sqrt(2.0 / 3)}; /* of the features as simulated */
    struct ballots ballots;
    struct tally tally;
    struct contextual_fit fitted;
    (void)state;
    simulate(&ballots, &tally, 60000, gamma, left);
    fit(&fitted, &tally, &ballots, &(struct contextual_options){.style = true, .position = true});
    const double want[3] = {gamma[0] * rms[0], gamma[1] * rms[1], left};
    for (size_t f = 0; f < 3; f++) {
        double se = sqrt(fitted.covariance.a[(N + f) * (N + 3) + N + f]);
        assert_close(fitted.theta[N + f], want[f], 3.5 * se, "effect");
        assert_between(se, 0.006, 0.02, "its error");
    }
    for (size_t i = 0; i < N; i++)
        assert_close(fitted.theta[i], 0.3 * ((double)i - 2.5),
                     3.5 * sqrt(fitted.covariance.a[i * (N + 3) + i]), "strength");
    contextual_fit_done(&fitted);
    ballots_done(&ballots);
    tally_done(&tally);
}

/* Swapping the sides of every vote mirrors it: the same strengths and style, the opposite position.
 */
static void mirrored(void **state)
{
    const double gamma[FEATURES] = {0.5, -0.25};
    const struct contextual_options options = {.style = true, .position = true};
    struct ballots ballots;
    struct tally tally, swapped;
    struct contextual_fit one, two;
    (void)state;
    simulate(&ballots, &tally, 5000, gamma, 0.1);
    fit(&one, &tally, &ballots, &options);
    tally_init(&swapped);
    assert_true(tally_grow(&swapped, N, NULL));
    for (size_t k = 0; k < ballots.count; k++) {
        struct ballot *row = &ballots.rows[k];
        *row = (struct ballot){
            row->b, row->a,      (uint8_t)outcome_mirror((enum outcome)row->outcome),
            0,      BALLOT_NONE, BALLOT_NONE};
        for (size_t f = 0; f < FEATURES; f++)
            ballots.x[k * FEATURES + f] = -ballots.x[k * FEATURES + f];
    }
    assert_true(ballots_tally(&ballots, &swapped, NULL));
    fit(&two, &swapped, &ballots, &options);
    for (size_t i = 0; i < N + FEATURES; i++)
        assert_close(two.theta[i], one.theta[i], 1e-10, "mirrored");
    assert_close(two.theta[N + FEATURES], -one.theta[N + FEATURES], 1e-10, "mirrored position");
    contextual_fit_done(&one);
    contextual_fit_done(&two);
    ballots_done(&ballots);
    tally_done(&tally);
    tally_done(&swapped);
}

/* Without position and style it is plain Bradley-Terry; a feature that nobody shows changes
 * nothing. */
static void plain(void **state)
{
    const double gamma[FEATURES] = {0, 0};
    struct ballots ballots;
    struct tally tally;
    struct contextual_fit fitted;
    struct bt_pairs pairs;
    struct bt_fit bt;
    (void)state;
    simulate(&ballots, &tally, 3000, gamma, 0);
    for (size_t k = 0; k < ballots.count * FEATURES; k++)
        ballots.x[k] = 0;
    assert_true(bt_pairs_init(&pairs, &tally, true, NULL) && bt_fit(&bt, &pairs, NULL, NULL));
    fit(&fitted, &tally, &ballots, &(struct contextual_options){.style = true, .reweighted = true});
    for (size_t i = 0; i < N; i++)
        assert_close(fitted.theta[i], bt.theta[i], 1e-10, "strength");
    assert_close(fitted.theta[N], 0, 0, "no effect");
    contextual_fit_done(&fitted);
    bt_fit_done(&bt);
    bt_pairs_done(&pairs);
    ballots_done(&ballots);
    tally_done(&tally);
}

static void real_position(void **state)
{
    struct tally tally;
    struct contextual_fit fitted;
    (void)state;
    if (!fixture(""))
        skip();
    json_t *root = set_json(fixture("ranking/expected/llmfao_bt.json"));
    tally_init(&tally);
    set_csv(&tally, NULL, fixture("ranking/evalica/llmfao.csv"), json_object_get(root, "models"), 6,
            7, 5, 4, 1);
    fit(&fitted, &tally, NULL, &(struct contextual_options){.position = true});
    assert_close(fitted.theta[59], 0.0908804335, 1e-9, "position in llmfao");
    assert_close(sqrt(fitted.covariance.a[59 * 60 + 59]), 0.0170, 5e-5, "its error");
    contextual_fit_done(&fitted);
    tally_done(&tally);
    json_decref(root);
}

/* Any number of threads gives the same digits. */
static void threads(void **state)
{
    const double gamma[FEATURES] = {0.5, -0.2};
    struct ballots ballots;
    struct tally tally;
    struct contextual_fit fits[2];
    (void)state;
    simulate(&ballots, &tally, 300000, gamma, 0.1);
    for (int k = 0; k < 2; k++) {
        const struct contextual_options options = {
            .style = true, .position = true, .threads = 1 + 2 * k};
        struct contextual_data data;
        assert_true(contextual_data_init(&data, &tally, &ballots, SAME, &options, NULL));
        assert_true(contextual_fit(&fits[k], &data, &options, NULL));
        assert_true(fits[k].gradient < 1e-12);
        contextual_data_done(&data);
    }
    size_t m = N + FEATURES + 1;
    assert_memory_equal(fits[0].theta, fits[1].theta, m * sizeof *fits[0].theta);
    assert_memory_equal(fits[0].covariance.a, fits[1].covariance.a, m * m * sizeof(double));
    contextual_fit_done(&fits[0]);
    contextual_fit_done(&fits[1]);
    ballots_done(&ballots);
    tally_done(&tally);
}

/* Effects that the votes leave open are held, not refused: features that always go together, and a
 * handful of votes that one feature sorts completely. Enough votes need no holding. */
static void held(void **state)
{
    const double gamma[FEATURES] = {0.5, -0.25};
    static const size_t votes[] = {2000, 2000, 40, 2000};
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct ballots ballots;
        struct tally tally;
        struct contextual_fit fitted;
        simulate(&ballots, &tally, votes[kind], gamma, 0);
        for (size_t k = 0; k < ballots.count; k++) {
            float *x = ballots.x + k * FEATURES, lead = 1 - (float)ballots.rows[k].outcome * 2;
            if (kind == 1)
                x[1] = 2 * x[0];
            if (kind == 3)
                x[1] = (float)ballots.rows[k].a - (float)ballots.rows[k].b;
            if (kind == 2)
                x[0] = ballots.rows[k].outcome > OUTCOME_B ? 0 : lead;
        }
        fit(&fitted, &tally, &ballots, &(struct contextual_options){.style = true});
        assert_int_equal(fitted.held, kind > 0);
        if (kind == 1)
            assert_close(fitted.theta[N], fitted.theta[N + 1], 1e-6, "shared alike");
        if (kind == 3) /* said by the models themselves: nothing is known of it */
            assert_close(fitted.covariance.a[(N + 1) * (N + 2) + N + 1], 1, 0.05, "open");
        assert_true(isfinite(fitted.theta[N]) && fitted.covariance.a[N * (N + 2) + N] > 0);
        contextual_fit_done(&fitted);
        ballots_done(&ballots);
        tally_done(&tally);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_effects), cmocka_unit_test(mirrored), cmocka_unit_test(plain),
        cmocka_unit_test(real_position), cmocka_unit_test(threads),  cmocka_unit_test(held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
