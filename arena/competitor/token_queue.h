/* The tokens of an in-house answer and their log-probabilities, until the text that they made is
 * out.
 *
 * The engine makes a token before it knows whether its text will be said: it may be held back
 * for the rest of a character, or turn out to be part of a stop string. So tokens wait here, and
 * are told right before the delta in which their first byte stands. What only made a stop
 * string, or ended the answer, is never told. Loop's thread only. */
#ifndef ARENA_COMPETITOR_TOKEN_QUEUE_H
#define ARENA_COMPETITOR_TOKEN_QUEUE_H

#include "base/buf.h"
#include "competitor/competitor.h"
#include "engine/engine.h"

/* A row is a token, and behind it the `tops` likeliest at its place. */
struct token_queue {
    const struct engine_model *model;
    size_t tops;
    struct buf rows; /* not told yet; `failed`: some are lost */
    size_t begins,
        said; /* bytes of the answer before the first row's token; and those that are out */
};

/* Borrows the model. */
void token_queue_init(struct token_queue *queue, const struct engine_model *model, size_t tops);
void token_queue_done(struct token_queue *queue);

/* `count` entries: whole rows. */
void token_queue_add(struct token_queue *queue, const struct engine_logprob *rows, size_t count);

/* The next `length` bytes of the answer are about to be said: tells their tokens. */
void token_queue_tell(struct token_queue *queue, size_t length, const struct chat_sink *sink);

#endif
