/* A resample's optimum is near the original's, so each round keeps the original's K^-1 and takes
 * chord steps, which cost one pass over the cells each; only where they stop gaining does it
 * fall back to a whole Newton fit. */
#include "rating/bootstrap.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "rating/stats.h"

#define CHORD_STEPS 40
#define STEP_SMALL 1e-10

struct job {
    const struct bt_pairs *pairs;
    const struct bt_fit *fit;
    uint64_t seed;
    size_t rounds;
    double *draws; /* rounds x models */
    bool *kept;
    atomic_size_t next;
    atomic_bool no_memory;
};

/* One multinomial over the three counts of all pairs, as a chain of binomials. */
static void resample(struct bt_pairs *sample, const struct bt_pairs *pairs, struct rng *rng)
{
    uint64_t left = (uint64_t)pairs->votes;
    double ahead = pairs->votes; /* count not yet drawn for */
    sample->mass = 0;
    for (size_t k = 0; k < pairs->count; k++) {
        const struct bt_pair *from = &pairs->pairs[k];
        struct bt_pair *to = &sample->pairs[k];
        const double counts[3] = {from->wins, from->losses, from->ties};
        double drawn[3];
        for (int c = 0; c < 3; c++) {
            double p = ahead > 0 ? fmin(counts[c] / ahead, 1) : 0;
            uint64_t n = stats_draw_binomial(rng, left, p);
            drawn[c] = (double)n;
            left -= n;
            ahead -= counts[c];
        }
        *to = (struct bt_pair){from->i, from->j, drawn[0], drawn[1], drawn[2], from->weight};
        sample->mass += from->weight * (drawn[0] + drawn[1] + drawn[2]);
    }
}

/* theta moves by K^-1 gradient until it stands still; `work` holds two vectors. */
static bool chord(const struct bt_pairs *sample, const struct bt_fit *fit, double *theta,
                  double *work)
{
    size_t n = fit->models;
    double before = INFINITY, *gradient = work;
    memcpy(theta, fit->theta, n * sizeof *theta);
    for (int step = 0; step < CHORD_STEPS; step++) {
        double most = 0;
        memset(gradient, 0, n * sizeof *gradient);
        for (size_t k = 0; k < sample->count; k++) {
            const struct bt_pair *pair = &sample->pairs[k];
            double votes = pair->wins + pair->losses + pair->ties;
            double p = bt_probability(theta[pair->i] - theta[pair->j]);
            double g = pair->weight * (pair->wins + 0.5 * pair->ties - votes * p);
            gradient[pair->i] += g;
            gradient[pair->j] -= g;
        }
        double *move = work + n;
        memset(move, 0, n * sizeof *move);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                move[j] += gradient[i] * fit->inverse.a[i * n + j];
        for (size_t i = 0; i < n; i++) {
            theta[i] += move[i];
            most = fmax(most, fabs(move[i]));
        }
        if (most < STEP_SMALL)
            return true;
        if (!(most < 0.9 * before))
            return false;
        before = most;
    }
    return false;
}

static bool refit(const struct bt_pairs *sample, const struct bt_fit *fit, double *theta,
                  double *work)
{
    struct bt_fit full;
    struct err err = ERR_INIT;
    if (chord(sample, fit, theta, work))
        return true;
    if (!bt_fit(&full, sample, NULL, &err))
        return false;
    memcpy(theta, full.theta, full.models * sizeof *theta);
    bt_fit_done(&full);
    return true;
}

static void *run_rounds(void *context)
{
    struct job *job = context;
    struct bt_pairs sample = *job->pairs;
    size_t n = job->fit->models;
    sample.pairs = malloc((sample.count + 1) * sizeof *sample.pairs);
    double *work = malloc((2 * n + 1) * sizeof *work);
    if (!sample.pairs || !work)
        atomic_store(&job->no_memory, true);
    while (sample.pairs && work) {
        size_t round = atomic_fetch_add(&job->next, 1);
        if (round >= job->rounds)
            break;
        struct rng rng;
        rng_init(&rng, job->seed, round);
        resample(&sample, job->pairs, &rng);
        job->kept[round] = refit(&sample, job->fit, job->draws + round * n, work);
    }
    free(sample.pairs);
    free(work);
    return NULL;
}

/* Moves the rounds that were kept together; the rest failed. */
static void collect(struct bootstrap *boot, const struct job *job)
{
    size_t n = boot->models;
    for (size_t round = 0; round < job->rounds; round++) {
        if (!job->kept[round]) {
            boot->failed++;
            continue;
        }
        memmove(boot->draws + boot->rounds * n, boot->draws + round * n, n * sizeof *boot->draws);
        boot->rounds++;
    }
}

bool bootstrap_run(struct bootstrap *boot, const struct bt_pairs *pairs, const struct bt_fit *fit,
                   size_t rounds, uint64_t seed, int threads, struct err *err)
{
    struct job job = {.pairs = pairs, .fit = fit, .seed = seed, .rounds = rounds};
    pthread_t ids[BOOTSTRAP_THREADS_MAX];
    int started = 0;
    *boot = (struct bootstrap){.models = fit->models};
    job.draws = boot->draws = malloc((rounds * fit->models + 1) * sizeof *boot->draws);
    job.kept = calloc(rounds + 1, sizeof *job.kept);
    bool ok = boot->draws && job.kept;
    if (ok) {
        while (started < threads - 1 && started < BOOTSTRAP_THREADS_MAX &&
               pthread_create(&ids[started], NULL, run_rounds, &job) == 0)
            started++;
        run_rounds(&job);
        while (started)
            pthread_join(ids[--started], NULL);
        ok = !atomic_load(&job.no_memory);
        collect(boot, &job);
    }
    free(job.kept);
    if (!ok) {
        bootstrap_done(boot);
        return err_set(err, ERR_MEMORY, "no memory for %zu bootstrap rounds of %zu models", rounds,
                       fit->models);
    }
    return true;
}

void bootstrap_done(struct bootstrap *boot)
{
    free(boot->draws);
    *boot = (struct bootstrap){0};
}

void bootstrap_sorted(const struct bootstrap *boot, size_t i, size_t j, double *sorted)
{
    for (size_t r = 0; r < boot->rounds; r++) {
        const double *draw = boot->draws + r * boot->models;
        sorted[r] = draw[i] - (i == j ? 0 : draw[j]);
    }
    stats_sort(sorted, boot->rounds);
}

bool bootstrap_covariance(struct matrix *covariance, const struct bootstrap *boot)
{
    size_t n = boot->models;
    double *mean = calloc(n + 1, sizeof *mean);
    if (!mean)
        return false;
    matrix_zero(covariance);
    for (size_t r = 0; r < boot->rounds; r++)
        for (size_t i = 0; i < n; i++)
            mean[i] += boot->draws[r * n + i] / (double)boot->rounds;
    double share = boot->rounds > 1 ? 1 / (double)(boot->rounds - 1) : 0;
    for (size_t r = 0; r < boot->rounds; r++) {
        const double *draw = boot->draws + r * n;
        for (size_t i = 0; i < n; i++) {
            double off = share * (draw[i] - mean[i]);
            for (size_t j = 0; j < n; j++)
                covariance->a[i * n + j] += off * (draw[j] - mean[j]);
        }
    }
    free(mean);
    return true;
}
