/* Distributions against published values; draws against their moments; linear algebra against its
 * definition. */
#include "close.h"

#include "rating/dense.h"
#include "rating/stats.h"

static void quantiles(void **state)
{
    (void)state;
    assert_close(stats_normal_quantile(0.975), 1.959963984540054, 1e-13, "normal 0.975");
    assert_close(stats_normal_quantile(1e-10), -6.361340902404056, 1e-12, "normal 1e-10");
    assert_close(stats_t_quantile(0.975, 1), 12.706204736174707, 1e-9, "t, 1 degree");
    assert_close(stats_t_quantile(0.975, 5), 2.5705818356363147, 1e-11, "t, 5 degrees");
    assert_close(stats_t_quantile(0.975, INFINITY), 1.959963984540054, 1e-13, "t, no limit");
}

/* The curve through a few quantiles gives all of them. */
static void quantile_curve(void **state)
{
    static const double AT[] = {0.75, 0.95, 0.975, 0.995, 0.9995};
    struct stats_t_curve curve;
    (void)state;
    for (size_t k = 0; k < sizeof AT / sizeof *AT; k++) {
        double least = k % 2 ? 1 : 8;
        stats_t_curve_init(&curve, AT[k], least);
        for (double freedom = least; freedom < 1e4; freedom *= 1.07) {
            double exact = stats_t_quantile(AT[k], freedom);
            assert_close(stats_t_curve_at(&curve, freedom) / exact, 1, 1e-9, "t by the curve");
        }
        assert_close(stats_t_curve_at(&curve, INFINITY), stats_normal_quantile(AT[k]), 1e-9,
                     "t by the curve, no limit");
    }
    assert_close(stats_chi2_above(3.841458820694124, 1), 0.05, 1e-12, "chi2, 1 degree");
    assert_close(stats_chi2_above(100, 80), 0.064570368921133, 1e-12, "chi2, 80 degrees");
    assert_close(stats_beta_below(0.3, 2, 5), 0.579825, 1e-12, "beta");
    assert_close(stats_beta_below(0.5, 300, 300), 0.5, 1e-12, "beta, symmetric");
}

static void binomial_draws(void **state)
{
    const struct {
        uint64_t n;
        double p;
    } CASES[] = {{20, 0.1},         {1000, 0.3}, {50, 0.9},
                 {1670250, 0.0001}, {12, 0.5},   {3000000000u, 0.4}};
    enum { DRAWS = 50000 };
    (void)state;
    for (size_t c = 0; c < sizeof CASES / sizeof *CASES; c++) {
        double n = (double)CASES[c].n, mean = n * CASES[c].p, variance = mean * (1 - CASES[c].p),
               sum = 0, square = 0;
        struct rng rng;
        rng_init(&rng, 5, c);
        for (int k = 0; k < DRAWS; k++) {
            double x = (double)stats_draw_binomial(&rng, CASES[c].n, CASES[c].p) - mean;
            sum += x;
            square += x * x;
        }
        assert_close(sum / DRAWS, 0, 4.5 * sqrt(variance / DRAWS), "binomial mean");
        assert_close(square / DRAWS / variance, 1, 0.04, "binomial variance");
    }
}

static void solving(void **state)
{
    enum { N = 31 };
    struct matrix a, factor, inverse;
    struct rng rng;
    double x[N];
    (void)state;
    rng_init(&rng, 1, 1);
    assert_true(matrix_init(&a, N) && matrix_init(&factor, N) && matrix_init(&inverse, N));
    for (int i = 0; i < N; i++)
        for (int j = 0; j <= i; j++)
            a.a[i * N + j] = a.a[j * N + i] = rng_uniform(&rng) + (i == j ? N : 0);
    memcpy(factor.a, a.a, N * N * sizeof *a.a);
    assert_true(matrix_factor(&factor));
    matrix_invert(&factor, &inverse);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < N; k++)
                sum += a.a[i * N + k] * inverse.a[k * N + j];
            assert_close(sum, i == j, 1e-13, "a times its inverse");
        }
        x[i] = a.a[i * N + 3];
    }
    matrix_solve(&factor, x);
    for (int i = 0; i < N; i++)
        assert_close(x[i], i == 3, 1e-13, "solution");
    a.a[0] = -1;
    assert_false(matrix_factor(&a));
    matrix_done(&a);
    matrix_done(&factor);
    matrix_done(&inverse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles),
        cmocka_unit_test(quantile_curve),
        cmocka_unit_test(binomial_draws),
        cmocka_unit_test(solving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
