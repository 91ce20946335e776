/* The GPU's backend against the CPU's, step by step: every architecture and type, with prompts cut
 * every way (GEMV and matrix products, tensor-core and split attention), batches of every bucket,
 * recorded steps, draws. On the host's shim, so sizes are small. */
#include "engine/backend_cpu.h"
#include "engine/backend_cuda.h"
#include "engine/gguf.h"
#include "engine/gpu_step.h"
#include "engine/sampler.h"
#include "engine/selfcheck.h"
#include "unit/engine/tiny_model.h"

#include <math.h>

#ifndef ARENA_ON_DEVICE
#include "tests/cuda/order.h"
#endif

enum { LENGTH = 34, PAGES = 2, BATCH = 40, TOPS = 5, STEPS = 3 };

static const char *const MODELS[] = {
    "llama",  "llama-3", "mixtral",       "qwen2", "qwen2moe",  "qwen3",      "qwen3moe", "olmoe",
    "gemma2", "gemma3",  "gemma3-linear", "phi3",  "phi3-long", "phi3-short", "smollm3",
};
static const char *const TYPES[] = {"F16",  "BF16", "Q8_0", "Q4_0", "Q4_1",  "Q5_0",
                                    "Q5_1", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"};

static struct backend *cpu, *cuda;
static enum kernel_kv kv; /* of the models loaded from here on */

/* One model on both, and what the CPU says of a text. */
struct pair {
    struct gguf *file;
    struct config config;
    struct backend_model *cpu, *cuda;
    int32_t tokens[LENGTH];
    float *wanted; /* (LENGTH, vocabulary) */
};

static const int32_t FIRST_PAGES[PAGES] = {3, 1};

static struct backend_model *load_on(struct backend *backend, const struct pair *pair)
{
    struct engine_error error = {0};
    struct backend_load load = {.kv_bytes = 8 << 20, .kv = kv};
    struct backend_model *model =
        backend->ops->load(backend, &pair->config, pair->file, &load, &error);
    if (!model)
        fail_msg("%s: %s", backend->name, error.message);
    return model;
}

static void run(struct backend_model *model, struct backend_slice *slices, int count)
{
    struct engine_error error = {0};
    struct backend_step step = {slices, count};
    if (!model->backend->ops->submit(model, &step, &error) ||
        !model->backend->ops->wait(model, &error))
        fail_msg("%s: %s", model->backend->name, error.message);
}

static void pair_open(struct pair *pair, const char *path)
{
    struct engine_error error = {0};
    pair->file = gguf_open(path, &error);
    if (!pair->file || !config_read(&pair->config, pair->file, NULL, &error))
        fail_msg("%s", error.message);
    pair->cpu = load_on(cpu, pair);
    pair->cuda = load_on(cuda, pair);
    size_t vocabulary = (size_t)pair->config.vocabulary;
    for (int i = 0; i < LENGTH; i++)
        pair->tokens[i] = (int32_t)((size_t)(i + 3) * 7919u % vocabulary);
    pair->wanted = calloc(LENGTH * vocabulary, sizeof *pair->wanted);
    struct backend_slice slice = {
        .tokens = pair->tokens, .count = LENGTH, .pages = FIRST_PAGES, .logits = pair->wanted};
    run(pair->cpu, &slice, 1);
}

static void pair_close(struct pair *pair)
{
    cpu->ops->unload(pair->cpu);
    cuda->ops->unload(pair->cuda);
    config_done(&pair->config);
    gguf_close(pair->file);
    free(pair->wanted);
}

/* How far a row is from the CPU's, as a share of its spread. */
static double away(const struct pair *pair, const float *got, int row)
{
    int n = pair->config.vocabulary;
    const float *a = got + (size_t)row * (size_t)n, *b = pair->wanted + (size_t)row * (size_t)n;
    double sum = 0, mean = 0, spread = 0;
    for (int i = 0; i < n; i++)
        mean += (double)b[i] / n;
    for (int i = 0; i < n; i++) {
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        spread += ((double)b[i] - mean) * ((double)b[i] - mean);
    }
    return sqrt(sum / spread);
}

/* The text in the given cuts, then compared. With experts, rounding may send a token to another
 * expert now and then, which makes all the difference for that token. */
static void check_cuts(struct pair *pair, const char *name, const int *cuts, double allowed)
{
    size_t vocabulary = (size_t)pair->config.vocabulary;
    float *got = calloc(LENGTH * vocabulary, sizeof *got);
    int strays = 0;
    for (int at = 0, i = 0; at < LENGTH; at += cuts[i++]) {
        struct backend_slice slice = {.tokens = pair->tokens + at,
                                      .count = cuts[i],
                                      .position = at,
                                      .pages = FIRST_PAGES,
                                      .logits = got + (size_t)at * vocabulary};
        run(pair->cuda, &slice, 1);
        for (int row = at; row < at + cuts[i]; row++) {
            double far = away(pair, got, row);
            strays += !(far < allowed);
            if (!(far < allowed) && (!pair->config.experts || !(far < 1) || strays > LENGTH / 10))
                fail_msg(
                    "%s: of %d tokens at %d, token %d is %.4f away from the CPU's, %.4f allowed",
                    name, cuts[i], at, row, far, allowed);
        }
    }
    free(got);
}

/* A batch of requests that are at different places of the text, each in pages of its own. */
struct batch {
    struct backend_slice slices[BATCH];
    int32_t pages[BATCH][PAGES], made[BATCH];
    float logprobs[BATCH];
    struct engine_logprob tops[BATCH][TOPS];
};

static void fill_batch(struct batch *b, const struct pair *pair, int count,
                       struct sampler *const *samplers)
{
    for (int i = 0; i < count; i++) {
        for (int p = 0; p < PAGES; p++)
            b->pages[i][p] = i * PAGES + (p + i) % PAGES;
        b->slices[i] = (struct backend_slice){.tokens = pair->tokens,
                                              .count = i ? 1 + i * 7 % 11 : LENGTH - STEPS,
                                              .pages = b->pages[i]};
    }
    run(pair->cuda, b->slices, count);
    for (int i = 0; i < count; i++) {
        int position = b->slices[i].count;
        b->slices[i] = (struct backend_slice){.tokens = pair->tokens + position,
                                              .count = 1,
                                              .position = position,
                                              .pages = b->pages[i],
                                              .samples = 1,
                                              .sampler = samplers[i],
                                              .tops = TOPS,
                                              .made = &b->made[i],
                                              .logprobs = &b->logprobs[i],
                                              .top = b->tops[i]};
    }
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

static void check_draw(const struct pair *pair, const char *name, const struct backend_slice *s,
                       double allowed)
{
    int n = pair->config.vocabulary;
    const float *row = pair->wanted + (size_t)s->position * (size_t)n;
    double norm = log_sum(row, n), spread = 0;
    for (int i = 0; i < n; i++)
        spread += (double)row[i] * (double)row[i] / n;
    allowed *= pair->config.experts ? 20 : 4;
    assert_int_equal(s->made_count, 1);
    assert_int_equal(s->made[0], s->top[0].token);
    assert_true(s->logprobs[0] == s->top[0].logprob);
    for (int i = 0; i < TOPS; i++) {
        double wanted = (double)row[s->top[i].token] - norm;
        if (!(fabs(wanted - (double)s->top[i].logprob) < allowed * (sqrt(spread) + 1)))
            fail_msg("%s: log-probability %d at %d is %f, not %f", name, i, s->position,
                     (double)s->top[i].logprob, wanted);
    }
}

/* Batches (ended by 0) of one token a request; each bucket three times: run, recorded, replayed.
 */
static void check_batches(struct pair *pair, const char *name, const int *counts, double allowed)
{
    struct engine_error error;
    struct sampler *samplers[BATCH];
    struct batch *b = calloc(1, sizeof *b);
    for (int i = 0; i < BATCH; i++)
        samplers[i] = sampler_new(&(struct engine_sampling){0}, pair->config.vocabulary, &error);
    for (; *counts; counts++) {
        assert_true(*counts * PAGES <= pair->cuda->pages);
        fill_batch(b, pair, *counts, samplers);
        for (int step = 0; step < STEPS; step++) {
            run(pair->cuda, b->slices, *counts);
            for (int i = 0; i < *counts; i++) {
                check_draw(pair, name, &b->slices[i], allowed);
                b->slices[i].tokens++;
                b->slices[i].position++;
            }
        }
    }
    for (int i = 0; i < BATCH; i++)
        sampler_free(samplers[i]);
    free(b);
}

/* What is tried with a model: the text in cuts, batches (ended by 0), and how far from the CPU's
 * results is near enough. */
struct trial {
    int cuts[8], counts[8];
    double allowed;
};

static void check_model(const char *path, const char *name, struct trial trial)
{
    struct pair pair = {0};
    pair_open(&pair, path);
    check_cuts(&pair, name, trial.cuts, trial.allowed);
    check_batches(&pair, name, trial.counts, trial.allowed);
    pair_close(&pair);
}

/* The shim under a sanitizer is too slow for all the fixtures: tiny models take the same ways
 * there. */
static bool has_time(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return false;
#else
    return fixture("");
#endif
}

static void test_every_architecture(void **state)
{
    (void)state;
    if (!has_time())
        skip();
    for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++) {
        char name[128];
        snprintf(name, sizeof name, "models/architectures/%s.gguf", MODELS[i]);
        check_model(fixture(name), MODELS[i], (struct trial){{1, 3, 12, 18}, {6}, 0.03});
    }
}

static void test_every_type(void **state)
{
    (void)state;
    if (!has_time())
        skip();
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        char name[128];
        snprintf(name, sizeof name, "models/architectures/llama-256-%s.gguf", TYPES[i]);
        check_model(fixture(name), TYPES[i], (struct trial){{34}, {1}, 0.05});
        check_model(fixture(name), TYPES[i], (struct trial){{16, 18}, {0}, 0.05});
    }
}

static void check_tiny(struct tiny_model tiny, const char *name, struct trial trial)
{
    char path[64];
    tiny_file(&tiny, path);
    check_model(path, name, trial);
    unlink(path);
}

static void test_tiny_models_of_every_architecture(void **state)
{
    static const char *const NAMES[] = {"qwen2",  "qwen2moe", "qwen3", "qwen3moe", "olmoe",
                                        "gemma2", "gemma3",   "phi3",  "smollm3"};
    (void)state;
    if (has_time())
        skip(); /* the fixtures' models are tried instead */
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        struct tiny_model tiny = TINY_DEFAULT;
        tiny.architecture = NAMES[i];
        tiny.layers = 4;
        tiny.type = i % 2 ? KERNEL_F16 : KERNEL_F32;
        if (config_architecture(NAMES[i])->experts == REQUIRED)
            tiny.experts = 5;
        check_tiny(tiny, NAMES[i], (struct trial){{2, 14, 18}, {3}, 0.05});
    }
}

static void test_tiny_models_in_every_cut(void **state)
{
    (void)state;
    for (int experts = 0; experts <= 4; experts += 4) {
        struct tiny_model tiny = TINY_DEFAULT;
        const char *name = experts ? "with experts" : "dense";
        tiny.experts = experts;
        check_tiny(tiny, name, (struct trial){{34}, {1, 5, experts ? 17 : BATCH}, 0.1});
        check_tiny(tiny, name, (struct trial){{1, 3, 12, 18}, {0}, 0.1});
    }
}

/* Floats may have any width; rows of F32 are padded less than those of inputs. */
static void test_widths_that_are_no_multiple_of_a_block(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct tiny_model tiny = TINY_DEFAULT;
        tiny.type = i % 2 ? KERNEL_F16 : KERNEL_F32;
        tiny.width = i < 2 ? 64 : 48;
        tiny.feed_forward = i < 2 ? 76 : 84;
        check_tiny(tiny, "odd", (struct trial){{34}, {1, 17}, 0.05});
    }
}

/* Both round the same numbers to 8 bits, but for those that lie between two. */
static void test_keys_and_values_in_8_bits(void **state)
{
    struct tiny_model tiny = TINY_DEFAULT;
    (void)state;
    kv = KERNEL_KV_Q8;
    tiny.type = KERNEL_F16;
    check_tiny(tiny, "q8", (struct trial){{34}, {1, 5}, 0.05});
    check_tiny(tiny, "q8", (struct trial){{1, 3, 12, 18}, {17}, 0.05});
    kv = KERNEL_KV_F16;
}

#ifndef ARENA_ON_DEVICE
/* Launches of a decode step of `rows` requests through a model of so many layers. */
static int launches(int layers, int experts, int rows)
{
    struct tiny_model tiny = TINY_DEFAULT;
    struct engine_error error;
    struct sampler *samplers[BATCH];
    struct batch *b = calloc(1, sizeof *b);
    struct pair pair = {0};
    char path[64];
    tiny.layers = layers;
    tiny.experts = experts;
    pair_open(&pair, tiny_file(&tiny, path));
    for (int i = 0; i < rows; i++)
        samplers[i] = sampler_new(&(struct engine_sampling){0}, pair.config.vocabulary, &error);
    fill_batch(b, &pair, rows, samplers);
    unsigned long before = shim_launches();
    run(pair.cuda, b->slices, rows);
    unsigned long after = shim_launches();
    for (int i = 0; i < rows; i++)
        sampler_free(samplers[i]);
    pair_close(&pair);
    unlink(path);
    free(b);
    return (int)(after - before);
}

static void test_a_layer_of_decoding_is_five_launches_or_six(void **state)
{
    (void)state;
    assert_int_equal(launches(3, 0, 1) - launches(2, 0, 1), 5);
    assert_int_equal(launches(3, 0, 4) - launches(2, 0, 4), 5);
    assert_int_equal(launches(3, 4, 1) - launches(2, 4, 1), 6);
    assert_int_equal(launches(3, 4, 4) - launches(2, 4, 4), 6);
    assert_true(launches(3, 0, 16) - launches(2, 0, 16) <= 9);
}
#endif

static int setup(void **state)
{
    struct engine_error error = {0};
    (void)state;
    cpu = backend_cpu_new(1, NULL, &error);
    cuda = backend_cuda_new(0, 1, &error);
    assert_non_null(cpu);
    assert_non_null(cuda);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cpu->ops->free(cpu);
    cuda->ops->free(cuda);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiny_models_in_every_cut),
        cmocka_unit_test(test_tiny_models_of_every_architecture),
        cmocka_unit_test(test_widths_that_are_no_multiple_of_a_block),
        cmocka_unit_test(test_keys_and_values_in_8_bits),
#ifndef ARENA_ON_DEVICE
        cmocka_unit_test(test_a_layer_of_decoding_is_five_launches_or_six),
#endif
        cmocka_unit_test(test_every_architecture),
        cmocka_unit_test(test_every_type),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
