/* The text stream, against a plain model of it: cut the bytes anywhere, and the same text must
 * come out, in whole characters, without the first stop string and what follows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/stream.h"
#include "engine/utf8.h"

struct outcome {
    char text[4096];
    size_t length;
    enum stream_state state;
};

static void collect(struct stream *stream, struct outcome *outcome)
{
    size_t length;
    const char *text = stream_take(stream, &length);
    assert_int_equal(utf8_valid_prefix(text, length), length);
    assert_true(outcome->length + length <= sizeof outcome->text);
    memcpy(outcome->text + outcome->length, text, length);
    outcome->length += length;
}

/* Pushes bytes in pieces whose lengths `cuts` chooses (bit i: cut after byte i). */
static struct outcome run(const char *const *stops, size_t count, const char *bytes, size_t length,
                          uint64_t cuts)
{
    struct engine_error error = {0};
    struct stream *stream = stream_new(stops, count, &error);
    assert_non_null(stream);
    struct outcome outcome = {.length = 0};
    size_t from = 0;
    for (size_t i = 0; i < length; i++) {
        if (i + 1 == length || (cuts >> (i % 64) & 1)) {
            stream_push(stream, bytes + from, i + 1 - from);
            from = i + 1;
            collect(stream, &outcome);
        }
    }
    outcome.state = stream_finish(stream);
    collect(stream, &outcome);
    stream_free(stream);
    return outcome;
}

/* Whatever the cuts, this comes out. */
static void expect(const char *const *stops, size_t count, const char *bytes, size_t length,
                   const char *want, enum stream_state state)
{
    uint64_t cuts = 1;
    for (int round = 0; round < 300; round++) {
        struct outcome got = run(stops, count, bytes, length,
                                 round == 0   ? 0
                                 : round == 1 ? ~0ull
                                              : cuts);
        assert_int_equal(got.length, strlen(want));
        assert_memory_equal(got.text, want, got.length);
        assert_int_equal(got.state, state);
        cuts = cuts * 6364136223846793005u + 1442695040888963407u;
    }
}

static void test_characters_come_whole(void **state)
{
    (void)state;
    const char *text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
    expect(NULL, 0, text, strlen(text), text, STREAM_OPEN);
}

static void test_broken_bytes_become_one_mark_a_part(void **state)
{
    (void)state;
#define MARK "\xEF\xBF\xBD"
    expect(NULL, 0,
           "a\xFF"
           "b",
           3, "a" MARK "b", STREAM_OPEN);
    expect(NULL, 0,
           "\xE2\x82"
           "b",
           3, MARK "b", STREAM_OPEN);
    expect(NULL, 0, "\xF0\x9F\x98", 3, MARK, STREAM_OPEN);
    expect(NULL, 0, "\xE2\x82\xE2\x82\xAC", 5, MARK "\xE2\x82\xAC", STREAM_OPEN);
    expect(NULL, 0, "\xC0\xAF\xED\xA0\x80\xF5", 6, MARK MARK MARK MARK MARK MARK, STREAM_OPEN);
    expect(NULL, 0, "\xF0\x80\x80", 3, MARK MARK MARK, STREAM_OPEN);
}

static void test_stop_strings(void **state)
{
    (void)state;
    const char *one[] = {"STOP"};
    expect(one, 1, "go STOP on", 10, "go ", STREAM_STOPPED);
    expect(one, 1, "go STO", 6, "go STO", STREAM_OPEN);
    expect(one, 1, "STSTOP", 6, "ST", STREAM_STOPPED);
    expect(one, 1, "SSSTO STOPPED", 13, "SSSTO ", STREAM_STOPPED);
    const char *two[] = {"\n\n", "###"};
    expect(two, 2, "a#\n#\n\n", 6, "a#\n#", STREAM_STOPPED);
    expect(two, 2, "a##\n", 4, "a##\n", STREAM_OPEN);
    const char *nested[] = {"bc", "abcd"};
    expect(nested, 2, "xabcy", 5, "xa", STREAM_STOPPED);
    expect(nested, 2, "xabcd", 5, "x", STREAM_STOPPED);
    const char *wide[] = {"\xE2\x82\xAC"};
    expect(wide, 1, "5\xE2\x82\xAC!", 5, "5", STREAM_STOPPED);
    expect(wide, 1, "5\xE2\x82\xA0!", 5, "5\xE2\x82\xA0!", STREAM_OPEN);
}

/* Nothing that could still become a stop string is ever shown. */
static void test_nothing_is_shown_too_early(void **state)
{
    (void)state;
    const char *stops[] = {"STOP"};
    struct engine_error error = {0};
    struct stream *stream = stream_new(stops, 1, &error);
    size_t length;
    assert_int_equal(stream_push(stream, "okST", 4), STREAM_OPEN);
    stream_take(stream, &length);
    assert_int_equal(length, 2);
    assert_int_equal(stream_push(stream, "OP", 2), STREAM_STOPPED);
    stream_take(stream, &length);
    assert_int_equal(length, 0);
    assert_int_equal(stream_push(stream, "more", 4), STREAM_STOPPED);
    stream_take(stream, &length);
    assert_int_equal(length, 0);
    stream_free(stream);
}

static void test_refusals(void **state)
{
    (void)state;
    struct engine_error error = {0};
    const char *empty[] = {""};
    assert_null(stream_new(empty, 1, &error));
    const char *bad[] = {"\xFF"};
    assert_null(stream_new(bad, 1, &error));
    assert_non_null(strstr(error.message, "not UTF-8"));
    const char *many[STREAM_MAX_STOPS + 1];
    for (size_t i = 0; i < STREAM_MAX_STOPS + 1; i++)
        many[i] = "x";
    assert_null(stream_new(many, STREAM_MAX_STOPS + 1, &error));
    char longer[STREAM_MAX_STOP + 2];
    memset(longer, 'x', sizeof longer);
    longer[STREAM_MAX_STOP + 1] = '\0';
    const char *large[] = {longer};
    assert_null(stream_new(large, 1, &error));
    assert_int_equal(error.code, ENGINE_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters_come_whole),
        cmocka_unit_test(test_broken_bytes_become_one_mark_a_part),
        cmocka_unit_test(test_stop_strings),
        cmocka_unit_test(test_nothing_is_shown_too_early),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
