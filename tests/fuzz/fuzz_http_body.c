/* A request's body with any bytes: read as JSON, then as a completion's request. What is accepted
 * can be written back as JSON that is read again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "http/openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const struct openai_request *request)
{
    struct openai_head head = {"id", request->model, "fp", 1};
    struct chat_end end = {.finish = CHAT_STOP, .usage = CHAT_USAGE_UNKNOWN};
    struct err err = ERR_INIT;
    struct buf out;
    buf_init(&out, 8 * LIMIT_BODY_BYTES);
    openai_write(&out, &head, request->messages[request->count - 1].text, &end);
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
        answer(&request);
    } else {
        assert(err.code != ERR_NONE && *err.message);
    }
    openai_request_done(&request);
    json_decref(body);
    return 0;
}
