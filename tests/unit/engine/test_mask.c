/* Masks: exactly the tokens whose bytes the grammar lets through, found quickly; and whole answers
 * of a random model, which are what the schema allows whatever the settings and the company. */
#include "engine/json_tree.h"
#include "engine/mask.h"
#include "engine/schema.h"
#include "unit/engine/answer.h"
#include "unit/engine/golden.h"
#include "unit/engine/tiny_model.h"

#include "engine/model.h"

#include <math.h>
#include <time.h>

static struct engine *engine;
static struct engine_model *model;

static const char SCHEMA[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":9},\"tags\":{"
    "\"type\":\"array\",\"items\":{\"enum\":[\"red\",\"green\",\"gr\u00fcn\"]},\"maxItems\":3},"
    "\"n\":{\"anyOf\":[{\"type\":\"number\"},{\"type\":\"string\",\"maxLength\":2},{\"type\":"
    "\"null\"}]}},\"required\":[\"name\",\"n\"]}";

static struct mask *new_mask(const struct mask_vocabulary *vocabulary)
{
    struct engine_error error = {0};
    struct grammar *grammar = schema_compile(SCHEMA, strlen(SCHEMA), &error);
    struct mask *mask = grammar ? mask_new(grammar, &error) : NULL;
    if (!mask || !mask_start(mask, vocabulary, &error))
        fail_msg("%s", error.message);
    return mask;
}

static uint32_t draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Is the token let through, asked byte by byte? */
static bool walks(struct grammar_walk *walk, const struct tokenizer *tokenizer, int32_t token)
{
    size_t length;
    const char *bytes = tokenizer_piece(tokenizer, token, false, &length);
    if (tokenizer_is_end(tokenizer, token))
        return grammar_walk_may_end(walk, 0);
    if (!length || length > GRAMMAR_SPAN)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!grammar_walk_step(walk, (int)i, (unsigned char)bytes[i]))
            return false;
    return true;
}

static void check_mask(const uint64_t *allowed, struct grammar_walk *walk,
                       const struct tokenizer *tokenizer)
{
    for (int32_t id = 0; id < tokenizer_size(tokenizer); id++)
        if ((allowed[id / 64] >> id % 64 & 1) != walks(walk, tokenizer, id))
            fail_msg("token %d is wrongly %s", id, allowed[id / 64] >> id % 64 & 1 ? "in" : "out");
}

/* Along random answers of the vocabulary, every mask against every token. */
static void check_vocabulary(const struct tokenizer *tokenizer, int answers)
{
    struct engine_error error = {0};
    struct mask_vocabulary *vocabulary = mask_vocabulary_new(tokenizer, &error);
    struct grammar *grammar = schema_compile(SCHEMA, strlen(SCHEMA), &error);
    struct grammar_walk *walk = malloc(sizeof *walk);
    uint64_t seed = 5;
    if (!vocabulary || !grammar || !walk)
        fail_msg("%s", error.message);
    for (int i = 0; i < answers; i++) {
        struct mask *mask = new_mask(vocabulary);
        grammar_walk_start(walk, grammar);
        for (int step = 0; step < 60; step++) {
            const uint64_t *allowed = mask_allowed(mask);
            check_mask(allowed, walk, tokenizer);
            int32_t token = (int32_t)(draw(&seed) % (uint32_t)tokenizer_size(tokenizer));
            while (!(allowed[token / 64] >> token % 64 & 1))
                token = (token + 1) % tokenizer_size(tokenizer);
            if (tokenizer_is_end(tokenizer, token))
                break;
            mask_take(mask, token);
            size_t length;
            tokenizer_piece(tokenizer, token, false, &length);
            assert_true(walks(walk, tokenizer, token));
            grammar_walk_settle(walk, (int)length);
        }
        mask_free(mask);
    }
    free(walk);
    grammar_free(grammar);
    mask_vocabulary_free(vocabulary);
}

/* A model may have more logits than tokens. */
static void test_what_is_no_token_may_not_come(void **state)
{
    (void)state;
    struct engine_error error = {0};
    int size = tokenizer_size(model->tokenizer), count = size + 70, open = 0;
    struct mask_vocabulary *vocabulary = mask_vocabulary_new(model->tokenizer, &error);
    struct mask *mask = new_mask(vocabulary);
    float *logits = calloc((size_t)count, sizeof *logits);
    assert_int_equal(mask_size(mask), size);
    mask_apply(mask, logits, count);
    for (int i = 0; i < count; i++)
        open += i < size ? logits[i] == 0 : 2 * (logits[i] != -INFINITY) * size;
    assert_in_range(open, 1, size - 1);
    free(logits);
    mask_free(mask);
    mask_vocabulary_free(vocabulary);
}

static void test_a_mask_is_what_the_grammar_says_of_each_token(void **state)
{
    (void)state;
    check_vocabulary(model->tokenizer, 20);
}

static struct tokenizer *tokenizer_of(const char *path)
{
    struct engine_error error = {0};
    struct gguf *file = gguf_open(path, &error);
    struct tokenizer *tokenizer = file ? tokenizer_new(file, &error) : NULL;
    if (!tokenizer)
        fail_msg("%s: %s", path, error.message);
    gguf_close(file);
    return tokenizer;
}

/* Byte-level BPE, SentencePiece. */
static void test_masks_of_real_vocabularies(void **state)
{
    (void)state;
    static const char *const FILES[] = {"tokenizers/ggml-vocab-qwen2.gguf",
                                        "tokenizers/ggml-vocab-llama-spm.gguf"};
    if (!fixture(""))
        skip();
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        if (access(fixture(FILES[i]), R_OK)) {
            print_message("%s is not there\n", FILES[i]);
            continue;
        }
        struct tokenizer *tokenizer = tokenizer_of(fixture(FILES[i]));
        check_vocabulary(tokenizer, 1);
        tokenizer_free(tokenizer);
    }
}

/* --- Whole answers --- */

static struct engine_request request_of(uint64_t seed, double temperature)
{
    static const int32_t prompt[] = {10, 20, 30, 40, 50};
    return (struct engine_request){.tokens = prompt,
                                   .token_count = 5,
                                   .max_tokens = 120,
                                   .json_schema = SCHEMA,
                                   .sampling = {.temperature = temperature, .seed = seed}};
}

static void check_answer(const struct answer *a)
{
    struct engine_error error = {0};
    if (a->result.finish == ENGINE_FAILED)
        fail_msg("%s", a->result.error.message);
    if (a->result.finish != ENGINE_STOP)
        return;
    struct json_tree *json = json_tree_parse(a->text, a->length, "answer", &error);
    if (!json)
        fail_msg("%s: %.*s", error.message, (int)a->length, a->text);
    const struct json_tree_value *root = json_tree_root(json);
    assert_int_equal(root->kind, JSON_TREE_OBJECT);
    assert_int_equal(json_tree_get(root, "name")->kind, JSON_TREE_STRING);
    assert_non_null(json_tree_get(root, "n"));
    json_tree_free(json);
}

static void test_answers_are_what_the_schema_allows(void **state)
{
    (void)state;
    int ended = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct answer *a = answer_wait(answer_start(model, request_of(seed, seed % 4 * 0.7)));
        check_answer(a);
        ended += a->result.finish == ENGINE_STOP;
        answer_free(a);
    }
    assert_true(ended > 20);
}

/* Neighbours, guesses, penalties: the same answer. */
static void test_an_answer_does_not_depend_on_its_company(void **state)
{
    (void)state;
    enum { MANY = 12 };
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct engine_request wanted = request_of(seed, seed % 2 * 1.1);
        wanted.sampling.frequency_penalty = seed % 3;
        struct answer *alone = answer_wait(answer_start(model, wanted)), *company[MANY];
        for (int i = 0; i < MANY; i++) {
            struct engine_request other = i % 3 ? request_of(seed + 100 + (uint64_t)i, 1) : wanted;
            other.no_guesses = i % 2;
            company[i] = answer_start(model, other);
        }
        for (int i = 0; i < MANY; i++) {
            answer_wait(company[i]);
            check_answer(company[i]);
            if (i % 3 == 0) {
                assert_int_equal(company[i]->length, alone->length);
                assert_memory_equal(company[i]->text, alone->text, alone->length);
            }
            answer_free(company[i]);
        }
        answer_free(alone);
    }
}

static void test_a_schema_that_cannot_be_held_is_refused_at_once(void **state)
{
    (void)state;
    struct engine_error error = {0};
    struct engine_request wanted = request_of(1, 1);
    wanted.json_schema = "{\"not\":{}}";
    wanted.on_end = answer_end;
    assert_int_equal(engine_submit(model, &wanted, &error), 0);
    assert_int_equal(error.code, ENGINE_REQUEST);
    assert_non_null(strstr(error.message, "\"not\""));
}

/* --- Speed --- */

static double microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

/* Printed, not judged: docs/engine.md has the figures. */
static void test_speed(void **state)
{
    (void)state;
    if (!fixture("") || access(fixture("tokenizers/ggml-vocab-qwen2.gguf"), R_OK))
        skip();
    struct engine_error error = {0};
    struct tokenizer *tokenizer = tokenizer_of(fixture("tokenizers/ggml-vocab-starcoder.gguf"));
    double start = microseconds();
    struct mask_vocabulary *vocabulary = mask_vocabulary_new(tokenizer, &error);
    print_message("tree of %d tokens: %.1f ms\n", tokenizer_size(tokenizer),
                  (microseconds() - start) / 1e3);
    float *logits = calloc((size_t)tokenizer_size(tokenizer), sizeof *logits);
    struct mask *mask = new_mask(vocabulary);
    static const char *const PARTS[] = {"{",   " \"", "name", "\":", " \"", "Bo", "bbbb",
                                        "\",", " \"", "n",    "\":", " ",   "1",  "."};
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
        int32_t token = tokenizer_find(tokenizer, PARTS[i], strlen(PARTS[i]));
        mask_take(mask, token);
        start = microseconds();
        for (int turn = 0; turn < 20; turn++)
            mask_apply(mask, logits, tokenizer_size(tokenizer));
        print_message("after %-6s %7.1f us\n", PARTS[i], (microseconds() - start) / 20);
    }
    mask_free(mask);
    free(logits);
    mask_vocabulary_free(vocabulary);
    tokenizer_free(tokenizer);
}

static int open_engine(void **state)
{
    (void)state;
    char path[64];
    engine = engine_of((struct engine_options){.device = "cpu", .threads = 2});
    model = model_of(engine, tiny_file(&TINY_DEFAULT, path), (struct engine_load_options){0});
    unlink(path);
    return 0;
}

static int close_engine(void **state)
{
    (void)state;
    engine_free(engine);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_token_may_not_come),
        cmocka_unit_test(test_a_mask_is_what_the_grammar_says_of_each_token),
        cmocka_unit_test(test_masks_of_real_vocabularies),
        cmocka_unit_test(test_answers_are_what_the_schema_allows),
        cmocka_unit_test(test_an_answer_does_not_depend_on_its_company),
        cmocka_unit_test(test_a_schema_that_cannot_be_held_is_refused_at_once),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
