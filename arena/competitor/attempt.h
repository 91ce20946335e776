/* One chat with a remote endpoint: admission, attempts, deadlines, retries, and its one end.
 *
 * Loop's thread only. Retries follow the provider's own delays (bounded), else full jitter; a
 * partial answer is discarded before the next attempt, never spliced. What an earlier attempt cost
 * is part of the answer's cost. */
#ifndef ARENA_COMPETITOR_ATTEMPT_H
#define ARENA_COMPETITOR_ATTEMPT_H

#include "competitor/budget.h"
#include "competitor/endpoint.h"
#include "competitor/limiter.h"
#include "competitor/transfer.h"
#include "loop/loop.h"

/* A competitor's remote side (its `state`): the endpoint, and what it shares with others. */
struct remote {
    struct endpoint endpoint;
    struct loop *loop; /* borrowed, as the rest */
    struct transfer_pool *pool;
    struct limiter *limiter;     /* of the endpoint and key */
    struct budget *budget;       /* of the competitor's name */
    struct budget *arena_budget; /* everybody's */
};

/* The adapter's `chat` and `cancel` (competitor.h). */
struct chat *attempt_chat(struct competitor *competitor, const struct chat_message *messages,
                          size_t count, const struct chat_params *params,
                          const struct chat_sink *sink, struct err *err);
void attempt_cancel(struct chat *chat);

#endif
