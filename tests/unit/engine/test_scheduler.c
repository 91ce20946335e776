/* The scheduler's promise: whatever arrives, leaves or is thrown out beside it, a request's tokens
 * and log-probabilities are the same to the bit. And its manners: one end each, cancels at once,
 * clear refusals. */
#include "unit/engine/answer.h"
#include "unit/engine/tiny_model.h"

#include <time.h>

enum { KINDS = 24, PROMPT_MOST = 150 };

#ifdef __SANITIZE_THREAD__
enum { SCHEDULES = 4 }; /* a race is seen in whatever order it came, and every step costs tenfold */
#else
enum { SCHEDULES = 12 };
#endif

struct kind {
    int32_t prompt[PROMPT_MOST];
    int length, max_tokens;
    struct engine_sampling sampling;
    struct answer *alone;
};

static struct kind kinds[KINDS];
static char tiny_paths[3][64];
static struct engine_metrics totals; /* of all schedules: they must have met what they are about */

static unsigned pick(uint64_t *random, unsigned below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*random >> 33) % below;
}

static const struct engine_bias two_tokens[] = {{50, 60}, {51, 60}};

/* Prompts that begin alike in families, so that pages are shared at many lengths. */
static void make_kinds(void)
{
    uint64_t random = 42;
    for (int i = 0; i < KINDS; i++) {
        struct kind *kind = &kinds[i];
        kind->length = 1 + (int)pick(&random, PROMPT_MOST);
        kind->max_tokens = 1 + (int)pick(&random, 40);
        for (int j = 0; j < PROMPT_MOST; j++)
            kind->prompt[j] = j < 70 ? (i % 3 * 50 + j * 7) % 256 : (int32_t)pick(&random, 256);
        kind->sampling = (struct engine_sampling){.temperature = i % 2 ? (i % 3 ? 0.2 : 1.0) : 0,
                                                  .top_p = 0.95,
                                                  .seed = (uint64_t)i,
                                                  .repetition_penalty = i % 4 == 1 ? 1.2 : 1};
        if (i % 4 == 3) { /* two tokens by chance: answers that guesses are often right about */
            kind->sampling.logit_bias = two_tokens;
            kind->sampling.logit_biases = 2;
        }
    }
}

static struct engine_request request_of(const struct kind *kind)
{
    return (struct engine_request){.tokens = kind->prompt,
                                   .token_count = (size_t)kind->length,
                                   .max_tokens = kind->max_tokens,
                                   .sampling = kind->sampling,
                                   .ignore_eos = true,
                                   .want_logprobs = true};
}

static struct answer *start_kind(struct engine_model *model, const struct kind *kind)
{
    return answer_start(model, request_of(kind));
}

/* The reference: one thread, one request, one token a step. */
static void run_alone(const char *path, const char *kv)
{
    for (int i = 0; i < KINDS; i++) {
        struct engine *engine =
            engine_of((struct engine_options){.threads = 1, .kv_bytes = 1 << 20});
        struct engine_model *model = model_of(engine, path, (struct engine_load_options){.kv = kv});
        struct engine_request request = request_of(&kinds[i]);
        request.no_guesses = true;
        kinds[i].alone = answer_wait(answer_start(model, request));
        assert_int_equal(kinds[i].alone->result.finish, ENGINE_LENGTH);
        assert_int_equal(kinds[i].alone->count, kinds[i].max_tokens);
        engine_free(engine);
    }
}

static void check_same(const struct answer *a, const struct kind *kind)
{
    bool whole = a->result.finish == ENGINE_LENGTH;
    assert_true(whole || a->result.finish == ENGINE_CANCELLED);
    assert_true(whole ? a->count == kind->alone->count : a->count <= kind->alone->count);
    assert_memory_equal(a->tokens, kind->alone->tokens, a->count * sizeof *a->tokens);
    assert_memory_equal(a->logprobs, kind->alone->logprobs, a->count * sizeof *a->logprobs);
}

static void nap(unsigned microseconds)
{
    nanosleep(&(struct timespec){0, (long)microseconds * 1000}, NULL);
}

/* A request whose first news waits for the lock it comes with: what is submitted meanwhile arrives
 * together. */
static struct answer *start_gate(struct engine_model *model)
{
    struct engine_error error = {0};
    struct answer *a = answer_new();
    struct engine_request request = {.tokens = kinds[0].prompt,
                                     .token_count = 10,
                                     .ignore_eos = true,
                                     .on_delta = answer_delta,
                                     .on_end = answer_end,
                                     .user = a};
    pthread_mutex_lock(&a->lock);
    a->id = engine_submit(model, &request, &error);
    assert_int_not_equal(a->id, 0);
    return a;
}

static void open_gate(struct answer *gate)
{
    pthread_mutex_unlock(&gate->lock);
}

/* One engine, many requests at random moments, some cancelled, with few enough pages that some are
 * thrown out. */
static void run_schedule(const char *path, const char *kv, uint64_t seed, int requests)
{
    uint64_t random = seed * 1001 + 3;
    struct engine_options options = {.threads = 1 + (int)pick(&random, 3),
                                     .max_requests = 1 + (int)pick(&random, 12),
                                     .max_queue = requests + 1,
                                     .kv_bytes = (60u << 10) + pick(&random, 250u << 10)};
    struct engine *engine = engine_of(options);
    struct engine_model *model =
        model_of(engine, path, (struct engine_load_options){.context = 224, .kv = kv});
    struct answer *answers[64], *gate = seed % 2 ? NULL : start_gate(model);
    int which[64];
    for (int i = 0; i < requests; i++) {
        which[i] = (int)pick(&random, KINDS);
        struct engine_request request = request_of(&kinds[which[i]]);
        request.background = pick(&random, 3) == 0;
        answers[i] = answer_start(model, request);
        if (!pick(&random, 3))
            nap(pick(&random, 2000));
        if (!pick(&random, 5))
            engine_cancel(engine, answers[pick(&random, (unsigned)i + 1)]->id);
    }
    if (gate) {
        engine_cancel(engine, gate->id);
        open_gate(gate);
        answer_free(answer_wait(gate));
    }
    for (int i = 0; i < requests; i++) {
        check_same(answer_wait(answers[i]), &kinds[which[i]]);
        answer_free(answers[i]);
    }
    struct engine_metrics metrics;
    engine_metrics(engine, &metrics);
    totals.preempted += metrics.preempted;
    totals.guessed_right += metrics.guessed_right;
    totals.cached_tokens += metrics.cached_tokens;
    engine_free(engine);
}

static void test_tokens_do_not_depend_on_the_schedule(void **state)
{
    (void)state;
    const char *rounds = getenv("ARENA_SCHEDULES");
    for (int model = 0; model < 4; model++) {
        const char *path = tiny_paths[model % 3], *kv = model == 3 ? "q8" : NULL;
        run_alone(path, kv);
        for (long seed = 0; seed < (rounds ? strtol(rounds, NULL, 10) : SCHEDULES); seed++)
            run_schedule(path, kv, (uint64_t)seed, 40);
        for (int i = 0; i < KINDS; i++)
            answer_free(kinds[i].alone);
    }
    assert_true(totals.preempted > 0);
    assert_true(totals.guessed_right > 0);
    assert_true(totals.cached_tokens > 0);
}

/* Two lanes of one prompt: the second takes the first's pages instead of computing them too. */
static void test_a_shared_prompt_is_computed_once(void **state)
{
    (void)state;
    struct engine *engine = engine_of((struct engine_options){.threads = 2});
    struct engine_model *model = model_of(engine, tiny_paths[0], (struct engine_load_options){0});
    struct kind kind = kinds[0];
    kind.length = 140;
    struct answer *gate = start_gate(model);
    struct answer *a = start_kind(model, &kind), *b = start_kind(model, &kind);
    engine_cancel(engine, gate->id);
    open_gate(gate);
    answer_wait(gate);
    answer_wait(a);
    answer_wait(b);
    assert_int_equal(a->result.cached_tokens + b->result.cached_tokens, 128);
    struct answer *again = answer_wait(start_kind(model, &kind));
    assert_int_equal(again->result.cached_tokens, 128);
    assert_memory_equal(a->tokens, again->tokens, again->count * sizeof *again->tokens);
    answer_free(gate);
    answer_free(a);
    answer_free(b);
    answer_free(again);
    engine_free(engine);
}

static void test_a_full_queue_refuses(void **state)
{
    (void)state;
    struct engine_error error = {0};
    struct engine *engine =
        engine_of((struct engine_options){.threads = 1, .max_requests = 1, .max_queue = 1});
    struct engine_model *model = model_of(engine, tiny_paths[0], (struct engine_load_options){0});
    struct engine_request request = request_of(&kinds[0]);
    request.on_end = answer_end; /* nobody's: it must not be called */
    struct answer *gate = start_gate(model), *waits = start_kind(model, &kinds[0]);
    assert_int_equal(engine_submit(model, &request, &error), 0);
    assert_int_equal(error.code, ENGINE_BUSY);
    open_gate(gate);
    engine_free(engine); /* ends both */
    answer_free(gate);
    answer_free(waits);
}

static void test_a_cancel_ends_at_the_next_step(void **state)
{
    (void)state;
    struct engine *engine = engine_of((struct engine_options){.threads = 1, .max_requests = 1});
    struct engine_model *model = model_of(engine, tiny_paths[0], (struct engine_load_options){0});
    struct answer *gate = start_gate(model), *waits = start_kind(model, &kinds[0]);
    engine_cancel(engine, gate->id);
    engine_cancel(engine, 12345); /* nobody's */
    open_gate(gate);
    assert_int_equal(answer_wait(gate)->result.finish, ENGINE_CANCELLED);
    assert_true(gate->count <= 1);   /* of one step, which had nothing to guess from */
    engine_cancel(engine, gate->id); /* over already */
    assert_int_equal(answer_wait(waits)->result.finish, ENGINE_LENGTH);
    struct engine_metrics metrics;
    engine_metrics(engine, &metrics);
    assert_int_equal(metrics.cancelled, 1);
    assert_int_equal(metrics.requests, 2);
    answer_free(gate);
    answer_free(waits);
    engine_free(engine);
}

/* A request that waits for its turn is let go at once, long before its turn comes. */
static void test_a_waiting_request_is_cancelled_too(void **state)
{
    (void)state;
    struct engine *engine = engine_of((struct engine_options){.threads = 1, .max_requests = 1});
    struct engine_model *model = model_of(engine, tiny_paths[0], (struct engine_load_options){0});
    struct answer *gate = start_gate(model), *waits = start_kind(model, &kinds[0]);
    nap(20000); /* it has arrived, unless the machine is very slow: then it is cancelled on arrival
                 */
    engine_cancel(engine, waits->id);
    open_gate(gate);
    assert_int_equal(answer_wait(waits)->result.finish, ENGINE_CANCELLED);
    engine_cancel(engine, gate->id);
    assert_true(answer_wait(gate)->order > waits->order);
    answer_free(gate);
    answer_free(waits);
    engine_free(engine);
}

/* A request that nobody looks at stands still for one that somebody does, in its only place or
 * beside it. */
static void test_the_background_gives_way(void **state)
{
    (void)state;
    for (int places = 1; places <= 2; places++) {
        struct engine *engine =
            engine_of((struct engine_options){.threads = 1, .max_requests = places});
        struct engine_model *model =
            model_of(engine, tiny_paths[0], (struct engine_load_options){0});
        struct engine_request first = request_of(&kinds[0]), then = first;
        first.background = true;
        first.max_tokens = then.max_tokens = 60;
        struct answer *gate = start_gate(model);
        struct answer *background = answer_start(model, first), *other = answer_start(model, then);
        engine_cancel(engine, gate->id);
        open_gate(gate);
        assert_true(answer_wait(other)->order < answer_wait(background)->order);
        assert_memory_equal(other->tokens, background->tokens, 60 * sizeof *other->tokens);
        answer_free(answer_wait(gate));
        answer_free(background);
        answer_free(other);
        engine_free(engine);
    }
}

static void test_nonsense_is_refused(void **state)
{
    (void)state;
    struct engine *engine = engine_of((struct engine_options){.threads = 1});
    struct engine_model *model = model_of(engine, tiny_paths[0], (struct engine_load_options){0});
    static int32_t many[600];
    int32_t bad = TINY_VOCABULARY, negative = -1;
    const struct {
        struct engine_request request;
        enum engine_error_code code;
    } cases[] = {
        {{.max_tokens = 1}, ENGINE_REQUEST},
        {{.tokens = &bad, .token_count = 1}, ENGINE_REQUEST},
        {{.tokens = &negative, .token_count = 1}, ENGINE_REQUEST},
        {{.tokens = many, .token_count = 600}, ENGINE_TOO_LONG},
        {{.tokens = many, .token_count = 1, .max_tokens = -1}, ENGINE_REQUEST},
        {{.tokens = many, .token_count = 1, .top_logprobs = 1000}, ENGINE_REQUEST},
        {{.tokens = many, .token_count = 1, .sampling = {.temperature = -1}}, ENGINE_REQUEST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct engine_error error = {0};
        struct engine_request request = cases[i].request;
        request.on_end = answer_end;
        assert_int_equal(engine_submit(model, &request, &error), 0);
        assert_int_equal(error.code, cases[i].code);
        assert_true(error.message[0]);
    }
    struct answer *a = answer_wait(
        answer_start(model, (struct engine_request){.tokens = many, .token_count = 512}));
    assert_int_equal(a->result.finish, ENGINE_FAILED);
    assert_int_equal(a->result.error.code, ENGINE_TOO_LONG);
    answer_free(a);
    engine_free(engine);
}

/* Several models take turns; an answer ends with its context. */
static void test_several_models_run_at_once(void **state)
{
    (void)state;
    struct engine *engine = engine_of((struct engine_options){.threads = 2, .kv_bytes = 1 << 20});
    struct answer *answers[9];
    struct engine_model *models[3];
    for (int i = 0; i < 3; i++)
        models[i] = model_of(engine, tiny_paths[i], (struct engine_load_options){.context = 100});
    for (int i = 0; i < 9; i++)
        answers[i] = answer_start(models[i % 3], (struct engine_request){.tokens = kinds[0].prompt,
                                                                         .token_count = 10,
                                                                         .ignore_eos = true});
    for (int i = 0; i < 9; i++) {
        assert_int_equal(answer_wait(answers[i])->result.finish, ENGINE_LENGTH);
        assert_int_equal(answers[i]->count, 90);
        assert_memory_equal(answers[i]->tokens, answers[i % 3]->tokens, 90 * sizeof(int32_t));
    }
    for (int i = 0; i < 9; i++)
        answer_free(answers[i]);
    engine_free(engine);
}

static int setup(void **state)
{
    (void)state;
    struct tiny_model q8 = TINY_DEFAULT, q4 = TINY_DEFAULT, moe = TINY_DEFAULT;
    q4.type = KERNEL_Q4_1;
    moe.type = KERNEL_Q8_0;
    moe.experts = 4;
    tiny_file(&q8, tiny_paths[0]);
    tiny_file(&q4, tiny_paths[1]);
    tiny_file(&moe, tiny_paths[2]);
    make_kinds();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        unlink(tiny_paths[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_do_not_depend_on_the_schedule),
        cmocka_unit_test(test_a_shared_prompt_is_computed_once),
        cmocka_unit_test(test_a_full_queue_refuses),
        cmocka_unit_test(test_a_cancel_ends_at_the_next_step),
        cmocka_unit_test(test_a_waiting_request_is_cancelled_too),
        cmocka_unit_test(test_the_background_gives_way),
        cmocka_unit_test(test_nonsense_is_refused),
        cmocka_unit_test(test_several_models_run_at_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
