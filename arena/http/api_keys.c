/* /api/keys: keys for /v1, listed with their use, made and revoked by an administrator. The secret
 * is in the reply to its making and nowhere else. */
#include "http/api.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "http/errand.h"
#include "http/response.h"
#include "people/keys.h"

enum { REPLY_MAX = 1024, LIST_BYTES = 4 << 20, MONTH_DAYS = 30 };

/* --- the list --- */

struct listing {
    struct json_out out;
    struct db *db;
    int64_t day;
    struct err err;
};

static void put_ms(struct json_out *out, const char *key, int64_t ms)
{
    if (ms)
        json_put_int(out, key, ms);
    else
        json_put_null(out, key);
}

static void put_usage(struct json_out *out, const char *key, const struct api_usage *usage)
{
    json_put_open(out, key, '{');
    json_put_int(out, "requests", usage->requests);
    json_put_int(out, "input_tokens", usage->input_tokens);
    json_put_int(out, "output_tokens", usage->output_tokens);
    json_put_close(out, '}');
}

static void put_key(void *user, const struct api_key_record *record, const struct api_usage *today)
{
    struct listing *listing = user;
    struct json_out *out = &listing->out;
    struct api_usage month, all;
    int64_t last;
    if (listing->err.code != ERR_NONE ||
        !api_keys_since(listing->db, record->id, listing->day - MONTH_DAYS + 1, &month, &last,
                        &listing->err) ||
        !api_keys_since(listing->db, record->id, 0, &all, &last, &listing->err))
        return;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "key_id", record->id);
    json_put_cstring(out, "name", record->name);
    json_put_cstring(out, "organisation", *record->organisation ? record->organisation : NULL);
    json_put_cstring(out, "contact", *record->contact ? record->contact : NULL);
    json_put_int(out, "requests_per_minute", record->requests_per_minute);
    json_put_int(out, "tokens_per_day", record->tokens_per_day);
    json_put_int(out, "created_ms", record->created_ms);
    put_ms(out, "expires_ms", record->expires_ms);
    put_ms(out, "revoked_ms", record->revoked_ms);
    put_ms(out, "last_used_ms", last * INT64_C(86400000));
    put_usage(out, "today", today);
    put_usage(out, "month", &month);
    put_usage(out, "all", &all);
    json_put_close(out, '}');
}

static bool read_keys(struct errand *errand, struct db *db, struct err *err)
{
    struct listing listing = {
        .out = json_out_to(&errand->out), .db = db, .day = api_day(clock_wall_ms())};
    json_put_open(&listing.out, NULL, '{');
    json_put_open(&listing.out, "keys", '[');
    bool good = api_keys_each(db, listing.day, put_key, &listing, err);
    json_put_close(&listing.out, ']');
    json_put_close(&listing.out, '}');
    if (good && listing.err.code != ERR_NONE)
        *err = listing.err;
    return good && listing.err.code == ERR_NONE;
}

void api_key_list(struct http_request *request)
{
    struct errand *errand = errand_new(request, LIST_BYTES);
    if (!errand)
        return;
    errand->read = read_keys;
    errand_send(errand);
}

/* --- making and revoking --- */

static void on_created(void *user, const char *secret, const char *id, const struct err *err)
{
    struct http_request *request = user;
    struct buf buf;
    buf_init(&buf, REPLY_MAX);
    struct json_out out = json_out_to(&buf);
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "key_id", id);
    json_put_cstring(&out, "key", secret);
    json_put_close(&out, '}');
    if (secret)
        response_json(request, 201, buf_text(&buf));
    else
        response_error(request, err);
    buf_done(&buf);
    http_request_release(request);
}

static void on_revoked(void *user, const struct err *err)
{
    struct http_request *request = user;
    if (err && err->code != ERR_NONE)
        response_error(request, err);
    else
        response_json(request, 200, text_of("{\"revoked\":true}"));
    http_request_release(request);
}

static bool read_wish(struct http_request *request, struct key_wish *wish, struct err *err)
{
    static const char *const KNOWN[] = {
        "name", "organisation", "contact", "requests_per_minute", "tokens_per_day", "days", NULL};
    const json_t *body = request->json;
    const char *what = "the request";
    if (!body)
        return err_set(err, ERR_BAD_REQUEST, "the request has no body");
    return json_only_keys(body, KNOWN, what, err) &&
           json_get_string(body, "name", what, &wish->name, err) &&
           json_get_string_or(body, "organisation", what, &wish->organisation, err) &&
           json_get_string_or(body, "contact", what, &wish->contact, err) &&
           json_get_int_or(body, "requests_per_minute", what, 0, 1 << 20,
                           &wish->requests_per_minute, err) &&
           json_get_int_or(body, "tokens_per_day", what, 0, INT64_MAX / 2, &wish->tokens_per_day,
                           err) &&
           json_get_int_or(body, "days", what, 0, 36500, &wish->days, err);
}

static bool has_keys(struct http_request *request)
{
    struct err err = ERR_INIT;
    if (request->context->keys)
        return true;
    err_set(&err, ERR_BUSY, "keys are not served here");
    response_error(request, &err);
    return false;
}

void api_key_create(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct key_wish wish = {.actor = http_request_actor(request)};
    if (!has_keys(request))
        return;
    if (!read_wish(request, &wish, &err)) {
        response_error(request, &err);
        return;
    }
    http_request_hold(request);
    keys_create(request->context->keys, &wish, on_created, request);
}

void api_key_revoke(struct http_request *request)
{
    if (!has_keys(request))
        return;
    http_request_hold(request);
    keys_revoke(request->context->keys, request->part, http_request_actor(request), on_revoked,
                request);
}
