/* As much of cmocka as the tests of the GPU's backend use, for a machine that has none. Found
 * before the real one where ARENA_GPU_TESTS builds on a bare machine. A failed test ends the
 * program. */
#ifndef TESTS_GPU_CMOCKA_H
#define TESTS_GPU_CMOCKA_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

static jmp_buf cmocka_skipped;

#define fail_msg(...)                                                                              \
    (fprintf(stderr, "%s:%d: ", __FILE__, __LINE__), fprintf(stderr, __VA_ARGS__),                 \
     fprintf(stderr, "\n"), exit(1))
#define assert_true(x) ((x) ? (void)0 : fail_msg("%s", #x))
#define assert_false(x) assert_true(!(x))
#define assert_null(x) assert_true((x) == NULL)
#define assert_non_null(x) assert_true((x) != NULL)
#define assert_int_equal(a, b) assert_true((long long)(a) == (long long)(b))
#define assert_int_not_equal(a, b) assert_true((long long)(a) != (long long)(b))
#define assert_in_range(x, low, high)                                                              \
    assert_true((long long)(x) >= (long long)(low) && (long long)(x) <= (long long)(high))
#define assert_memory_equal(a, b, size) assert_true(memcmp(a, b, size) == 0)
#define skip() longjmp(cmocka_skipped, 1)
#define cmocka_unit_test(f)                                                                        \
    {                                                                                              \
#f, f                                                                                      \
    }
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    cmocka_run(tests, sizeof tests / sizeof *tests, setup, teardown)

static inline int cmocka_run(const struct CMUnitTest *tests, size_t count, int (*setup)(void **),
                             int (*teardown)(void **))
{
    void *state = NULL;
    int failed = setup(&state);
    for (size_t i = 0; i < count && !failed; i++) {
        if (setjmp(cmocka_skipped)) {
            printf("skipped  %s\n", tests[i].name);
            continue;
        }
        tests[i].run(&state);
        printf("ok       %s\n", tests[i].name);
    }
    return failed ? failed : teardown(&state);
}

#endif
