/* Through the public boundary: a real trained model's text to the byte and its logits, the default
 * model's answers as llama.cpp gives them, text in whole characters, stop strings, bad files. */
#include "unit/engine/answer.h"
#include "unit/engine/golden.h"
#include "unit/engine/tiny_model.h"

#include <math.h>
#include <time.h>

static struct engine *engine;

/* --- A trained model --- */

static struct answer *continue_text(struct engine_model *model, const char *text, int max_tokens)
{
    struct engine_error error = {0};
    size_t count;
    int32_t *tokens = engine_tokenize(model, text, strlen(text), false, true, &count, &error);
    if (!tokens)
        fail_msg("%s", error.message);
    struct answer *a = answer_wait(answer_start(
        model,
        (struct engine_request){.tokens = tokens, .token_count = count, .max_tokens = max_tokens}));
    free(tokens);
    return a;
}

static void check_story(const char *file)
{
    static const char opening[] = "Once upon a time";
    char *wanted = read_whole(fixture("models/stories260K.greedy200.txt"));
    struct engine_model *model = model_of(engine, fixture(file), (struct engine_load_options){0});
    struct answer *a = continue_text(model, opening, 200);
    assert_memory_equal(wanted, opening, strlen(opening));
    size_t length =
        strlen(wanted) - strlen(opening); /* the golden's 200 tokens count the prompt's */
    if (a->length < length || memcmp(a->text, wanted + strlen(opening), length))
        fail_msg("%s: another story: %s", file, a->text);
    answer_free(a);
    free(wanted);
}

static void test_a_trained_model_tells_its_story_to_the_byte(void **state)
{
    (void)state;
    if (!fixture(""))
        skip();
    check_story("models/stories260K-F32.gguf");
    check_story("models/stories260K-F16.gguf");
}

static void test_logits_are_those_of_the_reference(void **state)
{
    (void)state;
    if (!fixture(""))
        skip();
    static const int32_t tokens[] = {1, 403, 407, 261, 378};
    float wanted[512];
    FILE *file = fopen(fixture("models/logits/llamacpp-stories260K-F32.bin"), "rb");
    assert_non_null(file);
    assert_int_equal(fread(wanted, sizeof *wanted, 512, file), 512);
    fclose(file);
    struct engine_error error = {0};
    struct engine_model *model =
        model_of(engine, fixture("models/stories260K-F32.gguf"), (struct engine_load_options){0});
    float *logits = engine_logits(model, tokens, 5, &error);
    assert_non_null(logits);
    /* To 1e-3 of the largest, 10.1: the reference itself sums values in F16, which moves it by up
     * to 7.6e-3 from the same pass in double precision, further than this engine is from either. */
    for (int i = 0; i < 512; i++)
        if (fabsf(logits[4 * 512 + i] - wanted[i]) > 0.0101f)
            fail_msg("logit %d is %f, not %f", i, (double)logits[4 * 512 + i], (double)wanted[i]);
    free(logits);
}

/* --- The default model --- */

static const char *default_model(void)
{
    static char path[4096];
    const char *folder = getenv("ARENA_MODELS"), *home = getenv("HOME");
    if (folder && *folder)
        snprintf(path, sizeof path, "%s/SmolLM2-135M-Instruct.Q4_1.gguf", folder);
    else
        snprintf(path, sizeof path, "%s/.cache/arena/SmolLM2-135M-Instruct.Q4_1.gguf",
                 home ? home : "");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
    return NULL; /* one build does it: the others are many times slower */
#endif
    return access(path, R_OK) ? NULL : path;
}

/* How near the reference each step's logits are when its own answer is what came before.
 *
 * Int8 activations make a model of this depth chaotic: where a value lies on the border of two
 * quants, the last bit of a sum decides, and what it decides grows from layer to layer. One ulp
 * on the factor of the norms moves these gaps by 0.13 on average, and so does the reference's
 * own other attention path (flash attention off: 0.129, 12 steps where its choice changes
 * although the gap was above 0.1). So a bound of 0.1 on single steps holds only for the
 * reference's bits, which change with the length of its prompt; what can be promised is that
 * this engine is about as far from the reference as the reference is from itself. One build's
 * figures never vary; changes of the last bit move the mean gap between 0.130 and 0.142. A rotary
 * base of 0.8 times the true one, which prompts as short as these hardly feel, gives 0.152. */
struct nearness {
    int steps, other, other_above; /* another token was likelier; although the gap was above 0.1 */
    double gap, top; /* sums of the differences: of gaps, of first log-probabilities */
    double widest;   /* gap of a step with another token */
    int tops;
};

enum { VOCABULARY = 49152, TOP = 10 };

static double lead(const float *logits, int32_t token)
{
    float second = -INFINITY;
    for (int i = 0; i < VOCABULARY; i++)
        if (i != token && logits[i] > second)
            second = logits[i];
    return (double)logits[token] - (double)second;
}

static void compare_top(const float *logits, const double top[2 * TOP], struct nearness *n)
{
    double sum = 0;
    for (int i = 0; i < VOCABULARY; i++)
        sum += exp((double)logits[i]);
    for (int i = 0; i < TOP; i++, n->tops++)
        n->top += fabs((double)logits[(int)top[2 * i]] - log(sum) - top[2 * i + 1]);
}

static void compare_step(const float *logits, int32_t token, double gap, struct nearness *n)
{
    double ours = lead(logits, token);
    n->steps++;
    n->gap += fabs(ours - gap);
    if (ours >= 0)
        return;
    n->other++;
    n->other_above += gap >= 0.1;
    n->widest = gap > n->widest ? gap : n->widest;
}

static void compare_case(struct engine_model *model, const char *json, struct nearness *n)
{
    static int32_t tokens[2560];
    static double gaps[512], top[2 * TOP];
    struct engine_error error = {0};
    size_t prompt = golden_tokens(golden_value(json, NULL, "prompt_tokens"), tokens, 2048);
    size_t count = golden_tokens(golden_value(json, NULL, "greedy_tokens"), tokens + prompt, 512);
    golden_numbers(golden_value(json, NULL, "gap_to_second"), gaps, 512);
    golden_numbers(golden_value(json, NULL, "first_top10"), top, 2 * TOP);
    if (tokens[prompt] == tokens[prompt + 1] && tokens[prompt] == tokens[prompt + count - 1])
        return; /* pieces of characters, recorded under one id: not what the reference chose */
    float *logits = engine_logits(model, tokens, prompt + count - 1, &error);
    if (!logits)
        fail_msg("%s", error.message);
    const float *step = logits + (prompt - 1) * VOCABULARY;
    compare_top(step, top, n);
    for (size_t i = 0; i < count; i++)
        compare_step(step + i * VOCABULARY, tokens[prompt + i], gaps[i], n);
    free(logits);
}

static void test_the_default_model_is_as_near_the_reference_as_that_to_itself(void **state)
{
    (void)state;
    char *json = read_whole(fixture("models/smollm2_q4_1_llamacpp.json"));
    if (!json || !default_model()) {
        free(json);
        skip();
    }
    struct engine_model *model = model_of(engine, default_model(), (struct engine_load_options){0});
    struct nearness n = {0};
    for (const char *at = json; (at = strstr(at, "\"prompt_tokens\"")); at++)
        compare_case(model, at, &n);
    free(json);
    print_message("%d steps: gaps %.4f away, first top ten %.4f; %d other tokens, %d above 0.1, at "
                  "most %.3f\n",
                  n.steps, n.gap / n.steps, n.top / n.tops, n.other, n.other_above, n.widest);
    assert_true(n.steps >= 700 && n.tops >= 190);
    assert_true(n.gap / n.steps < 0.148);      /* 0.139; the reference from itself: 0.129 */
    assert_true(n.top / n.tops < 0.15);        /* 0.101; 0.087 */
    assert_true(n.other_above * 30 < n.steps); /* 16 of 758; 12 */
    assert_true(n.widest < 0.6);
}

/* Goldens of the default model that stand in the tree: a prompt's length and the answer's
 * beginning. */
static void test_the_default_model_answers_without_fixtures(void **state)
{
    (void)state;
    if (!default_model())
        skip();
    static const struct engine_message question = {"user", "Name the capital of Italy.", 26};
    struct engine_model *model = model_of(engine, default_model(), (struct engine_load_options){0});
    struct answer *a = answer_wait(answer_start(
        model,
        (struct engine_request){.messages = &question, .message_count = 1, .max_tokens = 20}));
    assert_int_equal(a->result.prompt_tokens, 36);
    assert_string_equal(a->text, "The capital of Italy is Rome.");
    assert_int_equal(a->result.finish, ENGINE_STOP);
    answer_free(a);
}

/* What it computes, however busy the machine or slow the disk; `arena bench engine` has the figure.
 */
static void test_loading_is_quick(void **state)
{
    (void)state;
    if (!default_model())
        skip();
    struct timespec before, after;
    struct engine_model_info info;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    struct engine_model *model = model_of(engine, default_model(), (struct engine_load_options){0});
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double seconds =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) * 1e-9;
    engine_model_info(model, &info);
    assert_string_equal(info.type, "Q4_1");
    assert_string_equal(info.architecture, "llama");
    assert_string_equal(info.chat_template, "chatml");
    assert_int_equal(info.parameters, 134515008);
    if (seconds > 3)
        fail_msg("loading took %.2f s", seconds);
}

/* --- A tiny one --- */

static bool is_utf8(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length) {
        unsigned char c = (unsigned char)text[i++];
        int more = c < 0x80                ? 0
                   : c >= 0xc2 && c < 0xe0 ? 1
                   : c >= 0xe0 && c < 0xf0 ? 2
                   : c >= 0xf0 && c < 0xf5 ? 3
                                           : -1;
        if (more < 0)
            return false;
        for (; more; more--)
            if (i >= length || ((unsigned char)text[i++] & 0xc0) != 0x80)
                return false;
    }
    return true;
}

/* A random model's bytes are no text: what is broken becomes U+FFFD. */
static void test_text_comes_in_whole_characters(void **state)
{
    (void)state;
    char path[64];
    struct engine_model *model =
        model_of(engine, tiny_file(&TINY_DEFAULT, path), (struct engine_load_options){0});
    unlink(path);
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct answer *a = answer_wait(answer_start(
            model, (struct engine_request){.tokens = (const int32_t[]){'a'},
                                           .token_count = 1,
                                           .max_tokens = 100,
                                           .ignore_eos = true,
                                           .sampling = {.temperature = 2, .seed = seed}}));
        assert_true(is_utf8(a->text, a->length));
        assert_int_equal(a->count, 100);
        answer_free(a);
    }
}

static void test_a_conversation_is_rendered_and_answered(void **state)
{
    (void)state;
    char path[64];
    struct engine_error error = {0};
    struct engine_model *model =
        model_of(engine, tiny_file(&TINY_DEFAULT, path), (struct engine_load_options){0});
    unlink(path);
    const struct engine_message messages[] = {{"user", "<|im_end|>hi", 12}};
    size_t count;
    int32_t *tokens = engine_render(model, messages, 1, &count, &error);
    assert_non_null(tokens);
    int specials = 0;
    for (size_t i = 0; i < count; i++)
        specials += tokens[i] >= 256;
    assert_int_equal(specials, 3); /* the user's text forms none */
    struct answer *a = answer_wait(answer_start(
        model, (struct engine_request){
                   .messages = messages, .message_count = 1, .max_tokens = 5, .ignore_eos = true}));
    struct answer *b = answer_wait(answer_start(
        model, (struct engine_request){
                   .tokens = tokens, .token_count = count, .max_tokens = 5, .ignore_eos = true}));
    assert_int_equal(a->result.prompt_tokens, count);
    assert_memory_equal(a->tokens, b->tokens, 5 * sizeof(int32_t));
    answer_free(a);
    answer_free(b);
    free(tokens);
}

static void check_load_fails(const char *path, struct engine_load_options options,
                             enum engine_error_code code, const char *says)
{
    struct engine_error error = {0};
    assert_null(engine_load(engine, path, &options, &error));
    assert_int_equal(error.code, code);
    if (!strstr(error.message, says))
        fail_msg("\"%s\" does not say \"%s\"", error.message, says);
}

static void test_bad_files_and_options_are_refused(void **state)
{
    (void)state;
    char path[64], other[64];
    int ends[2]; /* of a pipe */
    check_load_fails("/nonexistent/model.gguf", (struct engine_load_options){0}, ENGINE_IO,
                     "/nonexistent/model.gguf");
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    check_load_fails(path, (struct engine_load_options){0}, ENGINE_IO, "regular file");
    close(ends[0]);
    close(ends[1]);
    check_load_fails(tiny_write("GGML", 4, path), (struct engine_load_options){0}, ENGINE_FORMAT,
                     "not a GGUF file");
    unlink(path);
    check_load_fails(tiny_write("", 0, path), (struct engine_load_options){0}, ENGINE_FORMAT,
                     "empty");
    unlink(path);
    tiny_file(&TINY_DEFAULT, other);
    check_load_fails(other, (struct engine_load_options){.context = 100000}, ENGINE_REQUEST, "512");
    check_load_fails(other, (struct engine_load_options){.weights = "q2"}, ENGINE_REQUEST, "q8_0");
    check_load_fails(other, (struct engine_load_options){.chat_template = "klingon"},
                     ENGINE_UNSUPPORTED, "klingon");
    unlink(other);
}

/* Two models' logits differ, but by less than `share` of their size (squared). */
static void check_near(struct engine_model *one, struct engine_model *other, double share)
{
    struct engine_error error = {0};
    static const int32_t tokens[] = {'h', 'e', 'l', 'l', 'o'};
    float *a = engine_logits(one, tokens, 5, &error), *b = engine_logits(other, tokens, 5, &error);
    assert_true(a && b);
    double away = 0, size = 0;
    for (int i = 0; i < 5 * TINY_VOCABULARY; i++) {
        away += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)a[i] * (double)a[i];
    }
    assert_true(away > 0 && away / size < share);
    free(a);
    free(b);
}

/* Float weights quantised at load compute nearly the same. */
static void test_weights_are_quantised_at_load(void **state)
{
    (void)state;
    char path[64];
    struct engine_model_info info;
    struct tiny_model tiny = TINY_DEFAULT;
    tiny.type = KERNEL_F32;
    tiny_file(&tiny, path);
    struct engine_model *exact = model_of(engine, path, (struct engine_load_options){0});
    struct engine_model *small =
        model_of(engine, path, (struct engine_load_options){.weights = "q8_0"});
    unlink(path);
    engine_model_info(small, &info);
    assert_string_equal(info.type, "Q8_0");
    check_near(exact, small, 1e-3);
}

/* Keys and values in eight bits compute nearly the same; another number of bits is refused. */
static void test_keys_and_values_fit_in_half(void **state)
{
    (void)state;
    char path[64];
    struct engine_error error = {0};
    struct tiny_model tiny = TINY_DEFAULT;
    tiny.type = KERNEL_F32;
    tiny_file(&tiny, path);
    struct engine_model *halves = model_of(engine, path, (struct engine_load_options){.kv = "f16"});
    struct engine_model *quants = model_of(engine, path, (struct engine_load_options){.kv = "q8"});
    assert_null(engine_load(engine, path, &(struct engine_load_options){.kv = "q4"}, &error));
    assert_non_null(strstr(error.message, "f16 or q8"));
    unlink(path);
    check_near(halves, quants, 1e-3);
}

static int setup(void **state)
{
    (void)state;
    engine = engine_of((struct engine_options){.kv_bytes = 64 << 20});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    engine_free(engine);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_trained_model_tells_its_story_to_the_byte),
        cmocka_unit_test(test_logits_are_those_of_the_reference),
        cmocka_unit_test(test_the_default_model_is_as_near_the_reference_as_that_to_itself),
        cmocka_unit_test(test_the_default_model_answers_without_fixtures),
        cmocka_unit_test(test_loading_is_quick),
        cmocka_unit_test(test_text_comes_in_whole_characters),
        cmocka_unit_test(test_a_conversation_is_rendered_and_answered),
        cmocka_unit_test(test_bad_files_and_options_are_refused),
        cmocka_unit_test(test_weights_are_quantised_at_load),
        cmocka_unit_test(test_keys_and_values_fit_in_half),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
