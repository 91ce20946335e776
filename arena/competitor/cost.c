#include "competitor/cost.h"

static double or_else(double price, double otherwise)
{
    return isnan(price) ? otherwise : price;
}

double cost_of(const struct competitor_config *config, const struct chat_usage *usage)
{
    if (usage->input < 0 || usage->output < 0)
        return NAN;
    double cached = usage->cached > 0 ? (double)usage->cached : 0;
    double written = usage->cache_write > 0 ? (double)usage->cache_write : 0;
    double plain = (double)usage->input - cached - written;
    double micro = plain * config->price_input + (double)usage->output * config->price_output +
                   cached * or_else(config->price_cached, config->price_input) +
                   written * or_else(config->price_cache_write, config->price_input);
    return micro / 1e6;
}
