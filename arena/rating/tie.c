/* One description of each model (probabilities and the gradients of their logarithms) serves the
 * fit, its information and its scores. The observed information is that gradient's central
 * difference: a dozen lines that hold for all three, against pages of second derivatives to get
 * wrong. */
#include "rating/tie.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ITERATIONS_MAX 500
#define HALVINGS_MAX 50
#define STEP_LAST 1e-11
#define GROUND 1.000001
#define DIFFERENCE 1e-5

static double logistic(double z)
{
    return 1 / (1 + exp(-z));
}

static void davidson(struct tie_outcomes *out, double d, double eta)
{
    double most = fmax(0.5 * fabs(d), eta);
    double a = exp(0.5 * d - most), b = exp(-0.5 * d - most), t = exp(eta - most), sum = a + b + t;
    double p[3] = {a / sum, b / sum, t / sum}, mean = 0.5 * (p[0] - p[1]);
    const double drift[3] = {0.5, -0.5, 0}, tied[3] = {0, 0, 1};
    for (int k = 0; k < 3; k++) {
        out->p[k] = p[k];
        out->score[k][0] = drift[k] - mean;
        out->score[k][2] = tied[k] - p[2];
    }
}

static void rao_kupper(struct tie_outcomes *out, double d, double eta)
{
    double a = logistic(d - eta), b = logistic(-d - eta);
    out->p[0] = a;
    out->p[1] = b;
    out->p[2] = a * b * expm1(2 * eta);
    out->score[0][0] = 1 - a;
    out->score[0][2] = -(1 - a);
    out->score[1][0] = -(1 - b);
    out->score[1][2] = -(1 - b);
    out->score[2][0] = b - a;
    out->score[2][2] = a + b - 2 - 2 / expm1(-2 * eta);
}

static void grounded(struct tie_outcomes *out, double u, double v, double eta)
{
    double x = exp(u), y = exp(v), r = exp(eta), q = GROUND + r;
    double of_a = x + q * y + 1, of_b = q * x + y + 1, of_bad = 1 + x + y;
    double a = x / of_a, b = y / of_b, bad = 1 / of_bad;
    double slope[3][3] = {/* of a, b and both-bad, to u, v and eta */
                          {a * (1 - a), -a * q * y / of_a, -a * r * y / of_a},
                          {-b * q * x / of_b, b * (1 - b), -b * r * x / of_b},
                          {-bad * x / of_bad, -bad * y / of_bad, 0}};
    double tie = 1 - a - b - bad, p[3] = {a, b, bad};
    tie = fmax(tie, 1e-300);
    static const int PLACE[3] = {OUTCOME_A, OUTCOME_B, OUTCOME_BOTH_BAD};
    out->p[OUTCOME_TIE] = tie;
    for (int k = 0; k < 3; k++) {
        out->score[OUTCOME_TIE][k] = -(slope[0][k] + slope[1][k] + slope[2][k]) / tie;
        for (int o = 0; o < 3; o++)
            out->score[PLACE[o]][k] = slope[o][k] / p[o];
    }
    for (int o = 0; o < 3; o++)
        out->p[PLACE[o]] = p[o];
}

void tie_outcomes(struct tie_outcomes *out, enum tie_model model, double theta_a, double theta_b,
                  double eta)
{
    *out = (struct tie_outcomes){0};
    if (model == TIE_GROUNDED) {
        grounded(out, theta_a, theta_b, eta);
        return;
    }
    if (model == TIE_DAVIDSON)
        davidson(out, theta_a - theta_b, eta);
    else
        rao_kupper(out, theta_a - theta_b, eta);
    for (int k = 0; k < 3; k++)
        out->score[k][1] = -out->score[k][0];
    out->p[OUTCOME_BOTH_BAD] = out->p[OUTCOME_TIE];
    memcpy(out->score[OUTCOME_BOTH_BAD], out->score[OUTCOME_TIE], sizeof out->score[0]);
}

/* --- the fit --- */

struct pair {
    uint32_t i, j;
    double count[OUTCOMES];
};

struct problem {
    enum tie_model model;
    size_t n; /* models; parameters are n + 1 */
    struct pair *pairs;
    size_t count;
    double votes;
    double totals[OUTCOMES];
};

static bool problem_init(struct problem *problem, const struct tally *tally, enum tie_model model)
{
    size_t n = tally->models;
    *problem = (struct problem){.model = model, .n = n};
    problem->pairs = malloc((n * n / 2 + 1) * sizeof *problem->pairs);
    for (size_t j = 1; problem->pairs && j < n; j++) {
        for (size_t i = 0; i < j; i++) {
            struct pair *pair = &problem->pairs[problem->count];
            double votes = 0;
            *pair = (struct pair){.i = (uint32_t)i, .j = (uint32_t)j};
            for (int o = 0; o < OUTCOMES; o++) {
                double count = (double)tally_count(tally, i, j, (enum outcome)o);
                int as = o == OUTCOME_BOTH_BAD && model != TIE_GROUNDED ? OUTCOME_TIE : o;
                pair->count[as] += count;
                problem->totals[as] += count;
                votes += count;
            }
            problem->votes += votes;
            problem->count += votes > 0;
        }
    }
    return problem->pairs != NULL;
}

static void outcomes_of(const struct problem *problem, const struct pair *pair, const double *x,
                        struct tie_outcomes *out)
{
    tie_outcomes(out, problem->model, x[pair->i], x[pair->j], x[problem->n]);
}

static double loss_of(const struct problem *problem, const double *x)
{
    double loss = 0;
    for (size_t k = 0; k < problem->count; k++) {
        struct tie_outcomes out;
        outcomes_of(problem, &problem->pairs[k], x, &out);
        for (int o = 0; o < OUTCOMES; o++)
            if (problem->pairs[k].count[o] > 0)
                loss -= problem->pairs[k].count[o] * log(out.p[o]);
    }
    return loss / problem->votes;
}

/* Adds a pair's 3 x 3 block. */
static void add_block(struct matrix *m, const size_t at[3], double block[3][3])
{
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++)
            m->a[at[r] * m->n + at[c]] += block[r][c];
}

/* Sum of weight[o] x score x score^T. */
static void add_outer(struct matrix *m, const size_t at[3], const struct tie_outcomes *out,
                      const double *weight)
{
    double block[3][3] = {{0}};
    for (int o = 0; o < OUTCOMES; o++)
        for (int r = 0; r < 3; r++)
            for (int c = 0; c < 3; c++)
                block[r][c] += weight[o] * out->score[o][r] * out->score[o][c];
    add_block(m, at, block);
}

/* Makes a shift of all strengths, which changes nothing but in the grounded model, cost
 * something. */
static void fix_gauge(const struct problem *problem, struct matrix *m)
{
    double ridge = matrix_trace(m) / ((double)problem->n * (double)problem->n);
    if (problem->model == TIE_GROUNDED)
        return;
    for (size_t i = 0; i < problem->n; i++)
        for (size_t j = 0; j < problem->n; j++)
            m->a[i * m->n + j] += ridge;
}

/* Gradient of the summed loss and the expected information. */
static void expected(const struct problem *problem, const double *x, double *gradient,
                     struct matrix *information)
{
    matrix_zero(information);
    memset(gradient, 0, (problem->n + 1) * sizeof *gradient);
    for (size_t k = 0; k < problem->count; k++) {
        const struct pair *pair = &problem->pairs[k];
        const size_t at[3] = {pair->i, pair->j, problem->n};
        struct tie_outcomes out;
        double weight[OUTCOMES] = {0}, votes = 0;
        int distinct = problem->model == TIE_GROUNDED ? OUTCOMES : OUTCOMES - 1;
        outcomes_of(problem, pair, x, &out);
        for (int o = 0; o < distinct; o++)
            votes += pair->count[o];
        for (int o = 0; o < distinct; o++) {
            weight[o] = votes * out.p[o];
            for (int r = 0; r < 3; r++)
                gradient[at[r]] -= pair->count[o] * out.score[o][r];
        }
        add_outer(information, at, &out, weight);
    }
    fix_gauge(problem, information);
}

static void pair_gradient(const struct problem *problem, const struct pair *pair, const double x[3],
                          double gradient[3])
{
    struct tie_outcomes out;
    tie_outcomes(&out, problem->model, x[0], x[1], x[2]);
    for (int r = 0; r < 3; r++) {
        gradient[r] = 0;
        for (int o = 0; o < OUTCOMES; o++)
            gradient[r] -= pair->count[o] * out.score[o][r];
    }
}

/* The observed information by central differences of each pair's gradient, and the scores' outer
 * products. */
static void observed(const struct problem *problem, const double *x, struct matrix *information,
                     struct matrix *meat)
{
    matrix_zero(information);
    matrix_zero(meat);
    for (size_t k = 0; k < problem->count; k++) {
        const struct pair *pair = &problem->pairs[k];
        const size_t at[3] = {pair->i, pair->j, problem->n};
        double block[3][3], low[3], high[3];
        for (int c = 0; c < 3; c++) {
            double point[3] = {x[at[0]], x[at[1]], x[at[2]]};
            point[c] += DIFFERENCE;
            pair_gradient(problem, pair, point, high);
            point[c] -= 2 * DIFFERENCE;
            pair_gradient(problem, pair, point, low);
            for (int r = 0; r < 3; r++)
                block[r][c] = (high[r] - low[r]) / (2 * DIFFERENCE);
        }
        for (int r = 1; r < 3; r++)
            for (int c = 0; c < r; c++)
                block[r][c] = block[c][r] = 0.5 * (block[r][c] + block[c][r]);
        add_block(information, at, block);
        struct tie_outcomes out;
        outcomes_of(problem, pair, x, &out);
        add_outer(meat, at, &out, pair->count);
    }
    fix_gauge(problem, information);
}

/* x -= as large a part of the step as does not raise the loss; returns its largest component. */
static double advance(const struct problem *problem, double *x, const double *step, double *trial)
{
    size_t m = problem->n + 1;
    double before = loss_of(problem, x), part = 1, most = 0;
    for (int halvings = 0; halvings < HALVINGS_MAX; halvings++, part *= 0.5) {
        for (size_t i = 0; i < m; i++)
            trial[i] = x[i] - part * step[i];
        if (loss_of(problem, trial) <= before + 1e-14)
            break;
    }
    for (size_t i = 0; i < m; i++) {
        most = fmax(most, fabs(part * step[i]));
        x[i] -= part * step[i];
    }
    return most;
}

static bool no_maximum(struct err *err)
{
    return err_set(err, ERR_FORMAT, "the tie model has no finite fit to these votes");
}

static bool climb(struct tie_fit *fit, const struct problem *problem, double *work, struct err *err)
{
    size_t m = problem->n + 1;
    for (fit->iterations = 1; fit->iterations <= ITERATIONS_MAX; fit->iterations++) {
        expected(problem, fit->theta, work, &fit->inverse);
        if (!matrix_factor(&fit->inverse))
            return no_maximum(err);
        matrix_solve(&fit->inverse, work);
        double moved = advance(problem, fit->theta, work, work + m);
        if (!isfinite(moved))
            return no_maximum(err);
        if (moved < STEP_LAST)
            return true;
    }
    return no_maximum(err);
}

static bool finish(struct tie_fit *fit, const struct problem *problem, double *work,
                   struct matrix *scratch, struct matrix *meat, struct err *err)
{
    size_t m = problem->n + 1;
    expected(problem, fit->theta, work, scratch);
    for (size_t i = 0; i < m; i++)
        fit->gradient = fmax(fit->gradient, fabs(work[i]) / problem->votes);
    fit->loss = loss_of(problem, fit->theta);
    observed(problem, fit->theta, scratch, meat);
    if (!matrix_factor(scratch))
        return no_maximum(err);
    matrix_invert(scratch, &fit->inverse);
    matrix_sandwich(&fit->inverse, meat, scratch, &fit->covariance);
    return true;
}

static bool has_outcomes(const struct problem *problem, struct err *err)
{
    if (problem->totals[OUTCOME_TIE] == 0)
        return err_set(err, ERR_FORMAT, "no vote is a tie: there is nothing to fit a tie model to");
    if (problem->model == TIE_GROUNDED && problem->totals[OUTCOME_BOTH_BAD] == 0)
        return err_set(err, ERR_FORMAT,
                       "no vote says both-bad: there is nothing to ground the scale on");
    return true;
}

bool tie_fit(struct tie_fit *fit, const struct tally *tally, enum tie_model model, struct err *err)
{
    struct problem problem;
    struct matrix scratch = {0}, meat = {0};
    size_t m = tally->models + 1;
    *fit = (struct tie_fit){.model = model, .models = tally->models};
    fit->theta = calloc(m, sizeof *fit->theta);
    double *work = calloc(2 * m, sizeof *work);
    bool ok = problem_init(&problem, tally, model) && fit->theta && work &&
              matrix_init(&fit->inverse, m) && matrix_init(&fit->covariance, m) &&
              matrix_init(&scratch, m) && matrix_init(&meat, m);
    if (!ok)
        err_set(err, ERR_MEMORY, "no memory to fit %zu models", tally->models);
    if (ok) {
        fit->theta[tally->models] = model == TIE_RAO_KUPPER ? 0.5 : 0;
        ok = has_outcomes(&problem, err) && climb(fit, &problem, work, err) &&
             finish(fit, &problem, work, &scratch, &meat, err);
    }
    free(problem.pairs);
    free(work);
    matrix_done(&scratch);
    matrix_done(&meat);
    if (!ok)
        tie_fit_done(fit);
    return ok;
}

void tie_fit_done(struct tie_fit *fit)
{
    free(fit->theta);
    matrix_done(&fit->inverse);
    matrix_done(&fit->covariance);
    *fit = (struct tie_fit){0};
}
