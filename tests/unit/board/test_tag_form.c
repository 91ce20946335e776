/* A tag has one form; anything else is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "board/agreement.h"
#include "board/tag_sample.h"

static void only_the_form_counts(void **state)
{
    static const struct {
        enum tag_question question;
        const char *said;
        int value; /* -1: no answer */
    } CASES[] = {
        {TAG_CRITERIA, "[1, 4]", 9},
        {TAG_CRITERIA, " [] \n", 0},
        {TAG_CRITERIA, "[7,1,2,3,4,5,6]", 127},
        {TAG_CRITERIA, "[1, 4].", -1},
        {TAG_CRITERIA, "[1, 1]", -1},
        {TAG_CRITERIA, "[8]", -1},
        {TAG_CRITERIA, "[1 2]", -1},
        {TAG_CRITERIA, "[1,]", -1},
        {TAG_CRITERIA, "[,1]", -1},
        {TAG_CRITERIA, "[", -1},
        {TAG_CRITERIA, "1, 4", -1},
        {TAG_CRITERIA, "", -1},
        {TAG_CREATIVE, "Yes.", 1},
        {TAG_CREATIVE, "no", 0},
        {TAG_CREATIVE, "yes, it does", -1},
        {TAG_CREATIVE, "yesno", -1},
        {TAG_FOLLOWING, "5", 5},
        {TAG_FOLLOWING, "0\n", 0},
        {TAG_FOLLOWING, "6", -1},
        {TAG_FOLLOWING, "4.", -1},
        {TAG_FOLLOWING, "four", -1},
    };
    (void)state;
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        struct tag_answers answers = TAG_ANSWERS_NONE;
        bool good = tag_form_read(CASES[k].question, text_of(CASES[k].said), &answers);
        int value = CASES[k].question == TAG_CRITERIA   ? answers.criteria
                    : CASES[k].question == TAG_CREATIVE ? answers.creative
                                                        : answers.demands;
        if (good != (CASES[k].value >= 0) || value != CASES[k].value)
            fail_msg("\"%s\" gave %d", CASES[k].said, value);
    }
}

static void names_are_lmarenas(void **state)
{
    struct tag_answers answers = {.criteria = 1 + 64, .creative = 1, .demands = 4},
                       none = TAG_ANSWERS_NONE;
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    assert_int_equal(tag_form_write(&answers, &out), 3);
    assert_string_equal(out.data,
                        "{\"criteria_v0.1\":{\"specificity\":true,\"domain_knowledge\":false,"
                        "\"complexity\":false,\"problem_solving\":false,\"creativity\":false,"
                        "\"technical_accuracy\":false,\"real_world\":true},"
                        "\"creative_writing_v0.1\":{\"creative_writing\":true,\"score\":\"yes\"},"
                        "\"if_v0.1\":{\"if\":true,\"score\":4}}");
    buf_clear(&out);
    assert_int_equal(tag_form_write(&none, &out), 0);
    buf_done(&out);
    answers.criteria = 127 - 8;
    assert_int_equal(tag_form_verdict(TAG_CRITERIA, &answers), 1); /* six of seven */
    answers.criteria -= 1;
    assert_int_equal(tag_form_verdict(TAG_CRITERIA, &answers), 0);
    assert_int_equal(tag_form_verdict(TAG_CRITERIA, &none), -1);
}

static void long_prompts_are_cut_between_characters(void **state)
{
    static char prompts[LIMIT_TAG_PROMPT_BYTES + 64];
    struct chat_message messages[TAG_MESSAGES];
    struct buf room;
    (void)state;
    for (size_t i = 0; i + 2 <= sizeof prompts; i += 2)
        memcpy(prompts + i, "\xc3\xa9", 2);
    memmove(prompts + 1, prompts, sizeof prompts - 1);
    prompts[0] = 'x';
    buf_init(&room, LIMIT_TAG_PROMPT_BYTES);
    size_t count =
        tag_form_ask(TAG_CREATIVE, (struct text){prompts, sizeof prompts}, &room, messages);
    assert_int_equal(count, TAG_MESSAGES);
    assert_int_equal(messages[0].role, CHAT_SYSTEM);
    assert_int_equal(messages[count - 1].role, CHAT_USER);
    assert_int_equal(messages[count - 1].text.length, LIMIT_TAG_PROMPT_BYTES - 1);
    buf_done(&room);
}

static void agreement_is_counted(void **state)
{
    struct agreement agreement = {0};
    struct buf json, words;
    (void)state;
    for (size_t i = 0; i < TAG_SAMPLE_COUNT; i++) {
        struct tag_answers right = {.criteria = TAG_SAMPLE[i].hard ? 127 : 0,
                                    .creative = TAG_SAMPLE[i].creative,
                                    .demands = i == 0 ? -1 : 5};
        agreement_add(&agreement, i, &right);
    }
    buf_init(&json, 4096);
    buf_init(&words, 4096);
    assert_true(agreement_write(&agreement, &json));
    assert_non_null(strstr(json.data, "\"hard_prompts\":{\"agreed\":36,\"of\":36,\"kappa\":1.000"));
    assert_non_null(
        strstr(json.data, "\"of\":35,\"kappa\":0.000,\"malformed\":1")); /* says yes always */
    agreement_sentence(buf_text(&json), &words);
    assert_non_null(strstr(words.data, "36 of 36 for creative_writing (kappa 1.00)"));
    buf_done(&json);
    buf_done(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_form_counts),
        cmocka_unit_test(names_are_lmarenas),
        cmocka_unit_test(long_prompts_are_cut_between_characters),
        cmocka_unit_test(agreement_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
