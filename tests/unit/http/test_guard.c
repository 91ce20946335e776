/* Who may speak to the server: every rule as a table of texts. */
#include "testing.h"

#include "http/guard.h"

static struct text t(const char *string)
{
    return text_of(string);
}

static void host_names(void **state)
{
    (void)state;
    static const struct {
        const char *host, *name;
    } ROWS[] = {
        {"localhost", "localhost"},
        {"localhost:8080", "localhost"},
        {"127.0.0.1:1", "127.0.0.1"},
        {"[::1]:8080", "::1"},
        {"[::1]", "::1"},
        {"a-b.example:80", "a-b.example"},
        {"", ""},
        {":80", ""},
        {"a:", ""},
        {"a:b", ""},
        {"a:123456", ""},
        {"[::1", ""},
        {"[::1]x", ""},
        {"[::1]:", ""},
        {"a b", ""},
        {"user@localhost", ""},
        {"localhost:80:80", ""},
        {"localhost/", ""},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct text name = guard_host_name(t(ROWS[i].host));
        if (!text_equal(name, t(ROWS[i].name)))
            fail_msg("\"%s\" gives \"%.*s\"", ROWS[i].host, (int)name.length, name.data);
    }
}

static void hosts(void **state)
{
    (void)state;
    static const char *const KNOWN[] = {"arena.example", NULL};
    struct http_context local = {0}, named = {.hosts = KNOWN};
    struct err err = ERR_INIT;
    assert_true(guard_host(&local, t("localhost:8080"), &err));
    assert_true(guard_host(&local, t("LOCALHOST"), &err));
    assert_true(guard_host(&local, t("127.9.9.9:80"), &err));
    assert_true(guard_host(&local, t("[::1]:80"), &err));
    static const char *const FOREIGN[] = {"evil.example",
                                          "localhost.evil.example",
                                          "127.0.0.1.evil.example",
                                          "10.0.0.1",
                                          "0.0.0.0",
                                          "[::2]:80",
                                          "127.1",
                                          "",
                                          "2130706433",
                                          "arena.example"};
    for (size_t i = 0; i < sizeof FOREIGN / sizeof *FOREIGN; i++) {
        err.code = ERR_NONE;
        if (guard_host(&local, t(FOREIGN[i]), &err) || err.code != ERR_BAD_HOST)
            fail_msg("\"%s\" is let in", FOREIGN[i]);
    }
    assert_true(guard_host(&named, t("Arena.Example:443"), &err));
    assert_true(guard_host(&named, t("localhost"), &err));
    assert_false(guard_host(&named, t("xarena.example"), &err));
}

static bool origin(bool https, const char *host, const char *from, const char *site)
{
    struct http_context context = {.https = https};
    struct guard_sender sender = {t(host), t(from), t(site)};
    struct err err = ERR_INIT;
    bool fine = guard_origin(&context, &sender, &err);
    assert_int_equal(err.code, fine ? ERR_NONE : ERR_BAD_ORIGIN);
    return fine;
}

static void origins(void **state)
{
    (void)state;
    assert_true(origin(false, "localhost:1", "http://localhost:1", ""));
    assert_true(origin(false, "localhost:1", "HTTP://LOCALHOST:1", "same-origin"));
    assert_true(origin(false, "localhost:1", "", ""));
    assert_true(origin(false, "localhost:1", "", "none"));
    assert_true(origin(true, "a.example", "https://a.example", ""));
    assert_false(origin(true, "a.example", "http://a.example", ""));
    assert_false(origin(false, "localhost:1", "http://localhost:2", ""));
    assert_false(origin(false, "localhost:1", "http://localhost:12", ""));
    assert_false(origin(false, "localhost:1", "http://localhost", ""));
    assert_false(origin(false, "localhost:1", "http://evil.example", ""));
    assert_false(origin(false, "localhost:1", "null", ""));
    assert_false(origin(false, "localhost:1", "http://localhost:1/", ""));
    assert_false(origin(false, "localhost:1", "http://localhost:1", "cross-site"));
    assert_false(origin(false, "localhost:1", "", "same-site"));
}

static void content_types(void **state)
{
    (void)state;
    assert_true(guard_is_json(t("application/json")));
    assert_true(guard_is_json(t("Application/JSON; charset=utf-8")));
    assert_false(guard_is_json(t("application/json-patch+json")));
    assert_false(guard_is_json(t("text/plain")));
    assert_false(guard_is_json(t("")));
    assert_false(guard_is_json(t("text/plain;application/json")));
}

static void lengths(void **state)
{
    (void)state;
    uint64_t length;
    assert_true(guard_length(t("0"), &length));
    assert_true(guard_length(t("262144"), &length));
    assert_int_equal(length, 262144);
    static const char *const BAD[] = {
        "", "-1", "+1", " 1", "1 ", "1,1", "0x10", "1e3", "99999999999999999999"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_false(guard_length(t(BAD[i]), &length));
}

static void escapes(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to; /* NULL: refused */
    } ROWS[] = {
        {"/plain", "/plain"},
        {"/%41%2f", "/A/"},
        {"/%C3%A4", "/ä"},
        {"/%00", NULL},
        {"/%0a", NULL},
        {"/%", NULL},
        {"/%4", NULL},
        {"/%zz", NULL},
        {"/%ff", NULL},
        {"/%C3", NULL},
        {"/%7f", NULL},
        {"/a%20b", "/a b"},
        {"", ""},
        {"/%2525", "/%25"},
        {"/\x01", NULL},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char text[32];
        size_t length = strlen(ROWS[i].from);
        memcpy(text, ROWS[i].from, length + 1);
        bool fine = guard_unescape(text, &length);
        assert_int_equal(fine, ROWS[i].to != NULL);
        assert_string_equal(text, ROWS[i].to ? ROWS[i].to : "");
        assert_int_equal(length, strlen(text));
    }
}

static void accepted(void **state)
{
    (void)state;
    assert_true(guard_accepts(t("gzip, deflate"), "gzip"));
    assert_true(guard_accepts(t("br;q=1, GZIP;q=0.5"), "gzip"));
    assert_true(guard_accepts(t("text/html,application/xhtml+xml"), "text/html"));
    assert_false(guard_accepts(t("gzip;q=0"), "gzip"));
    assert_false(guard_accepts(t("gzip; q=0.000"), "gzip"));
    assert_false(guard_accepts(t("xgzip"), "gzip"));
    assert_false(guard_accepts(t(""), "gzip"));
}

static void tags(void **state)
{
    (void)state;
    assert_true(guard_matches(t("\"a\""), "\"a\""));
    assert_true(guard_matches(t("\"b\", W/\"a\""), "\"a\""));
    assert_true(guard_matches(t("*"), "\"a\""));
    assert_false(guard_matches(t("\"aa\""), "\"a\""));
    assert_false(guard_matches(t("a"), "\"a\""));
    assert_false(guard_matches(t(""), "\"a\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_names),    cmocka_unit_test(hosts),   cmocka_unit_test(origins),
        cmocka_unit_test(content_types), cmocka_unit_test(lengths), cmocka_unit_test(escapes),
        cmocka_unit_test(accepted),      cmocka_unit_test(tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
