/* Tails of small samples are exact: the boosted model's wins are compared with the Poisson
 * binomial of the predicted chances, turned into a z. Sums over votes are taken by voter, so
 * memory is a few numbers a voter and a model. */
#include "rating/voter_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rating/bradley_terry.h"
#include "rating/stats.h"

#define BOOST_LEAST 4 /* meetings with a model before its wins say anything */
#define TESTS 3

struct sums {
    double left, left_expected, left_variance;
    double sense, sense_expected, sense_variance;
};

/* A vote's decisive chance that a wins, from everybody's ratings; false when it says nothing. */
static bool chance_of(const struct ballot *row, const double *theta, double left, double *p)
{
    double d = theta[row->a] - theta[row->b];
    *p = bt_probability(d + left);
    return !isnan(d) && (row->outcome == OUTCOME_A || row->outcome == OUTCOME_B);
}

static void add_vote(struct sums *sums, const struct ballot *row, const double *theta, double left)
{
    double p, y = row->outcome == OUTCOME_A;
    if (!chance_of(row, theta, left, &p))
        return;
    double gain = log(2 * p), loss = log(2 * (1 - p)); /* likelihood ratio against a coin */
    double mean = p * gain + (1 - p) * loss;
    sums->left += y;
    sums->left_expected += p;
    sums->left_variance += p * (1 - p);
    sums->sense += y > 0 ? gain : loss;
    sums->sense_expected += mean;
    sums->sense_variance += p * gain * gain + (1 - p) * loss * loss - mean * mean;
}

/* z of the upper tail P(wins or more) of a Poisson binomial, half the chance of exactly `wins`
 * counted (mid-p). */
static double tail_z(const double *p, size_t count, size_t wins, double *chance)
{
    double above = 0;
    memset(chance, 0, (count + 1) * sizeof *chance);
    chance[0] = 1;
    for (size_t k = 0; k < count; k++) {
        for (size_t w = k + 1; w > 0; w--)
            chance[w] = chance[w] * (1 - p[k]) + chance[w - 1] * p[k];
        chance[0] *= 1 - p[k];
    }
    for (size_t w = wins + 1; w <= count; w++)
        above += chance[w];
    above += 0.5 * chance[wins];
    return -stats_normal_quantile(fmin(fmax(above, 1e-300), 1 - 1e-12));
}

struct meeting {
    uint32_t model;
    float p;
    bool won;
};

static int by_model(const void *a, const void *b)
{
    uint32_t x = ((const struct meeting *)a)->model, y = ((const struct meeting *)b)->model;
    return (x > y) - (x < y);
}

/* The largest z over the models met, made smaller by how many were tried (Bonferroni on its
 * tail). */
static void boost_of(struct voter_check *check, struct meeting *meetings, size_t count, double *p,
                     double *chance)
{
    double best = -INFINITY;
    size_t tried = 0;
    qsort(meetings, count, sizeof *meetings, by_model);
    for (size_t from = 0, to; from < count; from = to) {
        size_t wins = 0;
        for (to = from; to < count && meetings[to].model == meetings[from].model; to++) {
            p[to - from] = (double)meetings[to].p;
            wins += meetings[to].won;
        }
        if (to - from < BOOST_LEAST)
            continue;
        double z = tail_z(p, to - from, wins, chance);
        tried++;
        if (z > best) {
            best = z;
            check->boosted = meetings[from].model;
        }
    }
    double tail = tried ? stats_normal_below(-best) * (double)tried : 1;
    check->boost = -stats_normal_quantile(fmin(fmax(tail, 1e-300), 1 - 1e-12));
}

/* --- by voter --- */

struct work {
    uint32_t *order, *start; /* ballots by voter */
    struct meeting *meetings;
    double *p, *chance, *values;
};

static void work_done(struct work *work)
{
    free(work->order);
    free(work->start);
    free(work->meetings);
    free(work->p);
    free(work->chance);
    free(work->values);
}

static bool work_init(struct work *work, const struct ballots *ballots)
{
    size_t voters = ballots->voters, most = 0;
    *work = (struct work){.order = malloc((ballots->count + 1) * sizeof *work->order),
                          .start = calloc(voters + 2, sizeof *work->start),
                          .values = malloc((voters + 1) * sizeof *work->values)};
    if (!work->order || !work->start || !work->values)
        return false;
    for (size_t k = 0; k < ballots->count; k++)
        if (ballots->rows[k].voter < voters)
            work->start[ballots->rows[k].voter + 2]++;
    for (size_t v = 0; v < voters; v++) {
        most = work->start[v + 2] > most ? work->start[v + 2] : most;
        work->start[v + 2] += work->start[v + 1];
    }
    for (size_t k = 0; k < ballots->count; k++)
        if (ballots->rows[k].voter < voters)
            work->order[work->start[ballots->rows[k].voter + 1]++] = (uint32_t)k;
    work->meetings = malloc((2 * most + 1) * sizeof *work->meetings);
    work->p = malloc((2 * most + 1) * sizeof *work->p);
    work->chance = malloc((2 * most + 2) * sizeof *work->chance);
    return work->meetings && work->p && work->chance;
}

static double z_of(double value, double expected, double variance)
{
    return variance > 0 ? (value - expected) / sqrt(variance) : 0;
}

static void check_voter(struct voter_check *check, struct work *work, const struct ballots *ballots,
                        uint32_t voter, const double *theta, double left)
{
    struct sums sums = {0};
    size_t met = 0;
    for (uint32_t at = work->start[voter]; at < work->start[voter + 1]; at++) {
        const struct ballot *row = &ballots->rows[work->order[at]];
        double p;
        check->votes++;
        add_vote(&sums, row, theta, left);
        if (!chance_of(row, theta, left, &p))
            continue;
        work->meetings[met++] = (struct meeting){row->a, (float)p, row->outcome == OUTCOME_A};
        work->meetings[met++] = (struct meeting){row->b, (float)(1 - p), row->outcome == OUTCOME_B};
    }
    check->side = z_of(sums.left, sums.left_expected, sums.left_variance);
    check->sense = -z_of(sums.sense, sums.sense_expected, sums.sense_variance);
    boost_of(check, work->meetings, met, work->p, work->chance);
}

/* Spread of one test over the voters, at least 1. Bad voters pile up on the positive side of the
 * one-sided tests, so those are measured on the negative side alone; the two-sided one by its
 * quartiles. / */
static double spread_of(const struct voter_check *checks, size_t voters, size_t field,
                        bool one_sided, double *values)
{
    size_t count = 0, below = 0;
    double square = 0;
    for (size_t v = 0; v < voters; v++) {
        if (checks[v].votes < VOTER_CHECK_LEAST)
            continue;
        double z = values[count++] = *(const double *)((const char *)&checks[v] + field);
        square += z < 0 ? z * z : 0;
        below += z < 0;
    }
    if (count < 10 || (one_sided && below < 5))
        return 1;
    if (one_sided)
        return fmax(sqrt(square / (double)below), 1);
    stats_sort(values, count);
    double quartiles = stats_quantile(values, count, 0.75) - stats_quantile(values, count, 0.25);
    return fmax(quartiles / (2 * 0.6744897501960817), 1);
}

static void judge(struct voter_check *check, const double spread[TESTS], double alpha)
{
    double side = 2 * stats_normal_below(-fabs(check->side) / spread[0]);
    double sense = stats_normal_below(-check->sense / spread[1]);
    double boost = stats_normal_below(-check->boost / spread[2]);
    check->p =
        check->votes < VOTER_CHECK_LEAST ? 1 : fmin(1, TESTS * fmin(side, fmin(sense, boost)));
    check->flagged = check->p < alpha;
}

bool voter_check_all(struct voter_check *checks, const struct ballots *ballots, const double *theta,
                     double left, double alpha, struct err *err)
{
    static const size_t FIELDS[TESTS] = {offsetof(struct voter_check, side),
                                         offsetof(struct voter_check, sense),
                                         offsetof(struct voter_check, boost)};
    struct work work = {0};
    double spread[TESTS];
    if (!work_init(&work, ballots)) {
        work_done(&work);
        return err_set(err, ERR_MEMORY, "no memory to check %u voters", ballots->voters);
    }
    for (uint32_t v = 0; v < ballots->voters; v++) {
        checks[v] = (struct voter_check){0};
        check_voter(&checks[v], &work, ballots, v, theta, left);
    }
    for (int k = 0; k < TESTS; k++)
        spread[k] = spread_of(checks, ballots->voters, FIELDS[k], k > 0, work.values);
    for (uint32_t v = 0; v < ballots->voters; v++)
        judge(&checks[v], spread, alpha);
    work_done(&work);
    return true;
}
