/* One vote's score is (y - p) w for its first model and the opposite for the other, so a pair's
 * cell is all that the independent sandwich needs. */
#include "rating/interval.h"

#include <math.h>
#include <stdlib.h>

#define ARENA_RANK_HESSIAN_REG 1e-5

/* Sum over a pair's votes of the squared score. */
static double score_square(const struct bt_pair *pair, const double *theta)
{
    double p = bt_probability(theta[pair->i] - theta[pair->j]);
    double win = 1 - p, loss = p, tie = 0.5 - p;
    return pair->weight * pair->weight *
           (pair->wins * win * win + pair->losses * loss * loss + pair->ties * tie * tie);
}

/* Adds v (e_i - e_j)(e_i - e_j)^T. */
static void add_edge(struct matrix *m, size_t i, size_t j, double v)
{
    m->a[i * m->n + i] += v;
    m->a[j * m->n + j] += v;
    m->a[i * m->n + j] -= v;
    m->a[j * m->n + i] -= v;
}

static bool sandwich(struct matrix *covariance, const struct matrix *inverse,
                     const struct bt_pairs *pairs, const double *theta, struct err *err)
{
    struct matrix meat = {0}, scratch = {0};
    size_t n = pairs->models;
    bool ok = matrix_init(&meat, n) && matrix_init(&scratch, n);
    if (ok) {
        for (size_t k = 0; k < pairs->count; k++)
            add_edge(&meat, pairs->pairs[k].i, pairs->pairs[k].j,
                     score_square(&pairs->pairs[k], theta));
        matrix_sandwich(inverse, &meat, &scratch, covariance);
    }
    matrix_done(&meat);
    matrix_done(&scratch);
    return ok || err_set(err, ERR_MEMORY, "no memory for the intervals of %zu models", n);
}

bool interval_sandwich(struct matrix *covariance, const struct bt_pairs *pairs,
                       const struct bt_fit *fit, struct err *err)
{
    if (!sandwich(covariance, &fit->inverse, pairs, fit->theta, err))
        return false;
    if (!(matrix_trace(covariance) > 0))
        matrix_plain_bread(&fit->inverse, pairs->models, covariance);
    return true;
}

bool interval_sandwich_arena_rank(struct matrix *covariance, const struct bt_pairs *pairs,
                                  const struct bt_fit *fit, bool reweighted, struct err *err)
{
    struct matrix hessian = {0}, inverse = {0};
    size_t n = pairs->models;
    double eps = ARENA_RANK_HESSIAN_REG * (reweighted ? 1 : pairs->votes);
    if (!matrix_init(&hessian, n) || !matrix_init(&inverse, n)) {
        matrix_done(&hessian);
        return err_set(err, ERR_MEMORY, "no memory for the intervals of %zu models", n);
    }
    for (size_t k = 0; k < pairs->count; k++) {
        const struct bt_pair *pair = &pairs->pairs[k];
        double p = bt_probability(fit->theta[pair->i] - fit->theta[pair->j]);
        add_edge(&hessian, pair->i, pair->j,
                 pair->weight * (pair->wins + pair->losses + pair->ties) * p * (1 - p));
    }
    /* Adding the same to every element changes nothing that B can see (its rows sum to 0) and
     * keeps the inverse from magnifying rounding by 1 / eps. */
    double ridge = matrix_trace(&hessian) / ((double)n * (double)n);
    for (size_t i = 0; i < n * n; i++)
        hessian.a[i] += ridge;
    for (size_t i = 0; i < n; i++)
        hessian.a[i * n + i] += eps;
    bool ok = matrix_factor(&hessian) ||
              err_set(err, ERR_FORMAT, "the votes give no finite standard error");
    if (ok) {
        matrix_invert(&hessian, &inverse);
        ok = sandwich(covariance, &inverse, pairs, fit->theta, err);
    }
    matrix_done(&hessian);
    matrix_done(&inverse);
    return ok;
}
