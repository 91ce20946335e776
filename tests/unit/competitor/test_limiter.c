/* Who waits in the background goes last and leaves places free; the limit grows fast until it is
 * too much. */
#include "testing.h"

#include "base/clock.h"
#include "competitor/limiter.h"

static int admitted[256], count;

static void on_admitted(void *user)
{
    admitted[count++] = (int)(intptr_t)user;
}

static void wait_for(struct limiter *limiter, struct limiter_waiter *waiter, int number,
                     bool background)
{
    *waiter = (struct limiter_waiter){
        .admitted = on_admitted, .user = (void *)(intptr_t)number, .background = background};
    limiter_join(limiter, waiter);
}

static void the_background_leaves_room(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct loop *loop = loop_new(&err);
    struct limiter *limiter = limiter_new(loop);
    struct limiter_waiter waiters[64];
    int limit = limiter_figures(limiter).limit, k = 0;
    count = 0;
    for (; k < limit + 5; k++)
        wait_for(limiter, &waiters[k], k, true);
    assert_int_equal(count, limit - LIMITER_KEPT_FREE);
    wait_for(limiter, &waiters[k], 100, false);
    wait_for(limiter, &waiters[k + 1], 101, false);
    wait_for(limiter, &waiters[k + 2], 102, false);
    assert_int_equal(count, limit);
    assert_int_equal(admitted[count - 2], 100);
    assert_int_equal(admitted[count - 1], 101);
    limiter_leave(limiter, LIMITER_OTHER); /* the one that somebody waits for comes first */
    assert_int_equal(admitted[count - 1], 102);
    limiter_quit(limiter, &waiters[limit]);
    while (count > 0 && limiter_figures(limiter).inside > 0) {
        limiter_leave(limiter, LIMITER_OTHER);
        if (!limiter_figures(limiter).waiting)
            break;
    }
    for (int i = 0; i < count; i++)
        assert_int_not_equal(admitted[i], limit);
    assert_int_equal(limiter_figures(limiter).waiting, 0);
    while (limiter_figures(limiter).inside > 0)
        limiter_leave(limiter, LIMITER_OTHER);
    limiter_free(limiter);
    loop_free(loop);
}

static void it_grows_until_it_is_too_much(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct loop *loop = loop_new(&err);
    struct limiter *limiter = limiter_new(loop);
    struct limiter_waiter waiter;
    count = 0;
    clock_freeze(100 * CLOCK_S, 0);
    int before = limiter_figures(limiter).limit;
    for (int k = 0; k < before; k++) {
        wait_for(limiter, &waiter, k, false);
        limiter_leave(limiter, LIMITER_GOOD);
    }
    assert_int_equal(limiter_figures(limiter).limit, 3 * before);
    wait_for(limiter, &waiter, 0, false);
    limiter_leave(limiter, LIMITER_TOO_MUCH);
    int after = limiter_figures(limiter).limit;
    assert_int_equal(after, 3 * before * 4 / 5);
    for (int k = 0; k < after; k++) {
        wait_for(limiter, &waiter, k, false);
        limiter_leave(limiter, LIMITER_GOOD);
    }
    assert_in_range(limiter_figures(limiter).limit, after, after + 1);
    count = 0;
    clock_freeze(-1, -1);
    limiter_free(limiter);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_background_leaves_room),
        cmocka_unit_test(it_grows_until_it_is_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
