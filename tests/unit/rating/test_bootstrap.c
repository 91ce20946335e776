/* The bootstrap: repeatable, independent of threads, and as wide as the sandwich. */
#include "close.h"
#include "sets.h"

#include "rating/bootstrap.h"
#include "rating/interval.h"

static void repeatable(void **state)
{
    struct tally tally;
    struct bt_pairs pairs;
    struct bt_fit fit;
    struct bootstrap one, three, other;
    (void)state;
    set_from_wins(&tally, STIGLER);
    assert_true(bt_pairs_init(&pairs, &tally, false, NULL) && bt_fit(&fit, &pairs, NULL, NULL));
    assert_true(bootstrap_run(&one, &pairs, &fit, 50, 11, 1, NULL));
    assert_true(bootstrap_run(&three, &pairs, &fit, 50, 11, 3, NULL));
    assert_true(bootstrap_run(&other, &pairs, &fit, 50, 12, 3, NULL));
    assert_int_equal(one.rounds, 50);
    assert_memory_equal(one.draws, three.draws, 50 * 4 * sizeof *one.draws);
    assert_memory_not_equal(one.draws, other.draws, 50 * 4 * sizeof *one.draws);
    bootstrap_done(&one);
    bootstrap_done(&three);
    bootstrap_done(&other);
    bt_fit_done(&fit);
    bt_pairs_done(&pairs);
    tally_done(&tally);
}

static void like_the_sandwich(void **state)
{
    struct tally tally;
    struct bt_pairs pairs;
    struct bt_fit fit;
    struct bootstrap boot;
    struct matrix sandwich, spread;
    (void)state;
    set_from_wins(&tally, STIGLER);
    for (int reweighted = 0; reweighted < 2; reweighted++) {
        assert_true(bt_pairs_init(&pairs, &tally, reweighted, NULL) &&
                    bt_fit(&fit, &pairs, NULL, NULL));
        assert_true(matrix_init(&sandwich, 4) && matrix_init(&spread, 4));
        assert_true(interval_sandwich(&sandwich, &pairs, &fit, NULL));
        assert_true(bootstrap_run(&boot, &pairs, &fit, 3000, 1, 2, NULL) &&
                    bootstrap_covariance(&spread, &boot));
        for (int i = 0; i < 4; i++)
            assert_close(spread.a[i * 5] / sandwich.a[i * 5], 1, 0.12,
                         "bootstrap variance over the sandwich's");
        bootstrap_done(&boot);
        matrix_done(&sandwich);
        matrix_done(&spread);
        bt_fit_done(&fit);
        bt_pairs_done(&pairs);
    }
    tally_done(&tally);
}

/* Resamples in which a model won nothing are counted, not fitted. */
static void failed_rounds(void **state)
{
    struct tally tally;
    struct bt_pairs pairs;
    struct bt_fit fit;
    struct bootstrap boot;
    (void)state;
    tally_init(&tally);
    assert_true(tally_grow(&tally, 2, NULL) && tally_add(&tally, 0, 1, OUTCOME_A, 20, NULL) &&
                tally_add(&tally, 1, 0, OUTCOME_A, 1, NULL));
    assert_true(bt_pairs_init(&pairs, &tally, false, NULL) && bt_fit(&fit, &pairs, NULL, NULL));
    assert_true(bootstrap_run(&boot, &pairs, &fit, 1000, 1, 2, NULL));
    assert_int_equal(boot.rounds + boot.failed, 1000);
    assert_between((double)boot.failed, 290, 430,
                   "rounds without the one win"); /* (20/21)^21 = 0.359 */
    bootstrap_done(&boot);
    bt_fit_done(&fit);
    bt_pairs_done(&pairs);
    tally_done(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeatable),
        cmocka_unit_test(like_the_sandwich),
        cmocka_unit_test(failed_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
