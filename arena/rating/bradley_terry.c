/* Newton's method on a convex function: from 0 it takes six steps on two million real votes, and
 * the last one squares an error that is already below 1e-8, so the answer is the optimum to
 * rounding, where quasi-Newton tools stop up to an Elo point short. Long steps are halved until
 * the loss falls; short ones need no check. */
#include "rating/bradley_terry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ITERATIONS_MAX 100
#define HALVINGS_MAX 40
#define STEP_SAFE 0.5  /* a Newton step this short always lowers a logistic loss */
#define STEP_LAST 1e-7 /* the step after which rounding is all that is left */
#define GRADIENT_MAX 1e-10
#define POWER_MAX 300.0 /* of a strength: no votes that a tally can hold are that one-sided */

double bt_probability(double difference)
{
    return 1 / (1 + exp(-difference));
}

double bt_softplus(double z)
{
    return fmax(z, 0) + log1p(exp(-fabs(z)));
}

static void set_pair(struct bt_pair *pair, const struct tally *tally, size_t i, size_t j,
                     bool reweighted)
{
    pair->i = (uint32_t)i;
    pair->j = (uint32_t)j;
    struct tally_record met = tally_met(tally, i, j);
    double votes = (double)met.votes;
    pair->wins = (double)met.wins;
    pair->losses = (double)met.losses;
    pair->ties = (double)(met.ties + met.both_bad);
    pair->weight = reweighted ? 1 / fmax(votes, BT_MIN_PAIR_COUNT) : 1;
}

bool bt_pairs_init(struct bt_pairs *pairs, const struct tally *tally, bool reweighted,
                   struct err *err)
{
    size_t n = tally->models;
    *pairs = (struct bt_pairs){.models = n};
    pairs->pairs = malloc((n * n / 2 + 1) * sizeof *pairs->pairs);
    if (!pairs->pairs)
        return err_set(err, ERR_MEMORY, "no memory to fit %zu models", n);
    for (size_t j = 1; j < n; j++) {
        for (size_t i = 0; i < j; i++) {
            struct bt_pair *pair = &pairs->pairs[pairs->count];
            set_pair(pair, tally, i, j, reweighted);
            double votes = pair->wins + pair->losses + pair->ties;
            if (votes == 0)
                continue;
            pairs->count++;
            pairs->votes += votes;
            pairs->mass += votes * pair->weight;
        }
    }
    return true;
}

void bt_pairs_done(struct bt_pairs *pairs)
{
    free(pairs->pairs);
    *pairs = (struct bt_pairs){0};
}

double bt_loss(const struct bt_pairs *pairs, const double *theta, double *gradient)
{
    double loss = 0;
    if (gradient)
        memset(gradient, 0, pairs->models * sizeof *gradient);
    for (size_t k = 0; k < pairs->count; k++) {
        const struct bt_pair *pair = &pairs->pairs[k];
        double d = theta[pair->i] - theta[pair->j];
        double votes = pair->wins + pair->losses + pair->ties,
               score = pair->wins + 0.5 * pair->ties;
        loss += pair->weight * (votes * bt_softplus(d) - score * d);
        if (gradient) {
            double g = pair->weight * (votes * bt_probability(d) - score) / pairs->mass;
            gradient[pair->i] += g;
            gradient[pair->j] -= g;
        }
    }
    return loss / pairs->mass;
}

static double largest(const double *x, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

static void raise_powers(const double *theta, size_t n, double *power)
{
    for (size_t i = 0; i < n; i++)
        power[i] = exp(fmax(fmin(theta[i], POWER_MAX), -POWER_MAX));
}

/* The mean loss where no power overflows, with one logarithm a pair. */
static double loss_at(const struct bt_pairs *pairs, const double *theta, double *power)
{
    double loss = 0;
    if (largest(theta, pairs->models) > POWER_MAX)
        return bt_loss(pairs, theta, NULL);
    raise_powers(theta, pairs->models, power);
    for (size_t k = 0; k < pairs->count; k++) {
        const struct bt_pair *pair = &pairs->pairs[k];
        double votes = pair->wins + pair->losses + pair->ties,
               score = pair->wins + 0.5 * pair->ties;
        loss += pair->weight * (votes * (log(power[pair->i] + power[pair->j]) - theta[pair->j]) -
                                score * (theta[pair->i] - theta[pair->j]));
    }
    return loss / pairs->mass;
}

/* K at theta, and the gradient of the summed loss. `power` is room for e^theta: one exponential a
 * model instead of one a pair. */
static void derivatives(const struct bt_pairs *pairs, const double *theta, struct matrix *k,
                        double *gradient, double *power)
{
    size_t n = pairs->models;
    matrix_zero(k);
    memset(gradient, 0, n * sizeof *gradient);
    raise_powers(theta, n, power);
    for (size_t at = 0; at < pairs->count; at++) {
        const struct bt_pair *pair = &pairs->pairs[at];
        double p = power[pair->i] / (power[pair->i] + power[pair->j]);
        double votes = pair->wins + pair->losses + pair->ties,
               score = pair->wins + 0.5 * pair->ties;
        double g = pair->weight * (votes * p - score), h = pair->weight * votes * p * (1 - p);
        gradient[pair->i] += g;
        gradient[pair->j] -= g;
        k->a[pair->i * n + pair->i] += h;
        k->a[pair->j * n + pair->j] += h;
        k->a[pair->i * n + pair->j] -= h;
        k->a[pair->j * n + pair->i] -= h;
    }
    double ridge = matrix_trace(k) / ((double)n * (double)n);
    for (size_t at = 0; at < n * n; at++)
        k->a[at] += ridge;
}

/* theta -= step, in as large a part as lowers the loss. */
static void advance(const struct bt_pairs *pairs, double *theta, const double *step, double length,
                    double *trial, double *power)
{
    size_t n = pairs->models;
    double part = 1, before = length > STEP_SAFE ? loss_at(pairs, theta, power) : 0;
    for (int halvings = 0; length > STEP_SAFE && halvings < HALVINGS_MAX; halvings++) {
        for (size_t i = 0; i < n; i++)
            trial[i] = theta[i] - part * step[i];
        if (loss_at(pairs, trial, power) <= before)
            break;
        part *= 0.5;
    }
    for (size_t i = 0; i < n; i++)
        theta[i] -= part * step[i];
}

static void centre(double *theta, size_t n)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += theta[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++)
        theta[i] -= mean;
}

static bool no_maximum(struct err *err)
{
    return err_set(
        err, ERR_FORMAT,
        "these votes put no finite rating on every model (some group never lost or never won)");
}

/* Steps until the last one; `work` has room for three vectors. */
static bool newton(struct bt_fit *fit, const struct bt_pairs *pairs, double *work, struct err *err)
{
    size_t n = pairs->models;
    double *step = work, *trial = work + n, *power = trial + n;
    for (fit->iterations = 1; fit->iterations <= ITERATIONS_MAX; fit->iterations++) {
        derivatives(pairs, fit->theta, &fit->inverse, step, power);
        if (!matrix_factor(&fit->inverse))
            return no_maximum(err);
        matrix_solve(&fit->inverse, step);
        double length = largest(step, n);
        if (!isfinite(length))
            return no_maximum(err);
        advance(pairs, fit->theta, step, length, trial, power);
        centre(fit->theta, n);
        if (length < STEP_LAST)
            return true;
    }
    return no_maximum(err);
}

/* Loss, gradient and K^-1 at the optimum; `factor` is scratch of the same size. */
static bool finish(struct bt_fit *fit, const struct bt_pairs *pairs, double *gradient,
                   struct matrix *factor, struct err *err)
{
    derivatives(pairs, fit->theta, factor, gradient, gradient + pairs->models);
    fit->gradient = largest(gradient, pairs->models) / pairs->mass;
    fit->loss = loss_at(pairs, fit->theta, gradient + pairs->models);
    if (!(fit->gradient < GRADIENT_MAX) || !matrix_factor(factor))
        return no_maximum(err);
    matrix_invert(factor, &fit->inverse);
    return true;
}

bool bt_fit(struct bt_fit *fit, const struct bt_pairs *pairs, const double *start, struct err *err)
{
    size_t n = pairs->models;
    struct matrix factor = {0};
    *fit = (struct bt_fit){.models = n};
    fit->theta = calloc(n + 1, sizeof *fit->theta);
    double *work = calloc(3 * n + 1, sizeof *work);
    bool ok = false;
    if (!fit->theta || !work || !matrix_init(&fit->inverse, n) || !matrix_init(&factor, n)) {
        err_set(err, ERR_MEMORY, "no memory to fit %zu models", n);
        goto done;
    }
    if (start)
        memcpy(fit->theta, start, n * sizeof *start);
    if (n < 2 || pairs->count == 0) {
        err_set(err, ERR_FORMAT, "no votes between two models");
        goto done;
    }
    ok = newton(fit, pairs, work, err) && finish(fit, pairs, work, &factor, err);
done:
    free(work);
    matrix_done(&factor);
    if (!ok)
        bt_fit_done(fit);
    return ok;
}

void bt_fit_done(struct bt_fit *fit)
{
    free(fit->theta);
    matrix_done(&fit->inverse);
    *fit = (struct bt_fit){0};
}
