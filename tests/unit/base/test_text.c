/* err, buf, utf8 and json: what every other room leans on. */
#include "testing.h"

#include <math.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/utf8.h"

static void errors_carry_code_and_place(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_false(err_set(&err, ERR_CONFIG, "line %d", 3));
    assert_false(err_prefix(&err, "arena.json"));
    assert_string_equal(err.message, "arena.json: line 3");
    assert_int_equal(err_status(err.code), 400);
    assert_string_equal(err_word(ERR_ALREADY_VOTED), "already_voted");
    char longer[2000];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    err_set(&err, ERR_IO, "%s", longer);
    assert_int_equal(strlen(err.message), ERR_MESSAGE_MAX - 1);
    err_prefix(&err, "%s", longer);
    assert_int_equal(strlen(err.message), ERR_MESSAGE_MAX - 1);
    assert_false(err_set(NULL, ERR_IO, "nobody listens"));
}

static void a_buffer_keeps_its_maximum(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    assert_true(buf_add_string(&buf, "12345"));
    assert_true(buf_printf(&buf, "%d", 67890));
    assert_int_equal(buf.length, 10);
    assert_false(buf_add_char(&buf, 'x'));
    assert_true(buf.failed);
    assert_string_equal(buf.data, "1234567890");
    assert_false(buf_add(&buf, "", 0)); /* a failure stays until it is cleared */
    buf_clear(&buf);
    assert_true(buf_add(&buf, "abc", 3));
    buf_drop_front(&buf, 2);
    assert_string_equal(buf.data, "c");
    buf_drop_front(&buf, 99);
    assert_int_equal(buf.length, 0);
    size_t length;
    char *taken = buf_take(&buf, &length);
    assert_string_equal(taken, "");
    free(taken);
    buf_done(&buf);
}

static void assert_repaired(const char *bytes, size_t length, const char *expected)
{
    struct buf out;
    buf_init(&out, 1000);
    assert_true(utf8_repair(&out, bytes, length));
    assert_true(utf8_valid(out.data ? out.data : "", out.length));
    assert_string_equal(out.data ? out.data : "", expected);
    buf_done(&out);
}

static void utf8_is_checked_and_repaired(void **state)
{
    (void)state;
    static const char *const BAD[] = {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82",
                                      "\xff",     "\x80",         "\xf0\x80\x80\x80"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_false(utf8_valid(BAD[i], strlen(BAD[i])));
    assert_true(utf8_valid("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
    assert_repaired("a\xe2\x82z", 4, "a\xef\xbf\xbdz");
    assert_repaired("\xf0\x9f\x98\xff", 4, "\xef\xbf\xbd\xef\xbf\xbd");
    assert_repaired("\xc0\x80", 2, "\xef\xbf\xbd\xef\xbf\xbd");
    for (uint32_t code = 1; code < 0x110000; code += 97) {
        char bytes[4];
        uint32_t back;
        if (code >= 0xd800 && code < 0xe000)
            continue;
        size_t length = utf8_encode(code, bytes);
        assert_int_equal(utf8_decode(bytes, length, &back), length);
        assert_int_equal(back, code);
        assert_int_equal(utf8_complete_prefix(bytes, length), length);
        for (size_t cut = 1; cut < length; cut++)
            assert_int_equal(utf8_complete_prefix(bytes, cut), 0);
    }
    assert_int_equal(utf8_complete_prefix("ab\xe2\x82", 4), 2);
    assert_int_equal(utf8_complete_prefix("ab\xff", 3),
                     3); /* never completes: nothing to wait for */
    assert_int_equal(utf8_count("h\xc3\xa9\xff", 4), 3);
}

static json_t *read_text(const char *text, struct err *err)
{
    return json_read(text_of(text), "body", err);
}

static void json_is_read_within_limits(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    static const char *const BAD[] = {"{",   "{\"a\":1,\"a\":2}", "[1,]", "{\"a\":\"\\u0000\"}",
                                      "1 2", "\"\xff\"",          ""};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_null(read_text(BAD[i], &err));
    char deep[200];
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    assert_null(json_read((struct text){deep, 200}, "body", &err));
    assert_non_null(strstr(err.message, "nested deeper"));
    json_t *value = read_text("{\"name\":\"x\",\"n\":3,\"f\":true,\"odd\":1}", &err);
    const char *name = NULL;
    int64_t n = 0;
    bool flag = false;
    assert_true(json_get_string(value, "name", "body", &name, &err));
    assert_true(json_get_int_or(value, "n", "body", 0, 5, &n, &err));
    assert_true(json_get_bool_or(value, "f", "body", &flag, &err));
    assert_string_equal(name, "x");
    assert_int_equal(n, 3);
    assert_true(flag);
    assert_false(json_get_int_or(value, "n", "body", 0, 2, &n, &err));
    assert_string_equal(err.message, "body: \"n\" must be a whole number from 0 to 2");
    assert_false(json_get_string(value, "none", "body", &name, &err));
    static const char *const KNOWN[] = {"name", "n", "f", NULL};
    assert_false(json_only_keys(value, KNOWN, "body", &err));
    assert_string_equal(err.message, "body: unknown key \"odd\" (known: name, n, f)");
    json_decref(value);
}

static void json_is_written(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    struct json_out out = json_out_to(&buf);
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "text", "a\"\\\n\x01\xc3\xa9\xff");
    json_put_open(&out, "list", '[');
    json_put_int(&out, NULL, -7);
    json_put_real(&out, NULL, 0.1);
    json_put_fixed(&out, NULL, 2.345, 1);
    json_put_real(&out, NULL, NAN);
    json_put_close(&out, ']');
    json_put_open(&out, "empty", '{');
    json_put_close(&out, '}');
    json_put_bool(&out, "yes", true);
    json_put_close(&out, '}');
    assert_string_equal(
        buf.data,
        "{\"text\":\"a\\\"\\\\\\n\\u0001\xc3\xa9\xef\xbf\xbd\",\"list\":[-7,0.1,2.3,null],"
        "\"empty\":{},\"yes\":true}");
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_carry_code_and_place),
        cmocka_unit_test(a_buffer_keeps_its_maximum),
        cmocka_unit_test(utf8_is_checked_and_repaired),
        cmocka_unit_test(json_is_read_within_limits),
        cmocka_unit_test(json_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
