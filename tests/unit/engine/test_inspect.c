/* What a file holds: a tiny model's exact figures, and files that this engine does not run,
 * described all the same. */
#include "testing.h"

#include "engine/inspect.h"
#include "unit/engine/tiny_model.h"

static struct engine_inspection inspect(const char *path)
{
    struct engine_inspection inspection;
    struct engine_error error = {0};
    if (!engine_inspect(path, &inspection, &error))
        fail_msg("%s", error.message);
    return inspection;
}

static void test_a_tiny_model(void **state)
{
    (void)state;
    char path[64];
    struct engine_inspection found = inspect(tiny_file(&TINY_DEFAULT, path));
    remove(path);
    assert_string_equal(found.format, "GGUF");
    assert_string_equal(found.architecture, "llama");
    assert_string_equal(found.name, "tiny");
    assert_true(found.runs);
    assert_string_equal(found.tokenizer, "bpe (gpt-2)");
    assert_string_equal(found.chat_template, "chatml");
    assert_int_equal(found.vocabulary, TINY_VOCABULARY);
    assert_int_equal(found.layers, 2);
    assert_int_equal(found.head_dim, 16);
    assert_int_equal(found.context, 512);
    assert_int_equal(found.kv_bytes_a_token, 4 * 2 * 2 * 16);
    assert_int_equal(found.memory, found.tensor_bytes + 512 * found.kv_bytes_a_token);
    /* embedding; a layer's q and o, k and v, three of the feed-forward, two norms; the last norm */
    const uint64_t matrices = TINY_VOCABULARY * 64 + 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96),
                   norms = 5 * 64;
    assert_int_equal(found.parameters, matrices + norms);
    assert_int_equal(found.type_count, 2);
    assert_string_equal(found.types[0].name, "Q8_0");
    assert_int_equal(found.types[0].bytes, matrices / 32 * 34);
    assert_string_equal(found.types[1].name, "F32");
    assert_int_equal(found.types[1].tensors, 5);
}

static void test_what_does_not_run_is_described(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    char path[64];
    struct made_gguf made;
    made_init(&made);
    made_string(&made, "general.architecture", "mamba");
    made_string(&made, "general.name", "a\nb\x1B[31m");
    made_integer(&made, "mamba.block_count", 7);
    made_bpe(&made, "of-tomorrow", none, none);
    memcpy(made.bytes + 16, &made.keys, sizeof made.keys);
    struct engine_inspection found = inspect(tiny_write(made.bytes, made.length, path));
    remove(path);
    free(made.bytes);
    assert_string_equal(found.name, "ab[31m");
    assert_false(found.runs);
    assert_non_null(strstr(found.why_not, "mamba"));
    assert_int_equal(found.layers, 7);
    assert_string_equal(found.tokenizer, "");
    assert_non_null(strstr(found.tokenizer_problem, "of-tomorrow"));
}

static void test_no_model(void **state)
{
    (void)state;
    struct engine_inspection found;
    struct engine_error error = {0};
    assert_false(engine_inspect("/nonexistent.gguf", &found, &error));
    assert_int_equal(error.code, ENGINE_IO);
    assert_false(engine_inspect("/tmp", &found, &error));
    assert_non_null(strstr(error.message, "config.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tiny_model),
        cmocka_unit_test(test_what_does_not_run_is_described),
        cmocka_unit_test(test_no_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
