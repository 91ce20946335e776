/* Some twenty rows: a walk is quick, and the table is the documentation. */
#include "http/route.h"

#include <string.h>

#include "http/api.h"

const struct route ROUTES[] = {
    {"GET", "/healthz", api_healthz, ROUTE_OPEN, ACT_READ_BOARD, REPLY_IN_MEMORY},
    {"GET", "/metrics", api_metrics, ROUTE_INSIDE, ACT_ADMINISTER, REPLY_IN_MEMORY},
    {"GET", "/api/battles", api_battle_list, ROUTE_ACT, ACT_BATTLE, REPLY_IN_MEMORY},
    {"POST", "/api/battles", api_battle_start, ROUTE_START, ACT_BATTLE, REPLY_OF_HALL},
    {"GET", "/api/battles/*", api_battle_get, ROUTE_OWNER, ACT_BATTLE, REPLY_IN_MEMORY},
    {"GET", "/api/battles/*/events", api_battle_events, ROUTE_OWNER, ACT_BATTLE, REPLY_IN_MEMORY},
    {"POST", "/api/battles/*/turns", api_battle_turn, ROUTE_OWNER, ACT_BATTLE, REPLY_OF_HALL},
    {"POST", "/api/battles/*/vote", api_battle_vote, ROUTE_OWNER, ACT_VOTE, REPLY_OF_HALL},
    {"POST", "/api/battles/*/feedback", api_battle_feedback, ROUTE_OWNER, ACT_VOTE, REPLY_OF_HALL},
    {"POST", "/api/battles/*/reveal", api_battle_reveal, ROUTE_OWNER, ACT_VOTE, REPLY_OF_HALL},
    {"POST", "/api/battles/*/private", api_battle_private, ROUTE_OWNER, ACT_BATTLE, REPLY_OF_HALL},
    {"POST", "/api/battles/*/stop", api_battle_stop, ROUTE_OWNER, ACT_BATTLE, REPLY_OF_HALL},
    {"POST", "/api/battles/*/skip", api_battle_skip, ROUTE_OWNER, ACT_BATTLE, REPLY_OF_HALL},
    {"POST", "/api/battles/*/regenerate", api_battle_regenerate, ROUTE_OWNER, ACT_BATTLE,
     REPLY_OF_HALL},
    {"GET", "/api/leaderboard", api_leaderboard, ROUTE_ACT, ACT_READ_BOARD, REPLY_IN_MEMORY},
    {"GET", "/api/publications", api_publication_list, ROUTE_ACT, ACT_READ_LIVE, REPLY_IN_MEMORY},
    {"POST", "/api/publications", api_publication_add, ROUTE_ACT, ACT_ADMINISTER, REPLY_STORED},
    {"POST", "/api/exclusions", api_exclusion_add, ROUTE_ACT, ACT_ADMINISTER, REPLY_STORED},
    {"GET", "/api/models", api_models, ROUTE_ACT, ACT_READ_BOARD, REPLY_IN_MEMORY},
    {"GET", "/api/roster", api_roster, ROUTE_ACT, ACT_ADMINISTER, REPLY_IN_MEMORY},
    {"GET", "/api/roster/versions", api_roster_versions, ROUTE_ACT, ACT_ADMINISTER,
     REPLY_IN_MEMORY},
    {"POST", "/api/roster", api_roster_change, ROUTE_ACT, ACT_ADMINISTER, REPLY_STORED},
    {"POST", "/api/access", api_access_ask, ROUTE_OPEN, ACT_BATTLE,
     REPLY_IN_MEMORY}, /* where it is offered */
    {"POST", "/api/access/state", api_access_state, ROUTE_OPEN, ACT_BATTLE,
     REPLY_IN_MEMORY}, /* its token decides */
    {"POST", "/api/access/key", api_access_key, ROUTE_OPEN, ACT_BATTLE,
     REPLY_IN_MEMORY}, /* likewise */
    {"GET", "/api/requests", api_request_list, ROUTE_ACT, ACT_ADMINISTER, REPLY_IN_MEMORY},
    {"POST", "/api/requests/*/decide", api_request_decide, ROUTE_ACT, ACT_ADMINISTER, REPLY_STORED},
    {"GET", "/api/keys", api_key_list, ROUTE_ACT, ACT_ADMINISTER, REPLY_IN_MEMORY},
    {"POST", "/api/keys", api_key_create, ROUTE_ACT, ACT_ADMINISTER, REPLY_IN_MEMORY},
    {"POST", "/api/keys/*/revoke", api_key_revoke, ROUTE_ACT, ACT_ADMINISTER, REPLY_STORED},
    {"GET", "/api/review", api_review_list, ROUTE_ACT, ACT_EXPORT, REPLY_IN_MEMORY},
    {"POST", "/api/review/*", api_review_decide, ROUTE_ACT, ACT_EXPORT, REPLY_STORED},
    {"GET", "/api/why", api_why, ROUTE_ACT, ACT_EVALUATE, REPLY_IN_MEMORY},
    {"GET", "/api/why/lost", api_why_lost, ROUTE_ACT, ACT_EVALUATE, REPLY_IN_MEMORY},
    {"GET", "/api/why/battles/*", api_why_battle, ROUTE_ACT, ACT_EVALUATE, REPLY_IN_MEMORY},
    {"GET", "/api/evals", api_eval_list, ROUTE_ACT, ACT_EVALUATE, REPLY_IN_MEMORY},
    {"GET", "/api/evals/*/report", api_eval_report, ROUTE_ACT, ACT_EVALUATE, REPLY_IN_MEMORY},
    {"GET", "/api/evals/*/prompt", api_eval_prompt, ROUTE_ACT, ACT_EVALUATE, REPLY_IN_MEMORY},
    {"POST", "/api/evals", api_eval_run, ROUTE_ACT, ACT_ADMINISTER, REPLY_STORED},
    {"POST", "/api/evals/*/resume", api_eval_resume, ROUTE_ACT, ACT_ADMINISTER, REPLY_STORED},
    {"POST", "/api/evals/*/stop", api_eval_stop, ROUTE_ACT, ACT_ADMINISTER, REPLY_STORED},
    {"POST", "/api/import", api_import, ROUTE_ACT, ACT_ADMINISTER, REPLY_STORED},
    {"GET", "/api/consent", api_consent_get, ROUTE_ACT, ACT_BATTLE, REPLY_IN_MEMORY},
    {"POST", "/api/consent", api_consent_set, ROUTE_START, ACT_BATTLE, REPLY_STORED},
    {"POST", "/api/login", api_login, ROUTE_OPEN, ACT_BATTLE,
     REPLY_IN_MEMORY}, /* its password decides */
    {"POST", "/api/logout", api_logout, ROUTE_ACT, ACT_BATTLE, REPLY_IN_MEMORY},
    {"GET", "/api/account", api_account_get, ROUTE_ACT, ACT_BATTLE, REPLY_IN_MEMORY},
    {"GET", "/api/account/data", api_account_data, ROUTE_ACT, ACT_BATTLE, REPLY_IN_MEMORY},
    {"GET", "/api/account/leaderboard", api_account_leaderboard, ROUTE_ACT, ACT_BATTLE,
     REPLY_IN_MEMORY},
    {"POST", "/api/account/password", api_account_password, ROUTE_ACT, ACT_BATTLE, REPLY_IN_MEMORY},
    {"POST", "/api/account/confirm", api_account_confirm, ROUTE_ACT, ACT_BATTLE, REPLY_IN_MEMORY},
    {"POST", "/api/account/link", api_account_link, ROUTE_ACT, ACT_BATTLE, REPLY_IN_MEMORY},
    {"POST", "/api/account/erase", api_account_erase, ROUTE_ACT, ACT_BATTLE, REPLY_STORED},
    {"POST", "/api/account/appeal", api_account_appeal, ROUTE_ACT, ACT_BATTLE, REPLY_STORED},
    {"POST", "/api/join", api_join, ROUTE_OPEN, ACT_BATTLE,
     REPLY_IN_MEMORY}, /* its token decides */
    {"GET", "/api/people", api_person_list, ROUTE_ACT, ACT_ADMINISTER, REPLY_IN_MEMORY},
    {"POST", "/api/people/*/change", api_person_change, ROUTE_ACT, ACT_ADMINISTER, REPLY_STORED},
    {"POST", "/api/people/*/signout", api_person_signout, ROUTE_ACT, ACT_ADMINISTER, REPLY_STORED},
    {"GET", "/api/suspects", api_suspect_list, ROUTE_ACT, ACT_ADMINISTER, REPLY_IN_MEMORY},
    {"GET", "/api/moderation", api_moderation, ROUTE_ACT, ACT_ADMINISTER, REPLY_IN_MEMORY},
    {"GET", "/api/audit", api_audit_list, ROUTE_ACT, ACT_ADMINISTER, REPLY_IN_MEMORY},
    {"POST", "/api/sampling", api_sampling, ROUTE_ACT, ACT_READ_LIVE,
     REPLY_IN_MEMORY}, /* only tries */
    {"GET", "/api/invitations", api_invitation_list, ROUTE_ACT, ACT_ADMINISTER, REPLY_IN_MEMORY},
    {"POST", "/api/invitations", api_invitation_create, ROUTE_ACT, ACT_ADMINISTER, REPLY_IN_MEMORY},
    {"POST", "/api/invitations/*/revoke", api_invitation_revoke, ROUTE_ACT, ACT_ADMINISTER,
     REPLY_STORED},
    {"GET", "/api/campaigns", api_campaign_list, ROUTE_ACT, ACT_READ_LIVE, REPLY_IN_MEMORY},
    {"POST", "/api/campaigns", api_campaign_create, ROUTE_ACT, ACT_ADMINISTER, REPLY_STORED},
    {"POST", "/api/campaigns/expect", api_campaign_expect, ROUTE_ACT, ACT_READ_LIVE,
     REPLY_STORED}, /* only tries */
    {"GET", "/api/campaigns/*", api_campaign_get, ROUTE_ACT, ACT_READ_LIVE, REPLY_IN_MEMORY},
    {"GET", "/api/campaigns/*/report", api_campaign_report, ROUTE_ACT, ACT_READ_LIVE,
     REPLY_IN_MEMORY},
    {"POST", "/api/campaigns/*/stop", api_campaign_stop, ROUTE_ACT, ACT_ADMINISTER, REPLY_STORED},
    {"GET", "/api/queue", api_queue, ROUTE_ACT, ACT_BATTLE, REPLY_IN_MEMORY},
    {"POST", "/api/queue/next", api_queue_next, ROUTE_START, ACT_BATTLE, REPLY_OF_HALL},
    {"POST", "/v1/chat/completions", api_v1_chat, ROUTE_OPEN, ACT_READ_BOARD,
     REPLY_IN_MEMORY}, /* its key decides */
    {"GET", "/v1/models", api_v1_models, ROUTE_OPEN, ACT_READ_BOARD, REPLY_IN_MEMORY},
    {"GET", "/v1/models/*", api_v1_model, ROUTE_OPEN, ACT_READ_BOARD, REPLY_IN_MEMORY},
    {NULL, NULL, NULL, ROUTE_OPEN, ACT_READ_BOARD, REPLY_IN_MEMORY},
};

/* Does `path` fit? Copies what stands for "*" into `part`; a part too long to be any id of ours
 * does not fit. */
static bool fits(const char *pattern, const char *path, char *part, size_t size)
{
    const char *star = strchr(pattern, '*');
    if (!star)
        return strcmp(pattern, path) == 0;
    size_t before = (size_t)(star - pattern);
    if (strncmp(pattern, path, before) != 0)
        return false;
    size_t length = strcspn(path + before, "/");
    if (!length || length >= size || strcmp(path + before + length, star + 1) != 0)
        return false;
    memcpy(part, path + before, length);
    part[length] = '\0';
    return true;
}

static bool same_method(const char *method, const struct route *route)
{
    return strcmp(method, route->method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* What a path's rows allow, as the Allow header. */
static const char *allowed(bool get, bool post)
{
    return get && post ? "GET, HEAD, POST" : get ? "GET, HEAD" : "POST";
}

bool route_find(struct http_request *request, struct err *err)
{
    bool get = false, post = false;
    for (const struct route *route = ROUTES; route->method; route++) {
        if (!fits(route->pattern, request->path, request->part, sizeof request->part))
            continue;
        if (same_method(request->method, route)) {
            request->route = route;
            return true;
        }
        get |= strcmp(route->method, "GET") == 0;
        post |= strcmp(route->method, "POST") == 0;
    }
    if (!get && !post)
        return err_set(err, ERR_NOT_FOUND, "there is nothing at this address");
    request->allow = allowed(get, post);
    return err_set(err, ERR_METHOD, "this address answers %s", request->allow);
}

/* Whoever finds an administrator's browser open changes nothing. A proxy that signs people in has
 * its own ways. */
static bool must_confirm(const struct http_request *request)
{
    return request->route->act == ACT_ADMINISTER && request->context->auth == AUTH_INVITE &&
           strcmp(request->method, "POST") == 0 && !request->confirmed;
}

static bool is_local(const struct http_request *request)
{
    return request->context->auth == AUTH_LOCAL || request->peer->administers;
}

bool route_may(const struct http_request *request, enum voter_act act, struct err *err)
{
    return is_local(request) || voter_may(request->has_voter ? &request->voter : NULL, act, err);
}

bool route_admit(struct http_request *request, struct err *err)
{
    const struct route *route = request->route;
    /* Behind a proxy on this machine everybody comes from loopback; and who votes here is no
     * program that watches over the arena. */
    bool inside = request->peer->loopback && !request->peer->proxy &&
                  (!request->context->https || request->peer->tls) &&
                  !(request->context->auth != AUTH_LOCAL && request->has_voter);
    if (route->access == ROUTE_OPEN || (route->access == ROUTE_INSIDE && inside))
        return true;
    if (!route_may(request, route->act, err))
        return false;
    if (!is_local(request) && must_confirm(request))
        return err_set(err, ERR_CONFIRM,
                       "type your password again: an administrator's acts ask for it");
    if (route->access == ROUTE_START)
        return http_request_need_voter(request, err);
    if (route->access == ROUTE_OWNER && !request->has_voter)
        return err_set(err, ERR_NOT_FOUND, "there is no battle of this id among yours");
    return true;
}
