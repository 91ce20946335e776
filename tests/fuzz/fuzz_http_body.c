/* A request's body with any bytes: read as JSON, then as a completion's request. What is accepted
 * can be written back as JSON that is read again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "http/openai.h"
#include "http/openai_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const struct openai_request *request)
{
    struct openai_head head = {"id", request->model, "fp", 1, false};
    struct chat_usage usage = CHAT_USAGE_UNKNOWN;
    struct openai_choice choice = {.text = request->messages[request->count - 1].text};
    struct err err = ERR_INIT;
    struct buf out;
    buf_init(&out, 8 * LIMIT_BODY_BYTES);
    openai_write(&out, &head, &choice, 1, &usage);
    assert(!out.failed);
    json_t *again = json_read(buf_text(&out), "what was written", &err);
    assert(again);
    json_decref(again);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct openai_request request;
    if (size > LIMIT_BODY_BYTES)
        return 0;
    json_t *body = json_read((struct text){(const char *)data, size}, "the body", &err);
    if (!body) {
        assert(err.code != ERR_NONE && *err.message);
        return 0;
    }
    err = (struct err)ERR_INIT;
    if (openai_request_read(&request, body, &err)) {
        assert(request.count > 0 && request.params.stops <= OPENAI_STOPS);
        assert(request.choices >= 1 && request.choices <= OPENAI_CHOICES && !request.param);
        answer(&request);
    } else {
        assert(err.code != ERR_NONE && *err.message);
    }
    openai_request_done(&request);
    json_decref(body);
    return 0;
}
