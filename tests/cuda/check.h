/* What all tests of the GPU's kernels share, C and C++: checks, random bits, and running each test
 * under every order of threads and blocks. Nothing but the library: on a machine with a GPU,
 * tests/gpu/run builds the same tests for the device (ARENA_ON_DEVICE). */
#ifndef TESTS_CUDA_CHECK_H
#define TESTS_CUDA_CHECK_H

#include "kernels/cuda/launch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/random_numbers.h"

#if !defined(ARENA_ON_DEVICE)
#include "tests/cuda/order.h"
#endif
#ifndef SHIM_WATCHED
#define SHIM_WATCHED 0 /* slow: race/race.cpp looks at every access */
#endif

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                        \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static struct cuda_stream *stream;

static inline void must(int status, const char *what)
{
    CHECK(!status, "%s: %s", what, cuda_status_text(status));
}

/* --- Running --- */

/* `after` follows each test. */
static inline int run_tests(void (*const tests[])(void), int count, void (*after)(void))
{
    const char *given = getenv("ARENA_SEED"); /* for other data than the usual */
    uint64_t seed = given ? strtoull(given, NULL, 10) : 42;
    must(cuda_use(0), "device");
    must(cuda_stream_new(&stream), "stream");
#if defined(ARENA_ON_DEVICE)
    const int orders = 1;
#else
    const int orders = SHIM_WATCHED ? 2 : SHIM_ORDERS;
#endif
    for (int order = 0; order < orders; order++) {
#if !defined(ARENA_ON_DEVICE)
        shim_set_order((enum shim_order)order);
#endif
        random_state = seed;
        for (int i = 0; i < count; i++) {
            tests[i]();
            after();
        }
    }
    cuda_stream_free(stream);
    return 0;
}

#define RUN_THEN(after, ...)                                                                       \
    int main(void)                                                                                 \
    {                                                                                              \
        static void (*const tests[])(void) = {__VA_ARGS__};                                        \
        return run_tests(tests, (int)(sizeof tests / sizeof *tests), after);                       \
    }

#endif
