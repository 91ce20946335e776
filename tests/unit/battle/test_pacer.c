/* The pacer: symmetric in the two lanes, never ahead of the supply, never stuck, soon done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "battle/pacer.h"

/* A lane as its competitor fills it: begins, gives pieces of up to `burst` characters at random,
 * ends. */
struct source {
    size_t total, burst;
    int begins, every; /* ticks */
    struct pacer_supply supply;
};

static void feed(struct source *source, int tick, struct rng *rng)
{
    if (tick < source->begins || source->supply.ended)
        return;
    if ((tick - source->begins) % source->every == 0)
        source->supply.characters += 1 + rng_below(rng, source->burst);
    if (source->supply.characters >= source->total)
        source->supply = (struct pacer_supply){source->total, true};
}

static void draw_source(struct source *source, struct rng *rng)
{
    *source = (struct source){.total = rng_below(rng, 4000),
                              .burst = 1 + rng_below(rng, 200),
                              .begins = (int)rng_below(rng, 100),
                              .every = 1 + (int)rng_below(rng, 20)};
}

static void test_symmetric_and_never_ahead(void **state)
{
    struct rng rng;
    (void)state;
    rng_init(&rng, 1, 0);
    for (int battle = 0; battle < 500; battle++) {
        struct source source[2];
        struct pacer pacer, mirrored;
        pacer_init(&pacer);
        pacer_init(&mirrored);
        draw_source(&source[0], &rng);
        draw_source(&source[1], &rng);
        for (int tick = 0;; tick++) {
            assert_true(tick < 100000); /* it ends */
            feed(&source[0], tick, &rng);
            feed(&source[1], tick, &rng);
            struct pacer_supply supply[2] = {source[0].supply, source[1].supply},
                                swapped[2] = {supply[1], supply[0]};
            assert_int_equal(pacer_open(&pacer, supply), pacer_open(&mirrored, swapped));
            assert_int_equal(pacer_tick(&pacer, supply), pacer_tick(&mirrored, swapped));
            for (int i = 0; i < 2; i++)
                assert_true(supply[i].ended || pacer.shown <= supply[i].characters);
            if (!supply[0].characters && !supply[0].ended)
                assert_int_equal(pacer.shown, 0);
            if (pacer_finished(&pacer, supply))
                break;
        }
        size_t longest = source[0].total > source[1].total ? source[0].total : source[1].total;
        assert_int_equal(pacer.shown, longest);
    }
}

static void test_both_there_is_soon_shown(void **state)
{
    struct pacer pacer;
    struct pacer_supply supply[2] = {{3000, true}, {500, true}};
    int ticks = 0;
    (void)state;
    pacer_init(&pacer);
    assert_true(pacer_open(&pacer, supply));
    while (!pacer_finished(&pacer, supply) && ticks < 1000) {
        assert_true(pacer_tick(&pacer, supply) > 0);
        ticks++;
    }
    assert_in_range(ticks, 5, 45); /* not at once, but within about two seconds */
}

static void test_added_latency_is_small(void **state)
{
    struct pacer pacer;
    struct pacer_supply supply[2] = {{0, false}, {0, false}};
    (void)state;
    pacer_init(&pacer);
    for (int tick = 0; tick < 400; tick++) { /* 10 characters a tick come in evenly on both */
        supply[0].characters += 10;
        supply[1].characters += 10;
        pacer_open(&pacer, supply);
        pacer_tick(&pacer, supply);
        assert_true(supply[0].characters - pacer.shown <= 10 * PACER_HORIZON);
    }
}

/* When one lane has ended, the other goes on at the pace that there was: no jump says "this one
 * was ready long ago". */
static void test_no_jump_when_one_ends(void **state)
{
    struct pacer pacer;
    struct pacer_supply supply[2] = {{0, false},
                                     {5000, false}}; /* slow, and fast with much to show */
    size_t most_before = 0;
    (void)state;
    pacer_init(&pacer);
    for (int tick = 0; tick < 200; tick++) {
        supply[0].characters += 3;
        pacer_open(&pacer, supply);
        size_t count = pacer_tick(&pacer, supply);
        if (tick > 100 && count > most_before)
            most_before = count;
    }
    supply[0].ended = true;
    for (int tick = 0; tick < 200; tick++)
        assert_true(pacer_tick(&pacer, supply) <= most_before + 1);
    supply[1].ended = true;
    size_t first = pacer_tick(&pacer, supply);
    assert_true(first <= most_before + 2); /* then it grows, little by little */
}

static void test_empty_lanes(void **state)
{
    struct pacer pacer;
    struct pacer_supply supply[2] = {{0, true}, {0, false}};
    (void)state;
    pacer_init(&pacer);
    assert_false(pacer_open(&pacer, supply)); /* an empty answer waits like any other */
    assert_int_equal(pacer_tick(&pacer, supply), 0);
    supply[1].ended = true;
    assert_true(pacer_open(&pacer, supply));
    assert_true(pacer_finished(&pacer, supply));
    assert_int_equal(pacer_tick(&pacer, supply), 0);
}

/* --- lengths and pace together --- */

enum { LEAK_BATTLES = 4000 };

/* A lane that brings `piece` characters every `gap` ticks or so. */
struct speaker {
    double begins, gap, piece;
};

static size_t draw_total(struct rng *rng)
{
    return 240 + rng_below(rng, 40) * rng_below(rng, 25); /* more than one burst */
}

static void feed_at(struct pacer_supply *supply, const struct speaker *speaker, size_t total,
                    double tick, double *next, struct rng *rng)
{
    while (!supply->ended && *next <= tick) {
        supply->characters += (size_t)(speaker->piece * (0.5 + rng_uniform(rng)));
        supply->ended = supply->characters >= total;
        if (supply->ended)
            supply->characters = total;
        *next += speaker->gap * (0.5 + rng_uniform(rng));
    }
}

/* How fast the longer text went on past the end of the shorter, beside how fast both went before
 * it: what a voter can measure who has read both. */
static double rest_of_showing(const struct speaker speakers[2], const size_t total[2],
                              struct rng *rng)
{
    struct pacer_supply supply[2] = {{0, false}, {0, false}};
    double next[2] = {speakers[0].begins, speakers[1].begins};
    size_t least = total[0] < total[1] ? total[0] : total[1], opened = 0, shorter = 0;
    struct pacer pacer;
    pacer_init(&pacer);
    for (size_t tick = 0;; tick++) {
        for (int i = 0; i < 2; i++)
            feed_at(&supply[i], &speakers[i], total[i], (double)tick, &next[i], rng);
        if (!pacer_open(&pacer, supply))
            opened = tick + 1;
        pacer_tick(&pacer, supply);
        if (!shorter && pacer.shown >= least)
            shorter = tick;
        if (!pacer_finished(&pacer, supply))
            continue;
        double before = (double)least / (double)(shorter - opened + 1),
               after = (double)(total[0] + total[1] - 2 * least) / (double)(tick - shorter + 1);
        return after / before;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of how many, in percent, one threshold tells rightly whether the fast one's answer was the
 * longer. */
static double told_rightly(const struct speaker speakers[2])
{
    static double values[2][LEAK_BATTLES];
    size_t counts[2] = {0, 0}, best = 0;
    struct rng rng;
    rng_init(&rng, 7, 0);
    while (counts[0] < LEAK_BATTLES && counts[1] < LEAK_BATTLES) {
        size_t total[2] = {draw_total(&rng), draw_total(&rng)};
        int fast_is_longer = total[0] > total[1];
        if (total[0] != total[1])
            values[fast_is_longer][counts[fast_is_longer]++] =
                rest_of_showing(speakers, total, &rng);
    }
    for (int i = 0; i < 2; i++)
        qsort(values[i], counts[i], sizeof values[i][0], by_value);
    for (size_t i = 0, j = 0; i < counts[0]; i++) {
        while (j < counts[1] && values[1][j] < values[0][i])
            j++;
        size_t right = i + (counts[1] - j), wrong = counts[0] + counts[1] - right;
        size_t most = right > wrong ? right : wrong;
        best = most > best ? most : best;
    }
    return 100.0 * (double)best / (double)(counts[0] + counts[1]);
}

/* Whether the longer answer is the fast one's must not show in how it goes on alone. */
static void test_the_rest_does_not_tell_who_is_fast(void **state)
{
    static const struct speaker FAST = {1, 0.3, 40}, SLOW = {12, 1, 6}, BURSTS = {18, 14, 150};
    const struct speaker pairs[][2] = {{FAST, SLOW}, {FAST, BURSTS}};
    (void)state;
    for (int i = 0; i < 2; i++)
        assert_in_range((uintmax_t)told_rightly(pairs[i]), 50, 53);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symmetric_and_never_ahead),
        cmocka_unit_test(test_both_there_is_soon_shown),
        cmocka_unit_test(test_added_latency_is_small),
        cmocka_unit_test(test_no_jump_when_one_ends),
        cmocka_unit_test(test_empty_lanes),
        cmocka_unit_test(test_the_rest_does_not_tell_who_is_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
