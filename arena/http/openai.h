/* Completions in the OpenAI dialect, as a server writes them; openai_request.h reads the requests.
 * Pure: no connection, no model. Any thread. */
#ifndef ARENA_HTTP_OPENAI_H
#define ARENA_HTTP_OPENAI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "competitor/competitor.h"

/* What all messages of one completion carry. Borrowed. */
struct openai_head {
    const char *id, *model, *fingerprint;
    int64_t created_s;
    bool null_usage; /* every chunk but the last says that it brings no usage */
};

const char *openai_finish(enum chat_finish finish);

/* Appends a token to a list of logprobs: entries with commas between them. */
void openai_logprob(struct buf *list, const struct chat_token *token);

/* One of a completion's answers. */
struct openai_choice {
    int index;
    struct text text;
    const struct buf *logprobs; /* a list as openai_logprob makes it; NULL: not asked for */
    enum chat_finish finish;
};

/* A whole "chat.completion". */
void openai_write(struct buf *out, const struct openai_head *head,
                  const struct openai_choice *choices, size_t count,
                  const struct chat_usage *usage);

/* "data: {…}\n\n": a choice's first chunk (the role), a piece of it, its end with the reason; the
 * usage, "[DONE]", a failure. */
void openai_chunk_role(struct buf *out, const struct openai_head *head, int index);
void openai_chunk_text(struct buf *out, const struct openai_head *head,
                       const struct openai_choice *piece);
void openai_chunk_finish(struct buf *out, const struct openai_head *head, int index,
                         enum chat_finish finish);
void openai_chunk_usage(struct buf *out, const struct openai_head *head,
                        const struct chat_usage *usage);
void openai_chunk_error(struct buf *out, const struct err *err, const char *param);
void openai_chunk_done(struct buf *out);

/* {"error":{"code","message","type","param"}} with OpenAI's own codes where it has one, else ours;
 * returns the HTTP status that belongs to it. `param`: the member at fault, or NULL. */
int openai_error(struct buf *out, const struct err *err, const char *param);

#endif
