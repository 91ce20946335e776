/* Mixed requests at random moments on a GPU (or the host's shim of one): prompts of all lengths,
 * every way of drawing, cancels, answers that end by a token or a stop string, pages running short,
 * steps that follow draws nobody has seen. Each answer is held to what the CPU makes of the same
 * tokens; on a device it goes on for a while and must not grow. */
#include "engine/model.h"
#include "engine/sampler.h"
#include "kernels/cuda/device.h"
#include "unit/engine/answer.h"
#include "unit/engine/tiny_model.h"

#include <math.h>
#include <time.h>

enum { REQUESTS = 14, PROMPT_MOST = 60, END = 258, ANSWER_MOST = 24 };

#ifdef ARENA_ON_DEVICE
static const double SECONDS = 15;
#else
static const double SECONDS = 0;
#endif

/* How far a log-probability may be from the CPU's, and the share of draws that rounding may send
 * elsewhere. */
static const double NEAR_ENOUGH = 0.05, MOST_ASTRAY = 0.04;

struct asked {
    int32_t prompt[PROMPT_MOST];
    int length, tokens;
    struct engine_sampling sampling;
    struct engine_bias bias;
    const char *stop;
    struct answer *answer;
};

static char path[64];
static struct engine *cpu, *cuda;
static struct engine_model *on_cpu, *on_cuda;
static unsigned long draws, astray, finished[ENGINE_FAILED + 1];
static double farthest;

static unsigned pick(uint64_t *random, unsigned below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*random >> 33) % below;
}

static void ask(struct asked *a, uint64_t *random)
{
    unsigned way = pick(random, 8);
    *a = (struct asked){.length = 1 + (int)pick(random, PROMPT_MOST),
                        .tokens = 1 + (int)pick(random, ANSWER_MOST)};
    unsigned family = pick(random, 3);
    for (int i = 0; i < a->length; i++)
        a->prompt[i] =
            i < 40 ? (int32_t)((family * 50 + (unsigned)i * 7) % 250) : (int32_t)pick(random, 250);
    a->sampling = (struct engine_sampling){.temperature = way % 2 ? 0.9 : 0,
                                           .top_k = way == 3 ? 20 : 0,
                                           .top_p = way == 5 ? 0.9 : 1,
                                           .repetition_penalty = way == 2 || way == 7 ? 1.3 : 1,
                                           .presence_penalty = way == 6 ? 0.7 : 0,
                                           .frequency_penalty = way == 7 ? 0.4 : 0,
                                           .seed = pick(random, 1000)};
    if (way == 1 || way == 5) {
        a->bias = (struct engine_bias){way == 1 ? END : 50, 5};
        a->sampling.logit_bias = &a->bias;
        a->sampling.logit_biases = 1;
        a->stop = way == 1 ? NULL : "SS"; /* what the token of that number says, twice */
    }
    a->answer = answer_start(on_cuda, (struct engine_request){.tokens = a->prompt,
                                                              .token_count = (size_t)a->length,
                                                              .max_tokens = a->tokens,
                                                              .sampling = a->sampling,
                                                              .stop = &a->stop,
                                                              .stops = a->stop != NULL,
                                                              .background = !pick(random, 5),
                                                              .no_guesses = !pick(random, 2),
                                                              .want_logprobs = true});
}

static double log_sum(const float *row, int count)
{
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < count; i++)
        most = fmax(most, (double)row[i]);
    for (int i = 0; i < count; i++)
        sum += exp((double)row[i] - most);
    return most + log(sum);
}

/* Every token given again to the CPU: it must find each as likely, and draw the same but for what
 * rounding decides. */
static void check_answer(const struct asked *a)
{
    struct engine_error error = {0};
    int vocabulary = on_cpu->config.vocabulary;
    int32_t text[PROMPT_MOST + ANSWER_MOST];
    struct sampler *sampler = sampler_new(&a->sampling, vocabulary, &error);
    assert_in_range(a->answer->count, 0, ANSWER_MOST);
    memcpy(text, a->prompt, (size_t)a->length * sizeof *text);
    memcpy(text + a->length, a->answer->tokens, a->answer->count * sizeof *text);
    float *logits = engine_logits(on_cpu, text, (size_t)a->length + a->answer->count, &error);
    assert_non_null(logits);
    for (int i = 0; i < a->length; i++)
        sampler_see(sampler, text[i], false);
    for (size_t i = 0; i < a->answer->count; i++) {
        const float *row = logits + ((size_t)a->length + i - 1) * (size_t)vocabulary;
        int32_t token = a->answer->tokens[i];
        double wanted = (double)row[token] - log_sum(row, vocabulary);
        double away = fabs(wanted - (double)a->answer->logprobs[i]);
        farthest = fmax(farthest, away);
        if (!(away < NEAR_ENOUGH))
            fail_msg("token %zu of an answer to %d tokens: log-probability %f, the CPU's is %f", i,
                     a->length, (double)a->answer->logprobs[i], wanted);
        draws++;
        astray += sampler_draw(sampler, row, i) != token;
        sampler_see(sampler, token, true);
    }
    sampler_free(sampler);
    free(logits);
}

static void run_round(uint64_t *random)
{
    struct asked asked[REQUESTS];
    for (int i = 0; i < REQUESTS; i++) {
        ask(&asked[i], random);
        if (!pick(random, 3))
            nanosleep(&(struct timespec){0, (long)pick(random, 3000) * 1000}, NULL);
        if (!pick(random, 4))
            engine_cancel(cuda, asked[pick(random, (unsigned)i + 1)].answer->id);
    }
    for (int i = 0; i < REQUESTS; i++) {
        finished[answer_wait(asked[i].answer)->result.finish]++;
        assert_int_not_equal(asked[i].answer->result.finish, ENGINE_FAILED);
    }
    for (int i = 0; i < REQUESTS;
         i++) { /* not while the device is at work: one thread runs the shim */
        check_answer(&asked[i]);
        answer_free(asked[i].answer);
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t resident(void)
{
    size_t size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%zu %zu", &size, &pages) != 2)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_answers_are_what_the_cpu_makes_of_them(void **state)
{
    const char *seed = getenv("ARENA_SEED");
    uint64_t random = seed ? strtoull(seed, NULL, 10) : 5;
    size_t free_before, free_after, resident_before = 0;
    double start = now();
    int rounds = 0;
    (void)state;
    assert_int_equal(cuda_free_memory(&free_before), 0);
    do {
        run_round(&random);
        if (++rounds == 20) { /* by then all plans and graphs are made */
            assert_int_equal(cuda_free_memory(&free_before), 0);
            resident_before = resident();
        }
    } while (now() - start < SECONDS || rounds < 2);
    assert_int_equal(cuda_free_memory(&free_after), 0);
    printf(
        "%d rounds, %lu draws, %lu astray, at most %.4f away; device memory %+.1f MB, host %+.1f "
        "MB\n",
        rounds, draws, astray, farthest, ((double)free_before - (double)free_after) * 1e-6,
        resident_before ? ((double)resident() - (double)resident_before) * 1e-6 : 0.0);
    assert_true((double)astray <= MOST_ASTRAY * (double)draws);
    assert_true(finished[ENGINE_STOP] && finished[ENGINE_LENGTH] && finished[ENGINE_CANCELLED]);
    assert_true(free_before <= free_after + (4 << 20));
    assert_true(!resident_before || resident() <= resident_before + (32 << 20));
}

static void test_nothing_is_left_behind(void **state)
{
    struct engine_metrics metrics;
    (void)state;
    do
        engine_metrics(cuda, &metrics);
    while (metrics.running);
    assert_int_equal(metrics.failed, 0);
    assert_int_equal(metrics.kv_bytes_used, 0);
    assert_true(metrics.preempted > 0);
}

static int setup(void **state)
{
    (void)state;
    struct tiny_model tiny = TINY_DEFAULT;
    tiny.type = KERNEL_F32; /* so that both compute nearly the same */
    tiny_file(&tiny, path);
    cpu = engine_of((struct engine_options){.device = "cpu", .threads = 1, .kv_bytes = 1 << 20});
    cuda = engine_of((struct engine_options){
        .device = "cuda", .threads = 1, .max_requests = 8, .kv_bytes = 64 << 10});
    on_cpu = model_of(cpu, path, (struct engine_load_options){0});
    on_cuda = model_of(cuda, path, (struct engine_load_options){.context = 128});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    engine_free(cpu);
    engine_free(cuda);
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_are_what_the_cpu_makes_of_them),
        cmocka_unit_test(test_nothing_is_left_behind),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
