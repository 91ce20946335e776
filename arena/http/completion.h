/* The answers of a model to one request of a program: from the chats to the reply or the stream,
 * whichever was asked for.
 *
 * A completion has a chat for each of its choices, all started at once, so that the engine computes
 * them in one batch. It lives as long as its chats or its stream, whichever ends last. A streamed
 * answer is not begun before the first text is there, so that a failure before that has its own
 * HTTP status instead of an error inside a 200. Where one choice fails, all do. A client that goes
 * away cancels its chats: a stream is told at once, the others are looked after once a second.
 * Loop's thread only. */
#ifndef ARENA_HTTP_COMPLETION_H
#define ARENA_HTTP_COMPLETION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "competitor/competitor.h"
#include "http/openai_request.h"
#include "http/request.h"

struct completion;

struct completions {
    struct completion *first;
    size_t count;
};

/* Answers the request, now or later, with an error too. `key`: who pays, by key_id; "": nobody. */
void completion_start(struct completions *completions, struct http_request *request,
                      struct competitor *competitor, const struct openai_request *asked,
                      const char *key);

void completions_beat(struct completions *completions);   /* once a second: clients that left */
void completions_cancel(struct completions *completions); /* all of them; their ends follow soon */

#endif
