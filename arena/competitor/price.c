/* A long tier repeats only what differs: what it leaves out costs as in the short one. */
#include "competitor/price.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/limits.h"

static const char *const KEYS[] = {"input", "output", "cached", "cache_write",
                                   "from",  "long",   NULL};
static const char *const LONG_KEYS[] = {"above", "input", "output", "cached", "cache_write", NULL};

static bool read_rates(struct price_rates *rates, const json_t *object, const char *what,
                       struct err *err)
{
    return json_get_number_or(object, "input", what, 0, 1e6, &rates->input, err) &&
           json_get_number_or(object, "output", what, 0, 1e6, &rates->output, err) &&
           json_get_number_or(object, "cached", what, 0, 1e6, &rates->cached, err) &&
           json_get_number_or(object, "cache_write", what, 0, 1e6, &rates->cache_write, err);
}

static bool read_day(int64_t *from_ms, const json_t *object, const char *what, struct err *err)
{
    const char *from = NULL;
    struct tm day = {0};
    if (!json_get_string_or(object, "from", what, &from, err))
        return false;
    if (!from)
        return true;
    const char *end = strptime(from, "%Y-%m-%d", &day);
    if (!end || *end || strlen(from) != 10)
        return err_set(err, ERR_BAD_REQUEST,
                       "%s: \"from\" is \"%.32s\"; expected a day: 2026-01-31", what, from);
    *from_ms = (int64_t)timegm(&day) * 1000;
    return true;
}

static bool read_long(struct price *price, const json_t *object, const char *what, struct err *err)
{
    const json_t *tier = json_object_get(object, "long");
    price->beyond = price->rates;
    if (!tier)
        return true;
    if (!json_object_get(tier, "above"))
        return err_set(err, ERR_BAD_REQUEST,
                       "%s: \"long\" must be an object that says \"above\" how many input tokens "
                       "it begins",
                       what);
    return json_only_keys(tier, LONG_KEYS, what, err) &&
           json_get_int_or(tier, "above", what, 1, INT64_C(1) << 40, &price->above, err) &&
           read_rates(&price->beyond, tier, what, err);
}

static bool read_one(struct price *price, const json_t *object, const char *what, struct err *err)
{
    *price = (struct price){.from_ms = INT64_MIN, .rates = PRICE_UNKNOWN};
    return json_only_keys(object, KEYS, what, err) &&
           read_rates(&price->rates, object, what, err) &&
           read_day(&price->from_ms, object, what, err) && read_long(price, object, what, err);
}

static int by_day(const void *a, const void *b)
{
    int64_t x = ((const struct price *)a)->from_ms, y = ((const struct price *)b)->from_ms;
    return (x > y) - (x < y);
}

bool price_read(struct price_list *prices, const json_t *value, const char *what, struct err *err)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    *prices = (struct price_list){0};
    if (!value)
        return true;
    if (count > LIMIT_PRICES)
        return err_set(err, ERR_BAD_REQUEST, "%s: %zu prices, at most %d", what, count,
                       LIMIT_PRICES);
    prices->list = calloc(count + 1, sizeof *prices->list);
    if (!prices->list)
        return err_set(err, ERR_MEMORY, "%s: out of memory", what);
    for (size_t i = 0; i < count; i++)
        if (!read_one(&prices->list[prices->count++],
                      json_is_array(value) ? json_array_get(value, i) : value, what, err))
            return false;
    qsort(prices->list, prices->count, sizeof *prices->list, by_day);
    for (size_t i = 1; i < prices->count; i++)
        if (prices->list[i].from_ms == prices->list[i - 1].from_ms)
            return err_set(err, ERR_BAD_REQUEST, "%s: two prices are valid from the same day",
                           what);
    return true;
}

void price_done(struct price_list *prices)
{
    free(prices->list);
    *prices = (struct price_list){0};
}

static const struct price *valid_at(const struct price_list *prices, int64_t now_ms)
{
    const struct price *valid = NULL;
    for (size_t i = 0; i < prices->count && prices->list[i].from_ms <= now_ms; i++)
        valid = &prices->list[i];
    return valid;
}

struct price_rates price_at(const struct price_list *prices, int64_t now_ms, int64_t input_tokens)
{
    const struct price *price = valid_at(prices, now_ms);
    if (!price)
        return PRICE_UNKNOWN;
    return price->above && input_tokens > price->above ? price->beyond : price->rates;
}

static double dearer(double one, double other)
{
    return isnan(one) || one > other ? one : other;
}

struct price_rates price_at_worst(const struct price_list *prices, int64_t now_ms)
{
    const struct price *price = valid_at(prices, now_ms);
    if (!price)
        return PRICE_UNKNOWN;
    struct price_rates a = price->rates, b = price->beyond;
    return (struct price_rates){dearer(a.input, b.input), dearer(a.output, b.output),
                                dearer(a.cached, b.cached), dearer(a.cache_write, b.cache_write)};
}
