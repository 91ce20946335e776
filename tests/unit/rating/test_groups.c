/* Groups that follow the votes hold what looking through all of them finds, and the clustered
 * variances over them are those of the definition. */
#include "close.h"
#include "sets.h"

#include "rating/cluster.h"
#include "rating/groups.h"
#include "rating/interval.h"
#include "rating/scores.h"

enum { MODELS = 24, VOTERS = 40, PROMPTS = 90, VOTES = 3000 };

/* Some votes name nobody; one voter and one prompt have far more than their share. */
static struct ballot draw(struct rng *rng)
{
    size_t a = (size_t)rng_below(rng, MODELS),
           b = (a + 1 + (size_t)rng_below(rng, MODELS - 1)) % MODELS;
    struct ballot row = {.a = (uint16_t)a, .b = (uint16_t)b};
    double all = rng_uniform(rng), one = rng_uniform(rng);
    row.outcome = (uint8_t)set_vote(rng, 0.1 * ((double)a - (double)b), 0.2);
    if (row.outcome == OUTCOME_TIE && rng_below(rng, 3) == 0)
        row.outcome = OUTCOME_BOTH_BAD;
    row.voter = all < 0.05 ? BALLOT_NONE : all < 0.2 ? 0 : (uint32_t)rng_below(rng, VOTERS);
    row.prompt = one < 0.05  ? BALLOT_NONE
                 : one < 0.3 ? (uint32_t)rng_below(rng, 3)
                             : (uint32_t)rng_below(rng, PROMPTS);
    return row;
}

static void add(struct ballots *ballots, struct tally *tally, struct rng *rng, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        struct ballot row = draw(rng);
        assert_true(ballots_add(ballots, row, NULL, NULL));
        assert_true(tally_add(tally, row.a, row.b, (enum outcome)row.outcome, 1, NULL));
        if (row.voter != BALLOT_NONE && row.voter >= ballots->voters)
            ballots->voters = row.voter + 1;
        if (row.prompt != BALLOT_NONE && row.prompt >= ballots->prompts)
            ballots->prompts = row.prompt + 1;
    }
}

/* --- what is in them --- */

static uint32_t number_of(const struct ballot *row, bool by_prompt)
{
    return by_prompt ? row->prompt : row->voter;
}

/* The ballots of one number as they should be listed: by voter, then as they were cast. */
static size_t listed(const struct ballots *ballots, uint32_t number, bool by_prompt, uint32_t *out)
{
    size_t count = 0;
    for (size_t k = 0; k < ballots->count; k++) {
        if (number_of(&ballots->rows[k], by_prompt) != number)
            continue;
        size_t at = count++;
        while (by_prompt && at && ballots->rows[out[at - 1]].voter > ballots->rows[k].voter) {
            out[at] = out[at - 1];
            at--;
        }
        out[at] = (uint32_t)k;
    }
    return count;
}

static void check(const struct groups *groups, const struct ballots *ballots, bool by_prompt)
{
    static uint32_t expected[VOTES];
    const struct grouping *by = by_prompt ? &groups->prompt : &groups->voter;
    size_t lists = 0;
    assert_int_equal(by->width, by_prompt ? 2 : 1);
    for (uint32_t number = 0; number < (by_prompt ? ballots->prompts : ballots->voters); number++) {
        size_t count = listed(ballots, number, by_prompt, expected);
        if (count < 2) {
            assert_true(by->first[number] == (count ? expected[0] : UINT32_MAX));
            continue;
        }
        const struct group *list = &by->list[by->first[number] & ~(1u << 31)];
        lists++;
        assert_int_equal(list->count, count);
        for (size_t k = 0; k < count; k++) {
            const struct ballot *row = &ballots->rows[expected[k]];
            const uint32_t *words = by->words + list->at + k * by->width;
            assert_int_equal(words[0], groups->by_kind ? tally_kind(row->a, row->b, row->outcome)
                                                       : expected[k]);
            if (by_prompt)
                assert_int_equal(words[1], row->voter);
        }
    }
    assert_int_equal(lists, by->count);
}

/* However the votes come: one, some, very many at a time. */
static void follow_holds_what_there_is(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct ballots ballots;
        struct tally tally;
        struct groups groups;
        struct rng rng;
        rng_init(&rng, seed, 0);
        ballots_init(&ballots, 0);
        tally_init(&tally);
        assert_true(tally_grow(&tally, MODELS, NULL));
        groups_init(&groups, seed % 2 == 0);
        for (size_t most = seed % 3 == 0 ? 1 : seed % 3 == 1 ? 40 : 2000; ballots.count < VOTES;) {
            size_t count = 1 + (size_t)rng_below(&rng, most), room = VOTES - ballots.count;
            add(&ballots, &tally, &rng, count < room ? count : room);
            assert_true(groups_follow(&groups, &ballots, NULL));
            assert_int_equal(groups.seen, ballots.count);
        }
        check(&groups, &ballots, false);
        check(&groups, &ballots, true);
        groups_done(&groups);
        ballots_done(&ballots);
        tally_done(&tally);
    }
}

/* --- what comes of them --- */

static bool together(const struct ballot *x, const struct ballot *y, int ways)
{
    bool voter = x->voter == y->voter && x->voter != BALLOT_NONE,
         prompt = x->prompt == y->prompt && x->prompt != BALLOT_NONE;
    return (!(ways & 1) || voter) && (!(ways & 2) || prompt);
}

/* By the definition: the sum over all pairs of votes of a cluster, times G / (G - 1). */
static void plain(const struct ballots *ballots, const struct scores *scores, int ways,
                  const struct matrix *inverse, struct matrix *out)
{
    struct matrix meat, scratch;
    size_t n = scores->models, clusters = 0;
    assert_true(matrix_init(&meat, n) && matrix_init(&scratch, n));
    for (size_t k = 0; k < ballots->count; k++) {
        struct cluster_score own, other;
        bool first = true;
        if (!scores_bradley_terry(scores, &ballots->rows[k], k, &own, NULL))
            continue;
        for (size_t l = 0; l < ballots->count; l++) {
            if ((l != k && !together(&ballots->rows[k], &ballots->rows[l], ways)) ||
                !scores_bradley_terry(scores, &ballots->rows[l], l, &other, NULL))
                continue;
            first = first && l >= k;
            for (int x = 0; x < 2; x++)
                for (int y = 0; y < 2; y++)
                    meat.a[own.model[x] * n + other.model[y]] += own.value[x] * other.value[y];
        }
        clusters += first;
    }
    for (size_t k = 0; k < n * n; k++)
        meat.a[k] *= (double)clusters / ((double)clusters - 1);
    matrix_sandwich(inverse, &meat, &scratch, out);
    matrix_done(&meat);
    matrix_done(&scratch);
}

/* Those of the votes whose models are in the fit. */
static void fit(struct bt_pairs *pairs, struct bt_fit *fit, double *power,
                const struct tally *tally, const int32_t *map, size_t models)
{
    struct tally ranked;
    tally_init(&ranked);
    assert_true(tally_select(&ranked, tally, map, models, NULL));
    assert_true(bt_pairs_init(pairs, &ranked, false, NULL) && bt_fit(fit, pairs, NULL, NULL));
    for (size_t k = 0; k < models; k++)
        power[k] = exp(fit->theta[k]);
    tally_done(&ranked);
}

static void compare(const struct ballots *ballots, const struct tally *tally,
                    const struct groups *groups, size_t out)
{
    struct bt_pairs pairs;
    struct bt_fit found;
    struct matrix single, by[3];
    struct cluster cluster;
    int32_t map[MODELS];
    double power[MODELS], largest = 0;
    size_t n = MODELS - out;
    for (int32_t k = 0; k < MODELS; k++) /* those left out are among the others */
        map[k] = k % 5 == 1 && k / 5 < (int32_t)out ? -1 : 0;
    for (int32_t k = 0, next = 0; k < MODELS; k++)
        map[k] = map[k] < 0 ? -1 : next++;
    fit(&pairs, &found, power, tally, map, n);
    assert_true(matrix_init(&single, n) && interval_sandwich(&single, &pairs, &found, NULL));
    struct scores scores = {.map = map, .theta = found.theta, .models = n, .power = power};
    struct cluster_scores how = {n, 0, scores_bradley_terry, &scores};
    struct cluster_votes votes = {ballots, groups, tally};
    assert_true(cluster_find(&cluster, &votes, &how, &found.inverse, &single, NULL));
    for (int ways = 1; ways <= 3; ways++) {
        assert_true(matrix_init(&by[ways - 1], n));
        plain(ballots, &scores, ways, &found.inverse, &by[ways - 1]);
    }
    for (size_t k = 0; k < n; k++)
        largest = fmax(largest, by[0].a[k * n + k]);
    for (size_t k = 0; k < n * n; k++) {
        double two_way = by[0].a[k] + by[1].a[k] - by[2].a[k];
        assert_close(cluster.voter.a[k], by[0].a[k], 1e-11 * largest, "by voter");
        assert_close(cluster.prompt.a[k], by[1].a[k], 1e-11 * largest, "by prompt");
        assert_close(cluster.covariance.a[k], two_way, 1e-11 * largest, "two ways");
    }
    for (int k = 0; k < 3; k++)
        matrix_done(&by[k]);
    cluster_done(&cluster);
    matrix_done(&single);
    bt_fit_done(&found);
    bt_pairs_done(&pairs);
}

/* After every so many votes, with all models and with some left out. */
static void clusters_are_those_of_the_definition(void **state)
{
    static const size_t STEPS[] = {500, 1, 1, 30, 700, 2};
    (void)state;
    for (int by_kind = 0; by_kind < 2; by_kind++) {
        struct ballots ballots;
        struct tally tally;
        struct groups groups;
        struct rng rng;
        rng_init(&rng, 11, 0);
        ballots_init(&ballots, 0);
        tally_init(&tally);
        assert_true(tally_grow(&tally, MODELS, NULL));
        groups_init(&groups, by_kind);
        for (size_t k = 0; k < sizeof STEPS / sizeof *STEPS; k++) {
            add(&ballots, &tally, &rng, STEPS[k]);
            assert_true(groups_follow(&groups, &ballots, NULL));
            compare(&ballots, &tally, &groups, k % 2 ? 3 : 0);
        }
        groups_done(&groups);
        ballots_done(&ballots);
        tally_done(&tally);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follow_holds_what_there_is),
        cmocka_unit_test(clusters_are_those_of_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
