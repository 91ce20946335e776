#include "competitor/cost.h"

enum {
    UNCAPPED_TOKENS = 32768, /* an answer without a cap: what most models stop at */
    MESSAGE_TOKENS = 16      /* around each message: roles and separators */
};

static double or_else(double price, double otherwise)
{
    return isnan(price) ? otherwise : price;
}

double cost_of(const struct competitor_config *config, const struct chat_usage *usage,
               int64_t now_ms)
{
    if (usage->input < 0 || usage->output < 0)
        return NAN;
    struct price_rates rates = price_at(&config->prices, now_ms, usage->input);
    double cached = usage->cached > 0 ? (double)usage->cached : 0;
    double written = usage->cache_write > 0 ? (double)usage->cache_write : 0;
    double plain = (double)usage->input - cached - written;
    double micro = plain * rates.input + (double)usage->output * rates.output +
                   cached * or_else(rates.cached, rates.input) +
                   written * or_else(rates.cache_write, rates.input);
    return micro / 1e6;
}

double cost_at_worst(const struct competitor_config *config, const struct chat_message *messages,
                     size_t count, const struct chat_params *params, int64_t now_ms)
{
    struct price_rates rates = price_at_worst(&config->prices, now_ms);
    double input = MESSAGE_TOKENS,
           output = params->max_tokens > 0 ? (double)params->max_tokens : UNCAPPED_TOKENS;
    for (size_t i = 0; i < count; i++)
        input += MESSAGE_TOKENS + (double)messages[i].text.length;
    double dearest = fmax(rates.input, or_else(rates.cache_write, rates.input));
    return (input * dearest + output * rates.output) / 1e6;
}
