/* The sampler against a naive one that sorts everything in double precision, and against what
 * its header promises: the order of the settings, draws that depend on (seed, position) alone,
 * frequencies as the softmax says, speed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine/sampler.h"

static uint64_t random_state;

static double random_unit(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 11) * 0x1p-53;
}

/* Logits as a model's: a bell with a few that stand out, and some exactly equal. */
static float *make_logits(int vocabulary, uint64_t seed)
{
    float *logits = malloc((size_t)vocabulary * sizeof *logits);
    assert_non_null(logits);
    random_state = seed;
    for (int i = 0; i < vocabulary; i++) {
        double bell = random_unit() + random_unit() + random_unit() + random_unit() - 2;
        logits[i] = (float)(bell * 6 + (random_unit() < 0.001 ? 8 : 0));
        if (i > 0 && random_unit() < 0.05)
            logits[i] = logits[i - 1];
    }
    return logits;
}

static struct sampler *make(const struct engine_sampling *sampling, int vocabulary)
{
    struct engine_error error = {0};
    struct sampler *sampler = sampler_new(sampling, vocabulary, &error);
    if (!sampler)
        fail_msg("%s", error.message);
    return sampler;
}

/* --- The naive one --- */

struct item {
    double logit, weight;
    int32_t token;
};

static int by_logit(const void *first, const void *second)
{
    const struct item *a = first, *b = second;
    if (a->logit != b->logit)
        return a->logit < b->logit ? 1 : -1;
    return a->token - b->token;
}

static size_t naive_filter(struct item *items, size_t count, const struct engine_sampling *sampling)
{
    qsort(items, count, sizeof *items, by_logit);
    if (sampling->top_k > 0 && (size_t)sampling->top_k < count)
        count = (size_t)sampling->top_k;
    double total = 0, sum = 0;
    for (size_t i = 0; i < count; i++)
        total += items[i].weight = exp((items[i].logit - items[0].logit) / sampling->temperature);
    if (sampling->top_p > 0 && sampling->top_p < 1) {
        size_t kept = 0;
        while (kept < count && sum < total * sampling->top_p)
            sum += items[kept++].weight;
        count = kept;
    }
    while (sampling->min_p > 0 && count > 1 && items[count - 1].weight < sampling->min_p)
        count--;
    return count;
}

/* Is the draw one that the naive sampler makes with this uniform, give or take rounding at a
 * border? */
static void check_draw(const struct item *items, size_t count, double uniform, int32_t token)
{
    double total = 0, sum = 0;
    for (size_t i = 0; i < count; i++)
        total += items[i].weight;
    for (size_t i = 0; i < count; i++) {
        double before = sum / total, after = (sum += items[i].weight) / total;
        if (items[i].token == token) {
            assert_true(uniform >= before - 1e-5 && uniform <= after + 1e-5);
            return;
        }
    }
    fail_msg("token %d was filtered out", token);
}

static void compare(struct engine_sampling sampling, int vocabulary, uint64_t seed)
{
    sampling.seed = seed;
    float *logits = make_logits(vocabulary, seed);
    struct sampler *sampler = make(&sampling, vocabulary);
    struct item *items = calloc((size_t)vocabulary, sizeof *items);
    assert_non_null(items);
    for (int i = 0; i < vocabulary; i++)
        items[i] = (struct item){(double)logits[i], 0, i};
    size_t count = naive_filter(items, (size_t)vocabulary, &sampling);
    for (uint64_t position = 0; position < 50; position++)
        check_draw(items, count, sampler_uniform(seed, position),
                   sampler_draw(sampler, logits, position));
    free(items);
    free(logits);
    sampler_free(sampler);
}

static void test_filters_as_the_naive_sampler(void **state)
{
    (void)state;
    const struct engine_sampling settings[] = {
        {.temperature = 1, .top_k = 1},
        {.temperature = 0.7, .top_k = 40},
        {.temperature = 1.3, .top_k = 1000000},
        {.temperature = 1, .top_p = 0.9},
        {.temperature = 2, .top_p = 0.999},
        {.temperature = 0.3, .top_p = 0.01},
        {.temperature = 1, .min_p = 0.05},
        {.temperature = 0.8, .top_k = 50, .top_p = 0.95, .min_p = 0.02},
        {.temperature = 1.5, .top_p = 0.8, .min_p = 0.1},
    };
    static const int vocabularies[] = {1, 3, 64, 65, 512, 49152};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        for (size_t k = 0; k < sizeof vocabularies / sizeof *vocabularies; k++)
            compare(settings[i], vocabularies[k], 100 * i + k);
}

/* --- Promises --- */

static void test_temperature_zero_takes_the_first_of_equals(void **state)
{
    (void)state;
    struct sampler *sampler = make(&(struct engine_sampling){.temperature = 0}, 200);
    float logits[200] = {0};
    logits[70] = logits[130] = logits[199] = 3;
    assert_int_equal(sampler_draw(sampler, logits, 0), 70);
    logits[5] = NAN;
    assert_int_equal(sampler_draw(sampler, logits, 1), 70);
    sampler_free(sampler);
}

static void test_a_draw_depends_on_seed_and_position_alone(void **state)
{
    (void)state;
    float *logits = make_logits(5000, 1), *other = make_logits(5000, 2);
    struct engine_sampling sampling = {.temperature = 1, .seed = 7};
    struct sampler *first = make(&sampling, 5000), *second = make(&sampling, 5000);
    int32_t in_order[20];
    for (uint64_t i = 0; i < 20; i++)
        in_order[i] = sampler_draw(first, logits, i);
    int different = 0;
    for (uint64_t i = 20; i-- > 0;) {
        sampler_draw(second, other, i);
        assert_int_equal(sampler_draw(second, logits, i), in_order[i]);
        different += i > 0 && in_order[i] != in_order[i - 1];
    }
    assert_true(different > 10);
    assert_true(sampler_uniform(7, 3) != sampler_uniform(8, 3) &&
                sampler_uniform(7, 3) != sampler_uniform(7, 4));
    free(logits);
    free(other);
    sampler_free(first);
    sampler_free(second);
}

static void test_frequencies_follow_the_softmax(void **state)
{
    (void)state;
    enum { DRAWS = 40000, TOKENS = 6 };
    const float logits[TOKENS] = {0, 1, 2, -1, 0.5f, -INFINITY};
    struct sampler *sampler =
        make(&(struct engine_sampling){.temperature = 0.8, .seed = 3}, TOKENS);
    int counts[TOKENS] = {0};
    for (uint64_t i = 0; i < DRAWS; i++)
        counts[sampler_draw(sampler, logits, i)]++;
    double total = 0, chi = 0;
    for (int i = 0; i < TOKENS - 1; i++)
        total += exp((double)logits[i] / 0.8);
    for (int i = 0; i < TOKENS - 1; i++) {
        double expected = DRAWS * exp((double)logits[i] / 0.8) / total;
        chi += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    assert_int_equal(counts[TOKENS - 1], 0);
    assert_true(chi < 18.5); /* 4 degrees of freedom: one in a thousand */
    sampler_free(sampler);
}

static void test_penalties_and_biases(void **state)
{
    (void)state;
    const struct engine_bias bias = {2, 100};
    float logits[4] = {1, 2, 0, -1};
    struct sampler *sampler =
        make(&(struct engine_sampling){.logit_bias = &bias, .logit_biases = 1}, 4);
    assert_int_equal(sampler_draw(sampler, logits, 0), 2);
    sampler_free(sampler);

    sampler = make(&(struct engine_sampling){.repetition_penalty = 4}, 4);
    sampler_see(sampler, 1, false); /* the prompt counts: 2 / 4 < 1 */
    assert_int_equal(sampler_draw(sampler, logits, 0), 0);
    sampler_free(sampler);

    sampler = make(&(struct engine_sampling){.presence_penalty = 1.5}, 4);
    sampler_see(sampler, 1, false); /* the prompt does not count */
    assert_int_equal(sampler_draw(sampler, logits, 0), 1);
    sampler_see(sampler, 1, true);
    assert_int_equal(sampler_draw(sampler, logits, 1), 0);
    sampler_see(sampler, 0, true);
    sampler_see(sampler, 1, true); /* presence counts once */
    assert_int_equal(sampler_draw(sampler, logits, 2), 1);
    sampler_free(sampler);

    sampler = make(&(struct engine_sampling){.frequency_penalty = 0.6}, 4);
    sampler_see(sampler, 1, true);
    assert_int_equal(sampler_draw(sampler, logits, 0), 1);
    sampler_see(sampler, 1, true);
    assert_int_equal(sampler_draw(sampler, logits, 1), 0);
    sampler_free(sampler);
}

static void test_logprobs_are_the_models_own(void **state)
{
    (void)state;
    enum { TOKENS = 1000 };
    float *logits = make_logits(TOKENS, 5);
    const struct engine_bias bias = {9, -50};
    struct sampler *sampler =
        make(&(struct engine_sampling){.temperature = 0.1, .logit_bias = &bias, .logit_biases = 1},
             TOKENS);
    double sum = 0;
    for (int i = 0; i < TOKENS; i++)
        sum += exp((double)logits[i]);
    struct engine_logprob top[5];
    float own = sampler_logprobs(sampler, logits, 9, top, 5);
    assert_true(fabs((double)own - ((double)logits[9] - log(sum))) < 1e-5);
    for (int i = 0; i < 5; i++) {
        int better = 0;
        for (int k = 0; k < TOKENS; k++)
            better += logits[k] > logits[top[i].token] ||
                      (logits[k] == logits[top[i].token] && k < top[i].token);
        assert_int_equal(better, i);
        assert_true(fabs((double)top[i].logprob - ((double)logits[top[i].token] - log(sum))) <
                    1e-5);
    }
    free(logits);
    sampler_free(sampler);
}

static void test_refusals(void **state)
{
    (void)state;
    const struct engine_bias outside = {100, 1}, strong = {1, 101};
    const struct engine_sampling bad[] = {
        {.temperature = -1},
        {.temperature = NAN},
        {.top_p = 1.5},
        {.min_p = -0.1},
        {.top_k = -1},
        {.repetition_penalty = 11},
        {.presence_penalty = NAN},
        {.frequency_penalty = -11},
        {.logit_bias = &outside, .logit_biases = 1},
        {.logit_bias = &strong, .logit_biases = 1},
        {.logit_biases = SAMPLER_MAX_BIASES + 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct engine_error error = {0};
        assert_null(sampler_new(&bad[i], 100, &error));
        assert_int_equal(error.code, ENGINE_REQUEST);
        assert_true(error.message[0] != '\0');
    }
}

static void test_odd_logits_do_no_harm(void **state)
{
    (void)state;
    float logits[130];
    const float values[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        for (int k = 0; k < 130; k++)
            logits[k] = values[i];
        const struct engine_sampling settings[] = {{.temperature = 0},
                                                   {.temperature = 1},
                                                   {.temperature = 1, .top_k = 5},
                                                   {.temperature = 100, .top_p = 0.5},
                                                   {.temperature = 1e-5, .min_p = 0.5}};
        for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) {
            struct sampler *sampler = make(&settings[k], 130);
            int32_t token = sampler_draw(sampler, logits, k);
            assert_true(token >= 0 && token < 130);
            sampler_free(sampler);
        }
    }
}

static void test_speed(void **state)
{
    (void)state;
    enum { VOCABULARY = 151936, ROUNDS = 50 };
    const struct engine_sampling settings[] = {{.temperature = 0},
                                               {.temperature = 1},
                                               {.temperature = 0.7, .top_k = 40, .top_p = 0.95},
                                               {.temperature = 0.7, .top_p = 0.9},
                                               {.temperature = 1, .min_p = 0.05}};
    float *logits = make_logits(VOCABULARY, 11);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        struct sampler *sampler = make(&settings[i], VOCABULARY);
        struct timespec start, end;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
        for (uint64_t k = 0; k < ROUNDS; k++)
            sampler_draw(sampler, logits, k);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
        double each =
            ((double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9) /
            ROUNDS;
        printf("  settings %zu: %.0f us a draw from %d tokens\n", i, each * 1e6, VOCABULARY);
        assert_true(each < 0.02); /* far above what it takes (0.1 ms): sanitizers run this too */
        sampler_free(sampler);
    }
    free(logits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters_as_the_naive_sampler),
        cmocka_unit_test(test_temperature_zero_takes_the_first_of_equals),
        cmocka_unit_test(test_a_draw_depends_on_seed_and_position_alone),
        cmocka_unit_test(test_frequencies_follow_the_softmax),
        cmocka_unit_test(test_penalties_and_biases),
        cmocka_unit_test(test_logprobs_are_the_models_own),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_odd_logits_do_no_harm),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
