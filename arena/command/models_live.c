#include "command/models_live.h"

#include <stdio.h>
#include <string.h>

static const char *text_of_member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text ? text : "-";
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void price(const json_t *competitor, char *out, size_t size)
{
    const json_t *prices = json_object_get(competitor, "price");
    if (json_is_number(json_object_get(prices, "input")))
        snprintf(out, size, "%.4g/%.4g", number_of(prices, "input"), number_of(prices, "output"));
    else
        snprintf(out, size, "%s",
                 json_is_true(json_object_get(competitor, "in_house")) ? "in-house" : "unknown");
}

static void latency(const json_t *health, const char *key, char *out, size_t size)
{
    const json_t *latency = json_object_get(health, key);
    if (json_is_number(json_object_get(latency, "p50")))
        snprintf(out, size, "%.2f/%.2f", number_of(latency, "p50"), number_of(latency, "p95"));
    else
        snprintf(out, size, "-");
}

/* "rate_limit 3, server 1" */
static void errors(const json_t *health, char *out, size_t size)
{
    const char *class;
    json_t *count, *all = json_object_get(health, "errors");
    snprintf(out, size, "%s", json_object_size(all) ? "" : "-");
    json_object_foreach(all, class, count)
    {
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s%s %" JSON_INTEGER_FORMAT, used ? ", " : "", class,
                 json_integer_value(count));
    }
}

static void print_one(const json_t *competitor, int width)
{
    const json_t *health = json_object_get(competitor, "health");
    char prices[48], first[48], whole[48], failed[256];
    price(competitor, prices, sizeof prices);
    latency(health, "first_token_seconds", first, sizeof first);
    latency(health, "answer_seconds", whole, sizeof whole);
    errors(health, failed, sizeof failed);
    printf(
        "%-*s  %-17s  %-12s  %-10s  %-7s  %7.0f  %-11s  %-11s  $%-9.4f  %5.0f  %5.0f  %6.0fs  %s\n",
        width, text_of_member(competitor, "name"), text_of_member(competitor, "provider"), prices,
        text_of_member(competitor, "key"), text_of_member(competitor, "state"),
        number_of(health, "answers"), first, whole, number_of(health, "spent_usd"),
        number_of(health, "voids"), number_of(health, "swaps"),
        number_of(health, "cooldown_seconds"), failed);
}

void models_live_print(const json_t *roster)
{
    const json_t *competitors = json_object_get(roster, "competitors"), *competitor;
    int width = 4;
    size_t i;
    json_array_foreach(competitors, i, competitor)
    {
        int length = (int)strlen(text_of_member(competitor, "name"));
        width = length > width ? length : width;
    }
    printf("%-*s  %-17s  %-12s  %-10s  %-7s  %7s  %-11s  %-11s  %-10s  %5s  %5s  %7s  %s\n", width,
           "NAME", "PROVIDER", "PRICE in/out", "KEY", "STATE", "ANSWERS", "FIRST p50/95",
           "WHOLE p50/95", "SPENT", "VOIDS", "SWAPS", "COOLING", "ERRORS");
    json_array_foreach(competitors, i, competitor) print_one(competitor, width);
}
