/* Recorded responses of every provider, and those of tests/data/responses.json for what no
 * recording shows, fed whole, byte by byte and cut in two at every place, against what they say. */
#include "testing.h"

#include <dirent.h>
#include <math.h>

#include "base/file.h"
#include "base/json.h"
#include "competitor/fault.h"
#include "competitor/reader.h"

struct heard {
    struct buf channels[3];
};

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    buf_add_text(&((struct heard *)user)->channels[channel], text);
}

static void heard_init(struct heard *heard)
{
    for (int i = 0; i < 3; i++)
        buf_init(&heard->channels[i], 16 << 20);
}

static void heard_done(struct heard *heard)
{
    for (int i = 0; i < 3; i++)
        buf_done(&heard->channels[i]);
}

static const char *dialect_of(const char *word)
{
    static char name[64];
    snprintf(name, sizeof name, "%s", word);
    char *json = strstr(name, "-json");
    if (json)
        *json = '\0';
    return strcmp(name, "error") == 0 ? "openai-chat" : name;
}

/* Feeds `body` in pieces: `first` bytes, then pieces of `rest` bytes. */
static enum chat_finish read_body(struct reader *reader, struct heard *heard,
                                  const struct dialect *dialect, bool stream, int status,
                                  struct text body, size_t first, size_t rest)
{
    reader_init(reader, dialect, stream, on_delta, heard);
    reader_status(reader, status);
    for (size_t at = 0, size = first; at < body.length; at += size, size = rest) {
        if (size == 0)
            size = rest;
        size_t length = body.length - at < size ? body.length - at : size;
        assert_true(reader_feed(reader, (struct text){body.data + at, length}));
    }
    return reader_end(reader, true, NULL);
}

static const char *string_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static void assert_count(const char *name, const json_t *usage, const char *key, int64_t got)
{
    const json_t *expected = json_object_get(usage, key);
    if (json_is_integer(expected) && json_integer_value(expected) != got)
        fail_msg("%s: %s: expected %lld, got %lld", name, key,
                 (long long)json_integer_value(expected), (long long)got);
}

static void assert_as_expected(const char *name, const json_t *expect, const struct reader *reader,
                               const struct heard *heard, enum chat_finish finish)
{
    static const char *const CHANNELS[] = {"text", "reasoning", "refusal"};
    const char *norm = json_string_value(json_object_get(expect, "finish_norm"));
    for (int i = 0; i < 3; i++) {
        struct text got = buf_text(&heard->channels[i]);
        if (json_object_get(expect, CHANNELS[i]) &&
            !text_equal(got, text_of(string_of(expect, CHANNELS[i]))))
            fail_msg("%s: %s is \"%.300s\", expected \"%.300s\"", name, CHANNELS[i], got.data,
                     string_of(expect, CHANNELS[i]));
    }
    const char *word = chat_finish_word(finish);
    bool same = norm
                    ? strcmp(word, norm) == 0 || (finish == CHAT_EMPTY && strcmp(norm, "stop") == 0)
                    : finish == CHAT_TRUNCATED || finish == CHAT_ERROR;
    if (!same)
        fail_msg("%s: finish %s, expected %s (%s)", name, word, norm ? norm : "none",
                 reader->reply.error.message);
    const json_t *usage = json_object_get(expect, "usage");
    assert_count(name, usage, "input", reader->reply.usage.input);
    assert_count(name, usage, "output", reader->reply.usage.output);
    assert_count(name, usage, "reasoning", reader->reply.usage.reasoning);
    assert_count(name, usage, "cached", reader->reply.usage.cached);
    assert_count(name, usage, "cache_write", reader->reply.usage.cache_write);
    const char *class = json_string_value(json_object_get(expect, "class"));
    if (class && strcmp(class, chat_error_word(reader->reply.error.class)) != 0)
        fail_msg("%s: class %s, expected %s", name, chat_error_word(reader->reply.error.class),
                 class);
    const char *message = string_of(json_object_get(expect, "error"), "message");
    if (*message && strncmp(message, reader->reply.error.message, 200) != 0)
        fail_msg("%s: message \"%s\", expected \"%s\"", name, reader->reply.error.message, message);
}

static void check_split(const char *name, const json_t *expect, struct text body, bool stream,
                        size_t first, size_t rest)
{
    struct reader reader;
    struct heard heard;
    heard_init(&heard);
    const struct dialect *dialect = dialect_find(dialect_of(string_of(expect, "dialect")));
    assert_non_null(dialect);
    int status = (int)json_integer_value(json_object_get(expect, "http_status"));
    enum chat_finish finish =
        read_body(&reader, &heard, dialect, stream, status, body, first, rest);
    assert_as_expected(name, expect, &reader, &heard, finish);
    reader_done(&reader);
    heard_done(&heard);
}

/* Cut at every place, or at so many. */
static void check_splits(const char *name, const json_t *expect, struct text bytes, bool stream,
                         size_t most)
{
    size_t step = bytes.length < 2 * most ? 1 : bytes.length / most;
    check_split(name, expect, bytes, stream, bytes.length, bytes.length);
    check_split(name, expect, bytes, stream, 1, 1);
    for (size_t cut = 1; cut < bytes.length; cut += step)
        check_split(name, expect, bytes, stream, cut, bytes.length);
}

static void check_fixture(const char *folder, const char *file)
{
    char path[8192 + 1024], name[256];
    struct err err = ERR_INIT;
    struct buf body, text;
    bool stream = strstr(file, ".sse") != NULL;
    snprintf(name, sizeof name, "%.*s", (int)(strrchr(file, '.') - file), file);
    buf_init(&body, 64 << 20);
    buf_init(&text, 64 << 20);
    snprintf(path, sizeof path, "%s/%s", folder, file);
    assert_true(file_read(path, &body, &err));
    snprintf(path, sizeof path, "%s/%s.expect.json", folder, name);
    assert_true(file_read(path, &text, &err));
    json_t *expect = json_loadb(text.data, text.length, 0, NULL);
    assert_non_null(expect);
    check_splits(name, expect, buf_text(&body), stream, 100);
    json_decref(expect);
    buf_done(&body);
    buf_done(&text);
}

static int check_folder(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || (strcmp(dot, ".sse") != 0 && strcmp(dot, ".body") != 0))
            continue;
        check_fixture(folder, entry->d_name);
        count++;
    }
    if (dir)
        closedir(dir);
    return count;
}

static void recorded_responses_say_what_they_said(void **state)
{
    (void)state;
    const char *providers = fixture("providers");
    if (!providers)
        skip();
    char folder[8192];
    int count = 0;
    DIR *dir = opendir(providers);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        snprintf(folder, sizeof folder, "%s/%s", providers, entry->d_name);
        if (entry->d_name[0] != '.' && entry->d_type == DT_DIR)
            count += check_folder(folder);
    }
    closedir(dir);
    print_message("%d recorded responses\n", count);
    assert_true(count > 50);
}

static void what_no_recording_shows_is_read_too(void **state)
{
    json_t *cases = json_load_file(test_data("responses.json"), 0, NULL);
    size_t index, line;
    const json_t *expect, *text;
    (void)state;
    assert_true(json_array_size(cases) > 40);
    json_array_foreach(cases, index, expect)
    {
        struct buf body;
        buf_init(&body, 1 << 20);
        json_array_foreach(json_object_get(expect, "body"), line, text)
        {
            buf_add_string(&body, line ? "\n" : "");
            buf_add_string(&body, json_string_value(text));
        }
        check_splits(string_of(expect, "name"), expect, buf_text(&body),
                     json_is_true(json_object_get(expect, "stream")), 4096);
        buf_done(&body);
    }
    json_decref(cases);
}

struct verdict {
    const char *dialect;
    bool stream;
    int status;
    const char *body;
    const char *finish, *class, *text;
};

static const struct verdict VERDICTS[] = {
    {"openai-chat", true, 200, "data: [DONE]\n\n", "truncated", "none", ""},
    {"openai-chat", true, 200, "<html><body><h1>502 Bad Gateway</h1></body></html>", "error",
     "protocol", ""},
    {"openai-chat", true, 502, "<html><h1>502 Bad Gateway</h1></html>", "error", "server", ""},
    {"openai-chat", true, 200, "", "truncated", "none", ""},
    {"openai-chat", true, 200, "{\"error\":{\"message\":\"no\",\"code\":\"rate_limit_exceeded\"}}",
     "error", "rate_limit", ""},
    {"openai-chat", true, 200,
     "{\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}", "stop",
     "none", "hi"},
    {"openai-chat", true, 200,
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\\ud83d\"}}]}\n\n"
     "data: "
     "{\"choices\":[{\"delta\":{\"content\":\"\\u0000\\\\ud83d\"},\"finish_reason\":\"length\"}]}"
     "\n\ndata: [DONE]\n\n",
     "length", "none", "a\xef\xbf\xbd\xef\xbf\xbd\\ud83d"},
    {"openai-chat", true, 200,
     "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {oops\n\n", "error",
     "protocol", "x"},
    {"openai-chat", true, 200,
     "data: {\"choices\":[{\"delta\":{\"refusal\":\"no\"},\"finish_reason\":\"stop\"}]}\n\n",
     "refusal", "none", ""},
    {"openai-chat", true, 200,
     "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", "empty", "none", ""},
    {"openai-chat", false, 402, "{\"message\":\"x\"}", "error", "quota", ""},
    {"openai-chat", false, 400, "{\"error\":\"API key not valid\"}", "error", "auth", ""},
    {"openai-chat", false, 500,
     "{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens\"}}", "error",
     "context_length", ""},
    {"openai-chat", false, 529, "{}", "error", "overloaded", ""},
    {"openai-chat", false, 504, "", "error", "server", ""},
    {"anthropic", false, 404,
     "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"model: x\"}}",
     "error", "not_found", ""},
    {"gemini", true, 200,
     "data: "
     "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"one\"}]},\"finishReason\":\"STOP\"}]}"
     "\n\n"
     "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"The model is overloaded.\",\n    "
     "\"status\": \"UNAVAILABLE\"\n  }\n}\n",
     "error", "overloaded", "one"},
    {"gemini", true, 200, "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\r\n\r\n",
     "content_filter", "none", ""},
};

static void verdicts_follow_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof VERDICTS / sizeof *VERDICTS; i++) {
        const struct verdict *v = &VERDICTS[i];
        size_t length = strlen(v->body);
        for (size_t rest = 1; rest <= length + 1; rest += length ? length : 1) {
            struct reader reader;
            struct heard heard;
            heard_init(&heard);
            enum chat_finish finish = read_body(&reader, &heard, dialect_find(v->dialect),
                                                v->stream, v->status, text_of(v->body), rest, rest);
            if (strcmp(chat_finish_word(finish), v->finish) ||
                strcmp(chat_error_word(reader.reply.error.class), v->class) ||
                !text_equal(buf_text(&heard.channels[CHAT_TEXT]), text_of(v->text)))
                fail_msg("case %zu: %s %s \"%s\" (%s)", i, chat_finish_word(finish),
                         chat_error_word(reader.reply.error.class), heard.channels[0].data,
                         reader.reply.error.message);
            reader_done(&reader);
            heard_done(&heard);
        }
    }
}

static void delays_are_found_in_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        double seconds;
    } CASES[] = {
        {"{\"error\":{\"message\":\"Please try again in 1.5s.\"}}", 1.5},
        {"{\"error\":{\"message\":\"Please try again in 350ms.\"}}", 0.35},
        {"{\"error\":{\"message\":\"try again in 1m30s\"}}", 90},
        {"{\"error\":{\"details\":[{\"retryDelay\":\"48s\"}]}}", 48},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        json_t *body = json_loads(CASES[i].body, 0, NULL);
        struct fault fault;
        fault_read(&fault, 429, body);
        assert_true(fabs(fault.retry_after_s - CASES[i].seconds) < 1e-9);
        assert_int_equal(fault.class, CHAT_RATE_LIMIT);
        json_decref(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_responses_say_what_they_said),
        cmocka_unit_test(what_no_recording_shows_is_read_too),
        cmocka_unit_test(verdicts_follow_the_rules),
        cmocka_unit_test(delays_are_found_in_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
