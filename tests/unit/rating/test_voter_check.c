/* Voter checks: honest voters pass at the stated rate, bad ones are caught within fifty votes. */
#include "close.h"
#include "sets.h"

#include "rating/voter_check.h"

enum { MODELS = 12, VOTERS = 400, VOTES = 50, EACH = 40 };
enum kind { HONEST, ALWAYS_LEFT, RANDOM, BOOSTER, KINDS };

static double strength(size_t model)
{
    return 0.35 * ((double)model - 0.5 * (MODELS - 1));
}

/* The first 3 EACH voters misbehave, EACH of a kind; every honest voter leans a little to one side
 * and has tastes. */
static enum kind kind_of(uint32_t voter)
{
    return voter < EACH       ? ALWAYS_LEFT
           : voter < 2 * EACH ? RANDOM
           : voter < 3 * EACH ? BOOSTER
                              : HONEST;
}

static enum outcome vote_of(struct rng *rng, enum kind kind, size_t a, size_t b, double taste)
{
    const size_t boosted = 3;
    if (kind == ALWAYS_LEFT)
        return OUTCOME_A;
    if (kind == BOOSTER && (a == boosted || b == boosted))
        return a == boosted ? OUTCOME_A : OUTCOME_B;
    return set_vote(rng, kind == RANDOM ? 0 : strength(a) - strength(b) + taste, 0.15);
}

static void rates(void **state)
{
    struct ballots ballots;
    struct rng rng;
    double theta[MODELS], flagged[KINDS] = {0}, all[KINDS] = {0};
    struct voter_check checks[VOTERS];
    (void)state;
    rng_init(&rng, 77, 0);
    ballots_init(&ballots, 0);
    ballots.voters = VOTERS;
    for (uint32_t voter = 0; voter < VOTERS; voter++) {
        enum kind kind = kind_of(voter);
        double taste = 0.3 * (rng_uniform(&rng) - 0.5);
        for (int k = 0; k < VOTES; k++) {
            size_t a = (size_t)rng_below(&rng, MODELS),
                   b = (a + 1 + (size_t)rng_below(&rng, MODELS - 1)) % MODELS;
            if (kind == BOOSTER && k % 2 == 0 && a != 3 && b != 3)
                a = 3; /* skips battles until its model comes up */
            enum outcome outcome = vote_of(&rng, kind, a, b, taste);
            assert_true(ballots_add(
                &ballots,
                (struct ballot){(uint16_t)a, (uint16_t)b, (uint8_t)outcome, 0, voter, BALLOT_NONE},
                NULL, NULL));
        }
    }
    for (size_t i = 0; i < MODELS; i++)
        theta[i] = strength(i);
    assert_true(voter_check_all(checks, &ballots, theta, 0, 0.02, NULL));
    for (uint32_t voter = 0; voter < VOTERS; voter++) {
        flagged[kind_of(voter)] += checks[voter].flagged;
        all[kind_of(voter)]++;
    }
    print_message("flagged: honest %.1f %%, left %.0f %%, random %.0f %%, boosters %.0f %%\n",
                  100 * flagged[0] / all[0], 100 * flagged[1] / all[1], 100 * flagged[2] / all[2],
                  100 * flagged[3] / all[3]);
    assert_true(flagged[HONEST] / all[HONEST] <= 0.02);
    for (int kind = ALWAYS_LEFT; kind < KINDS; kind++)
        assert_true(flagged[kind] / all[kind] >= 0.8);
    ballots_done(&ballots);
}

/* The paid workers of llmfao: a test that multiplies p-values without smoothing flags 82 of 124. */
static void real_voters(void **state)
{
    struct tally tally;
    struct ballots ballots;
    struct bt_pairs pairs;
    struct bt_fit fit;
    int flagged = 0;
    (void)state;
    if (!fixture(""))
        skip();
    json_t *root = set_json(fixture("ranking/expected/llmfao_bt.json"));
    tally_init(&tally);
    ballots_init(&ballots, 0);
    set_csv(&tally, &ballots, fixture("ranking/evalica/llmfao.csv"),
            json_object_get(root, "models"), 6, 7, 5, 4, 1);
    assert_true(bt_pairs_init(&pairs, &tally, false, NULL) && bt_fit(&fit, &pairs, NULL, NULL));
    struct voter_check *checks = calloc(ballots.voters, sizeof *checks);
    assert_non_null(checks);
    assert_true(voter_check_all(checks, &ballots, fit.theta, 0.09, 0.02, NULL));
    for (uint32_t v = 0; v < ballots.voters; v++)
        flagged += checks[v].flagged;
    print_message("llmfao: %d of 124 flagged\n", flagged);
    assert_true(flagged <= 6);
    free(checks);
    bt_fit_done(&fit);
    bt_pairs_done(&pairs);
    ballots_done(&ballots);
    tally_done(&tally);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates),
        cmocka_unit_test(real_voters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
