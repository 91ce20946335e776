/* The distributions that intervals and tests need, to about 1e-12, and draws from them out of a
 * struct rng. Pure. */
#ifndef ARENA_RATING_STATS_H
#define ARENA_RATING_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "base/random.h"

double stats_normal_quantile(double p);
double stats_normal_below(double z); /* P(Z <= z) */
double stats_beta_log(double a, double b);
double stats_beta_below(double x, double a, double b); /* regularised incomplete beta */
double stats_gamma_above(double x, double a);          /* regularised upper incomplete gamma */
double stats_chi2_above(double x, double freedom);     /* P(X >= x) */
double stats_t_quantile(double p, double freedom);     /* freedom may be INFINITY: the normal */

/* Student's p-quantile (p > 0.5) as a function of the degrees of freedom, from `least` (1 or more)
 * to INFINITY, to 1e-9 for p up to 0.9995: for those who need it for thousands of them. */
#define STATS_T_TERMS 28
struct stats_t_curve {
    double least;
    int terms;
    double term[STATS_T_TERMS];
};
void stats_t_curve_init(struct stats_t_curve *curve, double p, double least);
double stats_t_curve_at(const struct stats_t_curve *curve, double freedom);
/* At each of `count` of them, which the quantiles replace. */
void stats_t_curve_each(const struct stats_t_curve *curve, double *freedom, size_t count);

/* The p-quantile of sorted values, linear between neighbours (numpy's default). */
double stats_quantile(const double *sorted, size_t count, double p);
void stats_sort(double *values, size_t count);

double stats_draw_normal(struct rng *rng);
void stats_draw_normals(struct rng *rng, double *out, size_t count); /* two for the price of one */

/* Number of successes in n trials; exact in distribution for any n below 2^53. */
uint64_t stats_draw_binomial(struct rng *rng, uint64_t n, double p);

#endif
