/* The whole engine on a GPU (or the host's shim of one): the check at load, mixed requests with
 * cancellations, the same answers again, a model that does not fit, a device that is lost. */
#include "engine/backend_cpu.h"
#include "engine/gguf.h"
#include "engine/selfcheck.h"
#include "unit/engine/answer.h"
#include "unit/engine/tiny_model.h"

#include <math.h>

#ifdef ARENA_ON_DEVICE
enum { ROUNDS = 40, STORY = 200 };
#else
#include "tests/cuda/order.h"
enum { ROUNDS = 1, STORY = 24 };
#endif

enum { REQUESTS = 12, PROMPT = 40 };

static char model_path[64];

static struct engine_model *load(struct engine *engine, const char *path)
{
    return model_of(engine, path, (struct engine_load_options){0});
}

static const char *story_path(void)
{
    return ARENA_TEST_MODELS "/stories260K-Q8_0.gguf";
}

static struct answer *start(struct engine_model *model, int number, int tokens)
{
    static const struct engine_bias BIAS[] = {{50, 3}, {51, -3}};
    int32_t prompt[PROMPT];
    int length = 1 + number * 17 % PROMPT;
    for (int i = 0; i < length; i++)
        prompt[i] = (number % 3 * 50 + i * 7) % 250;
    return answer_start(
        model, (struct engine_request){.tokens = prompt,
                                       .token_count = (size_t)length,
                                       .max_tokens = tokens,
                                       .ignore_eos = true,
                                       .want_logprobs = true,
                                       .top_logprobs = number % 2 ? 3 : 0,
                                       .sampling = {.temperature = number % 3 ? 0.8 : 0,
                                                    .top_p = number % 4 == 1 ? 0.9 : 1,
                                                    .top_k = number % 5 == 2 ? 20 : 0,
                                                    .min_p = number % 7 == 3 ? 0.05 : 0,
                                                    .repetition_penalty = number % 4 == 2 ? 1.2 : 1,
                                                    .frequency_penalty = number % 6 == 5 ? 0.5 : 0,
                                                    .logit_bias = BIAS,
                                                    .logit_biases = number % 5 == 4 ? 2 : 0,
                                                    .seed = (uint64_t)number}});
}

/* --- The check at load --- */

static void test_auto_takes_a_device_that_computes_what_the_cpu_does(void **state)
{
    struct engine *engine = engine_of((struct engine_options){.threads = 1, .kv_bytes = 1 << 20});
    struct engine_model_info info;
    (void)state;
    engine_model_info(load(engine, story_path()), &info);
    assert_memory_equal(info.device, "cuda:0 (", 8);
    assert_null(info.warning);
    engine_free(engine);
}

/* A backend that gets one logit in a hundred wrong. */
static const struct backend_ops *honest;
static const struct backend_step *seen;

static bool note_step(struct backend_model *model, const struct backend_step *step,
                      struct engine_error *error)
{
    seen = step;
    return honest->submit(model, step, error);
}

static bool spoil_step(struct backend_model *model, struct engine_error *error)
{
    bool ok = honest->wait(model, error);
    for (int i = 0; seen->slices[0].logits && i < 5; i++)
        seen->slices[0].logits[100 * i] += 100;
    return ok;
}

static void test_the_check_tells_a_wrong_device(void **state)
{
    struct engine_error error = {0};
    struct backend_load options = {0};
    struct config config;
    struct gguf *file = gguf_open(model_path, &error);
    struct backend *a = backend_cpu_new(1, NULL, &error), *b = backend_cpu_new(1, NULL, &error);
    struct backend_ops spoilt = *a->ops;
    (void)state;
    assert_true(config_read(&config, file, NULL, &error));
    assert_true(selfcheck_run(a, b, &config, file, &options, &error));
    honest = a->ops;
    spoilt.submit = note_step;
    spoilt.wait = spoil_step;
    a->ops = &spoilt;
    assert_false(selfcheck_run(a, b, &config, file, &options, &error));
    assert_non_null(strstr(error.message, "differ"));
    config_done(&config);
    gguf_close(file);
    honest->free(a);
    honest->free(b);
}

/* --- Answers --- */

/* Where two texts part, the CPU must find both tokens nearly equally likely: rounding decides. */
static void explain(struct engine_model *on_cpu, const int32_t *begin, size_t before,
                    const struct answer *cpu, const struct answer *cuda)
{
    struct engine_error error = {0};
    int32_t text[STORY + 16];
    size_t same = 0;
    while (same < STORY && cpu->tokens[same] == cuda->tokens[same])
        same++;
    printf("a story of %d tokens: the same for %zu\n", STORY, same);
    if (same == STORY)
        return;
    memcpy(text, begin, before * sizeof *text);
    memcpy(text + before, cpu->tokens, same * sizeof *text);
    float *logits = engine_logits(on_cpu, text, before + same, &error);
    assert_non_null(logits);
    size_t vocabulary = 512; /* of this model */
    const float *row = logits + (before + same - 1) * vocabulary;
    double apart = (double)row[cpu->tokens[same]] - (double)row[cuda->tokens[same]];
    printf("there the two likeliest are %.4f apart\n", apart);
    assert_true(apart < 0.1);
    free(logits);
}

static void test_a_story_is_the_cpus(void **state)
{
    static const char *const DEVICES[] = {"cpu", "cuda"};
    static const int32_t BEGIN[] = {1, 403, 407, 261, 378}; /* BOS, "Once upon a time" or so */
    struct answer *answers[2];
    struct engine *engines[2];
    struct engine_model *models[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        engines[i] = engine_of(
            (struct engine_options){.device = DEVICES[i], .threads = 1, .kv_bytes = 1 << 20});
        models[i] = load(engines[i], story_path());
        answers[i] = answer_wait(answer_start(
            models[i],
            (struct engine_request){
                .tokens = BEGIN, .token_count = 5, .max_tokens = STORY, .ignore_eos = true}));
        assert_int_equal(answers[i]->count, STORY);
    }
    explain(models[0], BEGIN, 5, answers[0], answers[1]);
    for (int i = 0; i < 2; i++) {
        answer_free(answers[i]);
        engine_free(engines[i]);
    }
}

/* Two models share the device; each says what it says alone. */
static void test_two_models_on_one_device(void **state)
{
    struct engine *engine =
        engine_of((struct engine_options){.device = "cuda", .threads = 1, .kv_bytes = 1 << 20});
    struct engine_model *models[] = {load(engine, model_path), load(engine, story_path())};
    struct answer *alone[2], *together[2];
    (void)state;
    for (int i = 0; i < 2; i++)
        alone[i] = answer_wait(start(models[i], 1, 12)); /* too short to leave a known page */
    for (int i = 0; i < 2; i++)
        together[i] = start(models[i], 1, 12);
    for (int i = 0; i < 2; i++) {
        answer_wait(together[i]);
        assert_int_equal(alone[i]->count, 12);
        assert_int_equal(together[i]->count, 12);
        assert_memory_equal(alone[i]->tokens, together[i]->tokens, 12 * sizeof(int32_t));
        answer_free(alone[i]);
        answer_free(together[i]);
    }
    engine_free(engine);
}

static void check_ends(struct answer *const *answers)
{
    for (int i = 0; i < REQUESTS; i++) {
        const struct engine_result *r = &answer_wait(answers[i])->result;
        assert_true(r->finish == (i % 4 == 3 ? ENGINE_CANCELLED : ENGINE_LENGTH) ||
                    r->finish == ENGINE_LENGTH);
        for (size_t t = 0; t < answers[i]->count; t++) {
            assert_in_range(answers[i]->tokens[t], 0, TINY_VOCABULARY - 1);
            assert_true(answers[i]->logprobs[t] <= 0);
        }
    }
}

/* Few pages, so that some are thrown out; every fourth is cancelled. */
static void test_mixed_requests_end(void **state)
{
    struct engine *engine = engine_of((struct engine_options){
        .device = "cuda", .threads = 1, .kv_bytes = 200 << 10, .max_requests = 8});
    struct engine_model *model = load(engine, model_path);
    struct engine_metrics metrics;
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct answer *answers[REQUESTS];
        for (int i = 0; i < REQUESTS; i++)
            answers[i] = start(model, i + round, 4 + i % 7);
        for (int i = 3; i < REQUESTS; i += 4)
            engine_cancel(engine, answers[i]->id);
        check_ends(answers);
        for (int i = 0; i < REQUESTS; i++)
            answer_free(answers[i]);
    }
    do
        engine_metrics(engine, &metrics);
    while (metrics.running); /* published after the last end */
    assert_int_equal(metrics.failed, 0);
    assert_int_equal(metrics.kv_bytes_used, 0);
    engine_free(engine);
}

static void test_the_same_request_gets_the_same_tokens(void **state)
{
    struct answer *answers[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct engine *engine =
            engine_of((struct engine_options){.device = "cuda", .threads = 1, .kv_bytes = 1 << 20});
        answers[i] = answer_wait(start(load(engine, model_path), 7, 12));
        engine_free(engine);
    }
    assert_int_equal(answers[0]->count, 12);
    assert_memory_equal(answers[0]->tokens, answers[1]->tokens, 12 * sizeof(int32_t));
    assert_memory_equal(answers[0]->logprobs, answers[1]->logprobs, 12 * sizeof(float));
    answer_free(answers[0]);
    answer_free(answers[1]);
}

/* --- Answers by a schema --- */

static const char *const SCHEMA =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":6},"
    "\"good\":{\"type\":\"boolean\"}},\"required\":[\"name\",\"good\"]}";

static struct answer *start_schema(struct engine_model *model, int number)
{
    static const int32_t PROMPT_TOKENS[] = {1, 403, 407, 261};
    return answer_start(model, (struct engine_request){.tokens = PROMPT_TOKENS,
                                                       .token_count = 4,
                                                       .max_tokens = 60,
                                                       .json_schema = SCHEMA,
                                                       .sampling = {.temperature = number ? 1 : 0,
                                                                    .seed = (uint64_t)number}});
}

static void check_schema(const struct answer *a)
{
    if (a->result.finish != ENGINE_STOP)
        fail_msg("%d: %s", (int)a->result.finish, a->result.error.message);
    assert_memory_equal(a->text, "{", 1);
    assert_non_null(strstr(a->text, "\"name\""));
    assert_true(strstr(a->text, "true") || strstr(a->text, "false"));
}

/* Alone, and beside requests whose steps run ahead. */
static void test_an_answer_by_a_schema(void **state)
{
    struct engine *engine =
        engine_of((struct engine_options){.device = "cuda", .threads = 1, .kv_bytes = 1 << 20});
    struct engine_model *model = load(engine, story_path());
    (void)state;
    for (int number = 0; number < 2; number++) {
        struct answer *alone = answer_wait(start_schema(model, number));
        struct answer *beside = start(model, 1, 30), *again = start_schema(model, number);
        check_schema(alone);
        check_schema(answer_wait(again));
        assert_int_equal(answer_wait(beside)->count, 30);
        answer_free(alone);
        answer_free(again);
        answer_free(beside);
    }
    engine_free(engine);
}

/* --- Refusals --- */

static void test_a_model_that_does_not_fit_is_refused(void **state)
{
    struct engine_error error = {0};
    struct engine *engine =
        engine_of((struct engine_options){.device = "cuda", .kv_bytes = (size_t)1 << 42});
    (void)state;
    assert_null(engine_load(engine, model_path, NULL, &error));
    assert_int_equal(error.code, ENGINE_MEMORY);
    assert_non_null(strstr(error.message, "does not fit"));
    engine_free(engine);
}

static void test_devices_are_named(void **state)
{
    static const char *const WRONG[] = {"cuda:999", "cuda:", "cuda:x", "gpu", "cuda:0x"};
    struct engine_error error = {0};
    (void)state;
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        assert_null(engine_new(&(struct engine_options){.device = WRONG[i]}, &error));
        assert_int_equal(error.code, ENGINE_DEVICE);
        assert_non_null(strstr(error.message, WRONG[i]));
    }
}

#ifndef ARENA_ON_DEVICE
static void expect_lost(struct engine_model *model, int number)
{
    struct answer *a = answer_wait(start(model, number, 20));
    assert_int_equal(a->result.finish, ENGINE_FAILED);
    assert_int_equal(a->result.error.code, ENGINE_DEVICE);
    assert_non_null(strstr(a->result.error.message, "lost"));
    answer_free(a);
}

/* At every place of a step that a device can go: what runs then fails, so does what comes later,
 * and says so; the engine goes on, and ends. */
static void test_a_lost_device_fails_requests_and_nothing_else(void **state)
{
    (void)state;
    for (int after = 1; after < 200; after += 9) {
        struct engine *engine =
            engine_of((struct engine_options){.device = "cuda", .threads = 1, .kv_bytes = 1 << 20});
        struct engine_model *model = load(engine, model_path);
        struct engine_error error = {0};
        struct answer *beside = start(model, 2, 30);
        host_fail_after(after, 700);
        expect_lost(model, 1);
        assert_int_equal(answer_wait(beside)->result.finish, ENGINE_FAILED);
        answer_free(beside);
        expect_lost(model, 0);
        assert_null(engine_load(engine, model_path, NULL, &error));
        assert_int_equal(error.code, ENGINE_DEVICE);
        engine_free(engine);
        host_fail(0);
    }
}

/* A step that is refused is not the end: the device computes what comes later. */
static void test_a_refused_step_is_not_the_end(void **state)
{
    struct engine *engine =
        engine_of((struct engine_options){.device = "cuda", .threads = 1, .kv_bytes = 1 << 20});
    struct engine_model *model = load(engine, model_path);
    (void)state;
    host_fail(2);
    struct answer *a = answer_wait(start(model, 1, 20));
    assert_int_equal(a->result.finish, ENGINE_FAILED);
    assert_null(strstr(a->result.error.message, "lost"));
    answer_free(a);
    host_fail(0);
    a = answer_wait(start(model, 1, 5));
    assert_int_equal(a->result.finish, ENGINE_LENGTH);
    answer_free(a);
    engine_free(engine);
}

static void test_memory_that_is_not_there_is_told(void **state)
{
    static const struct {
        size_t said, real;
        const char *text;
    } CASES[] = {
        {(size_t)1 << 28, SIZE_MAX, "does not fit"}, /* no room beside what the driver needs */
        {(size_t)1 << 33, 1 << 20, "not enough memory"},
        {(size_t)1 << 33, 100 << 10, "not enough memory"},
        {(size_t)1 << 33, 100, "not enough memory"},
    };
    struct engine *engine = engine_of((struct engine_options){.device = "cuda", .threads = 1});
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct engine_error error = {0};
        host_set_memory(CASES[i].said, CASES[i].real);
        assert_null(engine_load(engine, model_path, NULL, &error));
        assert_int_equal(error.code, ENGINE_MEMORY);
        if (!strstr(error.message, CASES[i].text))
            fail_msg("case %zu: %s", i, error.message);
    }
    host_set_memory((size_t)1 << 33, SIZE_MAX);
    assert_non_null(load(engine, model_path));
    engine_free(engine);
}

/* "cuda" is refused with the reason, "auto" takes the CPU. */
static void test_no_device_is_told(void **state)
{
    static const char *const WHY[] = {"no NVIDIA driver is installed",
                                      "the NVIDIA driver is older than the CUDA runtime"};
    struct engine_error error = {0};
    struct engine_model_info info;
    (void)state;
    for (int i = 0; i < 2; i++) {
        host_set_devices(0, WHY[i], i);
        assert_null(engine_new(&(struct engine_options){.device = "cuda:0"}, &error));
        assert_int_equal(error.code, ENGINE_DEVICE);
        assert_non_null(strstr(error.message, WHY[i]));
    }
    for (int i = 0; i < 2; i++) { /* no driver is no news, an old one is */
        host_set_devices(0, WHY[i], i);
        struct engine *engine = engine_of((struct engine_options){.threads = 1});
        engine_model_info(load(engine, model_path), &info);
        assert_memory_equal(info.device, "cpu", 3);
        assert_true(i ? strstr(info.warning, WHY[1]) != NULL : !info.warning);
        engine_free(engine);
    }
    host_set_devices(1, "", 0);
    assert_null(engine_new(&(struct engine_options){.device = "cuda:9"}, &error));
    assert_non_null(strstr(error.message, "cuda:9: this machine has 1, the last one is cuda:0"));
}
#endif

static int setup(void **state)
{
    (void)state;
    tiny_file(&TINY_DEFAULT, model_path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(model_path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_takes_a_device_that_computes_what_the_cpu_does),
        cmocka_unit_test(test_the_check_tells_a_wrong_device),
        cmocka_unit_test(test_a_story_is_the_cpus),
        cmocka_unit_test(test_two_models_on_one_device),
        cmocka_unit_test(test_mixed_requests_end),
        cmocka_unit_test(test_the_same_request_gets_the_same_tokens),
        cmocka_unit_test(test_an_answer_by_a_schema),
        cmocka_unit_test(test_a_model_that_does_not_fit_is_refused),
        cmocka_unit_test(test_devices_are_named),
#ifndef ARENA_ON_DEVICE
        cmocka_unit_test(test_a_lost_device_fails_requests_and_nothing_else),
        cmocka_unit_test(test_a_refused_step_is_not_the_end),
        cmocka_unit_test(test_memory_that_is_not_there_is_told),
        cmocka_unit_test(test_no_device_is_told),
#endif
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
