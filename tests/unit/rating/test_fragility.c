/* How few votes the lead hangs on, and the voter who matters most. */
#include "close.h"
#include "sets.h"

#include "rating/fragility.h"

static void hangs_on(void **state)
{
    struct tally tally;
    struct bt_pairs pairs;
    struct bt_fit fit;
    struct fragility_flip flip;
    (void)state;
    tally_init(&tally);
    assert_true(tally_grow(&tally, 2, NULL) && tally_add(&tally, 0, 1, OUTCOME_A, 60, NULL) &&
                tally_add(&tally, 0, 1, OUTCOME_B, 40, NULL) &&
                tally_add(&tally, 0, 1, OUTCOME_TIE, 50, NULL));
    assert_true(bt_pairs_init(&pairs, &tally, false, NULL) && bt_fit(&fit, &pairs, NULL, NULL));
    assert_true(fragility_flip(&flip, &pairs, &fit, NULL));
    assert_int_equal(flip.votes, 21); /* 39 wins against 40 */
    assert_int_equal(flip.rival, 1);
    bt_fit_done(&fit);
    bt_pairs_done(&pairs);
    tally_done(&tally);
}

static void real_votes(void **state)
{
    struct tally tally;
    struct bt_pairs pairs;
    struct bt_fit fit;
    struct fragility_flip flip;
    (void)state;
    if (!fixture(""))
        skip();
    set_leaderbot(&tally, true);
    assert_true(bt_pairs_init(&pairs, &tally, false, NULL) && bt_fit(&fit, &pairs, NULL, NULL));
    assert_true(fragility_flip(&flip, &pairs, &fit, NULL));
    assert_between((double)flip.votes, 400, 489,
                   "votes"); /* 489 to first order; refitting needs a few less */
    bt_fit_done(&fit);
    bt_pairs_done(&pairs);
    tally_done(&tally);
}

/* One voter carries the lead: without its votes the order turns round. */
static void one_voter(void **state)
{
    struct ballots ballots;
    struct tally tally;
    struct bt_pairs pairs;
    struct bt_fit fit;
    struct fragility_voters voters;
    const int32_t map[3] = {0, 1, 2};
    (void)state;
    ballots_init(&ballots, 0);
    tally_init(&tally);
    for (uint32_t k = 0; k < 300; k++) {
        size_t a = k % 3, b = (k + 1) % 3;
        struct ballot row = {(uint16_t)a, (uint16_t)b, k % 2 ? OUTCOME_A : OUTCOME_B,
                             0,           k % 100,     BALLOT_NONE};
        assert_true(ballots_add(&ballots, row, NULL, NULL));
    }
    for (uint32_t k = 0; k < 30; k++)
        assert_true(ballots_add(
            &ballots, (struct ballot){0, (uint16_t)(1 + k % 2), OUTCOME_A, 0, 100, BALLOT_NONE},
            NULL, NULL));
    for (uint32_t k = 0; k < 8; k++)
        assert_true(
            ballots_add(&ballots, (struct ballot){1, 0, OUTCOME_A, 0, k, BALLOT_NONE}, NULL, NULL));
    ballots.voters = 101;
    assert_true(tally_grow(&tally, 3, NULL) && ballots_tally(&ballots, &tally, NULL));
    assert_true(bt_pairs_init(&pairs, &tally, false, NULL) && bt_fit(&fit, &pairs, NULL, NULL));
    assert_true(fit.theta[0] > fit.theta[1] && fit.theta[0] > fit.theta[2]);
    assert_true(fragility_voters(&voters, &ballots, map, &pairs, &fit, NULL));
    assert_close(voters.top_share, 30.0 / 338, 1e-12, "share");
    assert_true(voters.rank_change >= 1);
    bt_fit_done(&fit);
    bt_pairs_done(&pairs);
    ballots_done(&ballots);
    tally_done(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hangs_on),
        cmocka_unit_test(real_votes),
        cmocka_unit_test(one_voter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
