/* What counts as an answer that names its own model or maker, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "battle/leak.h"

static bool found(const char *name, const char *organisation, const char *alias, const char *answer)
{
    char *aliases[] = {(char *)(uintptr_t)alias};
    struct competitor_config config = {.name = (char *)(uintptr_t)name,
                                       .organisation = (char *)(uintptr_t)organisation,
                                       .aliases = aliases,
                                       .alias_count = alias ? 1 : 0};
    struct err err = ERR_INIT;
    struct leak *leak = leak_new(&config, &err);
    if (!leak)
        fail_msg("%s", err.message);
    bool result = leak_found(leak, text_of(answer));
    leak_free(leak);
    return result;
}

struct sample {
    const char *name, *organisation, *alias, *answer;
};

static void test_found(void **state)
{
    static const struct sample SAMPLES[] = {
        {"smollm2-creative", NULL, NULL, "I am smollm2-creative."},
        {"smollm2-creative", NULL, NULL, "SMOLLM2-CREATIVE, at your service"},
        {"x", "OpenAI", NULL, "I was trained by OpenAI."},
        {"x", "OpenAI", NULL, "**OpenAI**'s model"},
        {"x", "OpenAI", NULL, "_OpenAI_"},
        {"x", "Mistral AI", NULL, "made by mistral\nai"},
        {"x", "Hugging Face", NULL, "at Hugging  Face we"},
        {"gpt-4", NULL, NULL, "This is GPT-4. 3 reasons:"},
        {"x", NULL, "Клод", "Меня зовут клод."},
        {"x", NULL, "Клод", "Я КЛОД!"},
        {"x", NULL, "Élan", "je suis ÉLAN"},
        {"x", NULL, "通义千问", "我是 通义千问 。"},
        {"c++bot (v1)", NULL, NULL, "the C++Bot (v1) says"},
        {"x", "our lab", NULL, "I was created by our lab."},
        {"x", NULL, "assistant", "my name is Assistant"},
        {"x", NULL, "Open Source Model", "I\xE2\x80\x99m Open Source Model"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof SAMPLES / sizeof SAMPLES[0]; i++)
        if (!found(SAMPLES[i].name, SAMPLES[i].organisation, SAMPLES[i].alias, SAMPLES[i].answer))
            fail_msg("not found: %s", SAMPLES[i].answer);
}

static void test_not_found(void **state)
{
    static const struct sample SAMPLES[] = {
        {"smollm2-creative", NULL, NULL, "Be creative. A smollm is small."},
        {"smollm2-creative", NULL, NULL,
         "smollm2-creatively, xsmollm2-creative, smollm2-creative2"},
        {"rivalry", NULL, NULL, "rival, arrivalry, rivalryless"},
        {"gpt-4", NULL, NULL, "gpt-4o and gpt-4.1 and gpt-40"},
        {"x9", "our lab", NULL, "in our lab we tested the lab"},
        {"x9", NULL, "the assistant", "the assistant said: an assistant helps, I am an assistant"},
        {"x9", "OpenAI", NULL, "openai_api_key = OpenAIX"},
        {"a.b", NULL, NULL, "aXb"},
        {"x9", "", "", "anything"},
        {"x9", NULL, "Клод", "Клодетта и оклод"},
        {"x9", NULL, NULL, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof SAMPLES / sizeof SAMPLES[0]; i++)
        if (found(SAMPLES[i].name, SAMPLES[i].organisation, SAMPLES[i].alias, SAMPLES[i].answer))
            fail_msg("found: %s", SAMPLES[i].answer);
}

/* Pieces that nearly match, a megabyte of them: still linear. */
static void test_hostile_text_is_quick(void **state)
{
    size_t length = 1 << 20;
    char *text = malloc(length + 1);
    struct timespec start, end;
    (void)state;
    for (size_t i = 0; i < length; i++)
        text[i] = "I am * _ "[i % 9];
    text[length] = '\0';
    memset(text, ' ', length / 2); /* and a long run of white space behind a near match */
    memcpy(text, "made by", 7);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    assert_false(found("smollm2-creative", "Mistral AI", "the assistant", text));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    assert_true(end.tv_sec - start.tv_sec < 5);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_hostile_text_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
