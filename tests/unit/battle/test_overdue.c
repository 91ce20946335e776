/* Figures of battles that left memory: counted once, when the battle is over by its age. */
#include "testing.h"

#include "base/limits.h"
#include "battle/overdue.h"

enum { DAY_MS = LIMIT_BATTLE_HOURS * 3600000 };

static struct battle left_at(int64_t created_ms, enum battle_state state, struct health *health)
{
    struct battle battle = {.note_count = 2, .notes = calloc(2, sizeof *battle.notes)};
    battle.story.state = state;
    battle.story.created_ms = created_ms;
    for (size_t i = 0; i < 2; i++)
        battle.notes[i] = (struct battle_note){health, {.failed = i == 1, .cost_usd = 0.5}};
    return battle;
}

static void figures_wait_for_the_battles_end(void **state)
{
    struct overdue overdue = {0};
    struct health health = {0};
    struct battle early = left_at(1000, BATTLE_READY, &health),
                  late = left_at(5000, BATTLE_READY, &health),
                  voted = left_at(0, BATTLE_VOTED, &health);
    (void)state;
    overdue_keep(&overdue, &early);
    overdue_keep(&overdue, &late);
    overdue_keep(&overdue, &voted); /* was counted when it was voted on */
    assert_true(!early.notes && !early.note_count && voted.note_count == 2);
    free(voted.notes);
    overdue_count(&overdue, 999 + DAY_MS);
    assert_int_equal(health.answers, 0);
    overdue_count(&overdue, 1000 + DAY_MS);
    overdue_count(&overdue, 1001 + DAY_MS);
    assert_true(health.answers == 1 && health.failures == 1 && health.spent_usd == 1.0);
    assert_int_equal(overdue.count, 1);
    overdue_done(&overdue);
    assert_int_equal(health.answers, 1);
}

static void they_are_bounded(void **state)
{
    struct overdue overdue = {.count = LIMIT_BATTLES_OVERDUE};
    struct battle battle = left_at(0, BATTLE_READY, NULL);
    (void)state;
    overdue_keep(&overdue, &battle);
    assert_true(!overdue.first && battle.note_count == 2);
    free(battle.notes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_wait_for_the_battles_end),
        cmocka_unit_test(they_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
