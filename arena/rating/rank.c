/* Simulated quantities draw from the normal with the given covariance in the gauge sum = 0: its
 * factor needs a positive definite matrix, so the same constant is added to every element, which
 * moves all models together and no rank. */
#include "rating/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rating/stats.h"

#define CHANCE_LIMIT 5 /* standard errors behind the leader: under 3e-7 of being best */

double rank_difference_se(const struct matrix *covariance, size_t i, size_t j)
{
    size_t n = covariance->n;
    const double *v = covariance->a;
    double variance = v[i * n + i] + v[j * n + j] - v[i * n + j] - v[j * n + i];
    return variance > 0 ? sqrt(variance) : 0;
}

void rank_ranges(struct rank *ranks, const double *theta, const double *margin, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ranks[i] = (struct rank){1, 1, (uint32_t)n};
        for (size_t j = 0; j < n; j++) {
            double ahead = theta[j] - theta[i];
            ranks[i].rank += ahead > 0;
            ranks[i].lower += j != i && ahead > 0 && ahead > margin[i * n + j];
            ranks[i].upper -= j != i && ahead < 0 && -ahead > margin[i * n + j];
        }
    }
}

/* Factor of the covariance of the models in `which`, made positive definite by a common shift
 * and, where it is not (few clusters; two-way clustering subtracts), by the least power of ten
 * on the diagonal that does. */
static bool factor_of(struct matrix *factor, const struct matrix *covariance, const uint32_t *which,
                      size_t count)
{
    size_t n = covariance->n;
    if (!matrix_init(factor, count))
        return false;
    for (double ridge = 1e-9; ridge < 1e3; ridge *= 10) {
        double mean = 0;
        for (size_t i = 0; i < count; i++)
            mean += covariance->a[which[i] * n + which[i]] / (double)count;
        mean = mean > 0 ? mean : 1e-300;
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < count; j++)
                factor->a[i * count + j] =
                    covariance->a[which[i] * n + which[j]] + mean + (i == j ? ridge * mean : 0);
        if (matrix_factor(factor))
            return true;
    }
    return false;
}

struct simulation {
    struct matrix factor;
    uint32_t *which; /* models taken part */
    size_t count;
    double *z, *y;
    struct rng rng;
};

static void simulation_done(struct simulation *sim)
{
    matrix_done(&sim->factor);
    free(sim->which);
    free(sim->z);
}

/* theta NULL: every model takes part; otherwise those with a chance to lead. */
static bool simulation_init(struct simulation *sim, const double *theta,
                            const struct matrix *covariance, uint64_t seed, struct err *err)
{
    size_t n = covariance->n, leader = 0;
    *sim = (struct simulation){.which = calloc(n + 1, sizeof *sim->which),
                               .z = calloc(2 * n + 1, sizeof *sim->z)};
    if (!sim->which || !sim->z)
        goto fail;
    sim->y = sim->z + n;
    for (size_t i = 0; theta && i < n; i++)
        leader = theta[i] > theta[leader] ? i : leader;
    for (size_t i = 0; i < n; i++)
        if (!theta ||
            theta[leader] - theta[i] <= CHANCE_LIMIT * rank_difference_se(covariance, leader, i))
            sim->which[sim->count++] = (uint32_t)i;
    if (!factor_of(&sim->factor, covariance, sim->which, sim->count))
        goto fail;
    rng_init(&sim->rng, seed, 0);
    return true;
fail:
    simulation_done(sim);
    return err_set(err, ERR_MEMORY, "no memory to simulate the ranks of %zu models", n);
}

static const double *simulation_draw(struct simulation *sim)
{
    for (size_t k = 0; k < sim->count; k++)
        sim->z[k] = stats_draw_normal(&sim->rng);
    matrix_factor_apply(&sim->factor, sim->z, sim->y);
    return sim->y;
}

/* Largest |difference| of a draw in units of its standard error. */
static double largest_difference(const double *y, const double *inverse_se, size_t n)
{
    double most = 0;
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < i; j++)
            most = fmax(most, fabs(y[i] - y[j]) * inverse_se[i * n + j]);
    return most;
}

bool rank_simultaneous(double *critical, const struct matrix *covariance, double confidence,
                       size_t draws, uint64_t seed, struct err *err)
{
    struct simulation sim;
    size_t n = covariance->n;
    if (!simulation_init(&sim, NULL, covariance, seed, err))
        return false;
    double *inverse_se = calloc(n * n + 1, sizeof *inverse_se),
           *most = malloc((draws + 1) * sizeof *most);
    bool ok = inverse_se && most;
    for (size_t i = 1; ok && i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            double se = rank_difference_se(covariance, i, j);
            inverse_se[i * n + j] = se > 0 ? 1 / se : 0;
        }
    }
    for (size_t k = 0; ok && k < draws; k++)
        most[k] = largest_difference(simulation_draw(&sim), inverse_se, n);
    if (ok) {
        stats_sort(most, draws);
        *critical = stats_quantile(most, draws, confidence);
    }
    free(inverse_se);
    free(most);
    simulation_done(&sim);
    return ok || err_set(err, ERR_MEMORY, "no memory to simulate the ranks of %zu models", n);
}

bool rank_probability_best(double *best, const double *theta, const struct matrix *covariance,
                           size_t draws, uint64_t seed, struct err *err)
{
    struct simulation sim;
    memset(best, 0, covariance->n * sizeof *best);
    if (!simulation_init(&sim, theta, covariance, seed, err))
        return false;
    for (size_t k = 0; k < draws; k++) {
        const double *y = simulation_draw(&sim);
        size_t top = 0;
        for (size_t i = 1; i < sim.count; i++)
            if (y[i] + theta[sim.which[i]] > y[top] + theta[sim.which[top]])
                top = i;
        best[sim.which[top]] += 1 / (double)draws;
    }
    simulation_done(&sim);
    return true;
}

bool rank_distribution(double *distribution, const double *theta, const struct matrix *covariance,
                       size_t draws, uint64_t seed, struct err *err)
{
    struct simulation sim;
    size_t n = covariance->n;
    memset(distribution, 0, n * n * sizeof *distribution);
    if (!simulation_init(&sim, NULL, covariance, seed, err))
        return false;
    for (size_t k = 0; k < draws; k++) {
        const double *y = simulation_draw(&sim);
        for (size_t i = 0; i < n; i++) {
            size_t above = 0;
            for (size_t j = 0; j < n; j++)
                above += y[j] + theta[j] > y[i] + theta[i];
            distribution[i * n + above] += 1 / (double)draws;
        }
    }
    simulation_done(&sim);
    return true;
}
