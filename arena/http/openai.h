/* The OpenAI dialect as a server speaks it: requests read, completions written. Pure: no
 * connection, no model.
 *
 * What the in-house model cannot do (tools, images, several choices, logprobs) is refused by name
 * rather than ignored; members that change nothing about the answer (user, metadata, store) are let
 * pass. Any thread. */
#ifndef ARENA_HTTP_OPENAI_H
#define ARENA_HTTP_OPENAI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "competitor/competitor.h"

enum { OPENAI_STOPS = 4 };

/* Borrows from the JSON it was read from, except for texts that had to be joined. */
struct openai_request {
    const char *model;
    struct chat_message *messages;
    size_t count;
    struct chat_params params;
    const char *stop[OPENAI_STOPS];
    bool stream, include_usage;
    struct buf joined; /* contents given in parts */
};

/* ERR_BAD_REQUEST names the member; ERR_UNSUPPORTED what this server does not do. Call
 * openai_request_done in any case. */
bool openai_request_read(struct openai_request *request, const json_t *body, struct err *err);
void openai_request_done(struct openai_request *request);

/* What all messages of one completion carry. Borrowed. */
struct openai_head {
    const char *id, *model, *fingerprint;
    int64_t created_s;
};

const char *openai_finish(enum chat_finish finish);

/* A whole "chat.completion". */
void openai_write(struct buf *out, const struct openai_head *head, struct text text,
                  const struct chat_end *end);

/* "data: {…}\n\n": the first chunk (the role), a piece of text, the end with its reason, the usage,
 * "[DONE]", a failure. */
void openai_chunk_role(struct buf *out, const struct openai_head *head);
void openai_chunk_text(struct buf *out, const struct openai_head *head, struct text text);
void openai_chunk_finish(struct buf *out, const struct openai_head *head, enum chat_finish finish);
void openai_chunk_usage(struct buf *out, const struct openai_head *head,
                        const struct chat_usage *usage);
void openai_chunk_error(struct buf *out, const struct err *err);
void openai_chunk_done(struct buf *out);

/* {"error":{"code","message","type","param"}}: ours and OpenAI's at once. */
void openai_error(struct buf *out, const struct err *err);

#endif
