/* Keys that are missing, of another kind or out of range are named; what a file does not say is the
 * family's default. */
#include "engine/config.h"
#include "engine/gguf.h"
#include "testing.h"
#include "unit/engine/tiny_model.h"

/* A file with one matrix of 32 x 32 as its embedding and the keys that every model needs, unless
 * `without` names one. */
static struct made_gguf keys_of(const char *architecture, const char *without)
{
    static const struct {
        const char *key;
        uint32_t value;
    } keys[] = {{"block_count", 6},          {"context_length", 64},
                {"embedding_length", 64},    {"feed_forward_length", 32},
                {"attention.head_count", 4}, {"attention.head_count_kv", 2}};
    struct made_gguf made;
    char name[96];
    made_init(&made);
    made_string(&made, "general.architecture", architecture);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(name, sizeof name, "%s.%s", architecture, keys[i].key);
        if (!without || strcmp(without, keys[i].key))
            made_integer(&made, name, keys[i].value);
    }
    return made;
}

static bool read_made(struct made_gguf *made, struct config *config, struct engine_error *error)
{
    static const unsigned char data[4096 + 64];
    uint64_t tensors = 1;
    made_text(made, "token_embd.weight", 17);
    made_u32(made, 2);
    made_u64(made, 32);
    made_u64(made, 32);
    made_u32(made, KERNEL_F32);
    made_u64(made, 0);
    made_put(made, data, sizeof data);
    memcpy(made->bytes + 8, &tensors, sizeof tensors);
    struct gguf *file = made_open(made, error);
    assert_non_null(file);
    bool ok = config_read(config, file, NULL, error);
    gguf_close(file);
    free(made->bytes);
    return ok;
}

static void check_bad(struct made_gguf made, const char *says)
{
    struct config config;
    struct engine_error error = {0};
    assert_false(read_made(&made, &config, &error));
    config_done(&config);
    if (!strstr(error.message, says))
        fail_msg("\"%s\" does not say \"%s\"", error.message, says);
}

static void test_bad_keys_are_named(void **state)
{
    (void)state;
    check_bad(keys_of("klingon", NULL), "architecture \"klingon\" is none of those");
    check_bad(keys_of("llama", "block_count"), "key \"llama.block_count\" is missing");
    check_bad(keys_of("llama", "attention.head_count"),
              "key \"llama.attention.head_count\" is missing");
    struct made_gguf made = keys_of("llama", "block_count");
    made_string(&made, "llama.block_count", "six");
    check_bad(made, "\"llama.block_count\" is not one integer");
    made = keys_of("llama", "block_count");
    made_integer(&made, "llama.block_count", 100000);
    check_bad(made, "\"llama.block_count\" is out of range");
    made = keys_of("llama", "attention.head_count_kv");
    made_integer(&made, "llama.attention.head_count_kv", 3);
    check_bad(made, "no multiple of head_count_kv");
    made = keys_of("llama", NULL);
    made_integer(&made, "llama.rope.dimension_count", 15);
    check_bad(made, "must be even");
    made = keys_of("llama", NULL);
    made_string(&made, "llama.rope.scaling.type", "dynamic");
    check_bad(made, "none of none, linear, yarn, longrope");
    made = keys_of("llama", NULL);
    made_boolean(&made, "llama.attention.causal", false);
    check_bad(made, "\"llama.attention.causal\" is false");
    made = keys_of("olmoe", NULL);
    made_integer(&made, "olmoe.expert_gating_func", 2);
    check_bad(made, "\"olmoe.expert_gating_func\" has a value");
    made = keys_of("llama", "attention.head_count_kv");
    made_array(&made, "llama.attention.head_count_kv", GGUF_U32, 2);
    made_u32(&made, 4);
    made_u32(&made, 2);
    check_bad(made, "sizes that differ by layer");
    made = keys_of("gemma3", NULL);
    made_array(&made, "gemma3.attention.sliding_window_pattern", GGUF_BOOL, 1);
    made_put(&made, "\1", 1);
    check_bad(made, "a number for each layer");
    made = keys_of("qwen3moe", NULL);
    check_bad(made, "\"qwen3moe.expert_count\" is missing");
}

static struct config good(const char *architecture)
{
    struct config config;
    struct engine_error error = {0};
    struct made_gguf made = keys_of(architecture, NULL);
    if (!read_made(&made, &config, &error))
        fail_msg("%s", error.message);
    return config;
}

static void test_defaults_are_the_familys(void **state)
{
    (void)state;
    struct config c = good("llama");
    assert_int_equal(c.head_dim, 16);
    assert_int_equal(c.rotary, 16);
    assert_int_equal(c.vocabulary, 32);
    assert_true(c.attention_scale > 0.2499f && c.attention_scale < 0.2501f);
    config_done(&c);
    c = good("gemma2");
    assert_int_equal(c.window, 4096);
    assert_true(c.attention_softcap > 49 && c.final_softcap > 29 && c.embedding_scale > 7.9f);
    assert_true(config_layer_has_window(&c, 0) && !config_layer_has_window(&c, 1));
    config_done(&c);
    c = good("smollm3");
    assert_int_equal(config_layer_rope(&c, 3, false), ROPE_NONE);
    assert_int_equal(config_layer_rope(&c, 2, false), ROPE_GLOBAL);
    config_done(&c);
}

static void test_yarn_stretches_slow_dimensions_only(void **state)
{
    (void)state;
    struct config c;
    struct engine_error error = {0};
    struct made_gguf made = keys_of("qwen2", NULL);
    made_string(&made, "qwen2.rope.scaling.type", "yarn");
    tiny_number(&made, "qwen2.rope.scaling.factor", 4);
    made_integer(&made, "qwen2.rope.scaling.original_context_length", 32768);
    assert_true(read_made(&made, &c, &error));
    const struct config_rope *rope = &c.rope[ROPE_GLOBAL];
    assert_non_null(rope->factors);
    assert_true(rope->factors[0] > 0.999f && rope->factors[0] < 1.001f);
    assert_true(rope->factors[7] > 1 && rope->factors[7] <= 4);
    assert_true(rope->magnitude > 1.138 && rope->magnitude < 1.139);
    config_done(&c);
}

/* As converters write them: an entry for each layer, or a period; sizes as arrays. */
static void test_windows_and_sizes_by_layer(void **state)
{
    (void)state;
    static const char pattern[] = {1, 0, 0, 1, 1, 0};
    struct config c;
    struct engine_error error = {0};
    struct made_gguf made = keys_of("llama", "attention.head_count_kv");
    made_integer(&made, "llama.attention.sliding_window", 16);
    made_array(&made, "llama.attention.sliding_window_pattern", GGUF_BOOL, 6);
    made_put(&made, pattern, sizeof pattern);
    made_array(&made, "llama.attention.head_count_kv", GGUF_I32, 2);
    made_u32(&made, 2);
    made_u32(&made, 2);
    assert_true(read_made(&made, &c, &error));
    assert_int_equal(c.kv_heads, 2);
    for (int i = 0; i < 6; i++)
        assert_int_equal(config_layer_has_window(&c, i), pattern[i]);
    config_done(&c);
    made = keys_of("gemma3", NULL);
    made_integer(&made, "gemma3.attention.sliding_window", 16);
    made_integer(&made, "gemma3.attention.sliding_window_pattern", 3);
    assert_true(read_made(&made, &c, &error));
    for (int i = 0; i < 6; i++)
        assert_int_equal(config_layer_has_window(&c, i), i % 3 != 2);
    config_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_keys_are_named),
        cmocka_unit_test(test_defaults_are_the_familys),
        cmocka_unit_test(test_windows_and_sizes_by_layer),
        cmocka_unit_test(test_yarn_stretches_slow_dimensions_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
