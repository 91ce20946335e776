/* One answer of a model for a program: from the chat to the reply or the stream, whichever was
 * asked for.
 *
 * A completion lives as long as its chat or its stream, whichever ends last. A streamed answer is
 * not begun before the first text is there, so that a failure before that has its own HTTP status
 * instead of an error inside a 200. A client that goes away cancels its chat. Loop's thread only.
 */
#ifndef ARENA_HTTP_COMPLETION_H
#define ARENA_HTTP_COMPLETION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "competitor/competitor.h"
#include "http/openai.h"
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

void completions_cancel(struct completions *completions); /* all of them; their ends follow soon */

#endif
