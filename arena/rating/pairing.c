/* The paper leaves a pair that never met undefined; here every pair starts from one win and one
 * loss that were never cast, which makes an unseen pair the most attractive and nothing
 * infinite. */
#include "rating/pairing.h"

#include <math.h>
#include <stdlib.h>

#include "rating/bradley_terry.h"
#include "rating/dense.h"

static size_t place(size_t i, size_t j)
{
    return j * (j - 1) / 2 + i;
}

static bool takes_part(const bool *active, size_t i, size_t j)
{
    return !active || (active[i] && active[j]);
}

/* Scales the gains to probabilities and mixes in the uniform ones. */
static bool finish(double *probability, size_t models, const bool *active, struct err *err)
{
    double sum = 0, pairs = 0;
    for (size_t j = 1; j < models; j++) {
        for (size_t i = 0; i < j; i++) {
            if (!takes_part(active, i, j))
                probability[place(i, j)] = 0;
            pairs += takes_part(active, i, j);
            sum += probability[place(i, j)];
        }
    }
    if (pairs == 0)
        return err_set(err, ERR_BAD_REQUEST, "fewer than two models to pair");
    for (size_t j = 1; j < models; j++) {
        for (size_t i = 0; i < j; i++) {
            double *p = &probability[place(i, j)];
            if (takes_part(active, i, j))
                *p = (sum > 0 ? (1 - PAIRING_UNIFORM) * *p / sum : (1 - PAIRING_UNIFORM) / pairs) +
                     PAIRING_UNIFORM / pairs;
        }
    }
    return true;
}

bool pairing_spread(double *probability, const struct tally *tally, const bool *active,
                    struct err *err)
{
    for (size_t j = 1; j < tally->models; j++) {
        for (size_t i = 0; i < j; i++) {
            double wins = (double)tally_count(tally, i, j, OUTCOME_A),
                   losses = (double)tally_count(tally, i, j, OUTCOME_B);
            double votes = (double)tally_pair(tally, i, j) + 2, ties = votes - wins - losses - 2;
            double mean = (wins + 1 + 0.5 * ties) / votes;
            double variance = ((wins + 1) * (1 - mean) * (1 - mean) + (losses + 1) * mean * mean +
                               ties * (0.5 - mean) * (0.5 - mean)) /
                              votes;
            probability[place(i, j)] = sqrt(variance / votes) - sqrt(variance / (votes + 1));
        }
    }
    return finish(probability, tally->models, active, err);
}

/* Covariance of strengths from the votes' information, each pair having the two votes of the
 * start as well. */
static bool covariance_of(struct matrix *v, const struct tally *tally)
{
    struct matrix factor;
    size_t n = tally->models;
    if (!matrix_init(&factor, n))
        return false;
    for (size_t j = 1; j < n; j++) {
        for (size_t i = 0; i < j; i++) {
            double h = 0.25 * ((double)tally_pair(tally, i, j) + 2.0 / (double)n);
            factor.a[i * n + i] += h;
            factor.a[j * n + j] += h;
            factor.a[i * n + j] -= h;
            factor.a[j * n + i] -= h;
        }
    }
    double ridge = matrix_trace(&factor) / ((double)n * (double)n);
    for (size_t k = 0; k < n * n; k++)
        factor.a[k] += ridge;
    bool ok = matrix_factor(&factor);
    if (ok)
        matrix_invert(&factor, v);
    matrix_done(&factor);
    return ok;
}

/* What a vote on (i, j) takes off the summed variance of target's differences to the others: a
 * rank-one update. */
static double gain_of(const struct matrix *v, size_t target, size_t i, size_t j, const bool *active)
{
    size_t n = v->n;
    double own = v->a[target * n + i] - v->a[target * n + j], sum = 0;
    double spread = v->a[i * n + i] + v->a[j * n + j] - 2 * v->a[i * n + j];
    for (size_t k = 0; k < n; k++) {
        double off = own - (v->a[k * n + i] - v->a[k * n + j]);
        if (!active || active[k])
            sum += off * off;
    }
    return 0.25 * sum / (1 + 0.25 * spread);
}

bool pairing_target(double *probability, const struct tally *tally, const bool *active,
                    size_t target, struct err *err)
{
    struct matrix v;
    size_t n = tally->models;
    if (!matrix_init(&v, n) || !covariance_of(&v, tally)) {
        matrix_done(&v);
        return err_set(err, ERR_MEMORY, "no memory to pair %zu models", n);
    }
    for (size_t j = 1; j < n; j++)
        for (size_t i = 0; i < j; i++)
            probability[place(i, j)] = gain_of(&v, target, i, j, active);
    matrix_done(&v);
    return finish(probability, n, active, err);
}

void pairing_pick(const double *probability, size_t models, double u, size_t *i, size_t *j)
{
    *i = *j = 0;
    for (size_t b = 1; b < models; b++) {
        for (size_t a = 0; a < b; a++) {
            if (probability[place(a, b)] <= 0)
                continue;
            *i = a;
            *j = b;
            u -= probability[place(a, b)];
            if (u < 0)
                return;
        }
    }
}
