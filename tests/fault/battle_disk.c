/* The battle room on a disk that fails, once and for good, at every moment of a battle: what
 * cannot be stored is refused and not acknowledged, a turn is stored when the disk comes back, a
 * battle whose turn cannot be stored ends as void, and a vote that was refused can be given
 * again. */
#include "unit/battle/world.h"

#include "fault/fault_vfs.h"

#include "base/log.h"

static const struct step HELLO[] = {{10, SAY, "Hello there.", 0}, {20, END, NULL, CHAT_STOP}};

static struct world *new_world(void)
{
    fault_reset();
    fault_set(FAULT_NONE, 0, 0, 1);
    struct world *world = world_new(2);
    world->actor[0].script = world->actor[1].script = HELLO;
    return world;
}

static void test_a_start_is_refused(void **state)
{
    struct world *world = new_world();
    struct question start = {.body = "{\"prompt\":\"x\"}", .key = "once"};
    (void)state;
    fault_set(FAULT_STICKY, 1, SQLITE_FULL, 1);
    world_expect(world, HALL_START, start, 503, "store_unavailable");
    assert_int_equal(hall_figures(world->hall).live, 0);
    assert_int_equal(world->actor[0].asked, 0); /* nobody was asked for what is not stored */
    fault_set(FAULT_NONE, 0, 0, 1);
    world_expect(world, HALL_START, start, 201, "");
    world_free(world);
}

static void stream(struct world *world, char id[STORE_ID_SIZE], struct watcher *watcher)
{
    world_start(world, id);
    watch(world, id, watcher);
}

static void test_a_turn_is_stored_when_the_disk_is_back(void **state)
{
    struct world *world = new_world();
    struct watcher watcher;
    char id[STORE_ID_SIZE];
    (void)state;
    stream(world, id, &watcher);
    fault_set(FAULT_STICKY, 1, SQLITE_FULL, 1);
    world_pass(world, 900);
    world_settle(world);
    assert_true(saw(&watcher, "\"state\":\"done\""));
    assert_false(saw(&watcher, "event: ready"));
    struct answer_got vote;
    world_send(world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"},
               &vote);
    fault_set(FAULT_NONE, 0, 0, 1);
    world_pass(world, 1500);
    world_settle(world);
    assert_true(saw(&watcher, "event: ready"));
    world_await(world, &vote); /* it waited in line */
    assert_int_equal(vote.status, 200);
    answer_drop(&vote);
    unwatch(&watcher);
    world_free(world);
}

static void test_a_turn_that_cannot_be_stored_ends_as_void(void **state)
{
    struct world *world = new_world();
    struct watcher watcher;
    char id[STORE_ID_SIZE];
    (void)state;
    stream(world, id, &watcher);
    fault_set(FAULT_STICKY, 1, SQLITE_IOERR, 1);
    for (int i = 0; i < 10; i++) {
        world_pass(world, 1000);
        world_settle(world);
    }
    assert_true(watcher.ended && saw(&watcher, "event: void\ndata: {\"code\":\"failed\"}"));
    world_expect(world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"},
                 409, "wrong_state");
    fault_set(FAULT_NONE, 0, 0, 1);
    world_stop_hall(world);
    world_open_hall(world);
    world_state(world, id, "void"); /* the restart says the same */
    unwatch(&watcher);
    world_free(world);
}

/* The disk fails at operation `at` while a vote is given, which is then given again: once with
 * its key, once without. / */
static bool vote_under_fault(int at, bool keyed)
{
    struct world *world = new_world();
    struct watcher watcher;
    char id[STORE_ID_SIZE];
    struct question vote = {
        .battle = id, .body = "{\"winner\":\"model_b\"}", .key = keyed ? "k" : NULL};
    stream(world, id, &watcher);
    world_pass(world, 900);
    world_settle(world);
    fault_set(FAULT_ONCE, at, SQLITE_IOERR, 1);
    struct answer_got first = world_ask(world, HALL_VOTE, vote);
    bool failed = fault.failures > 0;
    assert_true(first.status == 200 || strcmp(error_word(&first), "store_unavailable") == 0);
    if (first.status != 200) {
        assert_null(strstr(first.text, "zephyrine"));
        assert_false(saw(&watcher, "event: voted"));
    }
    fault_set(FAULT_NONE, 0, 0, 1);
    struct answer_got again = world_ask(world, HALL_VOTE, vote);
    if (again.status != 200)
        assert_string_equal(error_word(&again), "already_voted");
    assert_string_equal(member(&again, "winner"), "model_b");
    assert_non_null(strstr(again.text, "zephyrine-9"));
    assert_true(saw(&watcher, "event: voted"));
    world_state(world, id, "voted");
    answer_drop(&first);
    answer_drop(&again);
    unwatch(&watcher);
    world_free(world);
    return failed;
}

static void test_a_vote_on_a_failing_disk(void **state)
{
    (void)state;
    for (int keyed = 0; keyed < 2; keyed++)
        for (int at = 1; vote_under_fault(at, keyed) && at < 60; at++)
            ;
}

/* The same for the turn's own storing: whatever fails, the battle comes to its vote. */
static bool turn_under_fault(int at)
{
    struct world *world = new_world();
    struct watcher watcher;
    char id[STORE_ID_SIZE];
    stream(world, id, &watcher);
    fault_set(FAULT_ONCE, at, SQLITE_IOERR, 1);
    world_pass(world, 600);
    world_settle(world);
    bool failed = fault.failures > 0;
    world_pass(world, 2000);
    world_settle(world);
    assert_true(watcher.ended || saw(&watcher, "event: ready"));
    fault_set(FAULT_NONE, 0, 0, 1);
    world_expect(world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"},
                 200, "");
    unwatch(&watcher);
    world_free(world);
    return failed;
}

static void test_a_turn_on_a_failing_disk(void **state)
{
    (void)state;
    for (int at = 1; turn_under_fault(at) && at < 60; at++)
        ;
}

int main(void)
{
    fault_install();
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_start_is_refused),
        cmocka_unit_test(test_a_turn_is_stored_when_the_disk_is_back),
        cmocka_unit_test(test_a_turn_that_cannot_be_stored_ends_as_void),
        cmocka_unit_test(test_a_vote_on_a_failing_disk),
        cmocka_unit_test(test_a_turn_on_a_failing_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
