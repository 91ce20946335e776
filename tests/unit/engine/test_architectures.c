/* Every architecture and type against llama.cpp's perplexities, log-probabilities and greedy tokens
 * of tiny random models; and each fact in an architecture's row shown to matter, by changing it. */
#include "engine/model.h"
#include "unit/engine/answer.h"
#include "unit/engine/golden.h"

#include <math.h>

enum { CHUNK = 128, CHUNKS = 8, TEXT_MOST = 4096 };

static const char *const MODELS[] = {
    "llama.gguf",         "llama-3.gguf",  "mixtral.gguf",   "qwen2.gguf",      "qwen2moe.gguf",
    "qwen3.gguf",         "qwen3moe.gguf", "olmoe.gguf",     "gemma2.gguf",     "gemma3.gguf",
    "gemma3-linear.gguf", "phi3.gguf",     "phi3-long.gguf", "phi3-short.gguf", "smollm3.gguf",
};
static const char *const TYPES[] = {"F16",  "BF16", "Q8_0", "Q4_0", "Q4_1",  "Q5_0",
                                    "Q5_1", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"};

static char *goldens;
static struct engine *engine;
static int32_t text[TEXT_MOST], prompt[TEXT_MOST];
static size_t text_count, prompt_count;

static double log_sum(const float *logits, int count)
{
    double most = -1e30, sum = 0;
    for (int i = 0; i < count; i++)
        most = fmax(most, (double)logits[i]);
    for (int i = 0; i < count; i++)
        sum += exp((double)logits[i] - most);
    return most + log(sum);
}

/* As llama-perplexity has it: chunks from an empty cache, BOS first, the second half of each
 * scored. */
static double perplexity(struct engine_model *model)
{
    struct engine_error error = {0};
    struct engine_model_info info;
    double total = 0;
    int scored = 0;
    engine_model_info(model, &info);
    for (int c = 0; c < CHUNKS; c++) {
        int32_t tokens[CHUNK];
        memcpy(tokens, text + c * CHUNK, sizeof tokens);
        tokens[0] = text[0];
        float *logits = engine_logits(model, tokens, CHUNK, &error);
        if (!logits)
            fail_msg("%s", error.message);
        for (int i = CHUNK / 2; i < CHUNK - 1; i++, scored++) {
            const float *row = logits + (size_t)i * (size_t)info.vocabulary;
            total += log_sum(row, info.vocabulary) - (double)row[tokens[i + 1]];
        }
        free(logits);
    }
    return exp(total / scored);
}

static const char *model_path(const char *file)
{
    char name[128];
    snprintf(name, sizeof name, "models/architectures/%s", file);
    return fixture(name);
}

static struct engine_model *load(const char *file, const struct architecture *facts)
{
    struct engine_error error = {0};
    struct model_override override = {facts};
    struct engine_model *model =
        engine_load_with(engine, model_path(file), NULL, &override, &error);
    if (!model)
        fail_msg("%s", error.message);
    return model;
}

static void check_perplexity(struct engine_model *model, const char *file, double tolerance)
{
    double wanted = golden_number(goldens, file, "perplexity_exact"), got = perplexity(model);
    double away = fabs(log(got / wanted));
    if (!(away < tolerance))
        fail_msg("%s: perplexity %.4f, not %.4f: %.5f away, %.5f allowed", file, got, wanted, away,
                 tolerance);
}

static void check_greedy(struct engine_model *model, const char *file)
{
    int32_t wanted[64];
    size_t sure = (size_t)golden_number(goldens, file, "greedy_sure");
    golden_tokens(golden_value(goldens, file, "greedy"), wanted, 64);
    struct answer *a =
        answer_wait(answer_start(model, (struct engine_request){.tokens = prompt,
                                                                .token_count = prompt_count,
                                                                .max_tokens = (int)sure,
                                                                .ignore_eos = true,
                                                                .want_logprobs = true,
                                                                .top_logprobs = 8}));
    assert_int_equal(a->count, sure);
    for (size_t i = 0; i < sure; i++)
        if (a->tokens[i] != wanted[i])
            fail_msg("%s: greedy token %zu is %d, not %d", file, i, (int)a->tokens[i],
                     (int)wanted[i]);
    double top[16];
    golden_numbers(golden_value(goldens, file, "top8_exact"), top, 16);
    for (size_t i = 0; i < 8; i++)
        if (fabs((double)a->top[i].logprob - top[2 * i + 1]) > 0.02)
            fail_msg("%s: likeliest token %zu has %f, not %f", file, i, (double)a->top[i].logprob,
                     top[2 * i + 1]);
    answer_free(a);
}

static void test_every_architecture_gives_the_goldens(void **state)
{
    (void)state;
    if (!goldens)
        skip();
    for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++) {
        struct engine_model *model = load(MODELS[i], NULL);
        double shaken = golden_number(goldens, MODELS[i], "perplexity_shaken");
        check_perplexity(model, MODELS[i], fmax(0.001, 4 * shaken));
        check_greedy(model, MODELS[i]);
    }
}

static void test_every_type_gives_the_goldens(void **state)
{
    (void)state;
    if (!goldens)
        skip();
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        char file[64];
        snprintf(file, sizeof file, "llama-256-%s.gguf", TYPES[i]);
        check_perplexity(load(file, NULL), file,
                         0.008); /* int8 activations: each a random rounding */
    }
}

/* --- Facts --- */

static void swap_pairing(struct architecture *a)
{
    a->pairing = a->pairing == KERNEL_ROPE_NORM ? KERNEL_ROPE_NEOX : KERNEL_ROPE_NORM;
}

static void swap_activation(struct architecture *a)
{
    a->activation = a->activation == ACTIVATION_SILU ? ACTIVATION_GELU : ACTIVATION_SILU;
}

static void swap_routing(struct architecture *a)
{
    a->routing = a->routing == ROUTING_PLAIN ? ROUTING_RENORMALISED : ROUTING_PLAIN;
}

static void no_scaled_embedding(struct architecture *a)
{
    a->scaled_embedding = false;
}

static void no_window(struct architecture *a)
{
    a->window_period = 0;
}

static void longer_period(struct architecture *a)
{
    a->window_period++;
}

static void no_local_base(struct architecture *a)
{
    a->local_rope_base = 0;
}

static void rope_everywhere(struct architecture *a)
{
    a->no_rope_period = 0;
}

static void rope_skipped_oftener(struct architecture *a)
{
    a->no_rope_period = 3;
}

static void wide_scale(struct architecture *a)
{
    a->wide_scale_layers = a->window_period == 2 ? 4 : 6; /* the tiny models' numbers of layers */
}

static const struct {
    const char *file, *fact;
    void (*change)(struct architecture *);
} CHANGES[] = {
    {"llama.gguf", "pairing", swap_pairing},
    {"llama.gguf", "activation", swap_activation},
    {"llama-3.gguf", "pairing", swap_pairing},
    {"mixtral.gguf", "routing", swap_routing},
    {"mixtral.gguf", "pairing", swap_pairing},
    {"qwen2.gguf", "pairing", swap_pairing},
    {"qwen2.gguf", "activation", swap_activation},
    {"qwen2moe.gguf", "routing", swap_routing},
    {"qwen2moe.gguf", "pairing", swap_pairing},
    {"qwen3.gguf", "pairing", swap_pairing},
    {"qwen3moe.gguf", "routing", swap_routing},
    {"qwen3moe.gguf", "pairing", swap_pairing},
    {"olmoe.gguf", "routing", swap_routing},
    {"olmoe.gguf", "pairing", swap_pairing},
    {"gemma2.gguf", "pairing", swap_pairing},
    {"gemma2.gguf", "activation", swap_activation},
    {"gemma2.gguf", "scaled embedding", no_scaled_embedding},
    {"gemma2.gguf", "window", no_window},
    {"gemma2.gguf", "period", longer_period},
    {"gemma2.gguf", "wide scale", wide_scale},
    {"gemma3.gguf", "pairing", swap_pairing},
    {"gemma3.gguf", "activation", swap_activation},
    {"gemma3.gguf", "scaled embedding", no_scaled_embedding},
    {"gemma3.gguf", "window", no_window},
    {"gemma3.gguf", "period", longer_period},
    {"gemma3.gguf", "local base", no_local_base},
    {"gemma3.gguf", "wide scale", wide_scale},
    {"phi3.gguf", "pairing", swap_pairing},
    {"phi3.gguf", "activation", swap_activation},
    {"smollm3.gguf", "pairing", swap_pairing},
    {"smollm3.gguf", "no rope", rope_everywhere},
    {"smollm3.gguf", "rope period", rope_skipped_oftener},
};

static void test_every_fact_matters(void **state)
{
    (void)state;
    if (!goldens)
        skip();
    for (size_t i = 0; i < sizeof CHANGES / sizeof *CHANGES; i++) {
        const struct architecture *row = load(CHANGES[i].file, NULL)->config.architecture;
        struct architecture changed = *row;
        CHANGES[i].change(&changed);
        double wanted = golden_number(goldens, CHANGES[i].file, "perplexity_exact");
        double allowed =
            fmax(0.001, 4 * golden_number(goldens, CHANGES[i].file, "perplexity_shaken"));
        double away = fabs(log(perplexity(load(CHANGES[i].file, &changed)) / wanted));
        if (away < allowed)
            fail_msg("%s: a wrong %s goes unseen (%.5f away)", CHANGES[i].file, CHANGES[i].fact,
                     away);
    }
}

/* What decides which tensors there must be: a wrong fact is refused by name. */
static void test_a_wrong_set_of_tensors_is_refused(void **state)
{
    (void)state;
    if (!goldens)
        skip();
    struct architecture no_bias = *config_architecture("qwen2"),
                        no_norm = *config_architecture("qwen3");
    struct architecture no_post = *config_architecture("gemma2"),
                        norm = *config_architecture("llama");
    no_bias.qkv_bias = ABSENT;
    no_norm.qk_norm = QK_NORM_NONE;
    no_post.post_norms = false;
    norm.qk_norm = QK_NORM_HEAD;
    const struct {
        const char *file;
        const struct architecture *facts;
        const char *tensor;
    } cases[] = {{"qwen2.gguf", &no_bias, "attn_q.bias"},
                 {"qwen3.gguf", &no_norm, "attn_q_norm.weight"},
                 {"gemma2.gguf", &no_post, "post_attention_norm.weight"},
                 {"llama.gguf", &norm, "attn_q_norm.weight"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct engine_error error = {0};
        struct model_override override = {cases[i].facts};
        assert_null(engine_load_with(engine, model_path(cases[i].file), NULL, &override, &error));
        assert_non_null(strstr(error.message, cases[i].tensor));
    }
}

static int setup(void **state)
{
    (void)state;
    engine = engine_of((struct engine_options){.kv_bytes = 4 << 20});
    goldens = read_whole(fixture("models/architectures/goldens.json"));
    if (goldens) {
        text_count = golden_tokens(golden_value(goldens, "text.txt", "tokens"), text, TEXT_MOST);
        prompt_count =
            golden_tokens(golden_value(goldens, "prompt.txt", "tokens"), prompt, TEXT_MOST);
        assert_true(text_count >= CHUNK * CHUNKS);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    engine_free(engine);
    free(goldens);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_architecture_gives_the_goldens),
        cmocka_unit_test(test_every_type_gives_the_goldens),
        cmocka_unit_test(test_every_fact_matters),
        cmocka_unit_test(test_a_wrong_set_of_tensors_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
