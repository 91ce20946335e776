/* Newton's method, a pass over the votes (passes.h) a step. Five or six steps suffice, so a million
 * votes with four features take a tenth of a second. */
#include "rating/contextual.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rating/bradley_terry.h"
#include "rating/passes.h"

#define ITERATIONS_MAX 100
#define HALVINGS_MAX 40
#define STEP_SAFE 0.5
#define STEP_LAST 1e-9
/* What the others leave unsaid of a feature, of the whole: below this it is theirs. */
#define TANGLED 1e-9
#define ARENA_RANK_PENALTY 1.0
#define ARENA_RANK_HESSIAN_REG 1e-5

/* --- the rows --- */

static bool allocate_rows(struct contextual_data *data, size_t count, struct err *err)
{
    data->rows = malloc((count + 1) * sizeof *data->rows);
    data->x = malloc((count * data->features + 1) * sizeof *data->x);
    return (data->rows && data->x) ||
           err_set(err, ERR_MEMORY, "no memory for the features of %zu votes", count);
}

static void rows_of_ballots(struct contextual_data *data, const struct ballots *ballots,
                            const int32_t *map, const struct contextual_options *options)
{
    static const float POINTS[OUTCOMES] = {1, 0, 0.5f, 0.5f};
    size_t style = options->style ? ballots->features : 0;
    for (size_t k = 0; k < ballots->count; k++) {
        const struct ballot *ballot = &ballots->rows[k];
        if (map[ballot->a] < 0 || map[ballot->b] < 0)
            continue;
        float *x = data->x + data->count * data->features;
        if (style)
            memcpy(x, ballots->x + k * ballots->features, style * sizeof *x);
        if (options->position)
            x[style] = 1;
        data->rows[data->count++] =
            (struct contextual_row){.a = (uint16_t)map[ballot->a],
                                    .b = (uint16_t)map[ballot->b],
                                    .y = POINTS[ballot->outcome],
                                    .count = 1,
                                    .weight = ballots->weight ? ballots->weight[k] : 1};
    }
}

/* Position alone needs only who was shown first: at most six kinds of vote a pair. */
static void rows_of_tally(struct contextual_data *data, const struct tally *tally)
{
    static const float POINTS[OUTCOMES] = {1, 0, 0.5f, 0.5f};
    for (size_t j = 1; j < tally->models; j++) {
        for (size_t i = 0; i < j; i++) {
            const struct tally_cell *cell = tally_cell(tally, i, j);
            for (int side = 0; side < 2; side++) {
                for (int o = 0; o < OUTCOMES; o++) {
                    if (cell->count[side][o] == 0)
                        continue;
                    float y = side ? 1 - POINTS[o] : POINTS[o];
                    data->x[data->count] = 1;
                    data->rows[data->count++] =
                        (struct contextual_row){.a = (uint16_t)(side ? j : i),
                                                .b = (uint16_t)(side ? i : j),
                                                .y = y,
                                                .count = (float)cell->count[side][o],
                                                .weight = 1};
                }
            }
        }
    }
}

/* x := (x - mean) / deviation of one feature; `ddof` as statisticians and pandas disagree about it.
 */
static void standardise(struct contextual_data *data, size_t feature, double ddof)
{
    double sum = 0, square = 0, n = (double)data->count;
    for (size_t k = 0; k < data->count; k++)
        sum += (double)data->x[k * data->features + feature];
    double mean = sum / n;
    for (size_t k = 0; k < data->count; k++) {
        double off = (double)data->x[k * data->features + feature] - mean;
        square += off * off;
    }
    double deviation = sqrt(square / (n - ddof));
    if (!(deviation > 0))
        deviation = 1;
    for (size_t k = 0; k < data->count; k++) {
        float *x = &data->x[k * data->features + feature];
        *x = (float)(((double)*x - mean) / deviation);
    }
}

/* x /= root mean square: keeps 0 at 0, and a swap of sides a change of sign. */
static void scale(struct contextual_data *data, size_t feature)
{
    double square = 0;
    for (size_t k = 0; k < data->count; k++) {
        double x = (double)data->x[k * data->features + feature];
        square += x * x;
    }
    if (!(square > 0))
        return;
    double factor = sqrt((double)data->count / square);
    for (size_t k = 0; k < data->count; k++)
        data->x[k * data->features + feature] =
            (float)((double)data->x[k * data->features + feature] * factor);
}

/* Weights of pairs, and the sums. arena-rank divides a context's weights by their mean. */
static bool weigh(struct contextual_data *data, const struct tally *tally,
                  const struct contextual_options *options, struct err *err)
{
    size_t n = data->models;
    if (options->reweighted) {
        data->weight = calloc(n * n + 1, sizeof *data->weight);
        if (!data->weight)
            return err_set(err, ERR_MEMORY, "no memory to weigh pairs");
    }
    for (size_t j = 1; data->weight && j < n; j++)
        for (size_t i = 0; i < j; i++)
            data->weight[i * n + j] = data->weight[j * n + i] =
                1 / fmax((double)tally_pair(tally, i, j), BT_MIN_PAIR_COUNT);
    for (size_t k = 0; k < data->count; k++) {
        const struct contextual_row *row = &data->rows[k];
        double weight = data->weight ? data->weight[row->a * n + row->b] : 1;
        data->votes += (double)row->count;
        data->mass += weight * (double)row->weight * (double)row->count;
    }
    double mean = data->mass / data->votes;
    for (size_t k = 0; data->weight && k < n * n; k++)
        data->weight[k] /= mean;
    if (data->weight)
        data->mass = data->votes;
    return true;
}

bool contextual_data_init(struct contextual_data *data, const struct tally *tally,
                          const struct ballots *ballots, const int32_t *map,
                          const struct contextual_options *options, struct err *err)
{
    size_t style = options->style && ballots ? ballots->features : 0, n = tally->models;
    *data = (struct contextual_data){.models = n, .features = style + options->position};
    bool single = ballots && ballots->count;
    if (options->style && style == 0)
        return err_set(err, ERR_BAD_REQUEST,
                       "style control needs votes whose answers' length and Markdown are known");
    bool ok = allocate_rows(data, single ? ballots->count : n * n / 2 * 2 * OUTCOMES, err);
    if (ok && single)
        rows_of_ballots(data, ballots, map, options);
    else if (ok)
        rows_of_tally(data, tally);
    for (size_t feature = 0; ok && feature < style; feature++) {
        if (options->compatible) {
            standardise(data, feature, 1);
            standardise(data, feature, 0);
        } else {
            scale(data, feature);
        }
    }
    ok = ok && weigh(data, tally, options, err);
    if (!ok)
        contextual_data_done(data);
    return ok;
}

void contextual_data_done(struct contextual_data *data)
{
    free(data->rows);
    free(data->x);
    free(data->weight);
    *data = (struct contextual_data){0};
}

/* --- the fit --- */

static void fix_gauge(struct matrix *m, size_t models)
{
    double trace = 0;
    for (size_t i = 0; i < models; i++)
        trace += m->a[i * m->n + i];
    for (size_t i = 0; i < models; i++)
        for (size_t j = 0; j < models; j++)
            m->a[i * m->n + j] += trace / ((double)models * (double)models);
}

static bool no_maximum(struct err *err)
{
    return err_set(err, ERR_FORMAT, "these votes put no finite value on every strength and effect");
}

static double largest(const double *x, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

/* theta -= step, halved while it is long and raises the loss. */
static void advance(struct passes *passes, double *theta, const double *step, double *trial)
{
    size_t m = passes->data->models + passes->data->features;
    double part = 1, before = 0;
    if (largest(step, m) > STEP_SAFE) {
        before = passes_loss(passes, theta);
        for (int halvings = 0; halvings < HALVINGS_MAX; halvings++, part *= 0.5) {
            for (size_t i = 0; i < m; i++)
                trial[i] = theta[i] - part * step[i];
            if (passes_loss(passes, trial) <= before)
                break;
        }
    }
    for (size_t i = 0; i < m; i++)
        theta[i] -= part * step[i];
}

/* A feature that no vote shows has no effect to fit: its place on the diagonal keeps the matrix
 * regular.
 */
static void fill_empty(struct matrix *m, size_t models)
{
    for (size_t i = models; i < m->n; i++)
        if (m->a[i * m->n + i] == 0)
            m->a[i * m->n + i] = 1;
}

/* Whether nearly all that some feature says is said by the others: its pivot has all but vanished
 * from what stood on the diagonal (`whole`). */
static bool tangled(const struct matrix *factor, const double *whole, size_t models)
{
    for (size_t i = models; i < factor->n; i++) {
        double pivot = factor->a[i * factor->n + i];
        if (!(pivot * pivot > TANGLED * whole[i]))
            return true;
    }
    return false;
}

static bool factor_untangled(struct matrix *m, double *whole, size_t models)
{
    for (size_t i = models; i < m->n; i++)
        whole[i] = m->a[i * m->n + i];
    return matrix_factor(m) && !tangled(m, whole, models);
}

static bool newton(struct contextual_fit *fit, struct passes *passes, double *work, struct err *err)
{
    size_t n = fit->models, m = n + fit->features;
    for (fit->iterations = 1; fit->iterations <= ITERATIONS_MAX; fit->iterations++) {
        passes_derivatives(passes, fit->theta, work, &fit->inverse, NULL);
        fix_gauge(&fit->inverse, n);
        fill_empty(&fit->inverse, n);
        if (!factor_untangled(&fit->inverse, work + m, n))
            return no_maximum(err);
        matrix_solve(&fit->inverse, work);
        double length = largest(work, m);
        if (!isfinite(length) || length > 1e6)
            return no_maximum(err);
        advance(passes, fit->theta, work, work + m);
        if (length < STEP_LAST)
            return true;
    }
    return no_maximum(err);
}

/* arena-rank's variance: no penalty in the bread, its square over N from the meat, a little on the
 * diagonal. All is in units of the mean loss there; here of the sum. */
static bool covariance_arena_rank(struct contextual_fit *fit, const struct contextual_data *data,
                                  struct matrix *hessian, struct matrix *meat,
                                  struct matrix *inverse, struct err *err)
{
    size_t n = data->models, m = hessian->n;
    double penalty = ARENA_RANK_PENALTY;
    for (size_t f = 0; f < data->features; f++) {
        hessian->a[(n + f) * m + n + f] -= penalty * data->mass;
        for (size_t g = 0; g < data->features; g++)
            meat->a[(n + f) * m + n + g] -=
                penalty * penalty * fit->theta[n + f] * fit->theta[n + g];
    }
    for (size_t i = 0; i < m; i++)
        hessian->a[i * m + i] += ARENA_RANK_HESSIAN_REG * data->mass;
    fix_gauge(hessian, n);
    if (!matrix_factor(hessian))
        return no_maximum(err);
    matrix_invert(hessian, inverse);
    matrix_sandwich(inverse, meat, hessian, &fit->covariance);
    return true;
}

/* Effects of variance 1 / hold, held with this strength, are wrong by hold K^-1 gamma. */
static bool count_open(struct contextual_fit *fit, double hold, struct err *err)
{
    size_t n = fit->models, m = fit->inverse.n;
    if (!matrix_init(&fit->open, m))
        return err_set(err, ERR_MEMORY, "no memory for the errors of %zu strengths", m);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++)
            for (size_t f = n; f < m; f++)
                fit->open.a[i * m + j] +=
                    hold * fit->inverse.a[i * m + f] * fit->inverse.a[j * m + f];
    for (size_t k = 0; k < m * m; k++)
        fit->covariance.a[k] += fit->open.a[k];
    return true;
}

static bool finish(struct contextual_fit *fit, struct passes *passes, bool compatible,
                   double *gradient, struct err *err)
{
    const struct contextual_data *data = passes->data;
    size_t m = data->models + data->features;
    struct matrix hessian = {0}, meat = {0};
    bool ok = matrix_init(&hessian, m) && matrix_init(&meat, m);
    if (ok) {
        passes_derivatives(passes, fit->theta, gradient, &hessian, &meat);
        fit->gradient = largest(gradient, m) / data->mass;
        fit->loss = passes_loss(passes, fit->theta);
        fill_empty(&hessian, data->models);
    } else {
        err_set(err, ERR_MEMORY, "no memory for the errors of %zu strengths", m);
    }
    if (ok && compatible) {
        ok = covariance_arena_rank(fit, data, &hessian, &meat, &fit->inverse, err);
    } else if (ok) {
        fix_gauge(&hessian, data->models);
        ok = matrix_factor(&hessian) || no_maximum(err);
        if (ok) {
            matrix_invert(&hessian, &fit->inverse);
            matrix_sandwich(&fit->inverse, &meat, &hessian, &fit->covariance);
            if (!(matrix_trace(&fit->covariance) > 0))
                matrix_plain_bread(&fit->inverse, data->models, &fit->covariance);
            if (passes->penalty > 0)
                ok = count_open(fit, passes->penalty * data->mass, err);
        }
    }
    matrix_done(&hessian);
    matrix_done(&meat);
    return ok;
}

/* From 0, with this penalty on the mean loss. */
static bool fit_penalised(struct contextual_fit *fit, const struct contextual_data *data,
                          const struct contextual_options *options, double penalty, double *work,
                          struct err *err)
{
    struct passes passes;
    memset(fit->theta, 0, (fit->models + fit->features) * sizeof *fit->theta);
    bool ok = passes_init(&passes, data, penalty, options->threads) ||
              err_set(err, ERR_MEMORY, "no memory to fit %zu strengths", fit->models);
    ok = ok && newton(fit, &passes, work, err) &&
         finish(fit, &passes, options->compatible, work, err);
    passes_done(&passes);
    return ok;
}

bool contextual_fit(struct contextual_fit *fit, const struct contextual_data *data,
                    const struct contextual_options *options, struct err *err)
{
    size_t m = data->models + data->features;
    struct err open = ERR_INIT; /* why the votes alone do not do */
    *fit = (struct contextual_fit){.models = data->models, .features = data->features};
    fit->theta = calloc(m + 1, sizeof *fit->theta);
    double *work = calloc(2 * m + 1, sizeof *work);
    bool ok =
        fit->theta && work && matrix_init(&fit->inverse, m) && matrix_init(&fit->covariance, m);
    if (!ok) {
        err_set(err, ERR_MEMORY, "no memory to fit %zu strengths", m);
    } else {
        double penalty = options->compatible ? ARENA_RANK_PENALTY : 0;
        ok = fit_penalised(fit, data, options, penalty, work, &open);
        fit->held = !ok && open.code == ERR_FORMAT && data->features > 0;
        if (fit->held)
            ok = fit_penalised(fit, data, options, CONTEXTUAL_HOLD / data->mass, work, err);
        else if (!ok)
            err_set(err, open.code, "%s", open.message);
    }
    free(work);
    if (!ok)
        contextual_fit_done(fit);
    return ok;
}

void contextual_fit_done(struct contextual_fit *fit)
{
    free(fit->theta);
    matrix_done(&fit->inverse);
    matrix_done(&fit->covariance);
    matrix_done(&fit->open);
    *fit = (struct contextual_fit){0};
}
