/* Tempo: two lines through noisy answers, and who sends the whole at once. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "competitor/tempo.h"

struct manner {
    double begins, pace; /* seconds, seconds a character */
    bool whole;
};

static void answer(struct tempo *tempo, const struct manner *manner, struct rng *rng)
{
    size_t characters = 20 + (size_t)rng_below(rng, 900);
    double first = manner->begins * (0.7 + 0.6 * rng_uniform(rng));
    double last = first + manner->pace * (double)characters * (0.9 + 0.2 * rng_uniform(rng));
    if (manner->whole)
        first = last;
    tempo_add(tempo, characters, (int64_t)(first * 1e9), (int64_t)(last * 1e9));
}

static void test_lines(void **state)
{
    static const struct manner MANNERS[] = {
        {0.05, 0.0003, false}, {0.4, 0.006, false}, {2, 0.002, false},
        {0.4, 0.006, true},    {2, 0.01, true},
    };
    struct rng rng;
    (void)state;
    rng_init(&rng, 1, 0);
    for (size_t m = 0; m < sizeof MANNERS / sizeof *MANNERS; m++) {
        struct tempo tempo = {0};
        for (int i = 0; i < 40; i++)
            answer(&tempo, &MANNERS[m], &rng);
        assert_int_equal(tempo_comes_whole(&tempo), MANNERS[m].whole);
        double pace = tempo_pace(&tempo) / MANNERS[m].pace;
        if (MANNERS[m].whole)
            assert_true(pace <= 0);
        else
            assert_true(pace > 0.9 && pace < 1.3); /* rather that of a slower answer */
        for (int k = 0; k < 10; k++) {
            double expected = MANNERS[m].pace * 700 + (MANNERS[m].whole ? MANNERS[m].begins : 0);
            assert_true(fabs(tempo_draw(&tempo, 700, k / 10.0) / expected - 1) < 0.35);
        }
    }
}

/* Who halts now and then is kept up with: slower than the mean of its answers. */
static void test_an_uneven_one_is_taken_for_slower(void **state)
{
    struct tempo tempo = {0};
    struct rng rng;
    (void)state;
    rng_init(&rng, 4, 0);
    for (int i = 0; i < 100; i++) {
        double seconds = 2 + (rng_below(&rng, 2) ? 2 : 0);
        tempo_add(&tempo, 390 + rng_below(&rng, 21), 1000000000,
                  1000000000 + (int64_t)(seconds * 1e9));
    }
    assert_true(tempo_pace(&tempo) > 1.2 * 3 / 400);
}

static void test_it_follows_a_change(void **state)
{
    const struct manner before = {0.3, 0.005, true}, after = {0.3, 0.005, false};
    struct tempo tempo = {0};
    struct rng rng;
    (void)state;
    rng_init(&rng, 2, 0);
    for (int i = 0; i < 200; i++)
        answer(&tempo, &before, &rng);
    assert_true(tempo_comes_whole(&tempo));
    for (int i = 0; i < 2 * TEMPO_MEMORY; i++)
        answer(&tempo, &after, &rng);
    assert_false(tempo_comes_whole(&tempo));
}

static void test_little_is_known(void **state)
{
    const struct manner manner = {0.3, 0.005, true};
    struct tempo tempo = {0};
    struct rng rng;
    (void)state;
    rng_init(&rng, 3, 0);
    for (int i = 0; i < TEMPO_LEAST - 1; i++)
        answer(&tempo, &manner, &rng);
    assert_false(tempo_comes_whole(&tempo));
    assert_true(tempo_pace(&tempo) <= 0);
    struct tempo alike = {0}; /* all of one length: no line goes through them */
    for (int i = 0; i < 40; i++)
        tempo_add(&alike, 100, 1000000000 + i, 2000000000 - i);
    assert_true(fabs(tempo_pace(&alike) - 0.01) < 1e-3 && !tempo_comes_whole(&alike));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_an_uneven_one_is_taken_for_slower),
        cmocka_unit_test(test_it_follows_a_change),
        cmocka_unit_test(test_little_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
