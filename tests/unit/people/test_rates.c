/* Token buckets on a frozen clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "people/rates.h"

static int take_all(struct rates *rates, enum rate_kind kind, const char *who, int *retry)
{
    struct err err;
    int taken = 0;
    while (taken < 1000 && rates_take(rates, kind, who, retry, &err))
        taken++;
    return taken;
}

static void a_burst_then_the_rate(void **state)
{
    (void)state;
    struct rates *rates = rates_new();
    int retry = 0;
    rates_set(rates, RATE_VOTE, 60, 5);
    clock_freeze(CLOCK_S, 0);
    assert_int_equal(take_all(rates, RATE_VOTE, "anna", &retry), 5);
    assert_int_equal(retry, 1);
    assert_int_equal(take_all(rates, RATE_VOTE, "bert", NULL), 5);
    assert_int_equal(take_all(rates, RATE_TURN, "anna", NULL), 30);
    clock_freeze(CLOCK_S + 900 * CLOCK_MS, 0);
    assert_int_equal(take_all(rates, RATE_VOTE, "anna", NULL), 0);
    clock_freeze(3 * CLOCK_S, 0);
    assert_int_equal(take_all(rates, RATE_VOTE, "anna", NULL), 2);
    clock_freeze(1000 * CLOCK_S, 0);
    assert_int_equal(take_all(rates, RATE_VOTE, "anna", NULL), 5); /* never more than the burst */
    clock_freeze(-1, -1);
    rates_free(rates);
}

static void the_wait_is_told(void **state)
{
    (void)state;
    struct rates *rates = rates_new();
    struct err err = ERR_INIT;
    int retry = 0;
    rates_set(rates, RATE_LOGIN, 2, 1);
    clock_freeze(CLOCK_S, 0);
    assert_true(rates_take(rates, RATE_LOGIN, "x", &retry, &err));
    assert_false(rates_take(rates, RATE_LOGIN, "x", &retry, &err));
    assert_int_equal(retry, 30);
    assert_int_equal(err.code, ERR_TOO_MANY);
    assert_string_equal(err.message,
                        "too many attempts to log in: at most 2 a minute; try again in 30 s");
    rates_set(rates, RATE_LOGIN, 0, 0);
    assert_int_equal(take_all(rates, RATE_LOGIN, "x", &retry), 1000);
    clock_freeze(-1, -1);
    rates_free(rates);
}

/* A flood of other names does not lift the limit of one that is in use. */
static void a_flood_does_not_free_the_greedy(void **state)
{
    (void)state;
    struct rates *rates = rates_new();
    struct err err;
    char who[32];
    rates_set(rates, RATE_BATTLE, 1, 10);
    clock_freeze(CLOCK_S, 0);
    assert_int_equal(take_all(rates, RATE_BATTLE, "greedy", NULL), 10);
    for (int i = 0; i < LIMIT_RATE_BUCKETS; i++) {
        snprintf(who, sizeof who, "flood %d", i);
        assert_true(rates_take(rates, RATE_BATTLE, who, NULL, &err));
    }
    assert_int_equal(take_all(rates, RATE_BATTLE, "greedy", NULL), 0);
    clock_freeze(-1, -1);
    rates_free(rates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_then_the_rate),
        cmocka_unit_test(the_wait_is_told),
        cmocka_unit_test(a_flood_does_not_free_the_greedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
