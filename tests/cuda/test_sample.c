/* Draws on the device against engine/sampler.c: the same tokens, to the last of many. */
#include "tests/cuda/data.h"

#include "engine/sampler.h"

enum { MOST_DRAWS = 4, MOST_BIASES = 3 };

struct one {
    int vocabulary;
    double temperature, top_p, min_p;
    int top_k, tops;
    double repetition, presence, frequency;
    bool logprobs;
    int draws, biases;
    int allowed; /* one token in so many; 0: all */
};

/* Logits as a model's: a bell with some that stand out, some equal, some that are no numbers. */
static float *make_logits(int rows, int vocabulary, int stride)
{
    float *logits = random_rows(rows, vocabulary, stride, 3);
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < vocabulary; i++) {
            float *x = logits + r * stride + i;
            uint32_t kind = random_bits() % 1000;
            if (kind < 5)
                *x += 8;
            if (kind >= 5 && kind < 60 && i)
                *x = x[-1];
            if (kind == 997)
                *x = NAN;
            if (kind == 998)
                *x = -INFINITY;
            if (kind == 999)
                *x = -0.0f;
        }
    return logits;
}

struct world {
    const struct one *c;
    struct engine_sampling settings;
    struct engine_bias biases[MOST_BIASES];
    struct cuda_bias device_biases[MOST_BIASES];
    struct sampler *sampler;
    uint32_t *counts, *allowed;
    int stride;
};

static void make_world(struct world *w, const struct one *c, uint64_t seed)
{
    struct engine_error error = {0};
    memset(w, 0, sizeof *w);
    w->c = c;
    w->stride = c->vocabulary + 5;
    w->settings = (struct engine_sampling){.temperature = c->temperature,
                                           .top_p = c->top_p,
                                           .min_p = c->min_p,
                                           .top_k = c->top_k,
                                           .repetition_penalty = c->repetition,
                                           .presence_penalty = c->presence,
                                           .frequency_penalty = c->frequency,
                                           .logit_bias = w->biases,
                                           .logit_biases = (size_t)c->biases,
                                           .seed = seed};
    for (int i = 0; i < c->biases; i++) {
        w->biases[i].token = random_below(c->vocabulary);
        w->biases[i].bias = 3 * random_normal();
        w->device_biases[i] = (struct cuda_bias){w->biases[i].token, (float)w->biases[i].bias};
    }
    w->sampler = sampler_new(&w->settings, c->vocabulary, &error);
    CHECK(w->sampler, "%s", error.message);
    w->counts = host_new((size_t)c->vocabulary * sizeof *w->counts);
    for (int i = 0; i < 40; i++) { /* a prompt, and some of an answer */
        int token = random_below(c->vocabulary);
        sampler_see(w->sampler, token, i >= 25);
        w->counts[token] = (w->counts[token] | 1u << 31) + (i >= 25);
    }
    w->allowed = host_new((size_t)(c->vocabulary + 31) / 32 * sizeof *w->allowed);
    for (int i = 0; i < c->vocabulary; i++)
        if (!c->allowed || random_below(c->allowed) == 0 || i == c->vocabulary - 1)
            w->allowed[i / 32] |= 1u << i % 32;
}

/* What the sampler must see to draw as if no other token could come. */
static float *masked_row(const struct world *w, const float *row)
{
    float *masked = host_new((size_t)w->c->vocabulary * sizeof *masked);
    for (int i = 0; i < w->c->vocabulary; i++)
        masked[i] = w->allowed[i / 32] >> i % 32 & 1 ? row[i] : -INFINITY;
    return masked;
}

static bool has_penalties(const struct one *c)
{
    return (c->repetition > 0 && c->repetition != 1) || c->presence != 0 || c->frequency != 0;
}

static struct cuda_draw make_draw(const struct world *w, int index, int row)
{
    const struct one *c = w->c;
    return (struct cuda_draw){
        .row = row,
        .penalties = has_penalties(c) ? 0 : -1,
        .biases = c->biases,
        .top_k = c->top_k,
        .tops = c->tops,
        .want_logprob = c->logprobs,
        .guess = -1,
        .scale = c->temperature < 1e-5 ? 0 : (float)(1.0 / c->temperature),
        .repetition = c->repetition > 0 ? (float)c->repetition : 1,
        .presence = (float)c->presence,
        .frequency = (float)c->frequency,
        .top_p = c->top_p > 0 ? c->top_p : 1,
        .min_p = c->min_p,
        .uniform = sampler_uniform(w->settings.seed, (uint64_t)index),
    };
}

static void check_tops(const struct one *c, const struct engine_logprob *want,
                       const struct cuda_drawn *got)
{
    for (int i = 0; i < c->tops; i++) {
        CHECK(got[i].token == want[i].token, "likeliest %d of %d: %d, not %d", i, c->vocabulary,
              got[i].token, want[i].token);
        CHECK(got[i].logprob == want[i].logprob ||
                  fabsf(got[i].logprob - want[i].logprob) <= 1e-6f * fabsf(want[i].logprob),
              "its logarithm: %g, not %g", got[i].logprob, want[i].logprob);
    }
}

/* A chain of draws whose guesses are right but for the last but one. */
static void check_one(const struct one *c, uint64_t seed)
{
    struct world w;
    make_world(&w, c, seed);
    float *logits = make_logits(c->draws, c->vocabulary, w.stride);
    struct cuda_draw draws[MOST_DRAWS];
    struct engine_logprob tops[MOST_DRAWS][SAMPLER_MAX_TOP];
    int32_t tokens[MOST_DRAWS], chains[3] = {0, c->draws, c->draws}, chain_count = 1;
    float logprobs[MOST_DRAWS];
    const uint32_t *allowed =
        to_device(w.allowed, (size_t)(c->vocabulary + 31) / 32 * sizeof *allowed);
    int right = c->draws > 2 ? c->draws - 1 : c->draws; /* draws that count */
    for (int i = 0; i < c->draws; i++) {
        const float *row = logits + i * w.stride;
        draws[i] = make_draw(&w, i, i);
        float *masked = masked_row(&w, row);
        draws[i].allowed = c->allowed ? allowed : NULL;
        tokens[i] = sampler_draw(w.sampler, masked, (uint64_t)i);
        free(masked);
        logprobs[i] = sampler_logprobs(w.sampler, row, tokens[i], tops[i], c->tops);
        if (i + 1 < c->draws)
            draws[i].guess = i + 1 < right ? tokens[i] : tokens[i] + 1;
        if (i < right)
            sampler_see(w.sampler, tokens[i], true);
    }
    struct cuda_sample a = {
        .logits = to_device(logits, (size_t)(c->draws * w.stride) * sizeof *logits),
        .vocabulary = c->vocabulary,
        .stride = w.stride,
        .most = 2,
        .chain_count = to_device(&chain_count, sizeof chain_count),
        .chains = to_device(chains, sizeof chains),
        .draws = to_device(draws, sizeof draws),
        .biases = to_device(w.device_biases, sizeof w.device_biases),
        .counts = to_device(w.counts, (size_t)c->vocabulary * sizeof *w.counts),
        .drawn = device_room(sizeof(struct cuda_drawn) * MOST_DRAWS),
        .tops = device_room(sizeof(struct cuda_drawn) * MOST_DRAWS * CUDA_MAX_TOPS),
        .scratch = device_room(2 * cuda_sample_scratch(c->vocabulary)),
    };
    must(cuda_sample(&a, stream), "cuda_sample");
    struct cuda_drawn *drawn = from_device(a.drawn, sizeof *drawn * MOST_DRAWS);
    struct cuda_drawn *likeliest = from_device(a.tops, sizeof *drawn * MOST_DRAWS * CUDA_MAX_TOPS);
    for (int i = 0; i < c->draws; i++) {
        int want = i < right ? tokens[i] : -1;
        CHECK(drawn[i].token == want, "vocabulary %d, t %g, p %g, k %d, m %g, draw %d: %d, not %d",
              c->vocabulary, c->temperature, c->top_p, c->top_k, c->min_p, i, drawn[i].token, want);
        if (i >= right)
            continue;
        if (c->logprobs)
            CHECK(fabsf(drawn[i].logprob - logprobs[i]) <= 1e-6f * fabsf(logprobs[i]),
                  "logarithm %g, not %g", drawn[i].logprob, logprobs[i]);
        check_tops(c, tops[i], likeliest + i * CUDA_MAX_TOPS);
    }
    void *made[] = {logits, w.counts, w.allowed, drawn, likeliest};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        free(made[i]);
    sampler_free(w.sampler);
    release_all();
}

static void test_draws(void)
{
    static const struct one CASES[] = {
        {.vocabulary = 1000, .draws = 1},
        {.vocabulary = 1000, .temperature = 1, .draws = 3},
        {.vocabulary = 5003, .temperature = 0.7, .draws = 3, .logprobs = true, .tops = 5},
        {.vocabulary = 1000, .temperature = 1.3, .top_k = 40, .draws = 2},
        {.vocabulary = 300, .temperature = 0.9, .top_p = 0.9, .draws = 2},
        {.vocabulary = 6000, .temperature = 20, .top_p = 0.99, .draws = 2},
        {.vocabulary = 1000, .temperature = 1, .min_p = 0.05, .draws = 2},
        {.vocabulary = 777, .temperature = 1, .top_k = 50, .top_p = 0.8, .min_p = 0.1, .draws = 4},
        {.vocabulary = 777, .temperature = 1, .top_k = 5000, .draws = 2},
        {.vocabulary = 1000,
         .temperature = 0.8,
         .repetition = 1.3,
         .presence = 0.5,
         .frequency = 0.2,
         .draws = 4,
         .biases = 3,
         .logprobs = true,
         .tops = 32},
        {.vocabulary = 900, .repetition = 1.2, .draws = 3},
        {.vocabulary = 2, .temperature = 1, .draws = 2, .logprobs = true, .tops = 4},
        {.vocabulary = 67, .temperature = 0.01, .draws = 2},
        {.vocabulary = 1000, .allowed = 30, .draws = 2, .logprobs = true, .tops = 3},
        {.vocabulary = 1000, .allowed = 300, .temperature = 1, .draws = 2},
        {.vocabulary = 999, .allowed = 20, .temperature = 1, .top_k = 40, .draws = 2},
        {.vocabulary = 500,
         .allowed = 5,
         .temperature = 0.8,
         .top_p = 0.7,
         .repetition = 1.3,
         .draws = 3,
         .biases = 3},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (uint64_t seed = 0; seed < (SHIM_WATCHED ? 1 : 3); seed++)
            check_one(&CASES[i], seed);
}

/* Nothing to draw from: all minus infinity, all no numbers. */
static void test_nothing(void)
{
    float logits[70];
    int32_t chains[2] = {0, 1}, one = 1;
    struct cuda_draw draw = {.penalties = -1, .guess = -1, .scale = 1, .top_p = 1, .uniform = 0.5};
    for (int kind = 0; kind < 2; kind++) {
        for (int i = 0; i < 70; i++)
            logits[i] = kind || i < 3 ? NAN : -INFINITY;
        struct cuda_sample a = {.logits = to_device(logits, sizeof logits),
                                .vocabulary = 70,
                                .stride = 70,
                                .most = 1,
                                .chain_count = to_device(&one, sizeof one),
                                .chains = to_device(chains, sizeof chains),
                                .draws = to_device(&draw, sizeof draw),
                                .drawn = device_room(sizeof(struct cuda_drawn)),
                                .scratch = device_room(cuda_sample_scratch(70))};
        must(cuda_sample(&a, stream), "cuda_sample");
        struct cuda_drawn *drawn = from_device(a.drawn, sizeof *drawn);
        CHECK(drawn->token == (kind ? 0 : 3), "%d", drawn->token);
        free(drawn);
        release_all();
    }
}

/* What is allowed has no logit: the first of it. */
static void test_nothing_that_is_allowed(void)
{
    float logits[70];
    uint32_t allowed[3] = {0, 1u << 9 | 1u << 20, 1};
    int32_t chains[2] = {0, 1}, one = 1;
    for (int i = 0; i < 70; i++)
        logits[i] = i == 41 || i == 52 ? -INFINITY : i == 64 ? NAN : (float)i;
    struct cuda_draw draw = {.penalties = -1, .guess = -1, .scale = 1, .top_p = 1, .uniform = 0.5};
    draw.allowed = to_device(allowed, sizeof allowed);
    struct cuda_sample a = {.logits = to_device(logits, sizeof logits),
                            .vocabulary = 70,
                            .stride = 70,
                            .most = 1,
                            .chain_count = to_device(&one, sizeof one),
                            .chains = to_device(chains, sizeof chains),
                            .draws = to_device(&draw, sizeof draw),
                            .drawn = device_room(sizeof(struct cuda_drawn)),
                            .scratch = device_room(cuda_sample_scratch(70))};
    must(cuda_sample(&a, stream), "cuda_sample");
    struct cuda_drawn *drawn = from_device(a.drawn, sizeof *drawn);
    CHECK(drawn->token == 41, "%d", drawn->token);
    free(drawn);
    release_all();
}

static void test_count_tokens(void)
{
    static const uint32_t LIST[] = {5, 1u << 31 | 2, 299, 1u << 31};
    uint32_t *counts = device_room(3 * 300 * sizeof *counts);
    const uint32_t *list = to_device(LIST, sizeof LIST);
    must(cuda_count_tokens(counts, 300, 1, list, 2, stream), "cuda_count_tokens");
    uint32_t *got = from_device(counts, 3 * 300 * sizeof *got);
    CHECK(is_untouched(got, 300 * sizeof *got), "row 0");
    CHECK(is_untouched(got + 600, 300 * sizeof *got), "row 2");
    for (int i = 0; i < 300; i++)
        CHECK(got[300 + i] == (i == 5 ? LIST[1] : i == 299 ? LIST[3] : 0), "token %d", i);
    free(got);
}

RUN(test_draws, test_nothing, test_nothing_that_is_allowed, test_count_tokens)
