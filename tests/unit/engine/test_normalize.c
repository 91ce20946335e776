/* Unicode's normal forms: the cases of UAX #15 and of its conformance test, marks beside bytes,
 * long rows of marks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/normalize.h"

struct form_case {
    const char *text, *nfc, *nfd, *nfkc, *nfkd;
};

/* Normalizes with the marks given as a text of '0' and '1' ("" for none). */
static void check(enum normal_form form, const char *text, const char *marks, const char *wanted,
                  const char *wanted_marks)
{
    unsigned char bits[64];
    for (size_t i = 0; marks[i]; i++)
        bits[i] = marks[i] == '1';
    struct normal_text out = {0};
    struct engine_error error = {0};
    assert_true(normalize(form, text, *marks ? bits : NULL, strlen(text), &out, &error));
    assert_int_equal(out.length, strlen(wanted));
    assert_memory_equal(out.bytes, wanted, out.length);
    assert_int_equal(out.marks != NULL, *marks != '\0');
    for (size_t i = 0; wanted_marks[i]; i++)
        assert_int_equal(out.marks[i], wanted_marks[i] == '1');
    normal_text_done(&out);
}

static void test_forms_of_the_standard(void **state)
{
    (void)state;
    static const struct form_case cases[] = {
        {"", "", "", "", ""},
        {"plain", "plain", "plain", "plain", "plain"},
        {"\u00C5", "\u00C5", "A\u030A", "\u00C5", "A\u030A"},
        {"\u212B", "\u00C5", "A\u030A", "\u00C5", "A\u030A"}, /* ANGSTROM SIGN */
        {"xA\u030Ay", "x\u00C5y", "xA\u030Ay", "x\u00C5y", "xA\u030Ay"},
        {"\u2126", "\u03A9", "\u03A9", "\u03A9", "\u03A9"},
        {"\u1E69", "\u1E69", "s\u0323\u0307", "\u1E69", "s\u0323\u0307"},
        {"\u1E0B\u0323", "\u1E0D\u0307", "d\u0323\u0307", "\u1E0D\u0307", "d\u0323\u0307"},
        {"q\u0307\u0323", "q\u0323\u0307", "q\u0323\u0307", "q\u0323\u0307", "q\u0323\u0307"},
        {"\uFB01", "\uFB01", "\uFB01", "fi", "fi"},
        {"2\u2075", "2\u2075", "2\u2075", "25", "25"},
        {"\u1E9B\u0323", "\u1E9B\u0323", "\u017F\u0323\u0307", "\u1E69", "s\u0323\u0307"},
        {"\uD55C", "\uD55C", "\u1112\u1161\u11AB", "\uD55C", "\u1112\u1161\u11AB"},
        {"\u1112\u1161\u11AB", "\uD55C", "\u1112\u1161\u11AB", "\uD55C", "\u1112\u1161\u11AB"},
        {"\u0958", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C"}, /* excluded */
        {"\u0344", "\u0308\u0301", "\u0308\u0301", "\u0308\u0301", "\u0308\u0301"},
        {"\u0301a", "\u0301a", "\u0301a", "\u0301a", "\u0301a"},
        {"a\u0315\u0300\u05AEb", "\u00E0\u05AE\u0315b", "a\u05AE\u0300\u0315b",
         "\u00E0\u05AE\u0315b", "a\u05AE\u0300\u0315b"},
        {"\uFDFA", "\uFDFA", "\uFDFA",
         "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064A\u0647 "
         "\u0648\u0633\u0644\u0645",
         "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064A\u0647 "
         "\u0648\u0633\u0644\u0645"},
        {"\U0001D15E", "\U0001D157\U0001D165", "\U0001D157\U0001D165", "\U0001D157\U0001D165",
         "\U0001D157\U0001D165"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(NORMAL_NFC, cases[i].text, "", cases[i].nfc, "");
        check(NORMAL_NFD, cases[i].text, "", cases[i].nfd, "");
        check(NORMAL_NFKC, cases[i].text, "", cases[i].nfkc, "");
        check(NORMAL_NFKD, cases[i].text, "", cases[i].nfkd, "");
        check(NORMAL_NONE, cases[i].text, "", cases[i].text, "");
    }
}

static void test_marks_stay_beside_their_bytes(void **state)
{
    (void)state;
    check(NORMAL_NFC, "<|a|>", "11111", "<|a|>", "11111");
    check(NORMAL_NFC, "<|a|>\u00E9", "1111100", "<|a|>\u00E9", "1111100");
    /* What a user adds to a token's last character takes that character's trust away. */
    check(NORMAL_NFC, "<|a|>\u0338b", "11111000", "<|a|\u226Fb", "11110000");
    check(NORMAL_NFC, "e\u0301b", "1110", "\u00E9b", "110");
    check(NORMAL_NFC, "e\u0301b", "1001", "\u00E9b", "001");
    check(NORMAL_NFKD, "a\uFB01b", "10001", "afib", "0001");
}

static void test_a_long_row_of_marks(void **state)
{
    (void)state;
    /* U+0323 belongs below U+0301: all of them come first. The square of their number would take
     * hours. */
    enum { PAIRS = 1 << 20 };
    char *text = malloc(1 + PAIRS * 4);
    assert_non_null(text);
    text[0] = 'q';
    for (size_t i = 0; i < PAIRS; i++)
        memcpy(text + 1 + i * 4, "\u0301\u0323", 4);
    struct normal_text out = {0};
    struct engine_error error = {0};
    assert_true(normalize(NORMAL_NFC, text, NULL, 1 + PAIRS * 4, &out, &error));
    assert_int_equal(out.length, 1 + PAIRS * 4);
    for (size_t i = 0; i < PAIRS; i++) {
        assert_memory_equal(out.bytes + 1 + i * 2, "\u0323", 2);
        assert_memory_equal(out.bytes + 1 + (PAIRS + i) * 2, "\u0301", 2);
    }
    normal_text_done(&out);
    free(text);
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(normal_form_find("NFC", 3), NORMAL_NFC);
    assert_int_equal(normal_form_find("NFKD", 4), NORMAL_NFKD);
    assert_int_equal(normal_form_find("NFK", 3), NORMAL_NONE);
    assert_int_equal(normal_form_find("", 0), NORMAL_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_of_the_standard),
        cmocka_unit_test(test_marks_stay_beside_their_bytes),
        cmocka_unit_test(test_a_long_row_of_marks),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
