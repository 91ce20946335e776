/* What a competitor's tokens cost: from which day on, and in which tier.
 *
 * A list of prices, each valid from its day (UTC) until the next one's; each may have a tier of its
 * own for long prompts. What is not told is unknown (NaN), never 0. Pure, any thread. */
#ifndef ARENA_COMPETITOR_PRICE_H
#define ARENA_COMPETITOR_PRICE_H

#include <jansson.h>

#include "base/err.h"

struct price_rates {
    double input, output, cached, cache_write; /* USD per million tokens; NaN: unknown */
};
#define PRICE_UNKNOWN ((struct price_rates){NAN, NAN, NAN, NAN})

struct price {
    int64_t from_ms; /* INT64_MIN: always */
    struct price_rates rates;
    int64_t above; /* past so many input tokens all of a request's tokens cost `beyond`; 0: never */
    struct price_rates beyond;
};

struct price_list {
    struct price *list; /* by from_ms; owned */
    size_t count;
};

/* Reads {"input","output","cached","cache_write","from":"2026-01-31","long":{"above",…}}, or a list
 * of such. `value` NULL: nothing is known. price_done frees, after a failure too. */
bool price_read(struct price_list *prices, const json_t *value, const char *what, struct err *err);
void price_done(struct price_list *prices);

/* The rates at a time (clock_wall_ms) for a request of so many input tokens; a negative count is
 * the short tier. */
struct price_rates price_at(const struct price_list *prices, int64_t now_ms, int64_t input_tokens);

/* The dearest of both tiers at a time: what a request costs at worst. */
struct price_rates price_at_worst(const struct price_list *prices, int64_t now_ms);

#endif
