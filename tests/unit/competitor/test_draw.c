/* Who may be drawn: caps, outages that are found and end, and code names that give nothing away. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "competitor/code_name.h"
#include "competitor/draw.h"

enum { COUNT = 3 };
static const int64_t NOON_MS = INT64_C(20000) * 86400000 + 43200000, DAY_MS = 86400000;

static struct competitor pool[COUNT];
static struct health health[COUNT];

static int setup(void **state)
{
    (void)state;
    clock_freeze(CLOCK_S, NOON_MS);
    memset(pool, 0, sizeof pool);
    memset(health, 0, sizeof health);
    for (int i = 0; i < COUNT; i++) {
        struct competitor_config *config = &pool[i].config;
        config->battles_a_day = config->votes_a_day = config->at_once = -1;
        pool[i].health = &health[i];
    }
    return 0;
}

static void answer(int i, bool failed)
{
    struct health_fact fact = {.failed = failed, .cost_usd = NAN};
    health_count(&health[i], &fact);
}

static size_t kept(void)
{
    struct competitor *list[COUNT] = {&pool[0], &pool[1], &pool[2]};
    return draw_filter(list, COUNT, NOON_MS);
}

static void caps_hold_for_their_day(void **state)
{
    (void)state;
    pool[0].config.battles_a_day = 2;
    pool[1].config.votes_a_day = 1;
    pool[2].config.at_once = 1;
    health_add_day(&health[0], (struct health_day){.drawn = 2, .over = 1}, NOON_MS);
    assert_int_equal(draw_bar(&pool[0], NOON_MS), DRAW_BATTLES);
    assert_int_equal(draw_bar_told(&pool[0], NOON_MS), DRAW_FREE); /* one is not over */
    health_add_day(&health[0], (struct health_day){.over = 1}, NOON_MS);
    assert_int_equal(draw_bar_told(&pool[0], NOON_MS), DRAW_BATTLES);
    health_add_day(&health[1], (struct health_day){.votes = 1}, NOON_MS);
    assert_int_equal(draw_bar(&pool[1], NOON_MS), DRAW_VOTES);
    pool[2].under_way = 1;
    assert_int_equal(draw_bar(&pool[2], NOON_MS), DRAW_AT_ONCE);
    assert_int_equal(draw_bar_told(&pool[2], NOON_MS), DRAW_FREE);
    assert_int_equal(kept(), 0); /* caps hold, whoever else there is */
    for (int i = 0; i < 2; i++)
        assert_int_equal(draw_bar(&pool[i], NOON_MS + DAY_MS), DRAW_FREE);
    health_add_day(&health[0], (struct health_day){.drawn = 1}, NOON_MS + DAY_MS);
    assert_int_equal(health_day(&health[0], NOON_MS + DAY_MS).drawn, 1);
}

static void an_outage_is_found_and_ends(void **state)
{
    (void)state;
    for (int k = 0; k < LIMIT_OUTAGE_FAILURES - 1; k++)
        answer(0, true);
    assert_int_equal(draw_bar(&pool[0], NOON_MS), DRAW_FREE);
    answer(0, true);
    assert_int_equal(draw_bar(&pool[0], NOON_MS), DRAW_OUTAGE);
    assert_int_equal(kept(), 2);
    pool[1].availability = COMPETITOR_PAUSED; /* then one that may fail is better than none */
    assert_int_equal(kept(), 3);
    clock_freeze((LIMIT_OUTAGE_SECONDS + 2) * CLOCK_S, NOON_MS);
    assert_int_equal(draw_bar(&pool[0], NOON_MS), DRAW_FREE);
    answer(0, true); /* it was tried again */
    assert_int_equal(draw_bar(&pool[0], NOON_MS), DRAW_OUTAGE);
    answer(0, false);
    assert_int_equal(draw_bar(&pool[0], NOON_MS), DRAW_FREE);
    for (int k = 0; k < 100; k++) /* half of them is no outage */
        answer(2, k % 2 == 0);
    assert_int_equal(draw_bar(&pool[2], NOON_MS), DRAW_FREE);
}

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant; /* only read */
}

static bool may(const char *code, struct err *err)
{
    char *aliases[] = {text("SmolLM")}, *others[] = {text("Grok")};
    struct competitor_config of = {.name = text("smollm2-precise"),
                                   .model = text("vendor/tiny-7b"),
                                   .organisation = text("Our Lab"),
                                   .path = text("models/Falcon.gguf"),
                                   .aliases = aliases,
                                   .alias_count = 1,
                                   .code_name = text(code)};
    struct competitor_config other = {
        .name = text("rival one"), .aliases = others, .alias_count = 1, .code_name = text("cedar")};
    const struct competitor_config *all[] = {&of, &other};
    return code_name_check(&of, all, 2, err);
}

static void code_names_tell_nothing(void **state)
{
    const char *good[] = {NULL, "maple", "night owl", "x1", "Ahornbaum ä"};
    const char *bad[] = {"smollm2-precise",
                         "SmolLM 2",
                         "precise-maple",
                         "precise",
                         "tiny7b",
                         "our-lab",
                         "ourlab-maple",
                         "falcon",
                         "Rival One",
                         "RIVALONE",
                         "grok",
                         "Cedar",
                         "-",
                         "smol"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct err err = ERR_INIT;
        if (!may(good[i], &err))
            fail_msg("%s", err.message);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = ERR_INIT;
        if (may(bad[i], &err))
            fail_msg("\"%s\" is allowed", bad[i]);
        assert_int_equal(err.code, ERR_CONFIG);
        assert_non_null(strstr(err.message, "smollm2-precise"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(caps_hold_for_their_day, setup),
        cmocka_unit_test_setup(an_outage_is_found_and_ends, setup),
        cmocka_unit_test(code_names_tell_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
