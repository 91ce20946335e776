/* Prompt lookup: what followed before is guessed, runs are continued, and misses make it hold back.
 */
#include "engine/lookup.h"
#include "testing.h"

static void test_what_followed_before_is_guessed(void **state)
{
    (void)state;
    struct lookup lookup = {.depth = 8};
    static const int32_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3};
    int32_t out[LOOKUP_MOST];
    assert_int_equal(lookup_guess(&lookup, tokens, 12, 8, out), 8);
    static const int32_t wanted[] = {4, 5, 6, 7, 8, 9, 1, 2};
    assert_memory_equal(out, wanted, sizeof wanted);
    assert_int_equal(lookup_guess(&lookup, tokens, 12, 3, out), 3);
    assert_int_equal(lookup_guess(&lookup, tokens, 12, 0, out), 0);
    assert_int_equal(lookup_guess(&lookup, tokens, 9, 8, out), 0);  /* nothing has come back yet */
    assert_int_equal(lookup_guess(&lookup, tokens, 11, 8, out), 0); /* two tokens are too few */
}

static void test_the_longest_then_the_latest_match_counts(void **state)
{
    (void)state;
    struct lookup lookup = {.depth = 1};
    static const int32_t tokens[] = {9, 1, 2, 3, 50, 8, 1, 2, 3, 60, 7, 1, 2, 3, 70, 9, 1, 2, 3};
    int32_t out[LOOKUP_MOST];
    assert_int_equal(lookup_guess(&lookup, tokens, 19, 1, out), 1);
    assert_int_equal(out[0], 50);
    assert_int_equal(lookup_guess(&lookup, tokens + 1, 13, 1, out), 1);
    assert_int_equal(out[0], 60);
}

static void test_a_run_goes_on(void **state)
{
    (void)state;
    struct lookup lookup = {.depth = 8};
    static const int32_t tokens[] = {5, 7, 7, 7, 7};
    int32_t out[LOOKUP_MOST];
    assert_int_equal(lookup_guess(&lookup, tokens, 5, 8, out), 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(out[i], 7);
}

static void test_depth_follows_success(void **state)
{
    (void)state;
    struct lookup lookup = {0};
    static const int32_t tokens[] = {7, 7, 7, 7, 7, 7, 7, 7};
    int32_t out[LOOKUP_MOST];
    int first = lookup_guess(&lookup, tokens, 8, LOOKUP_MOST, out);
    lookup_learn(&lookup, first, first);
    assert_int_equal(lookup_guess(&lookup, tokens, 8, LOOKUP_MOST, out), 2 * first);
    lookup_learn(&lookup, 2 * first, 2 * first);
    lookup_learn(&lookup, LOOKUP_MOST, LOOKUP_MOST);
    assert_int_equal(lookup_guess(&lookup, tokens, 8, LOOKUP_MOST, out), LOOKUP_MOST);
    lookup_learn(&lookup, LOOKUP_MOST, 0);
    int quiet = 0;
    while (!lookup_guess(&lookup, tokens, 8, LOOKUP_MOST, out))
        quiet++;
    assert_true(quiet > 4 && quiet < 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_followed_before_is_guessed),
        cmocka_unit_test(test_the_longest_then_the_latest_match_counts),
        cmocka_unit_test(test_a_run_goes_on),
        cmocka_unit_test(test_depth_follows_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
