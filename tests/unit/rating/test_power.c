/* Expected votes: the evidence of counts is that of the single votes, and what is foretold is what
 * the test then takes. */
#include "close.h"

#include "base/random.h"
#include "rating/power.h"
#include "rating/sequential.h"

static void counts_are_observations(void **state)
{
    const double SEEN[] = {1, 0, 0.5, 1, 1, 0.5, 0, 1, 1, 1, 0.5, 1};
    const struct sequential_counts COUNTS = {7, 3, 2};
    (void)state;
    for (int side = SEQUENTIAL_BOTH; side <= SEQUENTIAL_BELOW; side++)
        assert_close(sequential_bet_counts(&COUNTS, 0.4, (enum sequential_side)side),
                     sequential_bet(SEEN, 12, 0.4, (enum sequential_side)side), 1e-12, "evidence");
    struct sequential_interval one = sequential_bet_interval(SEEN, 12, 0.1),
                               other = sequential_counts_interval(&COUNTS, 0.1);
    assert_close(other.lower, one.lower, 1e-9, "lower end");
    assert_close(other.upper, one.upper, 1e-9, "upper end");
}

/* The share of games, vote by vote, that are decided within the number foretold. */
static double decided_within(double votes, double mean, double ties)
{
    enum { RUNS = 300 };
    struct rng rng;
    double decided = 0;
    rng_init(&rng, 77, 1);
    for (int run = 0; run < RUNS; run++) {
        struct sequential_counts counts = {0, 0, 0};
        for (int vote = 0; vote < (int)votes; vote++) {
            double u = rng_uniform(&rng);
            *(u < ties ? &counts.ties : u < ties / 2 + mean ? &counts.wins : &counts.losses) += 1;
            if (vote % 16 == 0 &&
                sequential_bet_counts(&counts, 0.5, SEQUENTIAL_BOTH) >= log(1 / 0.05)) {
                decided++;
                break;
            }
        }
    }
    return decided / RUNS;
}

static void what_is_foretold_is_taken(void **state)
{
    (void)state;
    double votes = power_to_decide(0.6, 0.2, 0.5, 0.05, 0.8, 1);
    assert_between(votes, 100, 800, "votes for 60 %");
    assert_between(decided_within(votes, 0.6, 0.2), 0.72, 0.88, "power");
    assert_true(power_to_decide(0.55, 0.2, 0.5, 0.05, 0.8, 1) > 3 * votes);
    assert_true(isinf(power_to_decide(0.5, 0.2, 0.5, 0.05, 0.99, 1)));
}

static void precision_costs_its_square(void **state)
{
    (void)state;
    double ten = power_to_measure(0.5, 0.2, 0.10, 0.05),
           five = power_to_measure(0.5, 0.2, 0.05, 0.05);
    assert_between(five / ten, 3.5, 5.5, "twice as narrow");
    const struct sequential_counts EXPECTED = {0.4 * five, 0.2 * five, 0.4 * five};
    struct sequential_interval interval = sequential_counts_interval(&EXPECTED, 0.05);
    assert_close((interval.upper - interval.lower) / 2, 0.05, 2e-4, "half width");
    assert_true(isinf(power_to_measure(0.5, 0.2, 1e-4, 0.05)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts_are_observations),
                                       cmocka_unit_test(what_is_foretold_is_taken),
                                       cmocka_unit_test(precision_costs_its_square)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
