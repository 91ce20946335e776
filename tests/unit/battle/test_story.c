/* Which voters are asked whether they recognised a model: one in five, and always the same ones. */
#include "testing.h"

#include "base/random.h"
#include "battle/story.h"

static void test_one_battle_in_five_asks(void **state)
{
    int asked = 0;
    (void)state;
    for (int i = 0; i < 5000; i++) {
        struct story story;
        story_init(&story);
        random_id(story.id);
        bool asks = story_asks_recognised(&story);
        story.voted = story.revealed = true;
        story.created_ms = i;
        assert_true(story_asks_recognised(&story) == asks);
        asked += asks;
        story_done(&story);
    }
    assert_in_range(asked, 850, 1150); /* five standard deviations around 1,000 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_battle_in_five_asks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
