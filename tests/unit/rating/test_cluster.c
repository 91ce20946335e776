/* Clustered errors: by hand, against the independent sandwich, and on real votes split in two. */
#include "close.h"
#include "sets.h"

#include "rating/cluster.h"
#include "rating/interval.h"
#include "rating/scores.h"

/* Under a sanitizer it is the code that is tested, not the coverage. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SPLITS = 4 };
#define SLACK 0.05
#else
enum { SPLITS = 60 };
#define SLACK 0.0
#endif

struct fitted {
    struct bt_pairs pairs;
    struct bt_fit fit;
    struct matrix single;
    struct cluster cluster;
};

static void fit_ballots(struct fitted *fitted, const struct ballots *ballots, size_t models)
{
    struct tally tally;
    int32_t map[SET_MODELS];
    tally_init(&tally);
    assert_true(tally_grow(&tally, models, NULL) && ballots_tally(ballots, &tally, NULL));
    for (int i = 0; i < SET_MODELS; i++)
        map[i] = i;
    assert_true(bt_pairs_init(&fitted->pairs, &tally, false, NULL));
    assert_true(bt_fit(&fitted->fit, &fitted->pairs, NULL, NULL));
    assert_true(matrix_init(&fitted->single, models));
    assert_true(interval_sandwich(&fitted->single, &fitted->pairs, &fitted->fit, NULL));
    double power[SET_MODELS];
    for (size_t i = 0; i < models; i++)
        power[i] = exp(fitted->fit.theta[i]);
    struct groups groups;
    groups_init(&groups, true);
    assert_true(groups_follow(&groups, ballots, NULL));
    struct scores scores = {
        .map = map, .theta = fitted->fit.theta, .models = models, .power = power};
    struct cluster_votes votes = {ballots, &groups, &tally};
    struct cluster_scores how = {models, 0, scores_bradley_terry, &scores};
    assert_true(
        cluster_find(&fitted->cluster, &votes, &how, &fitted->fit.inverse, &fitted->single, NULL));
    groups_done(&groups);
    tally_done(&tally);
}

static void fitted_done(struct fitted *fitted)
{
    cluster_done(&fitted->cluster);
    matrix_done(&fitted->single);
    bt_fit_done(&fitted->fit);
    bt_pairs_done(&fitted->pairs);
}

static void simulate(struct ballots *ballots, size_t votes, size_t models, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed, 0);
    ballots_init(ballots, 0);
    for (uint32_t k = 0; k < votes; k++) {
        size_t a = (size_t)rng_below(&rng, models),
               b = (a + 1 + (size_t)rng_below(&rng, models - 1)) % models;
        enum outcome outcome = set_vote(&rng, 0.2 * ((double)a - (double)b), 0.2);
        assert_true(ballots_add(
            ballots, (struct ballot){(uint16_t)a, (uint16_t)b, (uint8_t)outcome, 0, k, BALLOT_NONE},
            NULL, NULL));
    }
    ballots->voters = (uint32_t)votes;
}

/* Every vote its own voter: the independent sandwich times N / (N - 1). A vote cast twice by one
 * voter counts once. */
static void against_the_sandwich(void **state)
{
    enum { N = 5, VOTES = 2000 };
    struct ballots ballots;
    struct fitted once, twice;
    (void)state;
    simulate(&ballots, VOTES, N, 4);
    fit_ballots(&once, &ballots, N);
    assert_int_equal(once.cluster.voters, VOTES);
    assert_int_equal(once.cluster.prompts, 0);
    for (size_t k = 0; k < N * N; k++)
        assert_close(once.cluster.covariance.a[k], once.single.a[k] * VOTES / (VOTES - 1), 1e-12,
                     "single votes");
    for (size_t k = 0; k < VOTES; k++)
        assert_true(ballots_add(&ballots, ballots.rows[k], NULL, NULL));
    fit_ballots(&twice, &ballots, N);
    for (size_t k = 0; k < N * N; k++) {
        assert_close(twice.cluster.covariance.a[k], once.cluster.covariance.a[k], 1e-12,
                     "cast twice");
        assert_close(twice.single.a[k] * 2, once.single.a[k], 1e-12, "as if independent");
    }
    fitted_done(&once);
    fitted_done(&twice);
    ballots_done(&ballots);
}

/* Two-way is voter + prompt - both; where each prompt is one voter's, that is by voter alone. */
static void two_ways(void **state)
{
    enum { N = 4, VOTES = 1500 };
    struct ballots ballots;
    struct fitted fitted;
    (void)state;
    simulate(&ballots, VOTES, N, 6);
    for (uint32_t k = 0; k < VOTES; k++) {
        ballots.rows[k].voter = k % 100;
        ballots.rows[k].prompt = k % 300;
    }
    ballots.voters = 100;
    ballots.prompts = 300;
    fit_ballots(&fitted, &ballots, N);
    assert_int_equal(fitted.cluster.voters, 100);
    assert_int_equal(fitted.cluster.prompts, 300);
    for (size_t k = 0; k < N * N; k++)
        assert_close(fitted.cluster.covariance.a[k], fitted.cluster.voter.a[k], 1e-12,
                     "prompts inside voters");
    struct stats_t_curve quantile;
    stats_t_curve_init(&quantile, 0.975, 1);
    struct cluster_width width = cluster_width(&fitted.cluster, 0, 1, &quantile);
    assert_true(width.half_width > 1.96 * width.se);
    fitted_done(&fitted);
    ballots_done(&ballots);
}

/* Share of models whose difference between random halves of llmfao lies within the halves' 95 %
 * intervals. */
static double agreement(const struct ballots *all, size_t models, bool by_prompt, int splits)
{
    double within = 0, seen = 0;
    uint32_t clusters = by_prompt ? all->prompts : all->voters, members[256], count = 0;
    bool first[256];
    struct rng rng;
    rng_init(&rng, 1, by_prompt);
    bool present[256] = {false};
    for (size_t k = 0; k < all->count; k++)
        present[by_prompt ? all->rows[k].prompt : all->rows[k].voter] = true;
    struct stats_t_curve quantile;
    stats_t_curve_init(&quantile, 0.975, 1);
    for (uint32_t c = 0; c < clusters; c++)
        if (present[c])
            members[count++] = c;
    for (int split = 0; split < splits; split++) {
        struct ballots half[2];
        struct fitted fitted[2];
        for (uint32_t k = count; k > 1; k--) { /* shuffled */
            uint32_t other = (uint32_t)rng_below(&rng, k), swap = members[k - 1];
            members[k - 1] = members[other];
            members[other] = swap;
        }
        for (uint32_t k = 0; k < count; k++)
            first[members[k]] = k < count / 2;
        for (int h = 0; h < 2; h++) {
            ballots_init(&half[h], 0);
            half[h].voters = all->voters;
            half[h].prompts = all->prompts;
        }
        for (size_t k = 0; k < all->count; k++) {
            const struct ballot *row = &all->rows[k];
            assert_true(
                ballots_add(&half[!first[by_prompt ? row->prompt : row->voter]], *row, NULL, NULL));
        }
        for (int h = 0; h < 2; h++)
            fit_ballots(&fitted[h], &half[h], models);
        for (size_t i = 0; i < models; i++) {
            double difference = fitted[0].fit.theta[i] - fitted[1].fit.theta[i];
            double reach = hypot(cluster_width(&fitted[0].cluster, i, i, &quantile).half_width,
                                 cluster_width(&fitted[1].cluster, i, i, &quantile).half_width);
            within += fabs(difference) <= reach;
            seen++;
        }
        for (int h = 0; h < 2; h++) {
            fitted_done(&fitted[h]);
            ballots_done(&half[h]);
        }
    }
    return within / seen;
}

static void real_halves(void **state)
{
    struct tally tally;
    struct ballots ballots;
    (void)state;
    if (!fixture(""))
        skip();
    json_t *root = set_json(fixture("ranking/expected/llmfao_bt.json"));
    tally_init(&tally);
    ballots_init(&ballots, 0);
    set_csv(&tally, &ballots, fixture("ranking/evalica/llmfao.csv"),
            json_object_get(root, "models"), 6, 7, 5, 4, 1);
    double voters = agreement(&ballots, tally.models, false, SPLITS),
           prompts = agreement(&ballots, tally.models, true, SPLITS);
    print_message("halves of llmfao agree: by voter %.1f %%, by prompt %.1f %%\n", 100 * voters,
                  100 * prompts);
    assert_between(voters, 0.93 - SLACK, 0.975 + SLACK, "halves by voter");
    assert_between(prompts, 0.9 - SLACK, 0.97 + SLACK, "halves by prompt");
    ballots_done(&ballots);
    tally_done(&tally);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_the_sandwich),
        cmocka_unit_test(two_ways),
        cmocka_unit_test(real_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
