/* /api/access: early access, as developers see it. Anybody may ask for a key for /v1; the link in
 * the reply is all that leads back to the request. An approved one grants a key that its holder
 * fetches there: it is made in that moment, shown once, and stored nowhere. */
#include "http/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/random.h"
#include "http/errand.h"
#include "http/link.h"
#include "http/proxied.h"
#include "people/keys.h"
#include "store/access_requests.h"

#define WHAT "the request"

enum { REPLY_MAX = 16 << 10 };

struct access {
    char token[TOKEN_LENGTH + 1];
    struct access_request record;
    struct key_made made;
};

static void access_done(struct errand *errand)
{
    struct access *access = errand->data;
    secret_wipe(access->token, sizeof access->token);
    keys_made_done(&access->made);
    free(access);
}

/* NULL after it has answered. */
static struct errand *access_errand(struct http_request *request, enum rate_kind rate)
{
    struct err err = ERR_INIT;
    struct errand *errand = errand_new(request, REPLY_MAX);
    if (!errand)
        return NULL;
    errand->data = calloc(1, sizeof(struct access));
    if (errand->data)
        errand->done = access_done;
    if (!errand->data)
        err_set(&err, ERR_MEMORY, "out of memory");
    else if (!request->json)
        err_set(&err, ERR_BAD_REQUEST, "the request has no body");
    else if (proxied_take_rate(request, rate, &err))
        return errand;
    errand_refuse(errand, &err);
    return NULL;
}

/* --- asking --- */

/* Text for people; line breaks only where there may be `lines`. */
static bool is_text(const char *text, bool lines)
{
    for (const char *c = text; *c; c++)
        if (((unsigned char)*c < 0x20 && !(lines && *c == '\n')) || *c == 0x7f)
            return false;
    return true;
}

static bool take_text(const json_t *body, const char *key, bool needed, char *out, size_t size,
                      struct err *err)
{
    const char *text = "";
    if (!json_get_string_or(body, key, WHAT, &text, err))
        return false;
    if (needed && !text[strspn(text, " \n")])
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"%s\" is needed", key);
    if (strlen(text) >= size)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"%s\" has at most %zu bytes", key, size - 1);
    if (!is_text(text, size == ACCESS_PURPOSE_SIZE))
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"%s\" holds control characters", key);
    memcpy(out, text, strlen(text) + 1);
    return true;
}

/* What a person types wrongly; whether somebody reads it only a letter would tell. */
static bool is_email(const char *text)
{
    const char *at = strchr(text, '@'), *dot = at ? strrchr(at, '.') : NULL;
    return at && at > text && !strchr(at + 1, '@') && dot && dot > at + 1 && dot[1] &&
           !strpbrk(text, " ,;<>\"()");
}

static bool read_asking(const json_t *body, struct access_request *record, struct err *err)
{
    static const char *const KEYS[] = {"name", "email", "organisation", "use", NULL};
    return json_only_keys(body, KEYS, WHAT, err) &&
           take_text(body, "name", true, record->name, sizeof record->name, err) &&
           take_text(body, "email", true, record->email, sizeof record->email, err) &&
           take_text(body, "organisation", false, record->organisation, sizeof record->organisation,
                     err) &&
           take_text(body, "use", true, record->purpose, sizeof record->purpose, err) &&
           (is_email(record->email) ||
            err_set(err, ERR_BAD_REQUEST, WHAT ": \"email\" is no address (name@example.org)"));
}

static bool store_asking(struct errand *errand, struct db *tx, struct err *err)
{
    const struct access *access = errand->data;
    int64_t open;
    if (!access_requests_open(tx, &open, err))
        return false;
    if (open >= LIMIT_ACCESS_REQUESTS)
        return err_set(err, ERR_BUSY, "as many requests wait as can be read: ask again next week");
    return access_requests_insert(tx, &access->record, err);
}

static bool tell_link(struct errand *errand, struct err *err)
{
    (void)err;
    const struct access *access = errand->data;
    char origin[320], link[LINK_BYTES_MAX];
    link_origin(errand->request, origin, sizeof origin);
    snprintf(link, sizeof link, "%s/access/%s", origin, access->token);
    struct json_out out = json_out_to(&errand->out);
    errand->status = 201;
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "state", "pending");
    json_put_cstring(&out, "link", link);
    json_put_close(&out, '}');
    return true;
}

void api_access_ask(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct errand *errand = access_errand(request, RATE_REQUEST);
    if (!errand)
        return;
    struct access *access = errand->data;
    errand->apply = store_asking;
    errand->then = tell_link;
    random_id(access->record.id);
    token_new(access->token);
    token_hash(text_of(access->token), access->record.token_hash);
    access->record.created_ms = clock_wall_ms();
    if (!request->context->early_access)
        err_set(&err, ERR_NOT_FOUND, "early access is not offered here");
    else if (read_asking(request->json, &access->record, &err)) {
        errand_send(errand);
        return;
    }
    errand_refuse(errand, &err);
}

/* --- how it stands --- */

/* The token in the body, as its digest; an impossible one is as unknown as any. */
static bool read_token(const struct http_request *request, struct access *access, struct err *err)
{
    static const char *const KEYS[] = {"token", NULL};
    const char *token;
    return json_only_keys(request->json, KEYS, WHAT, err) &&
           json_get_string(request->json, "token", WHAT, &token, err) &&
           (token_hash(text_of(token), access->record.token_hash) ||
            err_set(err, ERR_NOT_FOUND, "this request is not known"));
}

static void put_grant(struct json_out *out, const struct access_request *record)
{
    json_put_open(out, "grant", '{');
    json_put_int(out, "requests_per_minute", record->requests_per_minute);
    json_put_int(out, "tokens_per_day", record->tokens_per_day);
    if (record->key_expires_ms)
        json_put_int(out, "expires_ms", record->key_expires_ms);
    else
        json_put_null(out, "expires_ms");
    json_put_close(out, '}');
}

static void put_state(struct json_out *out, const struct access_request *record, int64_t place)
{
    bool approved = strcmp(record->state, "approved") == 0;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "state", record->state);
    json_put_cstring(out, "name", record->name);
    json_put_int(out, "asked_ms", record->created_ms);
    json_put_cstring(out, "reason", *record->reason ? record->reason : NULL);
    if (!record->decided_ms || strcmp(record->state, "waiting") == 0)
        json_put_int(out, "place", place);
    if (approved)
        put_grant(out, record);
    json_put_bool(out, "key_waits", approved && !*record->key);
    json_put_cstring(out, "key_id", *record->key ? record->key : NULL);
    json_put_close(out, '}');
}

static bool read_state(struct errand *errand, struct db *db, struct err *err)
{
    struct access *access = errand->data;
    int64_t place;
    uint8_t hash[DIGEST_SIZE];
    memcpy(hash, access->record.token_hash, sizeof hash);
    if (!access_requests_find(db, hash, &access->record, err) ||
        !access_requests_place(db, &access->record, &place, err))
        return false;
    struct json_out out = json_out_to(&errand->out);
    put_state(&out, &access->record, place);
    return true;
}

void api_access_state(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct errand *errand = access_errand(request, RATE_SESSION);
    if (!errand)
        return;
    errand->read = read_state;
    if (read_token(request, errand->data, &err))
        errand_send(errand);
    else
        errand_refuse(errand, &err);
}

/* --- the key --- */

static bool store_key(struct errand *errand, struct db *tx, struct err *err)
{
    struct access *access = errand->data;
    uint8_t hash[DIGEST_SIZE];
    memcpy(hash, access->record.token_hash, sizeof hash);
    if (!access_requests_find(tx, hash, &access->record, err))
        return false;
    const struct access_request *record = &access->record;
    if (record->key_expires_ms && record->key_expires_ms <= clock_wall_ms())
        return err_set(err, ERR_WRONG_STATE, "what was granted has expired: ask again");
    struct key_wish wish = {.name = record->name,
                            .organisation = record->organisation,
                            .contact = record->email,
                            .requests_per_minute = record->requests_per_minute,
                            .tokens_per_day = record->tokens_per_day,
                            .expires_ms = record->key_expires_ms,
                            .actor = "requester"};
    return keys_make(&access->made, &wish, err) && keys_store(tx, &access->made, err) &&
           access_requests_fetch(tx, record->id, access->made.record.id, err);
}

static bool tell_key(struct errand *errand, struct err *err)
{
    const struct access *access = errand->data;
    if (!keys_admit_new(errand->request->context->keys, &access->made, err))
        return false;
    struct json_out out = json_out_to(&errand->out);
    errand->status = 201;
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "key_id", access->made.record.id);
    json_put_cstring(&out, "key", access->made.secret);
    json_put_close(&out, '}');
    return true;
}

void api_access_key(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct errand *errand = access_errand(request, RATE_SESSION);
    if (!errand)
        return;
    errand->apply = store_key;
    errand->then = tell_key;
    if (!request->context->keys)
        err_set(&err, ERR_BUSY, "keys are not served here");
    else if (read_token(request, errand->data, &err) && keys_room(request->context->keys, &err)) {
        errand_send(errand);
        return;
    }
    errand_refuse(errand, &err);
}
