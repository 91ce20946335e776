/* The same cells as JSON lines and as CSV. */
#include "testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/export_table.h"

static void fill(struct table *table, const char *text, int64_t number)
{
    table_begin(table);
    table_string(table, "text", text);
    table_known(table, "number", number);
    table_real(table, "real", number < 0 ? NAN : 0.25);
    table_bool(table, "yes", true);
    table_json(table, "json", number < 0 ? TEXT("") : TEXT("{\"a\":\"b\"}"));
    assert_true(table_end(table));
}

static void expect(enum table_format format, const char *content)
{
    char *text = NULL;
    size_t length = 0;
    struct table table;
    struct err err = ERR_INIT;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    table_init(&table, out, format);
    fill(&table, "=a,\"b\"", 3);
    fill(&table, NULL, -1);
    fill(&table, "two\nlines", 0);
    assert_true(table_finish(&table, &err));
    assert_int_equal(table.rows, 3);
    fclose(out);
    assert_string_equal(text, content);
    free(text);
}

static void json_lines(void **state)
{
    (void)state;
    expect(TABLE_JSONL, "{\"text\":\"=a,\\\"b\\\"\",\"number\":3,\"real\":0.25,\"yes\":true,"
                        "\"json\":{\"a\":\"b\"}}\n"
                        "{\"text\":null,\"number\":null,\"real\":null,\"yes\":true,\"json\":null}\n"
                        "{\"text\":\"two\\nlines\",\"number\":0,\"real\":0.25,\"yes\":true,"
                        "\"json\":{\"a\":\"b\"}}\n");
}

static void csv(void **state)
{
    (void)state;
    expect(TABLE_CSV, "text,number,real,yes,json\n"
                      "\"'=a,\"\"b\"\"\",3,0.25,true,\"{\"\"a\"\":\"\"b\"\"}\"\n"
                      ",,,true,\n"
                      "\"two\nlines\",0,0.25,true,\"{\"\"a\"\":\"\"b\"\"}\"\n");
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    struct table table;
    struct err err = ERR_INIT;
    FILE *out = fopen("/dev/full", "w");
    if (!out)
        skip();
    table_init(&table, out, TABLE_JSONL);
    fill(&table, "x", 1);
    assert_false(table_finish(&table, &err));
    assert_int_equal(err.code, ERR_IO);
    fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_lines),
        cmocka_unit_test(csv),
        cmocka_unit_test(a_full_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
