/* Weights as the CPU's backend keeps them: an expert stays in the file until it is asked for. */
#include "engine/error.h"
#include "engine/gguf.h"
#include "engine/weights.h"
#include "unit/engine/tiny_model.h"

#include <sys/mman.h>

enum { EXPERTS = 6 };

struct loaded {
    struct config config;
    struct weights weights;
    struct threads *threads;
};

/* A model of EXPERTS experts, whose file was closed by whoever opened it. */
static void load(struct loaded *l, enum kernel_type type, const char *quantize)
{
    char path[64];
    struct engine_error error = {0};
    struct tiny_model tiny = TINY_DEFAULT;
    tiny.type = type;
    tiny.experts = EXPERTS;
    tiny_file(&tiny, path);
    struct gguf *file = gguf_open(path, &error);
    assert_non_null(file);
    l->threads = threads_new(2, &error);
    assert_true(config_read(&l->config, file, NULL, &error));
    struct weights_options options = {.quantize = quantize};
    if (!weights_load(&l->weights, &l->config, file, &options, l->threads, &error))
        fail_msg("%s", error.message);
    gguf_close(file);
    unlink(path);
}

static void unload(struct loaded *l)
{
    weights_done(&l->weights);
    config_done(&l->config);
    threads_free(l->threads);
}

static bool is_untouched(const struct kernel_matrix *matrix)
{
    size_t bytes = kernel_matrix_bytes(matrix);
    for (size_t i = 0; i < bytes; i++)
        if (matrix->data[i])
            return false;
    return true;
}

static void check_parts(const struct weights_expert *expert, bool waits)
{
    for (int i = 0; i < EXPERT_PARTS; i++)
        assert_true((expert->waiting[i] != NULL) == waits);
    assert_true(is_untouched(&expert->gate_up.matrices[0]) == waits);
    assert_true(is_untouched(&expert->gate_up.matrices[1]) == waits);
    assert_true(is_untouched(&expert->down) == waits);
}

static void test_an_expert_waits_until_it_is_asked_for(void **state)
{
    (void)state;
    struct loaded l;
    load(&l, KERNEL_Q8_0, NULL);
    struct weights_layer *layer = &l.weights.layers[1];
    for (int i = 0; i < EXPERTS; i++)
        check_parts(&layer->experts[i], true);
    struct engine_error none = {0};
    assert_true(weights_pack_expert(&l.weights, &layer->experts[2], l.threads, &none));
    assert_true(weights_pack_expert(&l.weights, &layer->experts[2], l.threads, &none));
    for (int i = 0; i < EXPERTS; i++)
        check_parts(&layer->experts[i], i != 2);
    unload(&l);
}

/* What must be computed from the file's values first is not left for later. */
static void test_requantized_experts_do_not_wait(void **state)
{
    (void)state;
    struct loaded l;
    load(&l, KERNEL_F32, "q8_0");
    for (int i = 0; i < EXPERTS; i++)
        check_parts(&l.weights.layers[0].experts[i], false);
    unload(&l);
}

/* Bytes that belong to the caller may be gone tomorrow. */
static void test_experts_of_borrowed_bytes_do_not_wait(void **state)
{
    (void)state;
    char path[64];
    struct loaded l;
    struct engine_error error = {0};
    struct tiny_model tiny = TINY_DEFAULT;
    tiny.experts = EXPERTS;
    tiny_file(&tiny, path);
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, 0, SEEK_END), 0);
    size_t length = (size_t)ftell(stream);
    void *bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fileno(stream), 0);
    assert_ptr_not_equal(bytes, MAP_FAILED);
    struct gguf *file = gguf_open_memory(bytes, length, "tiny", &error);
    l.threads = threads_new(1, &error);
    assert_true(file && config_read(&l.config, file, NULL, &error));
    struct weights_options options = {0};
    assert_true(weights_load(&l.weights, &l.config, file, &options, l.threads, &error));
    gguf_close(file);
    munmap(bytes, length);
    fclose(stream);
    unlink(path);
    check_parts(&l.weights.layers[0].experts[0], false);
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_expert_waits_until_it_is_asked_for),
        cmocka_unit_test(test_requantized_experts_do_not_wait),
        cmocka_unit_test(test_experts_of_borrowed_bytes_do_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
