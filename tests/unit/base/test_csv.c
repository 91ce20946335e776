/* Cells that a spreadsheet opens. */
#include "testing.h"

#include "base/csv.h"

static void says(const char *text, const char *expected)
{
    struct buf out;
    buf_init(&out, 256);
    csv_cell(&out, text_of(text));
    assert_string_equal(out.data ? out.data : "", expected);
    buf_done(&out);
}

static void plain_text_stays_plain(void **state)
{
    (void)state;
    says("", "");
    says("Ada Lovelace", "Ada Lovelace");
    says("1-2=3", "1-2=3");
}

static void what_a_reader_would_split_is_quoted(void **state)
{
    (void)state;
    says("a,b", "\"a,b\"");
    says("a \"b\"", "\"a \"\"b\"\"\"");
    says("two\nlines", "\"two\nlines\"");
}

static void a_formula_is_text(void **state)
{
    (void)state;
    says("=1+1", "\"'=1+1\"");
    says("+1", "\"'+1\"");
    says("-1", "\"'-1\"");
    says("@SUM(A1)", "\"'@SUM(A1)\"");
    says("\t=1", "\"'\t=1\"");
    says("'tis", "\"''tis\""); /* so that a reader can take the first one away */
    says("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plain_text_stays_plain),
                                       cmocka_unit_test(what_a_reader_would_split_is_quoted),
                                       cmocka_unit_test(a_formula_is_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
