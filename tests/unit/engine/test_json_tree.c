/* The engine's JSON reader: what RFC 8259 allows and forbids, its limits, and that a cut text is
 * always refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/json_tree.h"

static struct json_tree *parse(const char *text)
{
    struct engine_error error = {0};
    struct json_tree *json = json_tree_parse(text, strlen(text), "test", &error);
    if (!json)
        fail_msg("%s: %s", text, error.message);
    return json;
}

static void test_values(void **state)
{
    (void)state;
    struct json_tree *json = parse(
        " {\"a\": [1, -2.5e1, true, null, \"x\"], \"b\": {}, \"n\": 9007199254740993, \"a\": 0} ");
    const struct json_tree_value *root = json_tree_root(json), *list = json_tree_get(root, "a");
    assert_int_equal(root->length, 4);
    assert_int_equal(list->length, 5);
    assert_int_equal(json_tree_integer(list->first, 0), 1);
    assert_true(json_tree_number(list->first->next, 0) == -25);
    assert_true(json_tree_bool(list->first->next->next, false));
    assert_int_equal(list->first->next->next->next->kind, JSON_TREE_NULL);
    assert_true(json_tree_is(list->first->next->next->next->next, "x"));
    assert_int_equal(json_tree_get(root, "b")->length, 0);
    assert_int_equal(json_tree_integer(json_tree_get(root, "n"), -1), 9007199254740992);
    assert_int_equal(json_tree_integer(list->first->next->next, 7), 7);
    assert_null(json_tree_get(json_tree_get(json_tree_get(root, "no"), "such"), "thing"));
    assert_false(json_tree_is(NULL, "x"));
    json_tree_free(json);
}

static void test_strings(void **state)
{
    (void)state;
    struct json_tree *json =
        parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u6F22\\uD83D\\uDE00\\ud800x\\u0000\xC3\xA9\"");
    const struct json_tree_value *root = json_tree_root(json);
    const char want[] =
        "\"\\/\b\f\n\r\t\xC3\xA9\xE6\xBC\xA2\xF0\x9F\x98\x80\xEF\xBF\xBDx\0\xC3\xA9";
    assert_int_equal(root->length, sizeof want - 1);
    assert_memory_equal(root->text, want, sizeof want - 1);
    json_tree_free(json);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",        " ",           "{",       "}",
                                      "[1,]",    "[1 2]",       "{\"a\"}", "{\"a\":}",
                                      "{a:1}",   "{\"a\":1,}",  "01",      "1.",
                                      ".5",      "-",           "1e",      "+1",
                                      "1e999",   "nul",         "True",    "\"",
                                      "\"\\x\"", "\"\\u12g4\"", "\"\n\"",  "'a'",
                                      "[1]]",    "1 2",         "\xFF",    "\"\xC0\xAF\"",
                                      "NaN",     "[\"a\\\"]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct engine_error error = {0};
        struct json_tree *json = json_tree_parse(bad[i], strlen(bad[i]), "file.json", &error);
        if (json)
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_int_equal(error.code, ENGINE_FORMAT);
        assert_non_null(strstr(error.message, "file.json"));
    }
    struct engine_error error = {0};
    assert_null(json_tree_parse("{\n\n\"a\": x}", 10, "f", &error));
    assert_non_null(strstr(error.message, "line 3"));
}

static void test_nesting_is_bounded(void **state)
{
    (void)state;
    char text[JSON_TREE_MAX_DEPTH * 2 + 3];
    struct engine_error error = {0};
    for (size_t depth = JSON_TREE_MAX_DEPTH; depth <= JSON_TREE_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        struct json_tree *json = json_tree_parse(text, depth * 2, "deep", &error);
        assert_int_equal(json != NULL, depth == JSON_TREE_MAX_DEPTH);
        json_tree_free(json);
    }
}

static void test_a_cut_text_is_refused(void **state)
{
    (void)state;
    const char *text = "{\"a\": [1, \"\\u00e9\", {\"b\": null}], \"c\": -1.5e3}";
    for (size_t length = 0; length < strlen(text); length++) {
        struct engine_error error = {0};
        char *copy = malloc(length + 1);
        assert_non_null(copy);
        memcpy(copy, text, length);
        assert_null(json_tree_parse(copy, length, "cut", &error));
        free(copy);
    }
}

static void test_files(void **state)
{
    (void)state;
    struct engine_error error = {0};
    assert_null(json_tree_read("/nonexistent/config.json", &error));
    assert_int_equal(error.code, ENGINE_IO);
    assert_null(json_tree_read("/", &error));
    assert_null(json_tree_read("/dev/null", &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_nesting_is_bounded),
        cmocka_unit_test(test_a_cut_text_is_refused),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
