/* Anytime tests: check values, and false alarms under constant peeking. */
#include "close.h"
#include "sets.h"

#include "rating/sequential.h"
#include "rating/stats.h"

static void check_values(void **state)
{
    const struct {
        uint64_t wins, losses;
        double e, lower, upper;
    } CASES[] = {{20, 5, 19.48528075, 0.49913, 0.96400},
                 {60, 40, 0.5960716011, 0.43432, 0.75143},
                 {8, 0, 50.2734375, 0, 1}};
    (void)state;
    for (int k = 0; k < 3; k++) {
        assert_close(sequential_votes(CASES[k].wins, CASES[k].losses), CASES[k].e, 1e-7, "e-value");
        if (k == 2)
            continue;
        struct sequential_interval interval =
            sequential_votes_interval(CASES[k].wins, CASES[k].losses, 0.05);
        assert_close(interval.lower, CASES[k].lower, 1e-5, "lower end");
        assert_close(interval.upper, CASES[k].upper, 1e-5, "upper end");
    }
}

/* Votes on one prompt share its effect; under the null over prompts the mean over prompts is even.
 * Looks after every prompt. Counted as one observation each, alarms stay below the level; as single
 * votes they would not. */
static void peeking_with_prompt_effects(void **state)
{
    enum { RUNS = 1500, PROMPTS = 60, VOTES = 6 };
    const double alpha = 0.05;
    double bets[PROMPTS], alarms = 0, naive_alarms = 0;
    struct rng rng;
    (void)state;
    rng_init(&rng, 21, 0);
    for (int run = 0; run < RUNS; run++) {
        uint64_t wins = 0, losses = 0;
        bool alarm = false, naive = false;
        for (int prompt = 0; prompt < PROMPTS; prompt++) {
            double effect = stats_draw_normal(&rng), score = 0;
            for (int k = 0; k < VOTES; k++) {
                enum outcome outcome = set_vote(&rng, effect, 0.2);
                score += outcome == OUTCOME_A ? 1 : outcome == OUTCOME_B ? 0 : 0.5;
                wins += outcome == OUTCOME_A;
                losses += outcome == OUTCOME_B;
            }
            bets[prompt] = score / VOTES;
            if (!alarm)
                alarm = sequential_bet(bets, (size_t)prompt + 1, 0.5, SEQUENTIAL_BOTH) >=
                        log(1 / alpha);
            naive |= sequential_votes(wins, losses) >= 1 / alpha;
        }
        alarms += alarm;
        naive_alarms += naive;
    }
    print_message("false alarms: by prompt %.1f %%, by vote %.1f %%\n", 100 * alarms / RUNS,
                  100 * naive_alarms / RUNS);
    assert_true(alarms / RUNS < alpha);
    assert_true(naive_alarms / RUNS > 2 * alpha);
}

/* A real difference is found; what is still needed shrinks to nothing; the order does not matter.
 */
static void power(void **state)
{
    enum { N = 400 };
    double x[N], reversed[N];
    struct rng rng;
    size_t found = 0;
    (void)state;
    rng_init(&rng, 5, 0);
    for (int t = 0; t < N; t++)
        reversed[N - 1 - t] = x[t] = rng_uniform(&rng) < 0.65;
    for (size_t t = 1; t <= N && !found; t++)
        if (sequential_bet(x, t, 0.5, SEQUENTIAL_ABOVE) >= log(20))
            found = t;
    assert_between((double)found, 20, 200, "found after");
    assert_true(sequential_needed(x, 15, 0.5, SEQUENTIAL_ABOVE, 0.05) > 0);
    assert_close(sequential_needed(x, N, 0.5, SEQUENTIAL_ABOVE, 0.05), 0, 0, "nothing more needed");
    assert_true(isinf(sequential_needed(x, N, 0.5, SEQUENTIAL_BELOW, 0.05)));
    assert_close(sequential_bet(x, N, 0.4, SEQUENTIAL_BOTH),
                 sequential_bet(reversed, N, 0.4, SEQUENTIAL_BOTH), 1e-9, "order");
    struct sequential_interval interval = sequential_bet_interval(x, N, 0.05);
    assert_true(interval.lower > 0.5 && interval.lower < 0.65 && interval.upper > 0.65 &&
                interval.upper < 0.8);
}

/* All votes on a prompt, either way round, are one observation. */
static void observations(void **state)
{
    struct ballots ballots;
    size_t count;
    (void)state;
    ballots_init(&ballots, 0);
    const struct ballot rows[] = {{0, 1, OUTCOME_A, 0, 0, 2},
                                  {1, 0, OUTCOME_A, 0, 1, 2},
                                  {0, 2, OUTCOME_A, 0, 1, 2},
                                  {1, 0, OUTCOME_TIE, 0, 1, 0},
                                  {0, 1, OUTCOME_A, 0, 2, BALLOT_NONE},
                                  {0, 1, OUTCOME_B, 0, 2, BALLOT_NONE},
                                  {0, 1, OUTCOME_A, 0, 2, 2}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        assert_true(ballots_add(&ballots, rows[k], NULL, NULL));
    ballots.prompts = 3;
    double *x = sequential_observations(&ballots, 0, 1, &count);
    assert_int_equal(count, 4);
    assert_close(x[0], 2.0 / 3, 1e-15, "prompt 2");
    assert_close(x[1], 0.5, 0, "prompt 0");
    assert_close(x[2] + x[3], 1, 0, "no prompt");
    free(x);
    ballots_done(&ballots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_values),
        cmocka_unit_test(peeking_with_prompt_effects),
        cmocka_unit_test(power),
        cmocka_unit_test(observations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
