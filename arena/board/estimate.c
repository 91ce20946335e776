/* Each method fills theta and hands over its parameters' covariance, the inverse of its second
 * derivative and the scores of single votes (struct fitted); widths then come from one of three
 * sources: the covariance with a normal quantile, clusters with Student's quantiles, or bootstrap
 * draws. An anchor makes a model's interval that of its difference to the anchor, because that is
 * what a rating on an anchored scale is. */
#include "board/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rating/bootstrap.h"
#include "rating/bradley_terry.h"
#include "rating/cluster.h"
#include "rating/contextual.h"
#include "rating/elo.h"
#include "rating/interval.h"
#include "rating/rank.h"
#include "rating/scores.h"
#include "rating/stats.h"
#include "rating/tie.h"

#define SIMULTANEOUS_DRAWS 5000

/* What a method hands over: parameters are the n strengths and then `extra` more. All borrowed. */
struct fitted {
    const double *theta;
    size_t extra;
    const struct matrix *inverse;    /* of the second derivative of the summed loss */
    const struct matrix *covariance; /* votes independent */
    const struct matrix *open;       /* to add to that of clusters; NULL: nothing */
    struct scores scores;
    bool by_kind; /* votes for the same models with the same outcome have the same score */
    bool (*score)(const void *context, const struct ballot *vote, size_t ballot,
                  struct cluster_score *score, double *extra);
};

static bool allocate(struct estimate *estimate, size_t n, struct err *err)
{
    *estimate = (struct estimate){.n = n, .interval = "none", .tie_parameter = NAN};
    estimate->theta = calloc(5 * n + 1, sizeof *estimate->theta);
    estimate->margin = calloc(n * n + 1, sizeof *estimate->margin);
    if (!estimate->theta || !estimate->margin || !matrix_init(&estimate->covariance, n)) {
        estimate_done(estimate);
        return err_set(err, ERR_MEMORY, "no memory for the ratings of %zu models", n);
    }
    estimate->se = estimate->theta + n;
    estimate->lower = estimate->se + n;
    estimate->upper = estimate->lower + n;
    estimate->median = estimate->upper + n;
    for (size_t i = 0; i < n; i++)
        estimate->median[i] = NAN;
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

static bool widths_normal(struct estimate *estimate, const struct estimate_input *input,
                          struct err *err)
{
    const struct leaderboard_options *options = input->options;
    size_t n = estimate->n;
    double z = stats_normal_quantile(0.5 * (1 + options->confidence)), critical = z;
    if (options->simultaneous && n > 1 &&
        !rank_simultaneous(&critical, &estimate->covariance, options->confidence,
                           SIMULTANEOUS_DRAWS, options->seed, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        double se = fixed(input, i) ? 0 : se_of(&estimate->covariance, i, against(input, i));
        estimate->se[i] = se;
        estimate->lower[i] = estimate->theta[i] - z * se;
        estimate->upper[i] = estimate->theta[i] + z * se;
        for (size_t j = 0; j < n; j++)
            estimate->margin[i * n + j] =
                i == j ? 0 : critical * se_of(&estimate->covariance, i, j);
    }
    return true;
}

static bool widths_clustered(struct estimate *estimate, const struct estimate_input *input,
                             const struct cluster *cluster, struct err *err)
{
    const struct leaderboard_options *options = input->options;
    size_t n = estimate->n;
    double stretch = 1; /* simultaneous over pointwise */
    struct stats_t_curve quantile;
    stats_t_curve_init(&quantile, 0.5 * (1 + options->confidence), cluster_least_freedom(cluster));
    if (options->simultaneous && n > 1) {
        if (!rank_simultaneous(&stretch, &cluster->covariance, options->confidence,
                               SIMULTANEOUS_DRAWS, options->seed, err))
            return false;
        stretch /= stats_normal_quantile(0.5 * (1 + options->confidence));
    }
    for (size_t i = 0; i < n; i++) {
        struct cluster_width own = {0, 0};
        if (!fixed(input, i))
            own = cluster_width(cluster, i, against(input, i), &quantile);
        estimate->se[i] = own.se;
        estimate->lower[i] = estimate->theta[i] - own.half_width;
        estimate->upper[i] = estimate->theta[i] + own.half_width;
        cluster_half_widths(cluster, i, &quantile, estimate->margin + i * n);
        for (size_t j = 0; j < i; j++)
            estimate->margin[j * n + i] = estimate->margin[i * n + j] *= stretch;
    }
    for (size_t k = 0; k < estimate->coefficients; k++)
        estimate->value_se[k] = cluster_width(cluster, n + k, n + k, &quantile).se;
    return true;
}

static bool knows_clusters(const struct leaderboard_votes *votes)
{
    return votes->ballots && votes->ballots->count &&
           (votes->ballots->voters || votes->ballots->prompts);
}

/* What is asked for, with the default made up. */
static enum leaderboard_interval interval_of(const struct estimate_input *input)
{
    const struct leaderboard_options *options = input->options;
    if (options->interval != LEADERBOARD_CI_DEFAULT)
        return options->interval;
    return knows_clusters(input->votes) && !options->compatible ? LEADERBOARD_CI_CLUSTERED
                                                                : LEADERBOARD_CI_SANDWICH;
}

/* The strengths' part of all parameters' covariance. */
static void take_covariance(struct estimate *estimate, const struct matrix *covariance)
{
    size_t n = estimate->n;
    for (size_t i = 0; i < n; i++)
        memcpy(estimate->covariance.a + i * n, covariance->a + i * covariance->n,
               n * sizeof *covariance->a);
}

/* Moves a covariance to the gauge of the board, strengths summing to 0: only the grounded model's
 * is in another. */
static void centre_covariance(struct matrix *m, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        double mean = 0;
        for (size_t i = 0; i < n; i++)
            mean += m->a[i * m->n + j] / (double)n;
        for (size_t i = 0; i < n; i++)
            m->a[i * m->n + j] -= mean;
    }
    for (size_t i = 0; i < n; i++) {
        double mean = 0;
        for (size_t j = 0; j < n; j++)
            mean += m->a[i * m->n + j] / (double)n;
        for (size_t j = 0; j < n; j++)
            m->a[i * m->n + j] -= mean;
    }
}

/* The grounded model's strengths, moved to mean 0 with the shift kept. */
static void centre_strengths(struct estimate *estimate)
{
    double mean = 0;
    for (size_t i = 0; i < estimate->n; i++)
        mean += estimate->theta[i] / (double)estimate->n;
    for (size_t i = 0; i < estimate->n; i++)
        estimate->theta[i] -= mean;
    estimate->absolute_shift = mean;
}

/* Clusters by the groups that the votes bring, or by some of their own for this once. */
static bool find_clusters(struct cluster *cluster, const struct leaderboard_votes *votes,
                          size_t models, const struct fitted *fitted, struct err *err)
{
    struct cluster_scores scores = {models, fitted->extra, fitted->score, &fitted->scores};
    struct cluster_votes clustered = {votes->ballots, votes->groups, votes->tally};
    struct groups own;
    groups_init(&own,
                fitted->by_kind && votes->ballots->count >= tally_kinds(votes->tally->models));
    bool ok = true;
    if (!clustered.groups || (clustered.groups->by_kind && !fitted->by_kind)) {
        ok = groups_follow(&own, votes->ballots, err);
        clustered.groups = &own;
    }
    ok = ok && cluster_find(cluster, &clustered, &scores, fitted->inverse, fitted->covariance, err);
    groups_done(&own);
    return ok;
}

static bool clustered(struct estimate *estimate, const struct estimate_input *input,
                      const struct fitted *fitted, struct err *err)
{
    struct cluster cluster;
    if (!knows_clusters(input->votes))
        return err_set(err, ERR_BAD_REQUEST,
                       "clustered intervals need votes that name their voter or prompt");
    if (!find_clusters(&cluster, input->votes, estimate->n, fitted, err))
        return false;
    estimate->interval = "clustered";
    for (size_t k = 0; fitted->open && k < fitted->open->n * fitted->open->n; k++)
        cluster.covariance.a[k] += fitted->open->a[k];
    estimate->voters = cluster.voters;
    estimate->prompts = cluster.prompts;
    struct matrix *const parts[] = {&cluster.voter, &cluster.prompt, &cluster.single,
                                    &cluster.covariance};
    for (size_t k = 0; estimate->absolute && k < sizeof parts / sizeof *parts; k++)
        centre_covariance(parts[k], estimate->n);
    take_covariance(estimate, &cluster.covariance);
    bool ok = widths_clustered(estimate, input, &cluster, err);
    cluster_done(&cluster);
    return ok;
}

/* Sandwich or clusters; what both need is in `fitted`. */
static bool widths(struct estimate *estimate, const struct estimate_input *input,
                   struct fitted *fitted, struct err *err)
{
    fitted->scores.map = input->map;
    fitted->scores.theta = fitted->theta;
    fitted->scores.models = estimate->n;
    memcpy(estimate->theta, fitted->theta, estimate->n * sizeof *fitted->theta);
    if (estimate->absolute)
        centre_strengths(estimate);
    if (interval_of(input) == LEADERBOARD_CI_CLUSTERED)
        return clustered(estimate, input, fitted, err);
    estimate->interval = "sandwich";
    take_covariance(estimate, fitted->covariance);
    if (estimate->absolute)
        centre_covariance(&estimate->covariance, estimate->n);
    for (size_t k = 0; k < estimate->coefficients; k++)
        estimate->value_se[k] = se_of(fitted->covariance, estimate->n + k, estimate->n + k);
    return widths_normal(estimate, input, err);
}

/* --- Bradley-Terry --- */

/* Bounds from the draws' percentiles; differences from their covariance. */
static bool from_draws(struct estimate *estimate, const struct estimate_input *input,
                       const struct bootstrap *boot, struct err *err)
{
    double *sorted = malloc((boot->rounds + 1) * sizeof *sorted),
           tail = 0.5 * (1 - input->options->confidence);
    estimate->interval = "bootstrap";
    estimate->rounds = boot->rounds;
    estimate->failed = boot->failed;
    bool ok = sorted && bootstrap_covariance(&estimate->covariance, boot);
    ok = ok ? widths_normal(estimate, input, err)
            : err_set(err, ERR_MEMORY, "no memory for the bootstrap");
    for (size_t i = 0; ok && i < estimate->n && boot->rounds; i++) {
        size_t j = against(input, i);
        double shift = j == i ? 0 : estimate->theta[j];
        bootstrap_sorted(boot, i, j, sorted);
        estimate->median[i] = shift + stats_quantile(sorted, boot->rounds, 0.5);
        if (fixed(input, i))
            continue;
        estimate->lower[i] = shift + stats_quantile(sorted, boot->rounds, tail);
        estimate->upper[i] = shift + stats_quantile(sorted, boot->rounds, 1 - tail);
    }
    free(sorted);
    return ok;
}

static bool bootstrapped(struct estimate *estimate, const struct estimate_input *input,
                         const struct bt_pairs *pairs, const struct bt_fit *fit, struct err *err)
{
    const struct leaderboard_options *options = input->options;
    struct bootstrap boot;
    if (!bootstrap_run(&boot, pairs, fit, options->rounds, options->seed, options->threads, err))
        return false;
    bool ok = from_draws(estimate, input, &boot, err);
    bootstrap_done(&boot);
    return ok;
}

/* Pairs' weights as a matrix, for the scores; NULL when all are 1 or there is no memory. */
static double *weights_of(const struct bt_pairs *pairs)
{
    size_t n = pairs->models;
    double *weight = calloc(n * n + 1, sizeof *weight);
    for (size_t k = 0; weight && k < pairs->count; k++) {
        const struct bt_pair *pair = &pairs->pairs[k];
        weight[pair->i * n + pair->j] = weight[pair->j * n + pair->i] = pair->weight;
    }
    return weight;
}

/* e^theta of each model; NULL without memory. */
static double *powers_of(const struct bt_fit *fit)
{
    double *power = malloc((fit->models + 1) * sizeof *power);
    for (size_t i = 0; power && i < fit->models; i++)
        power[i] = exp(fit->theta[i]);
    return power;
}

static bool bradley_terry_widths(struct estimate *estimate, const struct estimate_input *input,
                                 const struct bt_pairs *pairs, const struct bt_fit *fit,
                                 struct err *err)
{
    const struct leaderboard_options *options = input->options;
    struct matrix covariance = {0};
    double *weight = options->reweighted ? weights_of(pairs) : NULL;
    double *power = powers_of(fit);
    struct fitted fitted = {.theta = fit->theta,
                            .inverse = &fit->inverse,
                            .covariance = &covariance,
                            .scores = {.weight = weight, .power = power},
                            .by_kind = true,
                            .score = scores_bradley_terry};
    bool ok = matrix_init(&covariance, estimate->n) && power && (weight || !options->reweighted);
    if (!ok)
        err_set(err, ERR_MEMORY, "no memory for the intervals of %zu models", estimate->n);
    else if (options->compatible)
        ok = interval_sandwich_arena_rank(&covariance, pairs, fit, options->reweighted, err);
    else
        ok = interval_sandwich(&covariance, pairs, fit, err);
    ok = ok && widths(estimate, input, &fitted, err);
    matrix_done(&covariance);
    free(weight);
    free(power);
    return ok;
}

static bool fit_bradley_terry(struct estimate *estimate, const struct estimate_input *input,
                              struct err *err)
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
        ok = input->options->interval == LEADERBOARD_CI_BOOTSTRAP
                 ? bootstrapped(estimate, input, &pairs, &fit, err)
                 : bradley_terry_widths(estimate, input, &pairs, &fit, err);
        bt_fit_done(&fit);
    }
    bt_pairs_done(&pairs);
    return ok;
}

/* --- ties of their own --- */

static bool fit_ties(struct estimate *estimate, const struct estimate_input *input, struct err *err)
{
    static const enum tie_model MODELS[] = {[LEADERBOARD_TIES_DAVIDSON] = TIE_DAVIDSON,
                                            [LEADERBOARD_TIES_RAO_KUPPER] = TIE_RAO_KUPPER,
                                            [LEADERBOARD_TIES_GROUNDED] = TIE_GROUNDED};
    struct tie_fit fit;
    enum tie_model model = MODELS[input->options->ties];
    if (!tie_fit(&fit, input->tally, model, err))
        return false;
    estimate->loss = fit.loss;
    estimate->gradient = fit.gradient;
    estimate->tie_parameter = fit.theta[estimate->n];
    struct fitted fitted = {.theta = fit.theta,
                            .extra = 1,
                            .inverse = &fit.inverse,
                            .covariance = &fit.covariance,
                            .scores = {.tie = model},
                            .by_kind = true,
                            .score = scores_tie};
    estimate->absolute = model == TIE_GROUNDED;
    bool ok = widths(estimate, input, &fitted, err);
    tie_fit_done(&fit);
    return ok;
}

/* --- style and position --- */

/* Which row of the data each ballot became. */
static uint32_t *rows_of(const struct estimate_input *input)
{
    const struct ballots *ballots = input->votes->ballots;
    uint32_t *rows = calloc(ballots->count + 1, sizeof *rows), next = 0;
    for (size_t k = 0; rows && k < ballots->count; k++)
        if (input->map[ballots->rows[k].a] >= 0 && input->map[ballots->rows[k].b] >= 0)
            rows[k] = next++;
    return rows;
}

static bool context_widths(struct estimate *estimate, const struct estimate_input *input,
                           const struct contextual_data *data, const struct contextual_fit *fit,
                           struct err *err)
{
    bool cluster = interval_of(input) == LEADERBOARD_CI_CLUSTERED && knows_clusters(input->votes);
    uint32_t *rows = cluster ? rows_of(input) : NULL;
    if (cluster && !rows)
        return err_set(err, ERR_MEMORY, "no memory to cluster the votes");
    struct fitted fitted = {.theta = fit->theta,
                            .extra = data->features,
                            .inverse = &fit->inverse,
                            .covariance = &fit->covariance,
                            .open = fit->held ? &fit->open : NULL,
                            .scores = {.weight = data->weight, .data = data, .row = rows},
                            .score = scores_contextual};
    estimate->coefficients = data->features;
    memcpy(estimate->value, fit->theta + estimate->n, data->features * sizeof *fit->theta);
    bool ok = widths(estimate, input, &fitted, err);
    free(rows);
    return ok;
}

static bool fit_context(struct estimate *estimate, const struct estimate_input *input,
                        struct err *err)
{
    const struct leaderboard_options *options = input->options;
    const struct contextual_options context = {options->style, options->position,
                                               options->reweighted, options->compatible,
                                               options->threads};
    struct contextual_data data;
    struct contextual_fit fit;
    if (!contextual_data_init(&data, input->tally, input->votes->ballots, input->map, &context,
                              err))
        return false;
    bool ok = contextual_fit(&fit, &data, &context, err);
    if (ok) {
        estimate->loss = fit.loss;
        estimate->gradient = fit.gradient;
        estimate->held = fit.held;
        ok = context_widths(estimate, input, &data, &fit, err);
        contextual_fit_done(&fit);
    }
    contextual_data_done(&data);
    return ok;
}

/* --- online Elo --- */

/* From ratings to the natural scale around the initial rating, so that one conversion serves all
 * methods. */
static void to_natural(double *ratings, size_t count, const struct leaderboard_options *options)
{
    for (size_t k = 0; k < count; k++)
        ratings[k] = (ratings[k] - options->initial) / leaderboard_alpha(options);
}

static bool fit_elo(struct estimate *estimate, const struct estimate_input *input, struct err *err)
{
    const struct leaderboard_options *options = input->options;
    const struct elo_options elo = {options->elo_k, options->initial, options->scale,
                                    options->base};
    const struct ballots *ballots = input->votes->ballots;
    size_t n = estimate->n;
    struct bootstrap boot = {.models = n, .rounds = options->rounds};
    if (!ballots || ballots->count == 0)
        return err_set(err, ERR_BAD_REQUEST,
                       "online Elo needs single votes in their order, not aggregated counts");
    boot.draws = calloc(n * options->rounds + 1, sizeof *boot.draws);
    if (!boot.draws)
        return err_set(err, ERR_MEMORY, "no memory for %zu bootstrap rounds", options->rounds);
    elo_run(estimate->theta, n, ballots, input->map, &elo);
    to_natural(estimate->theta, n, options);
    bool ok = elo_bootstrap(boot.draws, n, ballots, input->map, &elo, options->rounds,
                            options->seed, options->threads, err);
    if (ok) {
        to_natural(boot.draws, n * options->rounds, options);
        ok = from_draws(estimate, input, &boot, err);
    }
    bootstrap_done(&boot);
    return ok;
}

/* --- the choice --- */

static bool fit_method(struct estimate *estimate, const struct estimate_input *input,
                       struct err *err)
{
    const struct leaderboard_options *options = input->options;
    if (options->method == LEADERBOARD_ELO)
        return fit_elo(estimate, input, err);
    if (options->style || options->position || options->weighted)
        return fit_context(estimate, input, err);
    if (options->ties != LEADERBOARD_TIES_HALF)
        return fit_ties(estimate, input, err);
    return fit_bradley_terry(estimate, input, err);
}

bool estimate_fit(struct estimate *estimate, const struct estimate_input *input, struct err *err)
{
    if (!allocate(estimate, input->tally->models, err))
        return false;
    if (!fit_method(estimate, input, err)) {
        estimate_done(estimate);
        return false;
    }
    return true;
}
