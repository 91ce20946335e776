/* Counting, mirrored sides, merging and selecting. */
#include "sets.h"

static void sides_are_kept(void **state)
{
    struct tally tally;
    (void)state;
    tally_init(&tally);
    assert_true(tally_grow(&tally, 3, NULL));
    assert_true(tally_add(&tally, 2, 0, OUTCOME_A, 5, NULL));
    assert_true(tally_add(&tally, 0, 2, OUTCOME_A, 2, NULL));
    assert_true(tally_add(&tally, 0, 1, OUTCOME_BOTH_BAD, 1, NULL));
    assert_int_equal(tally_count(&tally, 2, 0, OUTCOME_A), 5);
    assert_int_equal(tally_count(&tally, 0, 2, OUTCOME_B), 5);
    assert_int_equal(tally_cell(&tally, 0, 2)->count[1][OUTCOME_B], 5);
    assert_int_equal(tally_cell(&tally, 0, 2)->count[0][OUTCOME_A], 2);
    assert_int_equal(tally_pair(&tally, 0, 2), 7);
    struct tally_record record = tally_record(&tally, 0);
    assert_int_equal(record.votes, 8);
    assert_int_equal(record.wins, 2);
    assert_int_equal(record.losses, 5);
    assert_int_equal(record.both_bad, 1);
    struct tally_record all[3];
    tally_records(&tally, all);
    for (size_t k = 0; k < 3; k++) {
        record = tally_record(&tally, k);
        assert_memory_equal(&all[k], &record, sizeof record);
    }
    assert_true(tally_remove(&tally, 2, 0, OUTCOME_A));
    assert_false(tally_remove(&tally, 1, 2, OUTCOME_TIE));
    assert_int_equal(tally.votes, 7);
    tally_done(&tally);
}

/* Growing keeps what was counted; a merge under a permutation and back is the same. */
static void growing_and_merging(void **state)
{
    const uint32_t there[4] = {3, 1, 0, 2}, back[4] = {2, 1, 3, 0};
    struct tally tally, other, again;
    (void)state;
    set_from_wins(&tally, STIGLER);
    assert_true(tally_grow(&tally, 40, NULL));
    assert_int_equal(tally_count(&tally, 0, 1, OUTCOME_A), 730);
    tally_init(&other);
    tally_init(&again);
    set_from_wins(&again, WIKIPEDIA);
    assert_true(tally_grow(&other, 4, NULL) && tally_merge(&other, &again, there, NULL));
    assert_int_equal(tally_count(&other, 3, 2, OUTCOME_A), tally_count(&again, 0, 3, OUTCOME_A));
    tally_clear(&again);
    assert_true(tally_merge(&again, &other, back, NULL));
    assert_int_equal(again.votes, 22);
    assert_int_equal(tally_count(&again, 1, 2, OUTCOME_A), 5);
    tally_done(&tally);
    tally_done(&other);
    tally_done(&again);
}

static void limits(void **state)
{
    struct tally tally;
    struct err err = ERR_INIT;
    (void)state;
    tally_init(&tally);
    assert_false(tally_grow(&tally, TALLY_MODELS_MAX + 1, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_true(tally_grow(&tally, 2, NULL));
    assert_true(tally_add(&tally, 0, 1, OUTCOME_TIE, UINT32_MAX, NULL));
    assert_false(tally_add(&tally, 0, 1, OUTCOME_TIE, 1, &err));
    tally_done(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sides_are_kept),
        cmocka_unit_test(growing_and_merging),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
