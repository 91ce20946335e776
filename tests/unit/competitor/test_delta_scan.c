/* The short way through an OpenAI event must say what the whole way says, or nothing. */
#include "testing.h"

#include <dirent.h>

#include "base/file.h"
#include "competitor/delta_scan.h"
#include "competitor/reader.h"

static bool scan(struct delta_scan *found, struct buf *data, const char *json)
{
    buf_init(data, 1 << 20);
    buf_add_string(data, json);
    return delta_scan(found, data);
}

#define EVENT(delta)                                                                               \
    "{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":17,\"model\":\"m\","           \
    "\"choices\":[{\"index\":0,\"delta\":" delta                                                   \
    ",\"logprobs\":null,\"finish_reason\":null}],\"usage\":null,\"obfuscation\":\"x\"}"

static void takes_the_usual(void **state)
{
    static const struct {
        const char *json, *content, *reasoning;
    } CASES[] = {
        {EVENT("{\"content\":\"Hi\"}"), "Hi", ""},
        {EVENT("{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}"), "", ""},
        {EVENT("{\"content\":null,\"reasoning\":\"Hm\"}"), "", "Hm"},
        {EVENT("{ \"content\" : \"a\\\"b\\\\c\\n\\u00e9\\u20ac\\/\" }"),
         "a\"b\\c\n\xc3\xa9\xe2\x82\xac/", ""},
        {EVENT("{\"content\":\"\xf0\x9f\x98\x80\"}"), "\xf0\x9f\x98\x80", ""},
        {EVENT("{}"), "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct delta_scan found;
        struct buf data;
        assert_true(scan(&found, &data, CASES[i].json));
        assert_true(text_equal(found.content, text_of(CASES[i].content)));
        assert_true(text_equal(found.reasoning, text_of(CASES[i].reasoning)));
        buf_done(&data);
    }
}

static void leaves_the_rest(void **state)
{
    static const char *const CASES[] = {
        "",
        "[DONE]",
        "{",
        "null",
        "[]",
        "{\"error\":\"x\"}",
        "{\"type\":\"error\"}",
        "{\"object\":\"error\"}",
        EVENT("{\"content\":\"\\ud83d\"}"),
        EVENT("{\"content\":\"\\ud83d\\ude00\"}"),
        EVENT("{\"content\":\"\\u0000\"}"),
        EVENT("{\"content\":\"\\x\"}"),
        EVENT("{\"content\":\"a\tb\"}"),
        EVENT("{\"content\":\"\xff\"}"),
        EVENT("{\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}"),
        EVENT("{\"content\":\"a\",\"content\":\"b\"}"),
        EVENT("{\"refusal\":\"no\"}"),
        EVENT("{\"content\":\"a\",}"),
        EVENT("{\"content\":\"a\"}") "x",
        "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}",
        "{\"choices\":[]}",
        "{\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"x\"}},{\"delta\":{\"content\":\"x\"}}]}",
        "{\"choices\":[{\"index\":01,\"delta\":{\"content\":\"x\"}}]}",
        "{\"created\":01,\"choices\":[{}]}",
        "{\"choices\":[{}],\"usage\":{\"prompt_tokens\":1}}",
        "{\"choices\":[{}],\"error\":{\"message\":\"x\"}}",
        "{\"choices\":[{}],\"created\":1e3}",
        "{\"choices\":[{}],\"created\":-1}",
        "{\"choices\":[{}],\"choices\":[{}]}",
        "{\"choices\":[{}],\"\\u0065rror\":\"x\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct delta_scan found;
        struct buf data;
        if (scan(&found, &data, CASES[i]))
            fail_msg("taken: %s", CASES[i]);
        assert_true(text_equal(buf_text(&data), text_of(CASES[i])));
        buf_done(&data);
    }
}

/* --- every recorded stream, both ways --- */

struct heard {
    struct buf channels[3];
    struct reader reader;
    enum chat_finish finish;
};

static size_t quick_events;

static bool counted_quick(struct reply *reply, struct buf *data)
{
    bool took = dialect_openai_chat.quick(reply, data);
    quick_events += took;
    return took;
}

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    buf_add_text(&((struct heard *)user)->channels[channel], text);
}

static void hear(struct heard *heard, const struct dialect *dialect, struct text body)
{
    for (int i = 0; i < 3; i++)
        buf_init(&heard->channels[i], 16 << 20);
    reader_init(&heard->reader, dialect, true, on_delta, heard);
    reader_feed(&heard->reader, body);
    heard->finish = reader_end(&heard->reader, true, NULL);
    reader_done(&heard->reader);
}

static void compare(const char *path)
{
    struct dialect quick = dialect_openai_chat, whole = dialect_openai_chat;
    struct err err = ERR_INIT;
    struct heard a, b;
    struct buf body;
    quick.quick = counted_quick;
    whole.quick = NULL;
    buf_init(&body, 64 << 20);
    assert_true(file_read(path, &body, &err));
    hear(&a, &quick, buf_text(&body));
    hear(&b, &whole, buf_text(&body));
    assert_int_equal(a.finish, b.finish);
    assert_memory_equal(&a.reader.reply.usage, &b.reader.reply.usage, sizeof a.reader.reply.usage);
    assert_string_equal(a.reader.reply.model, b.reader.reply.model);
    assert_string_equal(a.reader.reply.error.message, b.reader.reply.error.message);
    for (int i = 0; i < 3; i++) {
        assert_true(text_equal(buf_text(&a.channels[i]), buf_text(&b.channels[i])));
        buf_done(&a.channels[i]);
        buf_done(&b.channels[i]);
    }
    buf_done(&body);
}

static void agrees_on_every_recording(void **state)
{
    const char *fixtures = getenv("ARENA_FIXTURES");
    char folder[4096], path[8192];
    (void)state;
    if (!fixtures || !*fixtures)
        skip();
    snprintf(folder, sizeof folder, "%s/providers", fixtures);
    DIR *providers = opendir(folder);
    if (!providers)
        skip();
    for (struct dirent *provider; (provider = readdir(providers));) {
        snprintf(path, sizeof path, "%s/%s", folder, provider->d_name);
        DIR *files = provider->d_name[0] == '.' ? NULL : opendir(path);
        for (struct dirent *file; files && (file = readdir(files));) {
            snprintf(path, sizeof path, "%s/%s/%s", folder, provider->d_name, file->d_name);
            if (strstr(file->d_name, ".sse"))
                compare(path);
        }
        if (files)
            closedir(files);
    }
    closedir(providers);
    assert_true(quick_events > 100); /* else it was never tried */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_usual),
        cmocka_unit_test(leaves_the_rest),
        cmocka_unit_test(agrees_on_every_recording),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
