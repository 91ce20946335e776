/* Simulated votes with known strengths: do 95 % intervals hold the truth 95 % of the time, and rank
 * ranges the true rank? Balanced, skewed, tie-heavy, adaptively sampled, clustered; the sparse case
 * is held to what it is. */
#include "close.h"
#include "sets.h"

#include "rating/cluster.h"
#include "rating/connect.h"
#include "rating/interval.h"
#include "rating/pairing.h"
#include "rating/rank.h"
#include "rating/scores.h"
#include "rating/stats.h"

/* Under a sanitizer it is the code that is tested, not the coverage. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { N = 8, RUNS = 60 };
#define SLACK 0.03
#else
enum { N = 8, RUNS = 1500 };
#define SLACK 0.0
#endif

struct setting {
    const char *name;
    size_t votes;
    double ties, skew; /* share of ties between equals; how unevenly models are drawn */
    bool adaptive;
    double voter_effect,
        prompt_effect; /* deviation of what a voter (prompt) likes about each model */
    uint32_t voters, prompts;
    double low, high; /* coverage */
};

static double truth(size_t i)
{
    return 0.25 * ((double)i - 0.5 * (N - 1));
}

/* Chance that i beats j, over voters and prompts that like models more or less. */
static double mean_chance(double difference, double deviation)
{
    double sum = 0, mass = 0;
    for (double z = -6; z <= 6; z += 0.05) {
        double weight = exp(-0.5 * z * z);
        sum += weight * bt_probability(difference + deviation * z);
        mass += weight;
    }
    return sum / mass;
}

/* The mean score of a pair under the tie rule is what half-a-win fits: the strengths it converges
 * to. Ties and differing tastes pull towards one half, so the target is found by fitting the
 * expected votes, not assumed. */
static void target_of(double *target, const struct setting *setting)
{
    struct bt_pairs pairs = {.models = N};
    struct bt_pair cells[N * N];
    struct bt_fit fit;
    for (size_t j = 1; j < N; j++) {
        for (size_t i = 0; i < j; i++) {
            double tastes = hypot(setting->voter_effect, setting->prompt_effect);
            double p = mean_chance(truth(i) - truth(j), sqrt(2) * tastes),
                   tie = setting->ties * 4 * p * (1 - p);
            cells[pairs.count++] = (struct bt_pair){(uint32_t)i,         (uint32_t)j, (1 - tie) * p,
                                                    (1 - tie) * (1 - p), tie,         1};
        }
    }
    pairs.pairs = cells;
    pairs.votes = pairs.mass = (double)pairs.count;
    assert_true(bt_fit(&fit, &pairs, NULL, NULL));
    memcpy(target, fit.theta, N * sizeof *target);
    bt_fit_done(&fit);
}

static void draw_pair(struct rng *rng, const struct setting *setting, const struct tally *tally,
                      size_t *a, size_t *b)
{
    static double chance[N * N];
    if (setting->adaptive) {
        if (tally->votes % 50 == 0)
            assert_true(pairing_spread(chance, tally, NULL, NULL));
        pairing_pick(chance, N, rng_uniform(rng), a, b);
    } else {
        do {
            *a = (size_t)((double)N * pow(rng_uniform(rng), setting->skew));
            *b = (size_t)((double)N * pow(rng_uniform(rng), setting->skew));
        } while (*a == *b);
    }
    if (rng_uniform(rng) < 0.5) {
        size_t swap = *a;
        *a = *b;
        *b = swap;
    }
}

static void run_votes(struct rng *rng, const struct setting *setting, struct tally *tally,
                      struct ballots *ballots)
{
    double likes[2][64][N]; /* of each voter, of each prompt */
    tally_init(tally);
    ballots_init(ballots, 0);
    ballots->voters = setting->voters;
    ballots->prompts = setting->prompts;
    assert_true(tally_grow(tally, N, NULL));
    for (int kind = 0; kind < 2; kind++)
        for (int who = 0; who < 64; who++)
            for (int i = 0; i < N; i++)
                likes[kind][who][i] = (kind ? setting->prompt_effect : setting->voter_effect) *
                                      stats_draw_normal(rng);
    for (size_t k = 0; k < setting->votes; k++) {
        size_t a, b;
        draw_pair(rng, setting, tally, &a, &b);
        uint32_t voter = setting->voters ? (uint32_t)rng_below(rng, setting->voters) : 0;
        uint32_t prompt = setting->prompts ? (uint32_t)rng_below(rng, setting->prompts) : 0;
        double d = truth(a) - truth(b) + likes[0][voter][a] - likes[0][voter][b] +
                   likes[1][prompt][a] - likes[1][prompt][b];
        enum outcome outcome = set_vote(rng, d, setting->ties);
        assert_true(tally_add(tally, a, b, outcome, 1, NULL));
        assert_true(ballots_add(
            ballots, (struct ballot){(uint16_t)a, (uint16_t)b, (uint8_t)outcome, 0, voter, prompt},
            NULL, NULL));
    }
}

/* Half-widths of theta_i - theta_j (i alone on the diagonal). */
static void widths(double *width, const struct setting *setting, const struct ballots *ballots,
                   const struct bt_pairs *pairs, const struct bt_fit *fit)
{
    static const int32_t same[N] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct matrix single;
    struct cluster cluster;
    assert_true(matrix_init(&single, N) && interval_sandwich(&single, pairs, fit, NULL));
    double power[N];
    for (size_t i = 0; i < N; i++)
        power[i] = exp(fit->theta[i]);
    struct groups groups;
    groups_init(&groups, false);
    struct scores scores = {.map = same, .theta = fit->theta, .models = N, .power = power};
    struct cluster_scores how = {N, 0, scores_bradley_terry, &scores};
    struct cluster_votes votes = {ballots, &groups, NULL};
    bool clustered = setting->voters || setting->prompts;
    struct stats_t_curve quantile;
    stats_t_curve_init(&quantile, 0.975, 1);
    if (clustered)
        assert_true(groups_follow(&groups, ballots, NULL) &&
                    cluster_find(&cluster, &votes, &how, &fit->inverse, &single, NULL));
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            width[i * N + j] =
                clustered ? cluster_width(&cluster, i, j, &quantile).half_width
                          : 1.959963984540054 * (i == j ? sqrt(single.a[i * N + i])
                                                        : rank_difference_se(&single, i, j));
    if (clustered)
        cluster_done(&cluster);
    groups_done(&groups);
    matrix_done(&single);
}

static void cover(const struct setting *setting)
{
    double target[N], seen = 0, within = 0, ranks_seen = 0, ranks_within = 0;
    struct rng rng;
    rng_init(&rng, 31, setting->votes);
    target_of(target, setting);
    for (int run = 0; run < RUNS; run++) {
        struct tally tally;
        struct ballots ballots;
        struct bt_pairs pairs;
        struct bt_fit fit;
        double width[N * N];
        struct rank ranks[N];
        run_votes(&rng, setting, &tally, &ballots);
        assert_true(bt_pairs_init(&pairs, &tally, false, NULL));
        if (bt_fit(&fit, &pairs, NULL, NULL)) {
            widths(width, setting, &ballots, &pairs, &fit);
            rank_ranges(ranks, fit.theta, width, N);
            for (size_t i = 0; i < N; i++) {
                within += fabs(fit.theta[i] - target[i]) <= width[i * N + i];
                ranks_within += ranks[i].lower <= N - i && N - i <= ranks[i].upper;
            }
            seen += N;
            ranks_seen += N;
            bt_fit_done(&fit);
        }
        bt_pairs_done(&pairs);
        tally_done(&tally);
        ballots_done(&ballots);
    }
    print_message("%-22s coverage %.1f %%, ranks held %.1f %%, fitted %.0f %%\n", setting->name,
                  100 * within / seen, 100 * ranks_within / ranks_seen, 100 * seen / (RUNS * N));
    assert_between(within / seen, setting->low - SLACK, setting->high + SLACK, setting->name);
    assert_true(ranks_within / ranks_seen > (setting->low > 0.93 ? 0.95 : 0.9) - SLACK);
}

static void coverage(void **state)
{
    static const struct setting SETTINGS[] = {
        {"balanced", 1500, 0, 1, false, 0, 0, 0, 0, 0.94, 0.96},
        {"skewed", 2500, 0.1, 2, false, 0, 0, 0, 0, 0.94, 0.96},
        {"tie-heavy", 1501, 0.7, 1, false, 0, 0, 0, 0, 0.94, 0.96},
        {"adaptive", 1502, 0.2, 1, true, 0, 0, 0, 0, 0.94, 0.96},
        {"clustered by voter", 1600, 0, 1, false, 0.3, 0, 60, 0, 0.94, 0.96},
        {"clustered both ways", 2000, 0, 1, false, 0.2, 0.2, 60, 60, 0.94, 0.96},
        {"sparse", 60, 0.2, 1, false, 0, 0, 0, 0, 0.93, 0.96},
    };
    (void)state;
    for (size_t k = 0; k < sizeof SETTINGS / sizeof *SETTINGS; k++)
        cover(&SETTINGS[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(coverage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
