/* No memory, at every allocation in turn, once and from then on: ours alone (the linker's --wrap
 * sends our objects' calls here), for jansson 2.14 crashes inside json_loadb when its own fail.
 * What a provider said is then either understood as ever or has failed: never another answer that
 * looks whole. What we send is either the same bytes or marked as failed. Nothing leaks
 * (AddressSanitizer's build looks). */
#include "testing.h"

#include <math.h>

#include "competitor/provider.h"
#include "competitor/reader.h"
#include "fault/no_memory.h"

/* --- what is heard; it allocates nothing --- */

struct heard {
    char text[3][256];
    size_t length[3];
    enum chat_finish finish;
    int64_t input;
};

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    struct heard *heard = user;
    assert_true(heard->length[channel] + text.length < sizeof heard->text[0]);
    memcpy(heard->text[channel] + heard->length[channel], text.data, text.length);
    heard->length[channel] += text.length;
}

static const struct sample {
    const struct dialect *dialect;
    bool stream;
    int status;
    const char *body;
} SAMPLES[] = {
    {&dialect_openai_chat, true, 200,
     "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"One \"}}]}\n\n"
     "data: {\"choices\":[{\"delta\":{\"content\":\"two \\u00e9 \xff\"}}]}\n\n"
     "data: "
     "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,"
     "\"completion_tokens\":2}}\n\ndata: [DONE]\n\n"},
    {&dialect_openai_chat, true, 200,
     "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n{\n "
     "\"error\": {\"code\": 503}\n}"},
    {&dialect_openai_chat, true, 200,
     "{\"choices\":[{\"message\":{\"content\":\"whole\"},\"finish_reason\":\"stop\"}]}"},
    {&dialect_openai_chat, false, 200,
     "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n"},
    {&dialect_openai_chat, false, 429,
     "{\"error\":{\"message\":\"slow down\",\"type\":\"rate_limit\"}}"},
    {&dialect_openai_responses, true, 200,
     "event: response.output_text.delta\ndata: "
     "{\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n"
     "data: "
     "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"usage\":{\"input_"
     "tokens\":3,"
     "\"output_tokens\":2}}}\n\n"},
    {&dialect_anthropic, true, 200,
     "event: message_start\ndata: "
     "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3}}}\n\n"
     "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"Hi\"}}\n\n"
     "data: "
     "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_"
     "tokens\":2}}\n\n"},
    {&dialect_gemini, true, 200,
     "data: "
     "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]},\"finishReason\":\"STOP\"}],"
     "\"usageMetadata\":{\"promptTokenCount\":3}}\r\n\r\n"},
};

static struct heard hear(const struct sample *sample, size_t step)
{
    struct heard heard = {.input = -1};
    struct reader reader;
    struct text body = text_of(sample->body);
    reader_init(&reader, sample->dialect, sample->stream, on_delta, &heard);
    reader_status(&reader, sample->status);
    bool ok = true;
    for (size_t at = 0; ok && at < body.length; at += step)
        ok = reader_feed(&reader, (struct text){body.data + at,
                                                body.length - at < step ? body.length - at : step});
    heard.finish = reader_end(&reader, true, NULL);
    heard.input = reader.reply.usage.input;
    reader_done(&reader);
    return heard;
}

static bool same(const struct heard *a, const struct heard *b)
{
    return a->finish == b->finish && a->input == b->input &&
           memcmp(a->text, b->text, sizeof a->text) == 0;
}

static void sweep(size_t sample, size_t step, bool sticky)
{
    memory_set(0, false);
    struct heard expected = hear(&SAMPLES[sample], step);
    long allocations = allocation.count;
    assert_true(allocations > 0);
    for (long at = 1; at <= allocations; at++) {
        memory_set(at, sticky);
        struct heard heard = hear(&SAMPLES[sample], step);
        memory_set(0, false);
        if (!same(&heard, &expected) && !chat_finish_failed(heard.finish))
            fail_msg("sample %zu, allocation %ld: %s, heard \"%s\"", sample, at,
                     chat_finish_word(heard.finish), heard.text[CHAT_TEXT]);
    }
}

static void what_is_read_is_whole_or_has_failed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SAMPLES / sizeof *SAMPLES; i++)
        for (size_t step = 7; step < 2000; step *= 13) {
            sweep(i, step, false);
            sweep(i, step, true);
        }
}

static bool write_all(const struct dialect *dialect, struct buf *body, struct buf *sent)
{
    static const char *const STOP[] = {"END"};
    const struct chat_message messages[] = {{CHAT_SYSTEM, TEXT("Be brief.")},
                                            {CHAT_USER, TEXT("hi")}};
    struct chat_params params = CHAT_PARAMS_UNSET;
    params.temperature = 0.5;
    params.max_tokens = 64;
    params.reasoning = "low";
    params.stop = STOP;
    params.stops = 1;
    struct dialect_request request = {"m", messages, 2, &params, &provider_find("openai")->quirks,
                                      0,   true};
    buf_init(body, 1 << 20);
    buf_init(sent, 1 << 20);
    dialect->write(&request, body, sent);
    return !body->failed && !sent->failed;
}

static void what_is_sent_is_whole_or_marked(void **state)
{
    static const struct dialect *const ALL[] = {&dialect_openai_chat, &dialect_openai_responses,
                                                &dialect_anthropic, &dialect_gemini};
    struct buf body, sent, whole, whole_sent;
    (void)state;
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++) {
        memory_set(0, false);
        assert_true(write_all(ALL[i], &whole, &whole_sent));
        long allocations = allocation.count;
        for (long at = 1; at <= allocations; at++) {
            memory_set(at, false);
            bool ok = write_all(ALL[i], &body, &sent);
            memory_set(0, false);
            assert_true(!ok || (text_equal(buf_text(&body), buf_text(&whole)) &&
                                text_equal(buf_text(&sent), buf_text(&whole_sent))));
            buf_done(&body);
            buf_done(&sent);
        }
        buf_done(&whole);
        buf_done(&whole_sent);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_whole_or_has_failed),
        cmocka_unit_test(what_is_sent_is_whole_or_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
