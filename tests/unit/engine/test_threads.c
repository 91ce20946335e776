/* Loops over ranges: every item once, results visible afterwards, also when workers come late or
 * sleep. */
#include "engine/threads.h"
#include "testing.h"

#include <stdatomic.h>
#include <time.h>

enum { ITEMS = 1000 };

static atomic_int touched[ITEMS];
static int plain[ITEMS];

static void touch(void *context, int first, int last, int thread)
{
    (void)context;
    assert_true(thread >= 0 && thread < 4);
    for (int i = first; i < last; i++) {
        atomic_fetch_add(&touched[i], 1);
        plain[i]++; /* not atomic: ThreadSanitizer sees whether loops are ordered */
    }
}

static void test_every_item_is_done_once_a_loop(void **state)
{
    (void)state;
    struct engine_error error;
    for (int count = 1; count <= 4; count++) {
        struct threads *threads = threads_new(count, &error);
        assert_non_null(threads);
        assert_int_equal(threads_count(threads), count);
        memset(plain, 0, sizeof plain);
        memset(touched, 0, sizeof touched);
        for (int loop = 0; loop < 3000; loop++) {
            threads_for(threads, ITEMS - loop % 7, 1 + loop % 200, touch, NULL);
            if (loop % 500 == 499) /* long enough for the workers to fall asleep */
                nanosleep(&(struct timespec){0, 2000000}, NULL);
        }
        for (int i = 0; i < ITEMS; i++) {
            int wanted = 0; /* loops that reach this item */
            for (int loop = 0; loop < 3000; loop++)
                wanted += i < ITEMS - loop % 7;
            assert_true(plain[i] == wanted && touched[i] == wanted);
        }
        threads_for(threads, 0, 1, touch, NULL);
        assert_int_equal(plain[0], 3000);
        threads_free(threads);
    }
}

static void count_items(void *context, int first, int last, int thread)
{
    (void)thread;
    atomic_fetch_add((atomic_int *)context, last - first);
}

static void test_more_pieces_than_a_card_can_count(void **state)
{
    (void)state;
    struct engine_error error;
    struct threads *threads = threads_new(3, &error);
    assert_non_null(threads);
    static const int sizes[] = {65535, 65536, 200001};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        atomic_int count = 0;
        threads_read_ahead(threads, 1, touched, sizeof touched);
        threads_for(threads, sizes[i], 1, count_items, &count);
        assert_int_equal(count, sizes[i]);
    }
    threads_free(threads);
}

static void test_silly_counts_are_refused(void **state)
{
    (void)state;
    struct engine_error error = {0};
    assert_null(threads_new(-1, &error));
    assert_int_equal(error.code, ENGINE_REQUEST);
    assert_null(threads_new(THREADS_MAX + 1, &error));
    struct threads *threads = threads_new(0, &error);
    assert_non_null(threads);
    assert_true(threads_count(threads) >= 1);
    threads_free(threads);
    threads_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_item_is_done_once_a_loop),
        cmocka_unit_test(test_more_pieces_than_a_card_can_count),
        cmocka_unit_test(test_silly_counts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
