/* The OpenAI dialect: what is read, what is refused by name, what is written. */
#include "testing.h"

#include <math.h>

#include "base/limits.h"
#include "http/openai.h"

static json_t *body_of(const char *text)
{
    struct err err = ERR_INIT;
    json_t *body = json_read(text_of(text), "the test", &err);
    assert_non_null(body);
    return body;
}

static void reads_everything(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct openai_request request;
    json_t *body = body_of("{\"model\":\"m\",\"messages\":[{\"role\":\"developer\",\"content\":"
                           "\"s\"},{\"role\":\"user\",\"content\":"
                           "[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]"
                           "},{\"role\":\"assistant\",\"content\":\"\"},"
                           "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"c\"}]}],"
                           "\"stream\":true,\"temperature\":0.5,"
                           "\"stream_options\":{\"include_usage\":true},\"stop\":\"X\",\"max_"
                           "completion_tokens\":9,\"seed\":3,\"top_p\":null}");
    assert_true(openai_request_read(&request, body, &err));
    assert_string_equal(request.model, "m");
    assert_int_equal(request.count, 4);
    assert_int_equal(request.messages[0].role, CHAT_SYSTEM);
    assert_true(text_equal(request.messages[1].text, text_of("ab")));
    assert_true(text_equal(request.messages[2].text, text_of("")));
    assert_true(text_equal(request.messages[3].text, text_of("c")));
    assert_true(request.stream && request.include_usage);
    assert_true(request.params.temperature == 0.5 && isnan(request.params.top_p));
    assert_int_equal(request.params.max_tokens, 9);
    assert_int_equal(request.params.stops, 1);
    assert_string_equal(request.params.stop[0], "X");
    openai_request_done(&request);
    json_decref(body);
}

static void refuses_by_name(void **state)
{
    (void)state;
#define MESSAGES "\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"
    static const char *const ROWS[][2] = {
        {"{" MESSAGES ",\"n\":2}", "\"n\""},
        {"{" MESSAGES ",\"logprobs\":true}", "logprobs"},
        {"{" MESSAGES ",\"tools\":[]}", "tools"},
        {"{" MESSAGES ",\"logit_bias\":{\"1\":5}}", "logit_bias"},
        {"{" MESSAGES ",\"temperature\":-1}", "temperature"},
        {"{" MESSAGES ",\"stop\":[1]}", "stop"},
        {"{" MESSAGES ",\"stream\":1}", "stream"},
        {"{\"messages\":[]}", "model"},
        {"{\"model\":\"m\"}", "messages"},
        {"{\"model\":\"m\",\"messages\":[1]}", "object"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}", "content"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"king\",\"content\":\"x\"}]}", "king"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct err err = ERR_INIT;
        struct openai_request request;
        json_t *body = body_of(ROWS[i][0]);
        assert_false(openai_request_read(&request, body, &err));
        if (!strstr(err.message, ROWS[i][1]))
            fail_msg("%s is refused with: %s", ROWS[i][0], err.message);
        assert_int_equal(err_status(err.code), 400);
        openai_request_done(&request);
        json_decref(body);
    }
}

static void writes_chunks(void **state)
{
    (void)state;
    struct openai_head head = {"i", "m", "f", 7};
    struct chat_usage usage = {.input = 2, .output = 3};
    struct err err = ERR_INIT;
    struct buf out;
    buf_init(&out, 4096);
    openai_chunk_role(&out, &head);
    openai_chunk_text(&out, &head, text_of("a\n\"b\""));
    openai_chunk_finish(&out, &head, CHAT_LENGTH);
    openai_chunk_usage(&out, &head, &usage);
    err_set(&err, ERR_TOO_MANY, "slow down");
    openai_chunk_error(&out, &err);
    openai_chunk_done(&out);
    assert_false(out.failed);
#define HEAD                                                                                       \
    "data: "                                                                                       \
    "{\"id\":\"i\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",\"system_"   \
    "fingerprint\":\"f\","
    assert_string_equal(
        out.data, HEAD
        "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_"
        "reason\":null}]}\n\n" HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":"
                                    "\"a\\n\\\"b\\\"\"},\"finish_reason\":null}]}\n\n" HEAD
        "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n" HEAD
        "\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3,\"total_tokens\":5}}"
        "\n\n"
        "data: {\"error\":{\"code\":\"too_many\",\"message\":\"slow "
        "down\",\"type\":\"rate_limit_error\",\"param\":null}}\n\n"
        "data: [DONE]\n\n");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_everything),
        cmocka_unit_test(refuses_by_name),
        cmocka_unit_test(writes_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
