/* Quantiles are found by Newton's or bisection's steps on the distribution functions, which are
 * a series or a continued fraction: slower than a table of constants, but there is nothing to
 * mistype and a board needs only a few of them. Binomials are drawn by inversion where few
 * successes are expected and by Hörmann's transformed rejection (BTRS, 1993) otherwise, so that
 * the bootstrap of two million votes costs some thousand draws, not two million. */
#include "rating/stats.h"

#include <math.h>
#include <stdlib.h>

#include "rating/wide.h"

#define SERIES_MAX 10000
#define TOGETHER 16 /* points of a curve: as many as hide how long each waits for its last term */

double stats_normal_below(double z)
{
    return 0.5 * erfc(-z / sqrt(2));
}

double stats_normal_quantile(double p)
{
    if (!(p > 0 && p < 1))
        return p <= 0 ? -INFINITY : INFINITY;
    if (p > 0.5)
        return -stats_normal_quantile(1 - p);
    double z =
        -sqrt(-2 * log(p)); /* below the root, where Newton on the logarithm climbs monotonically */
    for (int step = 0; step < 100; step++) {
        double below = stats_normal_below(z);
        double density = exp(-0.5 * z * z) / sqrt(2 * M_PI);
        double move = below / density * log(p / below);
        z += move;
        if (fabs(move) < 1e-15 * (1 + fabs(z)))
            break;
    }
    return z;
}

double stats_beta_log(double a, double b)
{
    int sign;
    return lgamma_r(a, &sign) + lgamma_r(b, &sign) - lgamma_r(a + b, &sign);
}

/* Lentz's continued fraction, converging for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m < SERIES_MAX; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + even * d;
        c = 1 + even / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        h *= d * (fabs(c) < tiny ? tiny : c);
        d = 1 + odd * d;
        c = 1 + odd / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        double change = d * (fabs(c) < tiny ? tiny : c);
        h *= change;
        if (fabs(change - 1) < 1e-16)
            break;
    }
    return h;
}

double stats_beta_below(double x, double a, double b)
{
    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    double front = exp(a * log(x) + b * log1p(-x) - stats_beta_log(a, b));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(1 - x, b, a) / b;
}

/* Series for the lower part (x < a + 1), continued fraction for the upper. */
static double gamma_below_series(double x, double a)
{
    double term = 1 / a, sum = term;
    for (int k = 1; k < SERIES_MAX && term > sum * 1e-17; k++) {
        term *= x / (a + k);
        sum += term;
    }
    return sum;
}

static double gamma_above_fraction(double x, double a)
{
    const double tiny = 1e-300;
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
    for (int k = 1; k < SERIES_MAX; k++) {
        double an = -k * (k - a);
        b += 2;
        d = an * d + b;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = b + an / c;
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-16)
            break;
    }
    return h;
}

double stats_gamma_above(double x, double a)
{
    int sign;
    if (x <= 0)
        return 1;
    double front = exp(a * log(x) - x - lgamma_r(a, &sign));
    return x < a + 1 ? 1 - front * gamma_below_series(x, a) : front * gamma_above_fraction(x, a);
}

double stats_chi2_above(double x, double freedom)
{
    return stats_gamma_above(0.5 * x, 0.5 * freedom);
}

static double t_above(double t, double freedom)
{
    return 0.5 * stats_beta_below(freedom / (freedom + t * t), 0.5 * freedom, 0.5);
}

/* Newton from the normal's quantile, which lies below: the distribution is concave there, so
 * steps climb and never pass. */
double stats_t_quantile(double p, double freedom)
{
    int sign;
    if (!(freedom < 1e7))
        return stats_normal_quantile(p);
    if (p < 0.5)
        return -stats_t_quantile(1 - p, freedom);
    double scale = lgamma_r(0.5 * (freedom + 1), &sign) - lgamma_r(0.5 * freedom, &sign) -
                   0.5 * log(freedom * M_PI);
    double t = stats_normal_quantile(p);
    for (int step = 0; step < 100; step++) {
        double density = exp(scale - 0.5 * (freedom + 1) * log1p(t * t / freedom));
        double move = (t_above(t, freedom) - (1 - p)) / density;
        t += move;
        if (fabs(move) < 1e-13 * (1 + t))
            break;
    }
    return t;
}

/* Chebyshev's polynomials in least / freedom; the logarithm is the smoother function, and the
 * smoother the larger `least` is. */
void stats_t_curve_init(struct stats_t_curve *curve, double p, double least)
{
    double value[STATS_T_TERMS];
    int terms = least < 8 ? STATS_T_TERMS : STATS_T_TERMS / 2;
    *curve = (struct stats_t_curve){.least = least, .terms = terms};
    for (int k = 0; k < terms; k++) {
        double node = 0.5 * (1 + cos(M_PI * (k + 0.5) / terms));
        value[k] = log(stats_t_quantile(p, least / node));
    }
    for (int j = 0; j < terms; j++) {
        for (int k = 0; k < terms; k++)
            curve->term[j] += value[k] * cos(M_PI * j * (k + 0.5) / terms);
        curve->term[j] *= (j ? 2.0 : 1.0) / terms;
    }
}

/* Clenshaw's sum at x, for several at once. */
WIDE static void clenshaw(const struct stats_t_curve *curve, double x[TOGETHER])
{
    double above[TOGETHER] = {0}, two_above[TOGETHER] = {0};
    for (int j = curve->terms; j-- > 1;) {
        for (int k = 0; k < TOGETHER; k++) {
            double here = curve->term[j] + 2 * x[k] * above[k] - two_above[k];
            two_above[k] = above[k];
            above[k] = here;
        }
    }
    for (int k = 0; k < TOGETHER; k++)
        x[k] = curve->term[0] + x[k] * above[k] - two_above[k];
}

void stats_t_curve_each(const struct stats_t_curve *curve, double *freedom, size_t count)
{
    for (size_t from = 0; from < count; from += TOGETHER) {
        double x[TOGETHER] = {0};
        size_t here = count - from < TOGETHER ? count - from : TOGETHER;
        for (size_t k = 0; k < here; k++)
            x[k] = 2 * curve->least / fmax(freedom[from + k], curve->least) - 1;
        clenshaw(curve, x);
        for (size_t k = 0; k < here; k++)
            freedom[from + k] = exp(x[k]);
    }
}

double stats_t_curve_at(const struct stats_t_curve *curve, double freedom)
{
    stats_t_curve_each(curve, &freedom, 1);
    return freedom;
}

double stats_quantile(const double *sorted, size_t count, double p)
{
    if (count == 0)
        return NAN;
    double at = p * (double)(count - 1);
    size_t below = (size_t)at;
    if (below + 1 >= count)
        return sorted[count - 1];
    double part = at - (double)below;
    return sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void stats_sort(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
}

/* Marsaglia's polar method: two independent draws at once. */
static void draw_pair(struct rng *rng, double *x, double *y)
{
    double u, v, s;
    do {
        u = 2 * rng_uniform(rng) - 1;
        v = 2 * rng_uniform(rng) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s == 0);
    double factor = sqrt(-2 * log(s) / s);
    *x = u * factor;
    *y = v * factor;
}

/* The second draw is dropped, which keeps the generator stateless. */
double stats_draw_normal(struct rng *rng)
{
    double x, dropped;
    draw_pair(rng, &x, &dropped);
    return x;
}

void stats_draw_normals(struct rng *rng, double *out, size_t count)
{
    double dropped;
    for (size_t k = 0; k < count; k += 2)
        draw_pair(rng, &out[k], k + 1 < count ? &out[k + 1] : &dropped);
}

/* Walks up from 0; p <= 0.5 and np < 10, so the walk is short and q^n does not vanish. */
static uint64_t binomial_inversion(struct rng *rng, uint64_t n, double p)
{
    double odds = p / (1 - p), chance = exp((double)n * log1p(-p)), u = rng_uniform(rng);
    uint64_t k = 0;
    while (u > chance && k < n) {
        u -= chance;
        k++;
        chance *= odds * (double)(n - k + 1) / (double)k;
        if (chance < 1e-300)
            break;
    }
    return k;
}

/* ln k! minus its Stirling approximation. */
static double stirling_tail(double k)
{
    static const double SMALL[] = {0.08106146679532726, 0.04134069595540929, 0.02767792568499834,
                                   0.02079067210376509, 0.01664469118982119, 0.01387612882307075,
                                   0.01189670994589177, 0.01041126526197209, 0.009255462182712733,
                                   0.008330563433362871};
    if (k < 10)
        return SMALL[(int)k];
    double square = (k + 1) * (k + 1);
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

static uint64_t binomial_rejection(struct rng *rng, uint64_t trials, double p)
{
    double n = (double)trials, spread = sqrt(n * p * (1 - p));
    double b = 1.15 + 2.53 * spread, a = -0.0873 + 0.0248 * b + 0.01 * p;
    double c = n * p + 0.5, v_r = 0.92 - 4.2 / b, alpha = (2.83 + 5.1 / b) * spread;
    double odds = p / (1 - p), m = floor((n + 1) * p);
    for (;;) {
        double u = rng_uniform(rng) - 0.5, v = rng_uniform(rng);
        double us = 0.5 - fabs(u), k = floor((2 * a / us + b) * u + c);
        if (k < 0 || k > n)
            continue;
        if (us >= 0.07 && v <= v_r)
            return (uint64_t)k;
        double bound = (m + 0.5) * log((m + 1) / (odds * (n - m + 1))) +
                       (n + 1) * log((n - m + 1) / (n - k + 1)) +
                       (k + 0.5) * log(odds * (n - k + 1) / (k + 1)) + stirling_tail(m) +
                       stirling_tail(n - m) - stirling_tail(k) - stirling_tail(n - k);
        if (log(v * alpha / (a / (us * us) + b)) <= bound)
            return (uint64_t)k;
    }
}

uint64_t stats_draw_binomial(struct rng *rng, uint64_t n, double p)
{
    if (n == 0 || p <= 0)
        return 0;
    if (p >= 1)
        return n;
    if (p > 0.5)
        return n - stats_draw_binomial(rng, n, 1 - p);
    return (double)n * p < 10 ? binomial_inversion(rng, n, p) : binomial_rejection(rng, n, p);
}
