/* Rank ranges, simultaneous margins, and the probability of being the best. */
#include "close.h"

#include "rating/bradley_terry.h"
#include "rating/pairing.h"
#include "rating/rank.h"
#include "rating/stats.h"

static void ranges(void **state)
{
    const double theta[4] = {3, 2, 2, 0};
    double margin[16];
    struct rank ranks[4];
    (void)state;
    for (int k = 0; k < 16; k++)
        margin[k] = 1.5;
    rank_ranges(ranks, theta, margin, 4);
    const struct rank want[4] = {{1, 1, 3}, {2, 1, 3}, {2, 1, 3}, {4, 4, 4}};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ranks[i].rank, want[i].rank);
        assert_int_equal(ranks[i].lower, want[i].lower);
        assert_int_equal(ranks[i].upper, want[i].upper);
    }
}

/* Two independent normals: P(first is best) has a closed form; of two, one difference: simultaneous
 * is pointwise. */
static void two_models(void **state)
{
    const double theta[2] = {0.1, -0.1};
    struct matrix v;
    double best[2], critical, distribution[4];
    (void)state;
    assert_true(matrix_init(&v, 2));
    v.a[0] = v.a[3] = 0.02;
    v.a[1] = v.a[2] = -0.02;
    assert_close(rank_difference_se(&v, 0, 1), sqrt(0.08), 1e-15, "error of the difference");
    assert_true(rank_probability_best(best, theta, &v, 40000, 1, NULL));
    assert_close(best[0], stats_normal_below(0.2 / sqrt(0.08)), 0.01, "P(best)");
    assert_close(best[0] + best[1], 1, 1e-9, "sum");
    assert_true(rank_distribution(distribution, theta, &v, 40000, 1, NULL));
    assert_close(distribution[0], best[0], 0.01, "P(rank 1)");
    assert_close(distribution[0] + distribution[1], 1, 1e-9, "a model's ranks");
    assert_true(rank_simultaneous(&critical, &v, 0.95, 20000, 1, NULL));
    assert_close(critical, 1.96, 0.05, "one difference");
    matrix_done(&v);
}

/* Two-way clusters whose votes cancel out leave no variance, or less than none: still a board. */
static void variances_may_cancel_out(void **state)
{
    const double theta[2] = {0, 0};
    double best[2], distribution[4];
    struct matrix v;
    (void)state;
    assert_true(matrix_init(&v, 2));
    for (int k = 0; k < 2; k++) {
        v.a[0] = v.a[3] = k ? -0.3 : 0;
        v.a[1] = v.a[2] = -v.a[0];
        assert_true(rank_probability_best(best, theta, &v, 2000, 1, NULL));
        assert_close(best[0] + best[1], 1, 1e-9, "sum");
        assert_true(rank_distribution(distribution, theta, &v, 2000, 1, NULL));
    }
    matrix_done(&v);
}

/* Independent models: the max over all differences is the studentised range over sqrt 2 (3.633 for
 * 4, no limit). */
static void studentised_range(void **state)
{
    struct matrix v;
    double critical;
    (void)state;
    assert_true(matrix_init(&v, 4));
    for (int i = 0; i < 4; i++)
        v.a[i * 5] = 1;
    assert_true(rank_simultaneous(&critical, &v, 0.95, 20000, 2, NULL));
    assert_close(critical * sqrt(2), 3.633, 0.05, "studentised range");
    matrix_done(&v);
}

/* A covariance that two-way clustering made indefinite still simulates. */
static void indefinite(void **state)
{
    const double theta[3] = {0, 0, 0};
    struct matrix v;
    double best[3];
    (void)state;
    assert_true(matrix_init(&v, 3));
    v.a[0] = v.a[4] = v.a[8] = 1;
    v.a[1] = v.a[3] = v.a[2] = v.a[6] = v.a[5] = v.a[7] = -0.9;
    assert_true(rank_probability_best(best, theta, &v, 3000, 1, NULL));
    assert_close(best[0] + best[1] + best[2], 1, 1e-9, "sum");
    matrix_done(&v);
}

/* --- which pair next --- */

static double chance(const double *p, size_t i, size_t j)
{
    return i < j ? p[j * (j - 1) / 2 + i] : p[i * (i - 1) / 2 + j];
}

static void pairing(void **state)
{
    struct tally tally;
    struct err err = ERR_INIT;
    double p[6], sum = 0, drawn[6] = {0};
    const bool three[4] = {true, true, true, false}, none[4] = {false, false, false, true};
    (void)state;
    tally_init(&tally);
    assert_true(tally_grow(&tally, 4, NULL) && tally_add(&tally, 0, 1, OUTCOME_A, 200, NULL) &&
                tally_add(&tally, 0, 1, OUTCOME_B, 200, NULL) &&
                tally_add(&tally, 0, 2, OUTCOME_A, 10, NULL) &&
                tally_add(&tally, 0, 2, OUTCOME_B, 10, NULL));
    assert_true(pairing_spread(p, &tally, three, NULL));
    for (int k = 0; k < 6; k++)
        sum += p[k];
    assert_close(sum, 1, 1e-12, "sum");
    assert_true(chance(p, 1, 2) > chance(p, 0, 2) && chance(p, 0, 2) > chance(p, 0, 1));
    assert_true(chance(p, 0, 1) >= PAIRING_UNIFORM / 3 && chance(p, 0, 3) == 0);
    for (int k = 0; k < 10000; k++) {
        size_t i, j;
        pairing_pick(p, 4, (k + 0.5) / 10000, &i, &j);
        assert_true(i < j);
        drawn[j * (j - 1) / 2 + i] += 1e-4;
    }
    for (int k = 0; k < 6; k++)
        assert_close(drawn[k], p[k], 2e-4, "drawn as often as said");
    assert_true(pairing_target(p, &tally, NULL, 3, NULL));
    for (size_t i = 0; i < 3; i++)
        assert_true(chance(p, 3, i) > chance(p, 0, 1) && chance(p, 3, i) > chance(p, 0, 2));
    assert_false(pairing_spread(p, &tally, none, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    tally_done(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),
        cmocka_unit_test(two_models),
        cmocka_unit_test(variances_may_cancel_out),
        cmocka_unit_test(studentised_range),
        cmocka_unit_test(indefinite),
        cmocka_unit_test(pairing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
