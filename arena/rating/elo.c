/* A rating is a running sum, so the point estimate is one sequential pass; only bootstrap rounds
 * are spread over threads. */
#include "rating/elo.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/random.h"
#include "rating/bradley_terry.h"

#define THREADS_MAX 64

/* base^x. The point estimate must match FastChat's digits; a bootstrap's need not, and exp is
 * faster. */
static double power_exact(const struct elo_options *options, double x)
{
    return pow(options->base, x);
}

static double power_fast(const struct elo_options *options, double x)
{
    return options->base == RATING_BASE ? exp(x * M_LN10) : pow(options->base, x);
}

static void update(double *ratings, const struct ballot *row, const int32_t *map,
                   const struct elo_options *options,
                   double (*power)(const struct elo_options *, double))
{
    static const double POINTS[OUTCOMES] = {1, 0, 0.5, 0.5};
    double *a = &ratings[map[row->a]], *b = &ratings[map[row->b]];
    double expected = 1 / (1 + power(options, (*b - *a) / options->scale));
    double change = options->k * (POINTS[row->outcome] - expected);
    *a += change;
    *b -= change;
}

static void start(double *ratings, size_t models, double initial)
{
    for (size_t i = 0; i < models; i++)
        ratings[i] = initial;
}

void elo_run(double *ratings, size_t models, const struct ballots *ballots, const int32_t *map,
             const struct elo_options *options)
{
    start(ratings, models, options->initial);
    for (size_t k = 0; k < ballots->count; k++) {
        const struct ballot *row = &ballots->rows[k];
        if (map[row->a] >= 0 && map[row->b] >= 0)
            update(ratings, row, map, options, power_exact);
    }
}

struct job {
    double *draws;
    size_t models, rounds;
    const struct ballots *ballots;
    const int32_t *map;
    const struct elo_options *options;
    uint64_t seed;
    atomic_size_t next;
};

static void *run_rounds(void *context)
{
    struct job *job = context;
    size_t round;
    while ((round = atomic_fetch_add(&job->next, 1)) < job->rounds) {
        double *ratings = job->draws + round * job->models;
        struct rng rng;
        rng_init(&rng, job->seed, round);
        start(ratings, job->models, job->options->initial);
        for (size_t k = 0; k < job->ballots->count; k++) {
            const struct ballot *row = &job->ballots->rows[rng_below(&rng, job->ballots->count)];
            if (job->map[row->a] >= 0 && job->map[row->b] >= 0)
                update(ratings, row, job->map, job->options, power_fast);
        }
    }
    return NULL;
}

bool elo_bootstrap(double *draws, size_t models, const struct ballots *ballots, const int32_t *map,
                   const struct elo_options *options, size_t rounds, uint64_t seed, int threads,
                   struct err *err)
{
    struct job job = {draws, models, rounds, ballots, map, options, seed, 0};
    pthread_t ids[THREADS_MAX];
    int started = 0;
    if (ballots->count == 0)
        return err_set(err, ERR_BAD_REQUEST, "online Elo needs single votes in their order");
    while (started < threads - 1 && started < THREADS_MAX &&
           pthread_create(&ids[started], NULL, run_rounds, &job) == 0)
        started++;
    run_rounds(&job);
    while (started)
        pthread_join(ids[--started], NULL);
    return true;
}
