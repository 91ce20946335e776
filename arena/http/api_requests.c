/* /api/requests: the queue of those who asked for a key for /v1, and what an administrator decides.
 */
#include "http/api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/csv.h"
#include "base/json.h"
#include "http/errand.h"
#include "store/access_requests.h"
#include "store/audit.h"

#define WHAT "the request"
#define DAY_MS INT64_C(86400000)
#define CSV_TYPE "text/csv; charset=utf-8"

enum {
    LIST_BYTES = 16 << 20,
    LISTED = 2000,    /* on the page; the CSV has all */
    EACH_MINUTE = 20, /* what an approval grants unless told otherwise */
    TOKENS_A_DAY = 200000,
    GRANTED_DAYS = 90
};

/* --- the list --- */

struct listing {
    struct buf *buf;
    struct json_out out;
    int64_t count;
};

static void put_ms(struct json_out *out, const char *key, int64_t ms)
{
    if (ms)
        json_put_int(out, key, ms);
    else
        json_put_null(out, key);
}

static void put_request(void *user, const struct access_request *record)
{
    struct listing *listing = user;
    struct json_out *out = &listing->out;
    if (++listing->count > LISTED)
        return;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "request_id", record->id);
    json_put_cstring(out, "state", record->state);
    json_put_cstring(out, "name", record->name);
    json_put_cstring(out, "email", record->email);
    json_put_cstring(out, "organisation", *record->organisation ? record->organisation : NULL);
    json_put_cstring(out, "use", record->purpose);
    json_put_cstring(out, "reason", *record->reason ? record->reason : NULL);
    json_put_cstring(out, "key_id", *record->key ? record->key : NULL);
    json_put_int(out, "asked_ms", record->created_ms);
    put_ms(out, "decided_ms", record->decided_ms);
    json_put_int(out, "requests_per_minute", record->requests_per_minute);
    json_put_int(out, "tokens_per_day", record->tokens_per_day);
    put_ms(out, "expires_ms", record->key_expires_ms);
    json_put_close(out, '}');
}

static bool read_list(struct errand *errand, struct db *db, struct err *err)
{
    struct listing listing = {&errand->out, json_out_to(&errand->out), 0};
    json_put_open(&listing.out, NULL, '{');
    json_put_bool(&listing.out, "open", *(const bool *)errand->data);
    json_put_open(&listing.out, "requests", '[');
    if (!access_requests_each(db, NULL, LISTED + 1, put_request, &listing, err))
        return false;
    json_put_close(&listing.out, ']');
    json_put_bool(&listing.out, "more", listing.count > LISTED);
    json_put_close(&listing.out, '}');
    return true;
}

/* --- as a spreadsheet --- */

static void add_time(struct buf *out, int64_t ms)
{
    char text[32];
    time_t seconds = ms / 1000;
    struct tm parts;
    if (ms && gmtime_r(&seconds, &parts) && strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts))
        buf_add_string(out, text);
}

static void add_row(void *user, const struct access_request *record)
{
    struct buf *out = ((struct listing *)user)->buf;
    const char *const TEXTS[] = {record->id,     record->state,        record->name,
                                 record->email,  record->organisation, record->purpose,
                                 record->reason, record->key};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        csv_cell(out, text_of(TEXTS[i]));
        buf_add_char(out, ',');
    }
    add_time(out, record->created_ms);
    buf_add_char(out, ',');
    add_time(out, record->decided_ms);
    buf_printf(out, ",%" PRId64 ",%" PRId64 ",", record->requests_per_minute,
               record->tokens_per_day);
    add_time(out, record->key_expires_ms);
    buf_add_string(out, "\r\n");
}

static bool read_csv(struct errand *errand, struct db *db, struct err *err)
{
    struct listing listing = {.buf = &errand->out};
    buf_add_string(&errand->out, "request_id,state,name,email,organisation,use,reason,key_id,asked,"
                                 "decided,requests_per_minute,tokens_per_day,key_expires\r\n");
    return access_requests_each(db, NULL, INT64_MAX, add_row, &listing, err);
}

static void free_data(struct errand *errand)
{
    free(errand->data);
}

void api_request_list(struct http_request *request)
{
    struct errand *errand = errand_new(request, LIST_BYTES);
    if (!errand)
        return;
    bool *open = errand->data = malloc(sizeof *open);
    struct err err = {ERR_MEMORY, "out of memory"};
    struct text format = http_request_query(request, "format");
    errand->done = free_data;
    if (!open) {
        errand_refuse(errand, &err);
        return;
    }
    *open = request->context->early_access;
    errand->read = read_list;
    if (text_equal(format, TEXT("csv"))) {
        errand->read = read_csv;
        errand->content_type = CSV_TYPE;
    }
    errand_send(errand);
}

/* --- deciding --- */

struct deciding {
    struct access_decision decision;
    char id[sizeof((struct http_request *)0)->part], reason[ACCESS_REASON_SIZE];
};

static const struct {
    const char *state, *act;
} STATES[] = {{"approved", "approve request"},
              {"refused", "refuse request"},
              {"waiting", "put request on the waiting list"}};

static bool store_decision(struct errand *errand, struct db *tx, struct err *err)
{
    const struct access_decision *decision = &((struct deciding *)errand->data)->decision;
    struct audit_record audit = {
        .at_ms = decision->now_ms, .actor = errand->actor, .detail = decision->id};
    for (size_t i = 0; i < sizeof STATES / sizeof *STATES; i++)
        if (strcmp(STATES[i].state, decision->state) == 0)
            audit.act = STATES[i].act;
    return access_requests_decide(tx, decision, err) && audit_add(tx, &audit, err);
}

static bool tell_decision(struct errand *errand, struct err *err)
{
    (void)err;
    const struct access_decision *decision = &((struct deciding *)errand->data)->decision;
    struct json_out out = json_out_to(&errand->out);
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "request_id", decision->id);
    json_put_cstring(&out, "state", decision->state);
    json_put_close(&out, '}');
    return true;
}

static bool read_state(const char *state, struct access_decision *decision, struct err *err)
{
    for (size_t i = 0; i < sizeof STATES / sizeof *STATES; i++)
        if (strcmp(STATES[i].state, state) == 0)
            decision->state = STATES[i].state;
    return decision->state ||
           err_set(err, ERR_BAD_REQUEST, WHAT ": \"state\" must be approved, refused or waiting");
}

static bool read_grant(const json_t *body, struct access_decision *decision, struct err *err)
{
    int64_t days = GRANTED_DAYS;
    if (strcmp(decision->state, "approved") != 0)
        return true;
    decision->requests_per_minute = EACH_MINUTE;
    decision->tokens_per_day = TOKENS_A_DAY;
    if (!json_get_int_or(body, "requests_per_minute", WHAT, 0, 1 << 20,
                         &decision->requests_per_minute, err) ||
        !json_get_int_or(body, "tokens_per_day", WHAT, 0, INT64_MAX / 2, &decision->tokens_per_day,
                         err) ||
        !json_get_int_or(body, "days", WHAT, 0, 36500, &days, err))
        return false;
    decision->key_expires_ms = days ? decision->now_ms + days * DAY_MS : 0;
    return true;
}

static bool read_decision(const struct http_request *request, struct deciding *deciding,
                          struct err *err)
{
    static const char *const KEYS[] = {"state",          "reason", "requests_per_minute",
                                       "tokens_per_day", "days",   NULL};
    struct access_decision *decision = &deciding->decision;
    const char *state, *reason = "";
    const json_t *body = request->json;
    if (!body)
        return err_set(err, ERR_BAD_REQUEST, "the request has no body");
    if (!json_only_keys(body, KEYS, WHAT, err) ||
        !json_get_string(body, "state", WHAT, &state, err) ||
        !json_get_string_or(body, "reason", WHAT, &reason, err) ||
        !read_state(state, decision, err))
        return false;
    if (strlen(reason) >= sizeof deciding->reason)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"reason\" has at most %zu bytes",
                       sizeof deciding->reason - 1);
    if (strcmp(state, "refused") == 0 && !*reason)
        return err_set(err, ERR_BAD_REQUEST, "a refusal says why: give a \"reason\"");
    snprintf(deciding->reason, sizeof deciding->reason, "%s", reason);
    snprintf(deciding->id, sizeof deciding->id, "%s", request->part);
    decision->id = deciding->id;
    decision->reason = *reason ? deciding->reason : NULL;
    decision->now_ms = clock_wall_ms();
    return read_grant(body, decision, err);
}

void api_request_decide(struct http_request *request)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct errand *errand = errand_new(request, 1024);
    if (!errand)
        return;
    errand->data = calloc(1, sizeof(struct deciding));
    errand->done = free_data;
    errand->apply = store_decision;
    errand->then = tell_decision;
    if (errand->data && read_decision(request, errand->data, &err))
        errand_send(errand);
    else
        errand_refuse(errand, &err);
}
