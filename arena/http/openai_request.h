/* Requests in the OpenAI dialect, as a server reads them. Pure: no connection, no model. Any
 * thread.
 *
 * What the in-house model cannot do (tools, images) is refused by name rather than
 * ignored, and so is a member that nobody knows, as OpenAI does; members that change nothing
 * about the answer (user, metadata, store) are let pass. A member that is null is one that is
 * absent. Beyond OpenAI's: top_k, min_p and repetition_penalty, as vLLM has them. */
#ifndef ARENA_HTTP_OPENAI_REQUEST_H
#define ARENA_HTTP_OPENAI_REQUEST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "competitor/competitor.h"

enum {
    OPENAI_STOPS = 4,
    OPENAI_CHOICES = 16,  /* as many as the engine runs at once */
    OPENAI_BIASES = 1024, /* what the engine takes */
    OPENAI_TOP_LOGPROBS = 20
};

/* Borrows from the JSON it was read from, except for texts that had to be joined. */
struct openai_request {
    const char *model;
    struct chat_message *messages;
    size_t count;
    struct chat_params params; /* with `detail` below */
    struct chat_detail detail;
    const char *stop[OPENAI_STOPS];
    int64_t choices;
    bool stream, include_usage;
    const char *needs; /* the first member that only our own engine serves; NULL: none */
    const char *param; /* the member at fault, when reading failed; NULL: none */
    struct chat_bias *biases;
    char *schema;
    struct buf joined; /* contents given in parts */
};

/* ERR_BAD_REQUEST names the member; ERR_UNSUPPORTED what this server does not do. Call
 * openai_request_done in any case. */
bool openai_request_read(struct openai_request *request, const json_t *body, struct err *err);
void openai_request_done(struct openai_request *request);

#endif
