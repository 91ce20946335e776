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

/* --- a campaign: checked against its own board, then fitted without whom the check found --- */

enum { PEOPLE = 60, BAD_EACH = 3, CAMPAIGNS = 20, CAST = 100, RIVALS = MODELS };

static enum kind campaign_kind(uint32_t voter)
{
    return voter < 3 * BAD_EACH ? (enum kind)(ALWAYS_LEFT + voter / BAD_EACH) : HONEST;
}

static void cast_all(struct ballots *ballots, struct rng *rng)
{
    for (uint32_t voter = 0; voter < PEOPLE; voter++) {
        enum kind kind = campaign_kind(voter);
        double taste = 0.3 * (rng_uniform(rng) - 0.5);
        for (int k = 0; k < CAST; k++) {
            size_t a = (size_t)rng_below(rng, RIVALS),
                   b = (a + 1 + (size_t)rng_below(rng, RIVALS - 1)) % RIVALS;
            if (kind == BOOSTER && k % 2 == 0 && a != 3 && b != 3)
                a = 3; /* as above */
            enum outcome outcome = vote_of(rng, kind, a, b, taste);
            assert_true(ballots_add(
                ballots,
                (struct ballot){(uint16_t)a, (uint16_t)b, (uint8_t)outcome, 0, voter, BALLOT_NONE},
                NULL, NULL));
        }
    }
}

/* Ratings by the votes of those whom `out` does not leave out. */
static void fit_without(const struct ballots *ballots, const bool out[PEOPLE], double theta[RIVALS])
{
    struct tally tally;
    struct bt_pairs pairs;
    struct bt_fit fit;
    tally_init(&tally);
    assert_true(tally_grow(&tally, RIVALS, NULL));
    for (size_t i = 0; i < ballots->count; i++) {
        const struct ballot *ballot = &ballots->rows[i];
        if (!out[ballot->voter])
            assert_true(
                tally_add(&tally, ballot->a, ballot->b, (enum outcome)ballot->outcome, 1, NULL));
    }
    assert_true(bt_pairs_init(&pairs, &tally, false, NULL) && bt_fit(&fit, &pairs, NULL, NULL));
    memcpy(theta, fit.theta, RIVALS * sizeof *theta);
    bt_fit_done(&fit);
    bt_pairs_done(&pairs);
    tally_done(&tally);
}

static double farthest(const double a[RIVALS], const double b[RIVALS])
{
    double most = 0;
    for (size_t i = 0; i < RIVALS; i++)
        most = fmax(most, RATING_ALPHA * fabs(a[i] - b[i]));
    return most;
}

/* Three voters in twenty are bad, and the board that they are checked against is of all. Afterwards
 * no rating stands farther from that of the honest alone than BOUND on the mean, WORST in any. */
static void campaigns(void **state)
{
    enum { BOUND = 15, WORST = 45 };
    double found[KINDS] = {0}, before = 0, after = 0, worst = 0;
    struct rng rng;
    (void)state;
    rng_init(&rng, 5, 0);
    for (int campaign = 0; campaign < CAMPAIGNS; campaign++) {
        struct ballots ballots;
        struct voter_check checks[PEOPLE];
        double polluted[RIVALS], honest[RIVALS], mended[RIVALS];
        bool nobody[PEOPLE] = {false}, bad[PEOPLE], flagged[PEOPLE];
        ballots_init(&ballots, 0);
        ballots.voters = PEOPLE;
        cast_all(&ballots, &rng);
        fit_without(&ballots, nobody, polluted);
        assert_true(voter_check_all(checks, &ballots, polluted, 0, 0.02, NULL));
        for (uint32_t voter = 0; voter < PEOPLE; voter++) {
            bad[voter] = campaign_kind(voter) != HONEST;
            flagged[voter] = checks[voter].flagged;
            found[campaign_kind(voter)] += flagged[voter];
        }
        fit_without(&ballots, bad, honest);
        fit_without(&ballots, flagged, mended);
        before += farthest(polluted, honest) / CAMPAIGNS;
        after += farthest(mended, honest) / CAMPAIGNS;
        worst = fmax(worst, farthest(mended, honest));
        ballots_done(&ballots);
    }
    double each = CAMPAIGNS * BAD_EACH, rest = CAMPAIGNS * (PEOPLE - 3 * BAD_EACH);
    print_message("campaigns: honest %.1f %%, left %.0f %%, random %.0f %%, boosters %.0f %% "
                  "found; farthest rating on the mean %.1f before, %.1f after, at most %.1f\n",
                  100 * found[HONEST] / rest, 100 * found[ALWAYS_LEFT] / each,
                  100 * found[RANDOM] / each, 100 * found[BOOSTER] / each, before, after, worst);
    assert_true(found[HONEST] / rest <= 0.02);
    for (int kind = ALWAYS_LEFT; kind < KINDS; kind++)
        assert_true(found[kind] / each >= 0.8);
    assert_true(before > 4 * after && after <= BOUND && worst <= WORST);
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
        cmocka_unit_test(campaigns),
        cmocka_unit_test(real_voters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
