/* /api/roster, for administrators: everybody who is configured with key, price and health, changes
 * to it, and anybody's versions. The health is of battles that are over (competitor/health.h); what
 * the roster says besides is the configuration's and the same for every battle. */
#include "http/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "board/lineage.h"
#include "competitor/draw.h"
#include "competitor/health.h"
#include "competitor/remote.h"
#include "competitor/roster.h"
#include "http/errand.h"
#include "http/noted.h"
#include "http/response.h"

enum { COMPETITOR_BYTES = 8192, HOST_BYTES = 256, VERSIONS_BYTES = 16 << 20 };

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
    int64_t out_ns = health->outage_until_ns - clock_mono_ns();
    json_put_int(out, "recent_failures", health_recent_failures(health));
    json_put_real(out, "outage_seconds", out_ns > 0 ? (double)out_ns / 1e9 : 0);
    json_put_close(out, '}');
}

static void put_cap(struct json_out *out, const char *key, int64_t cap)
{
    if (cap < 0)
        json_put_null(out, key);
    else
        json_put_int(out, key, cap);
}

/* What is set of who is drawn, and what the day had: of battles that are over, like all here. */
static void write_standing(struct json_out *out, const struct competitor *competitor)
{
    const struct competitor_config *config = &competitor->config;
    int64_t now_ms = clock_wall_ms();
    struct health_day day = health_day(competitor->health, now_ms);
    bool active = competitor->availability == COMPETITOR_ACTIVE;
    json_put_cstring(out, "paused_reason", config->paused_reason);
    json_put_cstring(out, "paused_since", config->paused_since);
    json_put_cstring(out, "code_name", config->code_name);
    json_put_real(out, "weight", config->weight);
    put_cap(out, "battles_a_day", config->battles_a_day);
    put_cap(out, "votes_a_day", config->votes_a_day);
    put_cap(out, "at_once", config->at_once);
    json_put_int(out, "battles_today", day.over);
    json_put_int(out, "votes_today", day.votes);
    json_put_cstring(out, "barred",
                     active ? draw_bar_word(draw_bar_told(competitor, now_ms)) : NULL);
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
    write_standing(out, competitor);
    put_cap(out, "context", config->context ? config->context : -1);
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
    const char *detail = json_string_value(json_object_get(result, "detail"));
    noted_reply(request, 200, "change models", detail ? detail : "", reply);
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

/* --- versions --- */

struct asked {
    char name[LIMIT_NAME_BYTES + 1], live[DIGEST_HEX + 1];
};

static bool read_versions(struct errand *errand, struct db *db, struct err *err)
{
    const struct asked *asked = errand->data;
    struct json_out out = json_out_to(&errand->out);
    if (!store_read_begin(db, err))
        return false;
    bool good = lineage_write(&out, db, asked->name, asked->live, err);
    store_read_end(db);
    return good;
}

static void asked_done(struct errand *errand)
{
    free(errand->data);
}

static bool read_name(const struct http_request *request, struct asked *asked, struct err *err)
{
    const struct roster *roster = request->context->roster;
    struct text name = http_request_query(request, "name");
    if (!name.length || name.length > LIMIT_NAME_BYTES)
        return err_set(err, ERR_BAD_REQUEST, "say whose versions: ?name=NAME");
    memcpy(asked->name, name.data, name.length);
    const struct competitor *competitor = roster ? roster_find(roster, asked->name) : NULL;
    if (competitor && competitor->availability != COMPETITOR_RETIRED)
        memcpy(asked->live, competitor->version, sizeof competitor->version);
    return true;
}

void api_roster_versions(struct http_request *request)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct errand *errand = errand_new(request, VERSIONS_BYTES);
    if (!errand)
        return;
    errand->data = calloc(1, sizeof(struct asked));
    errand->done = asked_done;
    errand->read = read_versions;
    if (errand->data && read_name(request, errand->data, &err))
        errand_send(errand);
    else
        errand_refuse(errand, &err);
}
