/* Simulated quantities draw from the normal with the given covariance in the gauge sum = 0: its
 * factor needs a positive definite matrix, so the same constant is added to every element, which
 * moves all models together and no rank. */
#include "rating/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rating/stats.h"
#include "rating/wide.h"

#define CHANCE_LIMIT 4 /* standard errors behind the leader: under 4e-5 of being best */
#define MANY 32        /* contenders: of more, fewer draws are made */

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
            mean += fabs(covariance->a[which[i] * n + which[i]]) / (double)count;
        mean = mean > 1e-12 ? mean : 1e-12; /* votes that cancel out leave none, or less */
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < count; j++)
                factor->a[i * count + j] =
                    covariance->a[which[i] * n + which[j]] + mean + (i == j ? ridge * mean : 0);
        if (matrix_factor(factor)) {
            for (size_t i = 0; i < count; i++) /* its transpose, so that a model is a row */
                for (size_t j = 0; j < i; j++)
                    factor->a[i * count + j] = factor->a[j * count + i];
            return true;
        }
    }
    return false;
}

typedef double lane __attribute__((vector_size(32)));

#define LANES ((size_t)4)
#define DRAWN (LANES * sizeof(lane) / sizeof(double)) /* draws made together */
#define TOGETHER (2 * DRAWN) /* and their mirror images, which are as likely */

struct simulation {
    struct matrix factor; /* lower */
    uint32_t *which;      /* models taken part */
    size_t count;
    lane *z, *y; /* count x DRAWN, count x TOGETHER */
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
    *sim = (struct simulation){.which = calloc(n + 1, sizeof *sim->which)};
    sim->z = aligned_alloc(sizeof *sim->z, (3 * LANES * n + 1) * sizeof *sim->z);
    if (!sim->which || !sim->z)
        goto fail;
    sim->y = sim->z + LANES * n;
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

static void put_model(struct simulation *sim, size_t i, const lane sum[LANES])
{
    lane *y = sim->y + i * 2 * LANES;
    for (size_t c = 0; c < LANES; c++) {
        y[c] = sum[c];
        y[LANES + c] = -sum[c];
    }
}

/* Rows `i` and i + 1 of the factor times the independent draws: two rows keep a processor busy
 * that would wait for the sums of one. Past the last row the second is the first again. */
WIDE static void draw_models(struct simulation *sim, size_t i)
{
    size_t next = i + 1 < sim->count ? i + 1 : i;
    const double *row = sim->factor.a + i * sim->count, *other = sim->factor.a + next * sim->count;
    const lane *z = sim->z;
    lane sum[LANES] = {{0}}, more[LANES] = {{0}};
    for (size_t k = 0; k <= i; k++, z += LANES) {
        sum[0] += row[k] * z[0];
        sum[1] += row[k] * z[1];
        sum[2] += row[k] * z[2];
        sum[3] += row[k] * z[3];
        more[0] += other[k] * z[0];
        more[1] += other[k] * z[1];
        more[2] += other[k] * z[2];
        more[3] += other[k] * z[3];
    }
    put_model(sim, i, sum);
    if (next == i)
        return;
    for (size_t c = 0; c < LANES; c++)
        more[c] += other[next] * z[c];
    put_model(sim, next, more);
}

/* TOGETHER draws of every model that takes part: model i's are y[i TOGETHER + …]. */
static const double *simulation_draw(struct simulation *sim)
{
    stats_draw_normals(&sim->rng, (double *)sim->z, sim->count * DRAWN);
    for (size_t i = 0; i < sim->count; i += 2)
        draw_models(sim, i);
    return (const double *)sim->y;
}

/* Draws in whole blocks. */
static size_t blocks_of(size_t draws)
{
    return (draws + TOGETHER - 1) / TOGETHER;
}

/* Largest |difference| of each draw in units of its standard error; a mirror image has the same. */
WIDE static void largest_differences(const double *y, const double *inverse_se, size_t n,
                                     double *most)
{
    for (size_t c = 0; c < DRAWN; c++)
        most[c] = 0;
    for (size_t i = 1; i < n; i++) {
        const double *here = y + i * TOGETHER;
        for (size_t j = 0; j < i; j++) {
            const double *there = y + j * TOGETHER;
            for (size_t c = 0; c < DRAWN; c++) {
                double off = fabs(here[c] - there[c]) * inverse_se[i * n + j];
                most[c] = off > most[c] ? off : most[c];
            }
        }
    }
}

static void invert_errors(double *inverse_se, const struct matrix *covariance)
{
    size_t n = covariance->n;
    for (size_t i = 1; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            double se = rank_difference_se(covariance, i, j);
            inverse_se[i * n + j] = se > 0 ? 1 / se : 0;
        }
    }
}

bool rank_simultaneous(double *critical, const struct matrix *covariance, double confidence,
                       size_t draws, uint64_t seed, struct err *err)
{
    struct simulation sim;
    size_t n = covariance->n, blocks = (draws + DRAWN - 1) / DRAWN;
    if (!simulation_init(&sim, NULL, covariance, seed, err))
        return false;
    double *inverse_se = calloc(n * n + 1, sizeof *inverse_se),
           *most = malloc((blocks * DRAWN + 1) * sizeof *most);
    bool ok = inverse_se && most;
    if (ok) {
        invert_errors(inverse_se, covariance);
        for (size_t k = 0; k < blocks; k++)
            largest_differences(simulation_draw(&sim), inverse_se, n, most + k * DRAWN);
        stats_sort(most, blocks * DRAWN);
        *critical = stats_quantile(most, blocks * DRAWN, confidence);
    }
    free(inverse_se);
    free(most);
    simulation_done(&sim);
    return ok || err_set(err, ERR_MEMORY, "no memory to simulate the ranks of %zu models", n);
}

/* Who leads each of the draws, by place in sim->which. */
WIDE static void leaders(const struct simulation *sim, const double *theta, const double *y,
                         uint32_t *leader)
{
    double top[TOGETHER];
    for (size_t i = 0; i < sim->count; i++) {
        double strength = theta[sim->which[i]];
        for (size_t c = 0; c < TOGETHER; c++) {
            double here = y[i * TOGETHER + c] + strength;
            if (i == 0 || here > top[c]) {
                top[c] = here;
                leader[c] = (uint32_t)i;
            }
        }
    }
}

bool rank_probability_best(double *best, const double *theta, const struct matrix *covariance,
                           size_t draws, uint64_t seed, struct err *err)
{
    struct simulation sim;
    uint32_t leader[TOGETHER];
    memset(best, 0, covariance->n * sizeof *best);
    if (!simulation_init(&sim, theta, covariance, seed, err))
        return false;
    if (sim.count > MANY) /* the same work for more of them */
        draws = draws * MANY / sim.count > draws / 4 ? draws * MANY / sim.count : draws / 4;
    size_t blocks = blocks_of(draws);
    for (size_t k = 0; k < blocks; k++) {
        leaders(&sim, theta, simulation_draw(&sim), leader);
        for (size_t c = 0; c < TOGETHER; c++)
            best[sim.which[leader[c]]] += 1 / (double)(blocks * TOGETHER);
    }
    simulation_done(&sim);
    return true;
}

/* Adds `share` to the rank that each model has in the draw y[0], y[TOGETHER], …; `drawn` has room
 * for n. */
WIDE static void add_ranks(double *distribution, const double *theta, const double *y,
                           double *drawn, size_t n, double share)
{
    for (size_t i = 0; i < n; i++)
        drawn[i] = y[i * TOGETHER] + theta[i];
    for (size_t i = 0; i < n; i++) {
        double mine = drawn[i];
        uint64_t above = 0;
        for (size_t j = 0; j < n; j++)
            above += drawn[j] > mine;
        distribution[i * n + above] += share;
    }
}

bool rank_distribution(double *distribution, const double *theta, const struct matrix *covariance,
                       size_t draws, uint64_t seed, struct err *err)
{
    struct simulation sim;
    size_t n = covariance->n, blocks = blocks_of(draws);
    memset(distribution, 0, n * n * sizeof *distribution);
    if (!simulation_init(&sim, NULL, covariance, seed, err))
        return false;
    double *drawn = malloc((n + 1) * sizeof *drawn);
    for (size_t k = 0; drawn && k < blocks; k++) {
        const double *y = simulation_draw(&sim);
        for (size_t c = 0; c < TOGETHER; c++)
            add_ranks(distribution, theta, y + c, drawn, n, 1 / (double)(blocks * TOGETHER));
    }
    bool ok = drawn != NULL;
    simulation_done(&sim);
    free(drawn);
    return ok || err_set(err, ERR_MEMORY, "no memory to simulate the ranks of %zu models", n);
}
