/* A GGUF file byte by byte: every refusal named in the header has its text, typed look-ups, and a
 * mutation test over a whole model: whatever one byte is changed to, wherever the file is cut, the
 * answer is a model or one clear line. */
#include "engine/gguf.h"
#include "unit/engine/answer.h"
#include "unit/engine/tiny_model.h"

static struct gguf *open_made(struct made_gguf *made, uint64_t tensors, struct engine_error *error)
{
    memcpy(made->bytes + 8, &tensors, sizeof tensors);
    return made_open(made, error);
}

static void check_refused(struct made_gguf *made, uint64_t tensors, const char *says)
{
    struct engine_error error = {0};
    struct gguf *file = open_made(made, tensors, &error);
    if (file)
        fail_msg("accepted, though \"%s\"", says);
    if (!strstr(error.message, says) || !strstr(error.message, "made"))
        fail_msg("\"%s\" does not say \"%s\"", error.message, says);
    free(made->bytes);
}

/* A tensor's entry in the header. */
static void put_tensor(struct made_gguf *made, const char *name, uint32_t dims, uint64_t size,
                       uint32_t type, uint64_t offset)
{
    made_text(made, name, strlen(name));
    made_u32(made, dims);
    for (uint32_t d = 0; d < dims; d++)
        made_u64(made, size);
    made_u32(made, type);
    made_u64(made, offset);
}

static struct made_gguf one_tensor(const char *name, uint32_t dims, uint64_t size, uint32_t type,
                                   uint64_t offset)
{
    struct made_gguf made;
    made_init(&made);
    put_tensor(&made, name, dims, size, type, offset);
    return made;
}

static void test_damaged_headers_are_refused(void **state)
{
    (void)state;
    struct made_gguf made;
    made_init(&made);
    memcpy(made.bytes, "GGUX", 4);
    check_refused(&made, 0, "not a GGUF file");
    static const struct {
        uint32_t version;
        const char *says;
    } versions[] = {
        {0, "version 0"}, {1, "version 1"}, {4, "version 4"}, {0x03000000, "big-endian"}};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        made_init(&made);
        memcpy(made.bytes + 4, &versions[i].version, 4);
        check_refused(&made, 0, versions[i].says);
    }
    made_init(&made);
    check_refused(&made, 1ull << 60, "more tensors than the file could hold");
    made_init(&made);
    made.keys = 1ull << 60;
    check_refused(&made, 0, "more metadata keys than the file could hold");
    made_init(&made);
    made.length = 20;
    check_refused(&made, 0, "the file ends inside it");
}

static void test_damaged_keys_are_refused(void **state)
{
    (void)state;
    struct made_gguf made;
    made_init(&made);
    made_string(&made, "", "x");
    check_refused(&made, 0, "1 to 65535 bytes");
    made_init(&made);
    made_integer(&made, "a", 1);
    made_integer(&made, "a", 2);
    check_refused(&made, 0, "key \"a\", at byte");
    made_init(&made);
    made_key(&made, "kind", 13);
    made_u64(&made, 0);
    check_refused(&made, 0, "unknown kind of value");
    made_init(&made);
    made_key(&made, "long", GGUF_STRING);
    made_u64(&made, ~0ull);
    check_refused(&made, 0, "the file ends inside it");
    made_init(&made);
    made_key(&made, "truth", GGUF_BOOL);
    made_put(&made, "\2", 1);
    check_refused(&made, 0, "neither 0 nor 1");
}

static void test_damaged_arrays_and_alignments_are_refused(void **state)
{
    (void)state;
    struct made_gguf made;
    made_init(&made);
    made_array(&made, "nested", GGUF_ARRAY, 1);
    check_refused(&made, 0, "the file ends inside it");
    made_init(&made);
    made_array(&made, "deep", GGUF_ARRAY, 1);
    for (int depth = 0; depth < 3; depth++) {
        made_u32(&made, GGUF_ARRAY);
        made_u64(&made, 1);
    }
    check_refused(&made, 0, "too deep");
    made_init(&made);
    made_array(&made, "odd", 99, 1);
    check_refused(&made, 0, "unknown kind");
    made_init(&made);
    made_array(&made, "huge", GGUF_U8, (1ull << 30) + 1);
    check_refused(&made, 0, "2^30");
    made_init(&made);
    made_array(&made, "big", GGUF_F64, 1u << 29);
    check_refused(&made, 0, "the file ends inside it");
    static const uint32_t alignments[] = {0, 1, 4, 24, 1u << 31};
    for (size_t i = 0; i < sizeof alignments / sizeof *alignments; i++) {
        made_init(&made);
        made_integer(&made, "general.alignment", alignments[i]);
        check_refused(&made, 0, "power of two");
    }
    made_init(&made);
    made_string(&made, "general.alignment", "32");
    check_refused(&made, 0, "not an integer");
}

static void test_damaged_tensors_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t dims;
        uint64_t size;
        uint32_t type;
        uint64_t offset;
        const char *says;
    } cases[] = {
        {"", 1, 32, 0, 0, "1 to 63 bytes"},
        {"1234567890123456789012345678901234567890123456789012345678901234", 1, 32, 0, 0,
         "1 to 63 bytes"},
        {"t", 5, 1, 0, 0, "more than 4 dimensions"},
        {"t", 1, 1ull << 63, 0, 0, "negative"},
        {"t", 4, 1ull << 40, 0, 0, "overflows"},
        {"t", 1, 31, 8, 0, "whole number of its type's blocks"},
        {"t", 1, 32, 4, 0, "unknown or was removed"},
        {"t", 1, 32, 36, 0, "unknown or was removed"},
        {"t", 1, 32, 4000000000u, 0, "unknown or was removed"},
        {"t", 1, 32, 0, 32, "does not follow"},
        {"t", 1, 1ull << 62, 28, 0, "overflows"},
        {"t", 1, 1 << 20, 0, 0, "incomplete GGUF file: tensor \"t\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct made_gguf made =
            one_tensor(cases[i].name, cases[i].dims, cases[i].size, cases[i].type, cases[i].offset);
        check_refused(&made, 1, cases[i].says);
    }
    static const unsigned char data[256];
    struct made_gguf made = one_tensor("twin", 1, 8, 0, 0);
    put_tensor(&made, "twin", 1, 8, 0, 32);
    made_put(&made, data, sizeof data);
    check_refused(&made, 2, "stands in the file twice");
}

static void test_values_are_found_by_type(void **state)
{
    (void)state;
    struct made_gguf made;
    struct engine_error error = {0};
    made_init(&made);
    made_string(&made, "name", "a\"b");
    made_integer(&made, "count", 4000000000u);
    made_boolean(&made, "flag", true);
    tiny_number(&made, "ratio", 0.5f);
    made_array(&made, "words", GGUF_STRING, 2);
    made_text(&made, "one", 3);
    made_text(&made, "", 0);
    made_array(&made, "numbers", GGUF_I32, 2);
    made_u32(&made, 7);
    made_u32(&made, (uint32_t)-3);
    made_array(&made, "pairs", GGUF_ARRAY, 2);
    for (uint32_t i = 0; i < 2; i++) {
        made_u32(&made, GGUF_U32);
        made_u64(&made, i);
        if (i)
            made_u32(&made, 7);
    }
    struct gguf *file = made_open(&made, &error);
    assert_non_null(file);
    int64_t integer = 5;
    double number;
    bool flag = false;
    struct gguf_text text;
    struct gguf_array array;
    assert_true(gguf_integer(file, "count", &integer) && integer == 4000000000);
    assert_true(gguf_number(file, "count", &number) && gguf_number(file, "ratio", &number));
    assert_true(number > 0.49 && number < 0.51);
    assert_true(gguf_boolean(file, "flag", &flag) && flag);
    assert_true(gguf_string(file, "name", &text) && gguf_text_is(text, "a\"b"));
    assert_false(gguf_integer(file, "name", &integer) || gguf_string(file, "count", &text) ||
                 gguf_integer(file, "absent", &integer) || gguf_integer(file, "flag", &integer));
    assert_true(gguf_array(file, "words", &array) && gguf_next_text(&array, &text) &&
                gguf_text_is(text, "one"));
    assert_true(gguf_next_text(&array, &text) && !text.length && !gguf_next_text(&array, &text));
    assert_true(gguf_array(file, "numbers", &array) && gguf_array_integer(&array, 1) == -3);
    assert_true(gguf_array(file, "pairs", &array) && array.kind == GGUF_ARRAY && array.count == 2);
    gguf_close(file);
    free(made.bytes);
}

/* --- Mutations of a whole model --- */

static void try_model(struct engine *engine, const void *bytes, size_t length, bool *loaded)
{
    char path[64];
    struct engine_error error = {0};
    struct engine_model *model = engine_load(engine, tiny_write(bytes, length, path), NULL, &error);
    unlink(path);
    *loaded = model;
    if (!model && (!error.message[0] || strchr(error.message, '\n') || error.code == ENGINE_OK))
        fail_msg("no clear error: \"%s\"", error.message);
}

static size_t data_start(const struct made_gguf *made)
{
    struct engine_error error;
    struct gguf *file = gguf_open_memory(made->bytes, made->length, "whole", &error);
    assert_non_null(file);
    size_t start = (size_t)((const unsigned char *)gguf_tensor_at(file, 0)->data - made->bytes);
    gguf_close(file);
    return start;
}

static struct made_gguf small_model(void)
{
    struct tiny_model tiny = TINY_DEFAULT;
    tiny.width = 32;
    tiny.heads = tiny.kv_heads = 1;
    tiny.feed_forward = 32;
    tiny.layers = 1;
    tiny.context = 64;
    return tiny_make(&tiny);
}

static void test_a_cut_file_is_refused_wherever_it_is_cut(void **state)
{
    (void)state;
    struct made_gguf made = small_model();
    size_t start = data_start(&made);
    for (size_t length = 0; length < made.length - 64; length += length < start ? 1 : 97) {
        struct engine_error error = {0};
        unsigned char *copy =
            malloc(length + 1); /* exact, so that a sanitizer sees a read past the end */
        assert_non_null(copy);
        memcpy(copy, made.bytes, length);
        struct gguf *file = gguf_open_memory(copy, length, "cut", &error);
        if (file)
            fail_msg("accepted with %zu of %zu bytes", length, made.length);
        assert_true(error.message[0]);
        free(copy);
    }
    free(made.bytes);
}

/* All bytes before the data but the vocabulary's own, each with bits flipped. */
static void test_a_changed_byte_gives_a_model_or_a_clear_line(void **state)
{
    (void)state;
    struct made_gguf made = small_model();
    size_t start = data_start(&made);
    int loads = 0;
    struct engine *engine = NULL;
    for (size_t at = 0; at < start; at += at < 900 || at > start - 700 ? 1 : 61) {
        bool loaded;
        if (!engine)
            engine = engine_of((struct engine_options){.threads = 1, .kv_bytes = 1 << 16});
        unsigned char before = made.bytes[at];
        made.bytes[at] ^= at % 3 == 0 ? 0x80 : at % 3 == 1 ? 0x01 : 0xff;
        try_model(engine, made.bytes, made.length, &loaded);
        made.bytes[at] = before;
        loads += loaded;
        if (loads % 64 == 63) { /* let go of the models */
            engine_free(engine);
            engine = NULL;
            loads++;
        }
    }
    engine_free(engine);
    free(made.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_headers_are_refused),
        cmocka_unit_test(test_damaged_keys_are_refused),
        cmocka_unit_test(test_damaged_arrays_and_alignments_are_refused),
        cmocka_unit_test(test_damaged_tensors_are_refused),
        cmocka_unit_test(test_values_are_found_by_type),
        cmocka_unit_test(test_a_cut_file_is_refused_wherever_it_is_cut),
        cmocka_unit_test(test_a_changed_byte_gives_a_model_or_a_clear_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
