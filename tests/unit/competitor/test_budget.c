/* A day's money: held at worst, spent as it was, forgotten at midnight. */
#include "testing.h"

#include <math.h>

#include "competitor/budget.h"
#include "competitor/cost.h"

enum { NOON = 43200000, DAY = 86400000 };

static void holds_the_worst_case(void **state)
{
    struct budget budget;
    (void)state;
    budget_init(&budget, 1.0);
    assert_true(budget_has_room(&budget, 1.0, NOON));
    assert_false(budget_has_room(&budget, 1.01, NOON));
    budget_hold(&budget, 0.6);
    assert_false(budget_has_room(&budget, 0.5, NOON)); /* together they could pass it */
    budget_settle(&budget, 0.6, 0.1, NOON);
    assert_true(budget_has_room(&budget, 0.9, NOON));
    budget_hold(&budget, 0.5);
    budget_settle(&budget, 0.5, NAN, NOON); /* nobody knows: the worst case */
    assert_false(budget_has_room(&budget, 0.5, NOON));
    assert_true(budget.spent_usd > 0.59 && budget.spent_usd < 0.61 && budget.held_usd == 0);
}

static void begins_anew_each_day(void **state)
{
    struct budget budget;
    (void)state;
    budget_init(&budget, 1.0);
    budget_hold(&budget, 0.3); /* over midnight */
    budget_settle(&budget, 0, 0.9, NOON);
    assert_false(budget_has_room(&budget, 0.5, NOON));
    assert_true(budget_has_room(&budget, 0.7, NOON + DAY));
    assert_false(budget_has_room(&budget, 0.8, NOON + DAY));
}

static void knows_no_limit_and_no_price(void **state)
{
    struct budget budget;
    struct price price = {
        .from_ms = INT64_MIN, .rates = {1, 10, NAN, NAN}, .beyond = {1, 10, NAN, NAN}};
    struct competitor_config config = {.prices = {&price, 1}};
    struct chat_params params = CHAT_PARAMS_UNSET;
    const struct chat_message message = {CHAT_USER, TEXT("0123456789")};
    (void)state;
    budget_init(&budget, NAN);
    assert_true(budget_has_room(&budget, 1e9, NOON) && budget_has_room(&budget, NAN, NOON));
    params.max_tokens = 100;
    assert_true(fabs(cost_at_worst(&config, &message, 1, &params, NOON) -
                     (10 + 16 + 16 + 1000) / 1e6) < 1e-12);
    price.rates.output = NAN;
    assert_true(isnan(cost_at_worst(&config, &message, 1, &params, NOON)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_the_worst_case),
        cmocka_unit_test(begins_anew_each_day),
        cmocka_unit_test(knows_no_limit_and_no_price),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
