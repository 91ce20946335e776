/* What an answer cost, from its usage and the competitor's prices. */
#ifndef ARENA_COMPETITOR_COST_H
#define ARENA_COMPETITOR_COST_H

#include "competitor/competitor.h"

/* USD at the prices of a time (clock_wall_ms); NaN where a price or a count that it needs is
 * unknown: unknown is never 0. What was read from the cache costs the cached price where there is
 * one, else the input price; likewise what was written to it. */
double cost_of(const struct competitor_config *config, const struct chat_usage *usage,
               int64_t now_ms);

/* The most that one request can cost: every byte of the messages a token, the whole cap of the
 * answer, the dearest tier. USD; NaN without prices. */
double cost_at_worst(const struct competitor_config *config, const struct chat_message *messages,
                     size_t count, const struct chat_params *params, int64_t now_ms);

#endif
