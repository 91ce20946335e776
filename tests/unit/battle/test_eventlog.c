/* The event log: rendering, cursors, Last-Event-ID, limits, viewers that leave at awkward
 * moments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "battle/eventlog.h"

static void append(struct eventlog *log, const char *event, const char *data)
{
    assert_true(eventlog_append(log, event, text_of(data), false));
}

static void assert_pending(const struct eventlog_viewer *viewer, const char *text)
{
    struct text pending = eventlog_pending(viewer);
    assert_int_equal(pending.length, strlen(text));
    assert_memory_equal(pending.data, text, pending.length);
}

static void nothing(void *user)
{
    (void)user;
}

static void attach(struct eventlog *log, struct eventlog_viewer *viewer, uint64_t last_id)
{
    struct err err = ERR_INIT;
    *viewer = (struct eventlog_viewer){.more = nothing};
    assert_true(eventlog_attach(log, viewer, last_id, &err));
}

static void test_rendering_and_places(void **state)
{
    struct eventlog *log = eventlog_new(1, 10000);
    struct eventlog_viewer viewer;
    const char *one = "id: 1\nevent: delta\ndata: {\"x\":1}\n\n",
               *two = "id: 2\nevent: ready\ndata: {}\n\n";
    char both[128];
    (void)state;
    snprintf(both, sizeof both, "%s%s", one, two);
    append(log, "delta", "{\"x\":1}");
    append(log, "ready", "{}");
    assert_int_equal(eventlog_last_id(log), 2);
    static const struct {
        uint64_t last;
        int rest; /* 2: both, 1: the second, 0: nothing */
    } CASES[] = {{0, 2}, {1, 1}, {2, 0}, {3, 2}, {UINT64_MAX, 2}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        attach(log, &viewer, CASES[i].last);
        assert_pending(&viewer, CASES[i].rest == 2 ? both : CASES[i].rest ? two : "");
        eventlog_detach(&viewer);
    }
    attach(log, &viewer, 0);
    eventlog_advance(&viewer, 5); /* any number of bytes */
    assert_pending(&viewer, both + 5);
    eventlog_advance(&viewer, 100000);
    assert_pending(&viewer, "");
    append(log, "delta", "{}");
    assert_pending(&viewer, "id: 3\nevent: delta\ndata: {}\n\n");
    eventlog_detach(&viewer);
    eventlog_detach(&viewer); /* twice does nothing */
    eventlog_release(log);
    eventlog_release(NULL);
}

static void test_a_later_log_is_sent_whole(void **state)
{
    struct eventlog *log = eventlog_new(5000, 10000);
    struct eventlog_viewer viewer;
    (void)state;
    assert_int_equal(eventlog_last_id(log), 4999);
    append(log, "reset", "{}");
    attach(log, &viewer, 17); /* of the log before it */
    assert_pending(&viewer, "id: 5000\nevent: reset\ndata: {}\n\n");
    eventlog_detach(&viewer);
    eventlog_release(log);
}

static void test_limits(void **state)
{
    struct eventlog *log = eventlog_new(1, EVENTLOG_RESERVE + 200);
    char data[151];
    struct eventlog_viewer viewers[LIMIT_VIEWERS], one_more = {.more = nothing};
    struct err err = ERR_INIT;
    (void)state;
    memset(data, 'x', 150);
    data[150] = '\0';
    assert_int_equal(eventlog_room(log), 200);
    assert_false(
        eventlog_append(log, "delta", text_of(data), false)); /* with its frame it is too long */
    data[100] = '\0';
    append(log, "delta", data);
    assert_false(eventlog_append(log, "delta", text_of(data), false));
    assert_true(
        eventlog_append(log, "void", TEXT("{}"), true)); /* the reserve is for the last words */
    for (int i = 0; i < LIMIT_VIEWERS; i++)
        attach(log, &viewers[i], 0);
    assert_false(eventlog_attach(log, &one_more, 0, &err));
    assert_int_equal(err.code, ERR_TOO_MANY);
    eventlog_detach(&one_more);
    assert_int_equal(eventlog_viewers(log), LIMIT_VIEWERS);
    for (int i = 0; i < LIMIT_VIEWERS; i++)
        eventlog_detach(&viewers[i]);
    eventlog_end(log);
    assert_false(eventlog_append(log, "void", TEXT("{}"), true));
    eventlog_release(log);
}

static void test_a_full_log_stays_whole(void **state)
{
    struct eventlog *log = eventlog_new(1, 300);
    struct eventlog_viewer viewer;
    char data[400];
    (void)state;
    memset(data, 'x', sizeof data - 1);
    data[sizeof data - 1] = '\0';
    assert_true(eventlog_append(log, "a", TEXT("{}"), true));
    assert_false(eventlog_append(log, "b", text_of(data), true));
    assert_true(eventlog_append(log, "c", TEXT("{}"), true));
    attach(log, &viewer, 0);
    assert_pending(&viewer, "id: 1\nevent: a\ndata: {}\n\nid: 2\nevent: c\ndata: {}\n\n");
    eventlog_detach(&viewer);
    eventlog_release(log);
}

/* --- viewers that leave while they are being told --- */

struct guest {
    struct eventlog_viewer viewer;
    struct eventlog_viewer *sends_away; /* when told, makes this one leave; NULL: nobody */
    int calls;
};

static void on_more(void *user)
{
    struct guest *guest = user;
    guest->calls++;
    if (guest->sends_away)
        eventlog_detach(guest->sends_away);
}

static void admit(struct eventlog *log, struct guest *guest, uint64_t last_id)
{
    struct err err = ERR_INIT;
    *guest = (struct guest){.viewer = {.more = on_more, .user = guest}};
    assert_true(eventlog_attach(log, &guest->viewer, last_id, &err));
}

static void test_leaving_while_told(void **state)
{
    (void)state;
    for (int leaves = -1; leaves < 4; leaves++) {
        struct guest guest[4];
        struct eventlog *log = eventlog_new(1, 10000);
        int called = 0;
        for (int i = 0; i < 4; i++)
            admit(log, &guest[i], 0);
        for (int i = 0; i < 4; i++)
            guest[i].sends_away = leaves < 0 ? NULL : &guest[leaves].viewer;
        append(log, "delta", "{}");
        eventlog_wake(log);
        for (int i = 0; i < 4; i++) {
            assert_true(guest[i].calls <= 1);
            called += guest[i].calls;
            guest[i].sends_away = NULL;
        }
        assert_in_range(called, leaves < 0 ? 4 : 3, 4);
        assert_int_equal(eventlog_viewers(log), leaves < 0 ? 4 : 3);
        eventlog_end(log);
        eventlog_release(log); /* its viewers hold it still */
        eventlog_wake(log);
        for (int i = 0; i < 4; i++)
            eventlog_detach(&guest[i].viewer);
    }
}

static void test_the_last_hold_given_back_while_told(void **state)
{
    struct guest guest;
    struct eventlog *log = eventlog_new(1, 10000);
    (void)state;
    admit(log, &guest, 0);
    guest.sends_away = &guest.viewer;
    append(log, "delta", "{}");
    eventlog_release(log);
    eventlog_wake(log); /* frees it at the end */
    assert_int_equal(guest.calls, 1);
}

static void test_only_those_behind_are_told(void **state)
{
    struct guest guest;
    struct eventlog *log = eventlog_new(1, 10000);
    (void)state;
    append(log, "delta", "{}");
    admit(log, &guest, 1);
    eventlog_wake(log);
    assert_int_equal(guest.calls, 0);
    eventlog_end(log);
    eventlog_wake(log);
    assert_int_equal(guest.calls, 1); /* the end is news too */
    eventlog_detach(&guest.viewer);
    eventlog_release(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rendering_and_places),
        cmocka_unit_test(test_a_later_log_is_sent_whole),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_a_full_log_stays_whole),
        cmocka_unit_test(test_leaving_while_told),
        cmocka_unit_test(test_only_those_behind_are_told),
        cmocka_unit_test(test_the_last_hold_given_back_while_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
