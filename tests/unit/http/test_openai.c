/* The OpenAI dialect: what is read, what is refused by name, what is written. */
#include "testing.h"

#include <math.h>

#include "base/limits.h"
#include "http/openai.h"
#include "http/openai_request.h"

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
        {"{" MESSAGES ",\"n\":17}", "\"n\""},
        {"{" MESSAGES ",\"logprobs\":1}", "logprobs"},
        {"{" MESSAGES ",\"top_logprobs\":1}", "logprobs"},
        {"{" MESSAGES ",\"tools\":[]}", "tools"},
        {"{" MESSAGES ",\"logit_bias\":{\"1\":500}}", "logit_bias"},
        {"{" MESSAGES ",\"logit_bias\":{\"-1\":5}}", "logit_bias"},
        {"{" MESSAGES ",\"logit_bias\":{\"99999999999999999999\":5}}", "logit_bias"},
        {"{" MESSAGES ",\"logit_bias\":[1]}", "logit_bias"},
        {"{" MESSAGES ",\"presence_penalty\":2.1}", "presence_penalty"},
        {"{" MESSAGES ",\"stream_options\":{\"include_usage\":true}}", "stream_options"},
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
    struct openai_head head = {"i", "m", "f", 7, false};
    struct openai_choice piece = {.index = 1, .text = text_of("a\n\"b\"")};
    struct chat_usage usage = {.input = 2, .output = 3, .cached = -1};
    struct err err = ERR_INIT;
    struct buf out;
    buf_init(&out, 4096);
    openai_chunk_role(&out, &head, 0);
    openai_chunk_text(&out, &head, &piece);
    openai_chunk_finish(&out, &head, 2, CHAT_LENGTH);
    openai_chunk_usage(&out, &head, &usage);
    err_set(&err, ERR_TOO_MANY, "slow down");
    openai_chunk_error(&out, &err, "n");
    openai_chunk_done(&out);
    assert_false(out.failed);
#define HEAD                                                                                       \
    "data: "                                                                                       \
    "{\"id\":\"i\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",\"system_"   \
    "fingerprint\":\"f\","
    assert_string_equal(
        out.data,
        HEAD "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
             "\"logprobs\":null,\"finish_reason\":null}]}\n\n" HEAD
             "\"choices\":[{\"index\":1,\"delta\":{\"content\":\"a\\n\\\"b\\\"\"},"
             "\"logprobs\":null,\"finish_reason\":null}]}\n\n" HEAD
             "\"choices\":[{\"index\":2,\"delta\":{},\"logprobs\":null,"
             "\"finish_reason\":\"length\"}]}\n\n" HEAD
             "\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3,"
             "\"total_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":0}}}\n\n"
             "data: {\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"slow down\","
             "\"type\":\"rate_limit_error\",\"param\":\"n\"}}\n\n"
             "data: [DONE]\n\n");
    buf_done(&out);
}

static void writes_logprobs(void **state)
{
    (void)state;
    struct chat_token top = {.bytes = {"\xe2", 1}, .logprob = -INFINITY};
    struct chat_token token = {.bytes = text_of("a"), .logprob = -0.5, .top = &top, .tops = 1};
    struct buf list;
    buf_init(&list, 4096);
    openai_logprob(&list, &token);
    token.tops = 0;
    openai_logprob(&list, &token);
    assert_string_equal(list.data,
                        "{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":[97],\"top_logprobs\":["
                        "{\"token\":\"\xef\xbf\xbd\",\"logprob\":-9999,\"bytes\":[226]}]},"
                        "{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":[97],\"top_logprobs\":[]}");
    buf_done(&list);
}

static void reads_details(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct openai_request request;
    json_t *body = body_of("{" MESSAGES ",\"n\":3,\"logprobs\":true,\"top_logprobs\":20,"
                           "\"logit_bias\":{\"7\":-100,\"9\":2.5},\"presence_penalty\":1,"
                           "\"seed\":-1,\"tools\":null,\"top_k\":-1}");
    assert_true(openai_request_read(&request, body, &err));
    assert_int_equal(request.choices, 3);
    assert_true(request.detail.logprobs);
    assert_int_equal(request.detail.top_logprobs, 20);
    assert_int_equal(request.detail.biases, 2);
    assert_int_equal(request.detail.bias[1].token, 9);
    assert_true(request.detail.bias[1].bias == 2.5);
    assert_true(request.detail.presence_penalty == 1 && isnan(request.detail.frequency_penalty));
    assert_true(request.params.seed == INT64_MAX && request.params.top_k == -1);
    assert_non_null(request.needs);
    assert_null(request.param);
    openai_request_done(&request);
    json_decref(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_everything), cmocka_unit_test(refuses_by_name),
        cmocka_unit_test(writes_chunks),    cmocka_unit_test(writes_logprobs),
        cmocka_unit_test(reads_details),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
