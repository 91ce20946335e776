/* Getting in, and what may be done with what a voter writes: invitations made, withdrawn and used,
 * and consent. An invitation's token comes in a POST's body alone: opening a link changes nothing,
 * so that a mail program that looks ahead uses nothing up. */
#include "http/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "competitor/roster.h"
#include "http/link.h"
#include "http/proxied.h"
#include "http/response.h"
#include "people/invites.h"
#include "people/sessions.h"
#include "store/consents.h"
#include "store/store.h"

#define WHAT "the request"

enum { CONSENT_BYTES = 256 << 10 /* every competitor's organisation */, REPLY_BYTES = 512 };

static bool submit(struct http_request *request, const struct store_job *job, struct err *err)
{
    if (!request->context->store)
        return err_set(err, ERR_BUSY, "voters are not served here");
    return store_submit(request->context->store, job, err);
}

static const json_t *body_of(const struct http_request *request, const char *const *keys,
                             struct err *err)
{
    if (!request->json) {
        err_set(err, ERR_BAD_REQUEST, "the request has no body");
        return NULL;
    }
    return json_only_keys(request->json, keys, WHAT, err) ? request->json : NULL;
}

/* --- consent --- */

struct consent_job {
    struct http_request *request;
    char voter[STORE_ID_SIZE];
    struct consent consent; /* what is asked for, then what stands */
    bool changes;
};

/* How many may meet where rivals are left out: a battle needs two. */
static int64_t in_house_models(const struct roster *roster)
{
    int64_t count = 0;
    for (size_t i = 0; roster && i < roster_count(roster); i++)
        count += roster_at(roster, i)->config.in_house &&
                 roster_at(roster, i)->availability == COMPETITOR_ACTIVE;
    return count;
}

static const char *recipient_of(const struct competitor *competitor)
{
    const struct competitor_config *config = &competitor->config;
    bool rival = !config->in_house && strcmp(config->provider, "engine") != 0 &&
                 competitor->availability == COMPETITOR_ACTIVE;
    if (!rival)
        return NULL;
    return config->organisation && *config->organisation ? config->organisation : config->provider;
}

/* Who may receive what a voter writes: whoever runs a rival, each once. Never a model's name. */
static void write_recipients(struct json_out *out, const struct roster *roster)
{
    const char *told[LIMIT_COMPETITORS];
    size_t count = 0, k;
    json_put_open(out, "recipients", '[');
    for (size_t i = 0; roster && i < roster_count(roster) && i < LIMIT_COMPETITORS; i++) {
        const char *name = recipient_of(roster_at(roster, i));
        for (k = 0; name && k < count && strcmp(told[k], name) != 0;)
            k++;
        if (!name || k < count)
            continue;
        told[count++] = name;
        json_put_cstring(out, NULL, name);
    }
    json_put_close(out, ']');
}

/* `first`: in this mode a voter says so before the first prompt; at home its user is the
 * administrator. */
static void answer_consent(struct http_request *request, const struct consent *consent)
{
    struct buf buf;
    buf_init(&buf, CONSENT_BYTES);
    struct json_out out = json_out_to(&buf);
    struct voter voter = {.consent = *consent};
    bool current = voter_consented(&voter);
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "notice", CONSENT_NOTICE);
    json_put_cstring(&out, "scope", consent_scope_word(consent->scope));
    json_put_bool(&out, "in_house_only", consent->in_house_only);
    json_put_int(&out, "in_house_models", in_house_models(request->context->roster));
    write_recipients(&out, request->context->roster);
    json_put_bool(&out, "current", current);
    json_put_bool(&out, "first", !current && request->context->auth != AUTH_LOCAL);
    json_put_close(&out, '}');
    response_json(request, 200, buf_text(&buf));
    buf_done(&buf);
}

/* The same again adds no row: a repeated request is answered as it was. */
static bool apply_consent(struct db *tx, void *data, struct err *err)
{
    struct consent_job *job = data;
    struct consent now;
    if (!consents_find(tx, job->voter, &now, err))
        return false;
    if (job->changes &&
        (now.scope != job->consent.scope || now.in_house_only != job->consent.in_house_only ||
         strcmp(now.notice, job->consent.notice) != 0))
        return consents_add(tx, job->voter, &job->consent, err);
    job->consent = now;
    return true;
}

static void consent_stands(void *data, const struct err *err)
{
    struct consent_job *job = data;
    const struct http_context *context = job->request->context;
    if (err->code == ERR_NONE && job->changes && context->sessions)
        sessions_consent(context->sessions, job->voter, &job->consent);
    if (err->code == ERR_NONE)
        answer_consent(job->request, &job->consent);
    else
        response_error(job->request, err);
    http_request_release(job->request);
    free(job);
}

static void submit_consent(struct http_request *request, const struct consent *consent)
{
    struct err err = ERR_INIT;
    struct consent_job *job = calloc(1, sizeof *job);
    if (!job) {
        response_with(request, 503, NULL);
        return;
    }
    job->request = request;
    memcpy(job->voter, request->voter.id, sizeof job->voter);
    job->changes = consent != NULL;
    if (consent)
        job->consent = *consent;
    http_request_hold(request);
    struct store_job stored = {apply_consent, consent_stands, job};
    if (!submit(request, &stored, &err))
        consent_stands(job, &err);
}

void api_consent_get(struct http_request *request)
{
    static const struct consent NEVER_ASKED = {.scope = CONSENT_NONE};
    if (request->has_voter)
        submit_consent(request, NULL);
    else
        answer_consent(request, &NEVER_ASKED);
}

static bool read_consent(const struct http_request *request, struct consent *consent,
                         struct err *err)
{
    static const char *const KEYS[] = {"scope", "notice", "in_house_only", NULL};
    const char *scope, *notice;
    const json_t *body = body_of(request, KEYS, err);
    if (!body || !json_get_string(body, "scope", WHAT, &scope, err) ||
        !json_get_string(body, "notice", WHAT, &notice, err) ||
        !json_get_bool_or(body, "in_house_only", WHAT, &consent->in_house_only, err))
        return false;
    if (!consent_scope_from(scope, &consent->scope))
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"scope\" must be inside, export or publish");
    if (strcmp(notice, CONSENT_NOTICE) != 0)
        return err_set(err, ERR_CONFLICT,
                       "the notice has changed since this page was loaded: reload it");
    memcpy(consent->notice, CONSENT_NOTICE, sizeof CONSENT_NOTICE);
    consent->at_ms = clock_wall_ms();
    return true;
}

void api_consent_set(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct consent consent = {.scope = CONSENT_NONE};
    if (read_consent(request, &consent, &err) && proxied_take_own_rate(request, RATE_CHANGE, &err))
        submit_consent(request, &consent);
    else
        response_error(request, &err);
}

/* --- using an invitation --- */

static void on_joined(void *user, const struct voter *voter, const char *session,
                      const struct err *err)
{
    struct http_request *request = user;
    struct buf buf;
    buf_init(&buf, REPLY_BYTES);
    struct json_out out = json_out_to(&buf);
    if (voter) {
        memcpy(request->token, session, sizeof request->token);
        json_put_open(&out, NULL, '{');
        json_put_cstring(&out, "role", voter_role_word(voter->role));
        json_put_cstring(&out, "cohort", *voter->cohort ? voter->cohort : NULL);
        json_put_close(&out, '}');
        response_json(request, 201, buf_text(&buf));
    } else {
        response_error(request, err);
    }
    buf_done(&buf);
    http_request_release(request);
}

void api_join(struct http_request *request)
{
    static const char *const KEYS[] = {"token", NULL};
    struct err err = ERR_INIT;
    const struct http_context *context = request->context;
    const char *token;
    const json_t *body = body_of(request, KEYS, &err);
    if (!body || !json_get_string(body, "token", WHAT, &token, &err) ||
        /* a token cannot be guessed, but whoever tries should not keep the writer busy */
        !proxied_take_rate(request, RATE_SESSION, &err) ||
        (!(context->store && context->sessions) &&
         !err_set(&err, ERR_BUSY, "voters are not served here"))) {
        response_error(request, &err);
        return;
    }
    http_request_hold(request);
    invites_redeem(context->sessions, context->store, text_of(token), on_joined, request);
}

/* --- making them --- */

struct inviting {
    struct http_request *request;
    struct invite_batch batch;
    char actor[STORE_ID_SIZE];
};

static void invited(void *data, const struct err *err)
{
    struct inviting *inviting = data;
    struct http_request *request = inviting->request;
    struct buf buf;
    buf_init(&buf, (inviting->batch.count + 1) * LINK_BYTES_MAX);
    struct json_out out = json_out_to(&buf);
    json_put_open(&out, NULL, '{');
    json_put_open(&out, "invitations", '[');
    for (size_t i = 0; i < inviting->batch.count; i++)
        link_put_invitation(&out, request, &inviting->batch.list[i]);
    json_put_close(&out, ']');
    json_put_close(&out, '}');
    if (err->code != ERR_NONE)
        response_error(request, err);
    else
        response_json(request, 201, buf_text(&buf));
    buf_done(&buf);
    http_request_release(request);
    invites_done(&inviting->batch);
    free(inviting);
}

static bool read_wish(const struct http_request *request, struct invite_wish *wish, int64_t *count,
                      struct err *err)
{
    static const char *const KEYS[] = {"count", "role", "cohort", "note",
                                       "staff", "days", "voter",  NULL};
    const char *role = "voter";
    const json_t *body = body_of(request, KEYS, err);
    *count = 1;
    if (!body || !json_get_int_or(body, "count", WHAT, 1, INVITES_MOST, count, err) ||
        !json_get_string_or(body, "role", WHAT, &role, err) ||
        !json_get_string_or(body, "cohort", WHAT, &wish->cohort, err) ||
        !json_get_string_or(body, "note", WHAT, &wish->note, err) ||
        !json_get_string_or(body, "voter", WHAT, &wish->for_voter, err) ||
        !json_get_bool_or(body, "staff", WHAT, &wish->staff, err) ||
        !json_get_int_or(body, "days", WHAT, 1, 3650, &wish->days, err))
        return false;
    return voter_role_from(role, &wish->role) ||
           err_set(err, ERR_BAD_REQUEST, WHAT ": \"role\" must be voter, analyst or admin");
}

static bool apply_inviting(struct db *tx, void *data, struct err *err)
{
    return invites_store(tx, &((struct inviting *)data)->batch, err);
}

void api_invitation_create(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct invite_wish wish = {.role = ROLE_VOTER};
    int64_t count;
    struct inviting *inviting = calloc(1, sizeof *inviting);
    if (!inviting) {
        response_with(request, 503, NULL);
        return;
    }
    inviting->request = request;
    snprintf(inviting->actor, sizeof inviting->actor, "%s", http_request_actor(request));
    http_request_hold(request);
    struct store_job job = {apply_inviting, invited, inviting};
    if (!read_wish(request, &wish, &count, &err) ||
        !invites_prepare(&inviting->batch, &wish, (size_t)count, inviting->actor, &err) ||
        !submit(request, &job, &err))
        invited(inviting, &err);
}

/* --- withdrawing one --- */

struct withdrawing {
    struct http_request *request;
    char id[sizeof((struct http_request *)0)->part], actor[STORE_ID_SIZE];
};

static bool apply_withdrawing(struct db *tx, void *data, struct err *err)
{
    const struct withdrawing *withdrawing = data;
    return invites_withdraw(tx, withdrawing->id, withdrawing->actor, err);
}

static void withdrawn(void *data, const struct err *err)
{
    struct withdrawing *withdrawing = data;
    if (err->code == ERR_NONE)
        response_json(withdrawing->request, 200, TEXT("{\"revoked\":true}"));
    else
        response_error(withdrawing->request, err);
    http_request_release(withdrawing->request);
    free(withdrawing);
}

void api_invitation_revoke(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct withdrawing *withdrawing = calloc(1, sizeof *withdrawing);
    if (!withdrawing) {
        response_with(request, 503, NULL);
        return;
    }
    withdrawing->request = request;
    snprintf(withdrawing->id, sizeof withdrawing->id, "%s", request->part);
    snprintf(withdrawing->actor, sizeof withdrawing->actor, "%s", http_request_actor(request));
    http_request_hold(request);
    struct store_job job = {apply_withdrawing, withdrawn, withdrawing};
    if (!submit(request, &job, &err))
        withdrawn(withdrawing, &err);
}
