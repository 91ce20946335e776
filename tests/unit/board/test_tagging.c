/* What rules say of prompts and answers: languages, mathematics, code, the counts, and the names
 * that boards select by. The agreement with labelled sets is measured on the fixtures where they
 * are there. */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "board/language.h"
#include "board/tagging.h"

static const struct {
    const char *code, *prompt;
} LANGUAGES[] = {
    {"en", "What is the capital of France?"},
    {"en", "Write me a short poem about autumn."},
    {"en", "Explain recursion like I'm five"},
    {"en", "Translate 'こんにちは' to English for me, please"},
    {"de", "Was ist die Hauptstadt von Österreich?"},
    {"de", "Schreibe mir bitte ein Gedicht über den Herbst."},
    {"de", "WIE FUNKTIONIERT EIN MOTOR UND WARUM"},
    {"fr", "Quelle est la capitale de l'Allemagne ?"},
    {"fr", "Écris un court poème sur l'automne pour mes élèves."},
    {"es", "¿Cuál es la capital de España?"},
    {"es", "Escribe un poema corto sobre el otoño para mi hija"},
    {"pt", "Qual é a capital do Brasil e por que não é o Rio?"},
    {"pt", "Explique para mim como funcionam os buracos negros"},
    {"it", "Qual è la capitale d'Italia e perché?"},
    {"it", "Scrivi una poesia sull'autunno per i miei amici, con delle rime"},
    {"nl", "Wat is de hoofdstad van Nederland en waarom niet Den Haag?"},
    {"pl", "Jaka jest stolica Polski i dlaczego nie Kraków?"},
    {"cs", "Jaké je hlavní město České republiky a proč?"},
    {"tr", "Türkiye'nin başkenti neresidir ve neden?"},
    {"sv", "Vad är huvudstaden i Sverige och varför?"},
    {"da", "Hvad er hovedstaden i Danmark, og hvorfor?"},
    {"no", "Hva er hovedstaden i Norge, og hvorfor?"},
    {"fi", "Mikä on Suomen pääkaupunki ja miksi?"},
    {"hu", "Mi Magyarország fővárosa és miért az?"},
    {"ro", "Care este capitala României și de ce?"},
    {"id", "Apa ibu kota Indonesia dan mengapa?"},
    {"vi", "Thủ đô của Việt Nam là gì?"},
    {"ru", "Какая столица России и почему?"},
    {"ru", "Объясни, что это такое, простыми словами"},
    {"uk", "Яка столиця України і чому?"},
    {"bg", "Коя е столицата на България и защо?"},
    {"el", "Ποια είναι η πρωτεύουσα της Ελλάδας;"},
    {"he", "מהי בירת ישראל?"},
    {"ar", "ما هي عاصمة مصر؟"},
    {"fa", "پایتخت ایران کجاست؟"},
    {"hi", "भारत की राजधानी क्या है?"},
    {"th", "เมืองหลวงของประเทศไทยคืออะไร"},
    {"zh", "中国的首都是哪里？"},
    {"zh", "请用 Python 写一个快速排序"},
    {"ja", "日本の首都はどこですか？"},
    {"ko", "한국의 수도는 어디인가요?"},
    {"und", "12345"},
    {"und", ""},
    {"und", "Kubernetes"},
    {"de", "Erkläre bitte:\n```python\nfor x in the_list: print(\"what is this and "
           "why\")\n```\nWas macht das?"},
};

static void tells_languages(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof LANGUAGES / sizeof *LANGUAGES; i++) {
        const char *found = language_of(text_of(LANGUAGES[i].prompt));
        if (strcmp(found, LANGUAGES[i].code) != 0)
            fail_msg("\"%s\" is %s, taken for %s", LANGUAGES[i].prompt, LANGUAGES[i].code, found);
    }
}

static void survives_bytes_that_are_no_text(void **state)
{
    char bytes[256];
    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    assert_non_null(language_of((struct text){bytes, sizeof bytes}));
    for (size_t length = 0; length < 12; length++)
        assert_non_null(language_of((struct text){"日本語の文", length}));
    assert_false(tagging_is_math((struct text){bytes, 9}));
}

static void tells_mathematics(void **state)
{
    static const char *const MATH[] = {
        "Solve for x: 3x + 5 = 20",
        "What is 17 * 23?",
        "Compute $\\frac{3}{4}$ of this",
        "Prove that the square root of two is irrational.",
        "Was ist die Ableitung von x^2?",
        "A train goes 60 km in 45 minutes. How many kilometres does it go in 3 hours?",
        "求方程的解"};
    static const char *const OTHER[] = {"Write a poem about the sea.",
                                        "What happened on 2024-11-23?",
                                        "How many people live in Berlin?", "Is C++ better than C?",
                                        "Summarise this in 3 bullet points: * one * two"};
    (void)state;
    for (size_t i = 0; i < sizeof MATH / sizeof *MATH; i++)
        if (!tagging_is_math(text_of(MATH[i])))
            fail_msg("no mathematics: %s", MATH[i]);
    for (size_t i = 0; i < sizeof OTHER / sizeof *OTHER; i++)
        if (tagging_is_math(text_of(OTHER[i])))
            fail_msg("mathematics: %s", OTHER[i]);
}

static json_t *written(const struct tagging *tagging)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_true(tagging_write(tagging, &out));
    json_t *root = json_loadb(out.data, out.length, 0, NULL);
    assert_non_null(root);
    buf_done(&out);
    return root;
}

static void writes_the_names_that_boards_select_by(void **state)
{
    struct tagging tagging;
    const struct text first[2] = {TEXT("# Head\n- one\n- **two**"), TEXT("Plain words.")};
    const struct text second[2] = {TEXT("```c\nint x;\n# no header\n```"), TEXT("No.")};
    const char *language;
    int code, refusal, math, turns, user, a, b;
    (void)state;
    tagging_init(&tagging);
    tagging_add_turn(&tagging, TEXT("Bonjour, que peux-tu faire ?"), first, false);
    assert_false(tagging.is_code || tagging.is_math || tagging.is_refusal);
    tagging_add_turn(&tagging, TEXT("What is 2 + 2?"), second, true);
    json_t *root = written(&tagging);
    assert_int_equal(json_unpack(root, "{s:s, s:b, s:b, s:{s:{s:b}}, s:{s:i, s:i, s:i, s:i}}",
                                 "language", &language, "is_code", &code, "is_refusal", &refusal,
                                 "category_tag", "math_v0.1", "math", &math, "conv_metadata",
                                 "turns", &turns, "sum_user_tokens", &user,
                                 "sum_assistant_a_tokens", &a, "sum_assistant_b_tokens", &b),
                     0);
    assert_string_equal(language, "fr");
    assert_true(code && refusal && math);
    assert_int_equal(turns, 2);
    assert_int_equal(user, 8 + 6);
    assert_int_equal(b, 3 + 2);
    assert_int_equal(tagging.side[0].count[STYLE_HEADERS], 1);
    assert_int_equal(tagging.side[0].count[STYLE_LISTS], 2);
    assert_int_equal(tagging.side[0].count[STYLE_BOLD], 1);
    assert_int_equal(tagging.side[1].count[STYLE_HEADERS], 0);
    json_decref(root);
}

/* --- agreement with people's labels, on the fixtures --- */

struct agreement {
    int both, rule_only, label_only, neither;
};

static void count_line(struct agreement *agreement, const char *line,
                       bool (*labelled)(const json_t *row))
{
    json_t *row = json_loads(line, 0, NULL);
    const json_t *turns = json_object_get(row, "turns");
    const char *prompt =
        json_string_value(turns ? json_array_get(turns, 0) : json_object_get(row, "prompt"));
    assert_non_null(prompt);
    bool rule = !strstr(prompt, "```") && tagging_is_math(text_of(prompt)), label = labelled(row);
    int *cell = rule ? (label ? &agreement->both : &agreement->rule_only)
                     : (label ? &agreement->label_only : &agreement->neither);
    ++*cell;
    json_decref(row);
}

static struct agreement agreement_on(const char *name, bool (*labelled)(const json_t *row))
{
    struct agreement agreement = {0};
    const char *fixtures = getenv("ARENA_FIXTURES");
    char path[512];
    if (!fixtures || !*fixtures)
        skip();
    snprintf(path, sizeof path, "%s/prompts/%s", fixtures, name);
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    assert_non_null(file);
    while (getline(&line, &room, file) > 0)
        count_line(&agreement, line, labelled);
    free(line);
    fclose(file);
    print_message("%s: both %d, rule alone %d, label alone %d, neither %d\n", name, agreement.both,
                  agreement.rule_only, agreement.label_only, agreement.neither);
    return agreement;
}

static bool mt_bench_math(const json_t *row)
{
    return strcmp(json_string_value(json_object_get(row, "category")), "math") == 0;
}

static bool arena_hard_math(const json_t *row)
{
    const char *of = json_string_value(json_object_get(row, "subcategory"));
    return of && strcmp(of, "math") == 0;
}

static void agrees_with_labels_of_mt_bench(void **state)
{
    (void)state;
    struct agreement got = agreement_on("mt_bench.jsonl", mt_bench_math);
    assert_true(got.both >= 8 && got.rule_only <= 8);
}

static void agrees_with_labels_of_arena_hard(void **state)
{
    (void)state;
    struct agreement got = agreement_on("arena_hard_v2.jsonl", arena_hard_math);
    /* its "math" holds physics, puzzles and finance too, which the rule does not look for: two
     * fifths are found, and what is found is mostly so */
    assert_true(got.both * 5 >= 2 * (got.both + got.label_only));
    assert_true(got.both >= 2 * got.rule_only);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_languages),
        cmocka_unit_test(survives_bytes_that_are_no_text),
        cmocka_unit_test(tells_mathematics),
        cmocka_unit_test(writes_the_names_that_boards_select_by),
        cmocka_unit_test(agrees_with_labels_of_mt_bench),
        cmocka_unit_test(agrees_with_labels_of_arena_hard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
