/* /api/roster, for administrators: everybody who is configured with key, price and health, and
 * changes to it. The health is of battles that are over (competitor/health.h); what the roster says
 * besides is the configuration's and the same for every battle. */
#include "http/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "competitor/health.h"
#include "competitor/remote.h"
#include "competitor/roster.h"
#include "http/noted.h"
#include "http/response.h"

enum { COMPETITOR_BYTES = 8192, HOST_BYTES = 256 };

static bool is_remote(const struct competitor *competitor)
{
    return competitor->adapter && strcmp(competitor->config.provider, "engine") != 0;
}

static void write_price(struct json_out *out, const struct competitor_config *config)
{
    struct price_rates rates = price_at(&config->prices, clock_wall_ms(), -1);
    json_put_open(out, "price", '{');
    json_put_real(out, "input", rates.input);
    json_put_real(out, "output", rates.output);
    json_put_real(out, "cached", rates.cached);
    json_put_real(out, "cache_write", rates.cache_write);
    json_put_close(out, '}');
}

static void write_latency(struct json_out *out, const char *key,
                          const struct health_latency *latency)
{
    json_put_open(out, key, '{');
    json_put_real(out, "p50", health_quantile(latency, 0.5));
    json_put_real(out, "p95", health_quantile(latency, 0.95));
    json_put_close(out, '}');
}

static void write_health(struct json_out *out, const struct health *health)
{
    int64_t cooling = health->cooling_until_ns - clock_mono_ns();
    json_put_open(out, "health", '{');
    json_put_int(out, "answers", (int64_t)health->answers);
    json_put_int(out, "failures", (int64_t)health->failures);
    json_put_int(out, "voids", (int64_t)health->voids);
    json_put_int(out, "swaps", (int64_t)health->swaps);
    json_put_open(out, "errors", '{');
    for (int class = 0; class < CHAT_ERROR_CLASSES; class ++)
        if (health->faults[class])
            json_put_int(out, class ? chat_error_word((enum chat_error_class) class) : "truncated",
                         (int64_t)health->faults[class]);
    json_put_close(out, '}');
    write_latency(out, "first_token_seconds", &health->first_token);
    write_latency(out, "answer_seconds", &health->whole);
    json_put_real(out, "spent_usd", health->spent_usd);
    json_put_int(out, "unpriced", (int64_t)health->unpriced);
    json_put_real(out, "cooldown_seconds", cooling > 0 ? (double)cooling / 1e9 : 0);
    json_put_close(out, '}');
}

static void write_competitor(struct json_out *out, const struct competitor *competitor)
{
    const struct competitor_config *config = &competitor->config;
    bool remote = is_remote(competitor);
    char host[HOST_BYTES] = "";
    if (remote)
        remote_host(competitor, host, sizeof host);
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "name", config->name);
    json_put_cstring(out, "provider", config->provider);
    json_put_cstring(out, "model", config->model ? config->model : config->path);
    json_put_cstring(out, "version", competitor->version);
    json_put_cstring(out, "organisation", config->organisation);
    json_put_bool(out, "in_house", config->in_house);
    json_put_cstring(out, "state", competitor_state_word(competitor->availability));
    json_put_cstring(out, "receives", remote ? host : NULL);
    json_put_cstring(out, "key", remote ? remote_key_state(competitor) : "not needed");
    json_put_real(out, "weight", config->weight);
    json_put_real(out, "budget_usd", config->budget_usd);
    write_price(out, config);
    if (competitor->health)
        write_health(out, competitor->health);
    json_put_close(out, '}');
}

void api_roster(struct http_request *request)
{
    const struct roster *roster = request->context->roster;
    size_t count = roster ? roster_count(roster) : 0;
    struct buf buf;
    buf_init(&buf, (count + 1) * COMPETITOR_BYTES);
    struct json_out out = json_out_to(&buf);
    json_put_open(&out, NULL, '{');
    json_put_open(&out, "competitors", '[');
    for (size_t i = 0; i < count; i++)
        write_competitor(&out, roster_at(roster, i));
    json_put_close(&out, ']');
    json_put_close(&out, '}');
    response_built(request, 200, &buf);
}

/* The log says "pause NAME". */
static void note(struct http_request *request, const json_t *result, struct text reply)
{
    const char *action = json_string_value(json_object_get(result, "action"));
    const char *name = json_string_value(json_object_get(result, "name"));
    char detail[256];
    snprintf(detail, sizeof detail, "%s%s%s", action ? action : "", name ? " " : "",
             name ? name : "");
    noted_reply(request, 200, "change models", detail, reply);
}

static void changed(void *asker, const json_t *result, const struct err *err)
{
    struct http_request *request = asker;
    char *text = result ? json_dumps(result, JSON_COMPACT) : NULL;
    if (text)
        note(request, result, text_of(text));
    else if (result)
        response_with(request, 503, NULL);
    else
        response_error(request, err);
    free(text);
    http_request_release(request);
}

void api_roster_change(struct http_request *request)
{
    struct err err = ERR_INIT;
    const struct http_context *context = request->context;
    if (!context->change_roster)
        err_set(&err, ERR_BUSY, "the roster cannot be changed here");
    else if (!request->json)
        err_set(&err, ERR_BAD_REQUEST, "the request has no body");
    if (err.code != ERR_NONE) {
        response_error(request, &err);
        return;
    }
    http_request_hold(request);
    context->change_roster(context->change_roster_user, request->json, changed, request);
}
