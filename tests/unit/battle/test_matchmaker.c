/* The matchmaker: draws as often as it says, never a version against itself, repeatable. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "battle/matchmaker.h"

enum { COUNT = 5, DRAWS = 200000 };

static struct competitor pool[COUNT];
static struct competitor *list[COUNT];

static int setup(void **state)
{
    static const double WEIGHTS[COUNT] = {1, 3, 0, 2, 2};
    (void)state;
    memset(pool, 0, sizeof pool);
    for (int i = 0; i < COUNT; i++) {
        pool[i].config.weight = WEIGHTS[i];
        pool[i].availability = COMPETITOR_ACTIVE;
        memset(pool[i].version, 'a' + (i == 4 ? 3 : i),
               DIGEST_HEX); /* 3 and 4 are the same version */
        list[i] = &pool[i];
    }
    return 0;
}

static void test_draws_as_often_as_it_says(void **state)
{
    double seen[COUNT][COUNT] = {{0}}, told[COUNT][COUNT] = {{0}}, sum = 0;
    struct rng rng;
    struct err err = ERR_INIT;
    (void)state;
    rng_init(&rng, 11, 0);
    for (int i = 0; i < DRAWS; i++) {
        struct match match;
        assert_true(matchmaker_draw(&match, list, COUNT, &MATCHMAKER_BY_WEIGHT, &rng, &err));
        ptrdiff_t a = match.side[0] - pool, b = match.side[1] - pool;
        seen[a][b] += 1.0 / DRAWS;
        told[a][b] = match.pair_probability * match.side_probability;
    }
    for (int a = 0; a < COUNT; a++) {
        for (int b = 0; b < COUNT; b++) {
            sum += told[a][b];
            assert_true(fabs(seen[a][b] - told[a][b]) < 0.005);
        }
        assert_true(seen[a][a] == 0 && seen[a][2] == 0 && seen[2][a] == 0); /* weight 0 */
    }
    assert_true(seen[3][4] == 0 && seen[4][3] == 0);
    assert_true(fabs(sum - 1) < 1e-12);
    assert_true(fabs(told[0][1] - 3.0 / 19 / 2) < 1e-12); /* 1x3 of 3 + 2 + 6 + 2 + 6 */
}

/* How often each comes up converges to what the administrator's page states: half of each pair's
 * chance is each one's. */
static void test_shares_follow_the_weights(void **state)
{
    double chance[COUNT * (COUNT - 1) / 2], share[COUNT] = {0}, seen[COUNT] = {0}, sum = 0;
    struct rng rng;
    struct err err = ERR_INIT;
    (void)state;
    assert_true(matchmaker_chances(chance, list, COUNT, &MATCHMAKER_BY_WEIGHT));
    for (int j = 1; j < COUNT; j++)
        for (int i = 0; i < j; i++) {
            share[i] += chance[j * (j - 1) / 2 + i];
            share[j] += chance[j * (j - 1) / 2 + i];
        }
    rng_init(&rng, 5, 0);
    for (int k = 0; k < DRAWS; k++) {
        struct match match;
        assert_true(matchmaker_draw(&match, list, COUNT, &MATCHMAKER_BY_WEIGHT, &rng, &err));
        seen[match.side[0] - pool] += 1.0 / DRAWS;
        seen[match.side[1] - pool] += 1.0 / DRAWS;
    }
    for (int i = 0; i < COUNT; i++) {
        sum += share[i];
        assert_true(fabs(seen[i] - share[i]) < 0.006); /* five standard errors, and seeded */
    }
    assert_true(fabs(sum - 2) < 1e-12 && share[2] == 0);
}

static void test_repeatable(void **state)
{
    struct match one, other;
    struct rng rng;
    struct err err = ERR_INIT;
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        rng_init(&rng, seed, 3);
        assert_true(matchmaker_draw(&one, list, COUNT, &MATCHMAKER_BY_WEIGHT, &rng, &err));
        rng_init(&rng, seed, 3);
        assert_true(matchmaker_draw(&other, list, COUNT, &MATCHMAKER_BY_WEIGHT, &rng, &err));
        assert_ptr_equal(one.side[0], other.side[0]);
        assert_ptr_equal(one.side[1], other.side[1]);
    }
}

static double only_with_zero(const void *user, struct competitor *const *from, size_t i, size_t j)
{
    (void)user;
    return from[i] == &pool[0] && from[j] == &pool[2] ? 1 : from[i] == &pool[1] ? NAN : -1;
}

static void test_a_rule_of_ones_own(void **state)
{
    struct matchmaker_rule rule = {only_with_zero, NULL};
    struct match match;
    struct rng rng;
    struct err err = ERR_INIT;
    (void)state;
    rng_init(&rng, 1, 1);
    assert_true(matchmaker_draw(&match, list, COUNT, &rule, &rng, &err));
    assert_true((match.side[0] == &pool[0] && match.side[1] == &pool[2]) ||
                (match.side[0] == &pool[2] && match.side[1] == &pool[0]));
    assert_true(match.pair_probability == 1 && match.side_probability == 0.5);
}

static void test_too_few(void **state)
{
    struct match match;
    struct rng rng;
    struct err err = ERR_INIT;
    (void)state;
    rng_init(&rng, 1, 1);
    assert_false(matchmaker_draw(&match, list, 0, &MATCHMAKER_BY_WEIGHT, &rng, &err));
    assert_false(matchmaker_draw(&match, list, 1, &MATCHMAKER_BY_WEIGHT, &rng, &err));
    assert_false(matchmaker_draw(&match, list + 3, 2, &MATCHMAKER_BY_WEIGHT, &rng,
                                 &err)); /* one version twice */
    assert_int_equal(err.code, ERR_BUSY);
    pool[1].availability = COMPETITOR_PAUSED;
    assert_false(matchmaker_draw(&match, list, 2, &MATCHMAKER_BY_WEIGHT, &rng, &err));
}

static void test_substitute(void **state)
{
    const char * not [] = {pool[0].version, pool[1].version};
    int drawn[COUNT] = {0};
    struct rng rng;
    (void)state;
    rng_init(&rng, 5, 0);
    for (int i = 0; i < 10000; i++)
        drawn[matchmaker_substitute(list, COUNT, not, 2, &rng) - pool]++;
    assert_int_equal(drawn[0] + drawn[1] + drawn[2], 0);
    assert_in_range(drawn[3], 4700, 5300);
    pool[3].availability = pool[4].availability = COMPETITOR_RETIRED;
    assert_null(matchmaker_substitute(list, COUNT, not, 2, &rng));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_draws_as_often_as_it_says, setup),
        cmocka_unit_test_setup(test_shares_follow_the_weights, setup),
        cmocka_unit_test_setup(test_repeatable, setup),
        cmocka_unit_test_setup(test_a_rule_of_ones_own, setup),
        cmocka_unit_test_setup(test_too_few, setup),
        cmocka_unit_test_setup(test_substitute, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
