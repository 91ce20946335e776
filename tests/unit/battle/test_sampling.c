/* Adaptive draws: the probabilities that are logged are the true ones, dividing by them undoes
 * the adaption, no pair is ever out of the game, and what is drawn is what tells most. */
#include "testing.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "battle/matchmaker.h"
#include "board/sampling.h"

enum { MODELS = 6, PAIRS = MODELS * (MODELS - 1) / 2, DRAWS = 40000, EVERY = 25 };

static struct competitor pool[MODELS + 1];
static struct competitor *list[MODELS + 1];

struct simulation {
    struct tally tally;
    struct sampling *sampling;
    struct sampling_options options;
    struct rng rng;
    double drawn[PAIRS], told[PAIRS],
        variance[PAIRS];                   /* how often, how often it was said, of the difference */
    double left[PAIRS];                    /* the lower number stood on the left */
    double weighted[PAIRS], square[PAIRS]; /* sum of y / P, of its square */
};

static size_t place(size_t i, size_t j)
{
    return i < j ? j * (j - 1) / 2 + i : i * (i - 1) / 2 + j;
}

static double truth(size_t i, size_t j) /* P(lower beats higher), both given in order */
{
    return 1 / (1 + exp(-0.3 * ((double)j - (double)i)));
}

static void setup_pool(void)
{
    memset(pool, 0, sizeof pool);
    for (size_t k = 0; k <= MODELS; k++) {
        snprintf(pool[k].version, sizeof pool[k].version, "digest %zu", k);
        pool[k].config.weight = 1;
        pool[k].availability = COMPETITOR_ACTIVE;
        list[k] = &pool[k];
    }
}

static void work_out(struct simulation *simulation)
{
    static const char *const NAMES[MODELS] = {"m0", "m1", "m2", "m3", "m4", "m5"};
    const char *digest[MODELS];
    int32_t number[MODELS];
    struct err err = ERR_INIT;
    for (size_t k = 0; k < MODELS; k++) {
        digest[k] = pool[k].version;
        number[k] = (int32_t)(MODELS - 1 - k); /* numbered otherwise than in the tally */
    }
    struct sampling_input input = {&simulation->tally, number, digest, NAMES, MODELS};
    sampling_free(simulation->sampling);
    simulation->sampling = sampling_new(&simulation->options, &input, &err);
    assert_non_null(simulation->sampling);
}

static void count_chances(struct simulation *simulation, double chance[PAIRS])
{
    double sum = 0;
    for (size_t j = 1; j < MODELS; j++)
        for (size_t i = 0; i < j; i++)
            sum += chance[place(i, j)] = sampling_chance(simulation->sampling, (int)i, (int)j);
    assert_true(fabs(sum - 1) < 1e-9);
    for (size_t k = 0; k < PAIRS; k++) {
        assert_true(chance[k] >= 0.1 / PAIRS - 1e-12); /* the floor */
        simulation->told[k] += chance[k];
        simulation->variance[k] += chance[k] * (1 - chance[k]);
    }
}

static void draw_and_vote(struct simulation *simulation, const double chance[PAIRS])
{
    struct matchmaker_informed informed;
    struct matchmaker_rule rule = matchmaker_inform(&informed, simulation->sampling, list, MODELS);
    struct match match;
    struct err err = ERR_INIT;
    assert_true(matchmaker_draw(&match, list, MODELS, &rule, &simulation->rng, &err));
    size_t a = (size_t)(match.side[0] - pool), b = (size_t)(match.side[1] - pool), k = place(a, b);
    size_t low = a < b ? a : b, high = a < b ? b : a;
    assert_true(fabs(match.pair_probability - chance[k]) <
                1e-12); /* what is logged is what it was */
    assert_true(match.side_probability == 0.5);
    bool low_wins = rng_uniform(&simulation->rng) < truth(low, high);
    simulation->drawn[k]++;
    simulation->left[k] += a == low;
    simulation->weighted[k] += low_wins / match.pair_probability;
    simulation->square[k] += low_wins / match.pair_probability / match.pair_probability;
    assert_true(tally_add(&simulation->tally, MODELS - 1 - a, MODELS - 1 - b,
                          low_wins == (a == low) ? OUTCOME_A : OUTCOME_B, 1, &err));
}

static void simulate(struct simulation *simulation, int draws)
{
    double chance[PAIRS];
    struct err err = ERR_INIT;
    setup_pool();
    tally_init(&simulation->tally);
    assert_true(tally_grow(&simulation->tally, MODELS, &err));
    rng_init(&simulation->rng, 5, 0);
    for (int t = 0; t < draws; t++) {
        if (t % EVERY == 0)
            work_out(simulation);
        count_chances(simulation, chance);
        draw_and_vote(simulation, chance);
    }
}

static void done(struct simulation *simulation)
{
    sampling_free(simulation->sampling);
    tally_done(&simulation->tally);
}

/* drawn - told is a martingale, and so is the inverse-probability estimate minus the truth: five
 * standard errors. */
static void check(const struct simulation *simulation)
{
    for (size_t j = 1; j < MODELS; j++) {
        for (size_t i = 0; i < j; i++) {
            size_t k = place(i, j);
            assert_true(fabs(simulation->drawn[k] - simulation->told[k]) <
                        5 * sqrt(simulation->variance[k]));
            assert_true(fabs(simulation->left[k] - simulation->drawn[k] / 2) <
                        2.5 * sqrt(simulation->drawn[k]));
            double mean = simulation->weighted[k] / DRAWS,
                   error = sqrt(simulation->square[k]) / DRAWS;
            assert_true(fabs(mean - truth(i, j)) < 5 * error);
            assert_true(error < 0.1);
        }
    }
}

static void told_probabilities_are_true_and_undo_the_adaption(void **state)
{
    struct simulation simulation = {0};
    (void)state;
    simulate(&simulation, DRAWS);
    check(&simulation);
    done(&simulation);
}

static void a_target_is_drawn_more_and_stays_unbiased(void **state)
{
    struct simulation simulation = {.options = {.target = "m2"}};
    double with = 0, others = 0;
    (void)state;
    simulate(&simulation, DRAWS);
    check(&simulation);
    for (size_t j = 1; j < MODELS; j++)
        for (size_t i = 0; i < j; i++)
            *(i == 2 || j == 2 ? &with : &others) += simulation.drawn[place(i, j)];
    print_message("a pair with the target is drawn %.2f times as often as one without\n",
                  2 * with / others);
    assert_true(2 * with > 1.5 * others);
    done(&simulation);
}

static void what_never_met_comes_first(void **state)
{
    struct simulation simulation = {0};
    struct err err = ERR_INIT;
    (void)state;
    simulate(&simulation, 0);
    work_out(&simulation);
    for (int i = 0; i < MODELS; i++)
        for (int j = 0; j < i; j++)
            assert_true(fabs(sampling_chance(simulation.sampling, i, j) - 1.0 / PAIRS) <
                        1e-12); /* no votes: uniform */
    for (size_t a = 0; a < MODELS; a++)
        for (size_t b = 0; b < a; b++)
            if (a != 5 || b != 0)
                assert_true(tally_add(&simulation.tally, a, b, OUTCOME_A, 20, &err));
    work_out(&simulation); /* only 0 and 5 of the pool, 5 and 0 of the tally, never met */
    assert_true(sampling_chance(simulation.sampling, 0, 5) > 0.5);
    done(&simulation);
}

/* A competitor that the votes do not know yet: that draw is by weight alone. An inactive one is
 * no matter. */
static void an_unknown_competitor_makes_it_uniform(void **state)
{
    struct simulation simulation = {0};
    struct matchmaker_informed informed;
    (void)state;
    simulate(&simulation, 100);
    assert_true(matchmaker_inform(&informed, simulation.sampling, list, MODELS).weight !=
                MATCHMAKER_BY_WEIGHT.weight);
    assert_true(matchmaker_inform(&informed, simulation.sampling, list, MODELS + 1).weight ==
                MATCHMAKER_BY_WEIGHT.weight);
    pool[MODELS].availability = COMPETITOR_ACTIVE + 1;
    assert_true(matchmaker_inform(&informed, simulation.sampling, list, MODELS + 1).weight !=
                MATCHMAKER_BY_WEIGHT.weight);
    assert_true(matchmaker_inform(&informed, NULL, list, MODELS).weight ==
                MATCHMAKER_BY_WEIGHT.weight);
    done(&simulation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_probabilities_are_true_and_undo_the_adaption),
        cmocka_unit_test(a_target_is_drawn_more_and_stays_unbiased),
        cmocka_unit_test(what_never_met_comes_first),
        cmocka_unit_test(an_unknown_competitor_makes_it_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
