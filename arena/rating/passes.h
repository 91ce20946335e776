/* Sums over the rows of a contextual fit: the loss, its gradient, its second derivative and the
 * outer products of the rows' scores, by several threads.
 *
 * The rows are cut into parts by their number alone and the parts' sums are added in order, so the
 * result does not depend on how many threads there are. Threads are started and joined in each
 * call. One owner; pure. */
#ifndef ARENA_RATING_PASSES_H
#define ARENA_RATING_PASSES_H

#include <stdbool.h>
#include <stddef.h>

#include "rating/contextual.h"
#include "rating/dense.h"

#define PASSES_PARTS_MAX 4

struct passes_part {
    size_t from, to; /* rows */
    double loss;
    double *gradient;
    struct matrix hessian, meat;
};

struct passes {
    const struct contextual_data *data; /* borrowed */
    double penalty; /* times half the squares of the coefficients is added to the mean loss */
    int threads;
    size_t count;
    struct passes_part parts[PASSES_PARTS_MAX];
};

/* False without memory; passes_done in any case. */
bool passes_init(struct passes *passes, const struct contextual_data *data, double penalty,
                 int threads);
void passes_done(struct passes *passes);

/* The mean loss at theta, with the penalty. */
double passes_loss(struct passes *passes, const double *theta);

/* Gradient and second derivative of the summed loss (with the penalty), and the sum of the scores'
 * outer products unless `meat` is NULL. */
void passes_derivatives(struct passes *passes, const double *theta, double *gradient,
                        struct matrix *hessian, struct matrix *meat);

#endif
