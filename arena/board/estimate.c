/* Each method fills theta, then says how wide contrasts are through one of three sources of width: a covariance with a
 * normal quantile, clusters with their own Student quantiles, or bootstrap draws. An anchor makes a model's interval that
 * of its difference to the anchor, because that is what a rating on an anchored scale is. */
#include "board/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rating/bootstrap.h"
#include "rating/bradley_terry.h"
#include "rating/cluster.h"
#include "rating/interval.h"
#include "rating/rank.h"
#include "rating/stats.h"

static bool allocate(struct estimate *estimate, size_t n, struct err *err)
{
    *estimate = (struct estimate){.n = n, .interval = "none", .tie_parameter = NAN};
    estimate->theta = calloc(4 * n + 1, sizeof *estimate->theta);
    estimate->margin = calloc(n * n + 1, sizeof *estimate->margin);
    if (!estimate->theta || !estimate->margin || !matrix_init(&estimate->covariance, n)) {
        estimate_done(estimate);
        return err_set(err, ERR_MEMORY, "no memory for the ratings of %zu models", n);
    }
    estimate->se = estimate->theta + n;
    estimate->lower = estimate->se + n;
    estimate->upper = estimate->lower + n;
    return true;
}

void estimate_done(struct estimate *estimate)
{
    free(estimate->theta);
    free(estimate->margin);
    matrix_done(&estimate->covariance);
    *estimate = (struct estimate){0};
}

/* The model that a bound of `i` is measured against: itself, or the anchor. */
static size_t against(const struct estimate_input *input, size_t i)
{
    return input->anchor >= 0 ? (size_t)input->anchor : i;
}

static double se_of(const struct matrix *covariance, size_t i, size_t j)
{
    if (i != j)
        return rank_difference_se(covariance, i, j);
    double variance = covariance->a[i * covariance->n + i];
    return variance > 0 ? sqrt(variance) : 0;
}

/* 0 for the anchor against itself. */
static bool fixed(const struct estimate_input *input, size_t i)
{
    return input->anchor >= 0 && (size_t)input->anchor == i;
}

static bool widths_normal(struct estimate *estimate, const struct estimate_input *input, struct err *err)
{
    const struct leaderboard_options *options = input->options;
    size_t n = estimate->n;
    double z = stats_normal_quantile(0.5 * (1 + options->confidence)), critical = z;
    if (options->simultaneous && n > 1 &&
        !rank_simultaneous(&critical, &estimate->covariance, options->confidence, 5000, options->seed, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        double se = fixed(input, i) ? 0 : se_of(&estimate->covariance, i, against(input, i));
        estimate->se[i] = se;
        estimate->lower[i] = estimate->theta[i] - z * se;
        estimate->upper[i] = estimate->theta[i] + z * se;
        for (size_t j = 0; j < n; j++)
            estimate->margin[i * n + j] = i == j ? 0 : critical * se_of(&estimate->covariance, i, j);
    }
    return true;
}

static bool widths_clustered(struct estimate *estimate, const struct estimate_input *input,
                             const struct cluster *cluster, struct err *err)
{
    const struct leaderboard_options *options = input->options;
    size_t n = estimate->n;
    double stretch = 1; /* simultaneous over pointwise */
    if (options->simultaneous && n > 1) {
        if (!rank_simultaneous(&stretch, &cluster->covariance, options->confidence, 5000, options->seed, err))
            return false;
        stretch /= stats_normal_quantile(0.5 * (1 + options->confidence));
    }
    for (size_t i = 0; i < n; i++) {
        struct cluster_width own = {0, 0};
        if (!fixed(input, i))
            own = cluster_width(cluster, i, against(input, i), options->confidence);
        estimate->se[i] = own.se;
        estimate->lower[i] = estimate->theta[i] - own.half_width;
        estimate->upper[i] = estimate->theta[i] + own.half_width;
        for (size_t j = 0; j < i; j++) {
            double margin = stretch * cluster_width(cluster, i, j, options->confidence).half_width;
            estimate->margin[i * n + j] = estimate->margin[j * n + i] = margin;
        }
    }
    return true;
}

static bool clustered(struct estimate *estimate, const struct estimate_input *input, const struct bt_pairs *pairs,
                      const struct bt_fit *fit, struct err *err)
{
    struct cluster cluster;
    if (!cluster_find(&cluster, input->votes->ballots, input->map, pairs, fit, err))
        return false;
    estimate->interval = "clustered";
    estimate->voters = cluster.voters;
    estimate->prompts = cluster.prompts;
    memcpy(estimate->covariance.a, cluster.covariance.a, estimate->n * estimate->n * sizeof *cluster.covariance.a);
    bool ok = widths_clustered(estimate, input, &cluster, err);
    cluster_done(&cluster);
    return ok;
}

/* Bounds from the draws' percentiles; differences from their covariance. */
static bool bootstrapped(struct estimate *estimate, const struct estimate_input *input, const struct bt_pairs *pairs,
                         const struct bt_fit *fit, struct err *err)
{
    const struct leaderboard_options *options = input->options;
    struct bootstrap boot;
    if (!bootstrap_run(&boot, pairs, fit, options->rounds, options->seed, options->threads, err))
        return false;
    double *sorted = malloc((boot.rounds + 1) * sizeof *sorted), tail = 0.5 * (1 - options->confidence);
    estimate->interval = "bootstrap";
    estimate->rounds = boot.rounds;
    estimate->failed = boot.failed;
    bool ok = sorted && bootstrap_covariance(&estimate->covariance, &boot);
    ok = ok ? widths_normal(estimate, input, err) : err_set(err, ERR_MEMORY, "no memory for the bootstrap");
    for (size_t i = 0; ok && i < estimate->n && boot.rounds; i++) {
        size_t j = against(input, i);
        double shift = j == i ? 0 : estimate->theta[j];
        bootstrap_sorted(&boot, i, j, sorted);
        estimate->lower[i] = fixed(input, i) ? estimate->theta[i] : shift + stats_quantile(sorted, boot.rounds, tail);
        estimate->upper[i] =
            fixed(input, i) ? estimate->theta[i] : shift + stats_quantile(sorted, boot.rounds, 1 - tail);
    }
    free(sorted);
    bootstrap_done(&boot);
    return ok;
}

static bool knows_clusters(const struct leaderboard_votes *votes)
{
    return votes->ballots && votes->ballots->count && (votes->ballots->voters || votes->ballots->prompts);
}

static bool intervals(struct estimate *estimate, const struct estimate_input *input, const struct bt_pairs *pairs,
                      const struct bt_fit *fit, struct err *err)
{
    const struct leaderboard_options *options = input->options;
    enum leaderboard_interval interval = options->interval;
    if (interval == LEADERBOARD_CI_DEFAULT)
        interval = knows_clusters(input->votes) && !options->compatible ? LEADERBOARD_CI_CLUSTERED
                                                                        : LEADERBOARD_CI_SANDWICH;
    if (interval == LEADERBOARD_CI_BOOTSTRAP)
        return bootstrapped(estimate, input, pairs, fit, err);
    if (interval == LEADERBOARD_CI_CLUSTERED) {
        if (!knows_clusters(input->votes))
            return err_set(err, ERR_BAD_REQUEST, "clustered intervals need votes that name their voter or prompt");
        return clustered(estimate, input, pairs, fit, err);
    }
    estimate->interval = "sandwich";
    bool ok = options->compatible
                  ? interval_sandwich_arena_rank(&estimate->covariance, pairs, fit, options->reweighted, err)
                  : interval_sandwich(&estimate->covariance, pairs, fit, err);
    return ok && widths_normal(estimate, input, err);
}

static bool fit_bradley_terry(struct estimate *estimate, const struct estimate_input *input, struct err *err)
{
    struct bt_pairs pairs;
    struct bt_fit fit;
    if (!bt_pairs_init(&pairs, input->tally, input->options->reweighted, err))
        return false;
    bool ok = bt_fit(&fit, &pairs, NULL, err);
    if (ok) {
        memcpy(estimate->theta, fit.theta, estimate->n * sizeof *fit.theta);
        estimate->loss = fit.loss;
        estimate->gradient = fit.gradient;
        ok = intervals(estimate, input, &pairs, &fit, err);
        bt_fit_done(&fit);
    }
    bt_pairs_done(&pairs);
    return ok;
}

bool estimate_fit(struct estimate *estimate, const struct estimate_input *input, struct err *err)
{
    if (!allocate(estimate, input->tally->models, err))
        return false;
    if (!fit_bradley_terry(estimate, input, err)) {
        estimate_done(estimate);
        return false;
    }
    return true;
}
