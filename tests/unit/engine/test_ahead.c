/* Steps ahead: a device is given step n + 1 before step n's tokens are known. Whatever arrives,
 * ends, is cancelled or thrown out meanwhile, answers are to the bit what one step after another
 * makes of them. */
#include "unit/engine/ahead.h"
#include "unit/engine/answer.h"
#include "unit/engine/tiny_model.h"

#include <time.h>

enum { KINDS = 18, PROMPT_MOST = 120, END = 258, REQUESTS = 30 };

struct kind {
    int32_t prompt[PROMPT_MOST];
    int length, max_tokens;
    struct engine_sampling sampling;
    struct engine_bias biases[2];
    const char *stop;
    struct answer *alone;
};

static struct kind kinds[KINDS];
static char path[64];
static struct engine_metrics totals;
static unsigned long followed, stopped;

static unsigned pick(uint64_t *random, unsigned below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*random >> 33) % below;
}

/* Some end by a token, some by a stop string, some say the same again and again. */
static void make_kinds(void)
{
    uint64_t random = 7;
    for (int i = 0; i < KINDS; i++) {
        struct kind *kind = &kinds[i];
        kind->length = 1 + (int)pick(&random, PROMPT_MOST);
        kind->max_tokens = 1 + (int)pick(&random, 60);
        for (int j = 0; j < PROMPT_MOST; j++)
            kind->prompt[j] = j < 70 ? (i % 3 * 50 + j * 7) % 256 : (int32_t)pick(&random, 256);
        kind->sampling = (struct engine_sampling){.temperature = i % 3 ? 1 : 0,
                                                  .seed = (uint64_t)i,
                                                  .repetition_penalty = i % 4 == 1 ? 1.3 : 1,
                                                  .frequency_penalty = i % 6 == 2 ? 0.5 : 0};
        if (i % 3 == 1) {
            kind->biases[0] = (struct engine_bias){END, 3};
            kind->sampling.logit_biases = 1;
        } else if (i % 3 == 2) {
            kind->biases[0] = (struct engine_bias){50, i % 2 ? 60 : 6};
            kind->biases[1] = (struct engine_bias){51, i % 2 ? 60 : 6};
            kind->sampling.logit_biases = 2;
            kind->stop = i % 2 ? NULL : "SS";
        }
        kind->sampling.logit_bias = kind->biases;
    }
}

static struct engine_request request_of(const struct kind *kind)
{
    return (struct engine_request){.tokens = kind->prompt,
                                   .token_count = (size_t)kind->length,
                                   .max_tokens = kind->max_tokens,
                                   .sampling = kind->sampling,
                                   .stop = &kind->stop,
                                   .stops = kind->stop != NULL,
                                   .want_logprobs = true};
}

static void run_alone(void)
{
    struct engine *engine =
        engine_of((struct engine_options){.device = "cpu", .threads = 1, .kv_bytes = 1 << 20});
    struct engine_model *model = model_of(engine, path, (struct engine_load_options){0});
    for (int i = 0; i < KINDS; i++) {
        struct engine_request request = request_of(&kinds[i]);
        request.no_guesses = true;
        kinds[i].alone = answer_wait(answer_start(model, request));
        stopped += kinds[i].alone->result.finish == ENGINE_STOP;
        assert_int_not_equal(kinds[i].alone->result.finish, ENGINE_FAILED);
    }
    engine_free(engine);
}

static void check_same(const struct answer *a, const struct kind *kind)
{
    const struct answer *alone = kind->alone;
    bool whole = a->result.finish != ENGINE_CANCELLED;
    if (whole) {
        assert_int_equal(a->result.finish, alone->result.finish);
        assert_int_equal(a->count, alone->count);
        assert_int_equal(a->result.output_tokens, alone->result.output_tokens);
        assert_string_equal(a->text, alone->text);
    }
    assert_true(a->count <= alone->count);
    assert_memory_equal(a->tokens, alone->tokens, a->count * sizeof *a->tokens);
    assert_memory_equal(a->logprobs, alone->logprobs, a->count * sizeof *a->logprobs);
}

static void add_metrics(struct engine *engine)
{
    struct engine_metrics metrics;
    do
        engine_metrics(engine, &metrics);
    while (metrics.running); /* steps that nobody waits for any more land too */
    assert_int_equal(metrics.failed, 0);
    assert_int_equal(metrics.kv_bytes_used, 0);
    totals.preempted += metrics.preempted;
    totals.guessed_right += metrics.guessed_right;
    totals.cached_tokens += metrics.cached_tokens;
    followed += ahead.followed;
}

static void run_schedule(uint64_t seed)
{
    uint64_t random = seed * 1001 + 3;
    struct engine *engine =
        engine_of((struct engine_options){.device = "cpu",
                                          .threads = 1,
                                          .max_requests = 1 + (int)pick(&random, 10),
                                          .kv_bytes = (60u << 10) + pick(&random, 200u << 10)});
    struct engine_model *model =
        model_of(engine, path, (struct engine_load_options){.context = 200});
    struct answer *answers[REQUESTS];
    int which[REQUESTS];
    ahead_take(model);
    for (int i = 0; i < REQUESTS; i++) {
        which[i] = (int)pick(&random, KINDS);
        struct engine_request request = request_of(&kinds[which[i]]);
        request.background = pick(&random, 4) == 0;
        request.no_guesses = pick(&random, 2) == 0;
        answers[i] = answer_start(model, request);
        if (!pick(&random, 3))
            nanosleep(&(struct timespec){0, (long)pick(&random, 2000) * 1000}, NULL);
        if (!pick(&random, 5))
            engine_cancel(engine, answers[pick(&random, (unsigned)i + 1)]->id);
    }
    for (int i = 0; i < REQUESTS; i++) {
        check_same(answer_wait(answers[i]), &kinds[which[i]]);
        answer_free(answers[i]);
    }
    add_metrics(engine);
    engine_free(engine);
}

static void test_answers_do_not_depend_on_steps_ahead(void **state)
{
    const char *rounds = getenv("ARENA_SCHEDULES");
    (void)state;
    for (long seed = 0; seed < (rounds ? strtol(rounds, NULL, 10) : 24); seed++)
        run_schedule((uint64_t)seed);
    assert_true(stopped > 2);
    assert_true(followed > 100);
    assert_true(totals.preempted > 0);
    assert_true(totals.guessed_right > 0);
    assert_true(totals.cached_tokens > 0);
}

/* One request alone never waits for its tokens: all steps but the first follow one another. */
static void test_a_lone_request_runs_ahead(void **state)
{
    struct engine *engine =
        engine_of((struct engine_options){.device = "cpu", .threads = 1, .kv_bytes = 1 << 20});
    struct engine_model *model = model_of(engine, path, (struct engine_load_options){0});
    struct engine_request request = {.tokens = kinds[0].prompt,
                                     .token_count = 20,
                                     .max_tokens = 50,
                                     .ignore_eos = true,
                                     .no_guesses = true};
    struct engine_metrics metrics;
    (void)state;
    ahead_take(model);
    struct answer *a = answer_wait(answer_start(model, request));
    assert_int_equal(a->count, 50);
    add_metrics(engine);
    engine_metrics(engine, &metrics);
    assert_int_equal(ahead.followed, 49);
    assert_int_equal(metrics.steps, 50);
    answer_free(a);
    engine_free(engine);
}

/* A step that fails takes its requests with it; those that come later are served. */
static void test_a_step_that_fails_ends_its_requests(void **state)
{
    (void)state;
    for (int after = 1; after < 6; after++) {
        struct engine *engine =
            engine_of((struct engine_options){.device = "cpu", .threads = 1, .kv_bytes = 1 << 20});
        struct engine_model *model = model_of(engine, path, (struct engine_load_options){0});
        struct engine_request request = request_of(&kinds[0]);
        struct answer *answers[3];
        ahead_take(model);
        ahead.fail_after = after;
        request.max_tokens = 60;
        request.ignore_eos = true;
        for (int i = 0; i < 3; i++)
            answers[i] = answer_start(model, request);
        int failed = 0;
        for (int i = 0; i < 3; i++) {
            failed += answer_wait(answers[i])->result.finish == ENGINE_FAILED;
            answer_free(answers[i]);
        }
        assert_in_range(failed, 1, 3);
        struct answer *later = answer_wait(answer_start(model, request_of(&kinds[0])));
        check_same(later, &kinds[0]);
        answer_free(later);
        engine_free(engine);
    }
}

/* The engine may be freed with steps under way; logits come whole. */
static void test_the_end_of_all_comes_after_the_steps(void **state)
{
    struct engine *engine =
        engine_of((struct engine_options){.device = "cpu", .threads = 1, .kv_bytes = 1 << 20});
    struct engine_model *model = model_of(engine, path, (struct engine_load_options){0});
    struct engine_error error = {0};
    struct answer *answers[3];
    (void)state;
    ahead_take(model);
    float *logits = engine_logits(model, kinds[0].prompt, 100, &error);
    assert_non_null(logits);
    free(logits);
    for (int i = 0; i < 3; i++)
        answers[i] = answer_start(model, (struct engine_request){.tokens = kinds[i].prompt,
                                                                 .token_count = 30,
                                                                 .ignore_eos = true});
    engine_free(engine);
    for (int i = 0; i < 3; i++)
        answer_free(answers[i]);
}

static int setup(void **state)
{
    (void)state;
    tiny_file(&TINY_DEFAULT, path);
    make_kinds();
    run_alone();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < KINDS; i++)
        answer_free(kinds[i].alone);
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_do_not_depend_on_steps_ahead),
        cmocka_unit_test(test_a_lone_request_runs_ahead),
        cmocka_unit_test(test_a_step_that_fails_ends_its_requests),
        cmocka_unit_test(test_the_end_of_all_comes_after_the_steps),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
