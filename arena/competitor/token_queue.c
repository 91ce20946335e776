/* Tokens are matched to text by counting bytes. Where a model makes broken UTF-8, the text is
 * longer than its tokens (each broken part becomes U+FFFD): then a token may be told a little
 * early, never late. */
#include "competitor/token_queue.h"

#include "base/limits.h"

enum { TOPS_MAX = 32 }; /* what the engine gives at most */

void token_queue_init(struct token_queue *queue, const struct engine_model *model, size_t tops)
{
    *queue = (struct token_queue){.model = model, .tops = tops < TOPS_MAX ? tops : TOPS_MAX};
    buf_init(&queue->rows, LIMIT_EVENT_LOG_BYTES);
}

void token_queue_done(struct token_queue *queue)
{
    buf_done(&queue->rows);
}

void token_queue_add(struct token_queue *queue, const struct engine_logprob *rows, size_t count)
{
    buf_add(&queue->rows, rows, count * sizeof *rows);
}

/* A special token has no bytes in an answer, but a name in a list. */
static struct chat_token token_of(const struct token_queue *queue,
                                  const struct engine_logprob *entry)
{
    struct chat_token token = {.logprob = (double)entry->logprob};
    token.bytes.data = engine_token_text(queue->model, entry->token, true, &token.bytes.length);
    return token;
}

static void tell(const struct token_queue *queue, const struct engine_logprob *row,
                 const struct chat_sink *sink)
{
    struct chat_token top[TOPS_MAX], token = token_of(queue, row);
    for (size_t i = 0; i < queue->tops; i++)
        top[i] = token_of(queue, &row[1 + i]);
    token.top = top;
    token.tops = queue->tops;
    sink->token(sink->user, &token);
}

void token_queue_tell(struct token_queue *queue, size_t length, const struct chat_sink *sink)
{
    const struct engine_logprob *rows = (const void *)queue->rows.data;
    size_t stride = 1 + queue->tops, told = 0;
    size_t count = queue->rows.length / (stride * sizeof *rows);
    queue->said += length;
    for (; told < count && queue->begins < queue->said; told++) {
        const struct engine_logprob *row = rows + told * stride;
        size_t bytes;
        engine_token_text(queue->model, row->token, false, &bytes);
        queue->begins += bytes;
        tell(queue, row, sink);
    }
    buf_drop_front(&queue->rows, told * stride * sizeof *rows);
}
