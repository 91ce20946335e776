/* A voter's own page: how to sign in again, what is stored, and to erase it; and an administrator's
 * word that it is still the same person (a password typed again, before administrative acts). */
#include "http/api.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "battle/hall.h"
#include "http/errand.h"
#include "http/link.h"
#include "http/proxied.h"
#include "http/response.h"
#include "people/addresses.h"
#include "people/invites.h"
#include "people/passwords.h"
#include "people/rates.h"
#include "store/appeals.h"
#include "store/consents.h"
#include "store/erasure.h"
#include "store/exclusions.h"
#include "store/logins.h"

#define WHAT "the request"
#define LINK_DAYS 1 /* another link for the same voter is used at once */

enum { REPLY_MAX = 16 << 10 };

/* What the steps of one of these requests share. */
struct account {
    char name[VOTER_NAME_SIZE];
    char *password, *current; /* owned, wiped */
    char hash[PASSWORD_HASH_SIZE];
    struct login login;
    struct consent consent; /* of who signs in */
    struct invite_batch batch;
};

static void wipe(char *secret)
{
    if (secret)
        secret_wipe(secret, strlen(secret));
    free(secret);
}

static void account_done(struct errand *errand)
{
    struct account *account = errand->data;
    wipe(account->password);
    wipe(account->current);
    invites_done(&account->batch);
    free(account);
}

/* NULL after it has answered. Nobody's account is nobody's, whatever the route lets in. */
static struct errand *account_errand(struct http_request *request, bool known)
{
    struct err err = ERR_INIT;
    struct errand *errand = errand_new(request, REPLY_MAX);
    if (!errand)
        return NULL;
    errand->data = calloc(1, sizeof(struct account));
    if (errand->data)
        errand->done = account_done;
    if (!errand->data)
        err_set(&err, ERR_MEMORY, "out of memory");
    else if (known && !request->has_voter)
        err_set(&err, ERR_NOT_FOUND, "nothing is stored of you here yet");
    if (err.code == ERR_NONE)
        return errand;
    errand_refuse(errand, &err);
    return NULL;
}

/* --- what is known --- */

static bool put_left_out(struct errand *errand, struct json_out *out, struct db *db,
                         struct err *err)
{
    struct exclusion_record exclusion;
    struct appeal appeal = {0};
    bool told;
    if (!exclusions_told(db, errand->voter.id, &exclusion, &told, err) ||
        (told && !appeals_newest(db, exclusion.voter, &appeal, err)))
        return false;
    if (!told) {
        json_put_null(out, "left_out");
        return true;
    }
    json_put_open(out, "left_out", '{');
    json_put_int(out, "from_ms", exclusion.from_ms);
    json_put_cstring(out, "appeal", appeal.at_ms >= exclusion.at_ms ? appeal.text : NULL);
    json_put_close(out, '}');
    return true;
}

static bool read_account(struct errand *errand, struct db *db, struct err *err)
{
    struct login login;
    if (!logins_by_voter(db, errand->voter.id, &login, err))
        return false;
    struct json_out out = json_out_to(&errand->out);
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "id", login.voter.id);
    json_put_cstring(&out, "name", *login.voter.name ? login.voter.name : NULL);
    json_put_cstring(&out, "role", voter_role_word(errand->voter.role));
    json_put_cstring(&out, "cohort", *login.voter.cohort ? login.voter.cohort : NULL);
    json_put_bool(&out, "password", *login.hash != '\0');
    json_put_int(&out, "since_ms", login.voter.created_ms);
    if (!put_left_out(errand, &out, db, err))
        return false;
    json_put_close(&out, '}');
    return true;
}

void api_account_get(struct http_request *request)
{
    struct errand *errand = account_errand(request, true);
    if (!errand)
        return;
    errand->read = read_account;
    errand_send(errand);
}

/* --- a password --- */

static bool is_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return *name && strlen(name) < VOTER_NAME_SIZE;
}

static bool copy_secret(const json_t *body, const char *key, bool needed, char **out,
                        struct err *err)
{
    const char *text = NULL;
    if (!(needed ? json_get_string : json_get_string_or)(body, key, WHAT, &text, err))
        return false;
    if (!text)
        return true;
    *out = strdup(text);
    return *out || err_set(err, ERR_MEMORY, "out of memory");
}

static bool read_secrets(const struct http_request *request, struct account *account, bool named,
                         struct err *err)
{
    static const char *const KEYS[] = {"name", "password", "current", NULL};
    const char *name = NULL;
    const json_t *body = request->json;
    if (!body)
        return err_set(err, ERR_BAD_REQUEST, "the request has no body");
    if (!json_only_keys(body, KEYS, WHAT, err) ||
        !(named ? json_get_string : json_get_string_or)(body, "name", WHAT, &name, err) ||
        !copy_secret(body, "password", true, &account->password, err) ||
        !copy_secret(body, "current", false, &account->current, err))
        return false;
    if (!named)
        return true;
    if (!is_name(name))
        return err_set(err, ERR_BAD_REQUEST, "a name has 1 to %d bytes and no control characters",
                       VOTER_NAME_SIZE - 1);
    memcpy(account->name, name, strlen(name) + 1);
    return true;
}

/* Tries are counted by the name that is tried and by where they come from. */
static bool take_tries(struct http_request *request, const char *name, struct err *err)
{
    struct rates *rates = request->context->rates;
    return !rates || (rates_take(rates, RATE_LOGIN, name, &request->retry_after, err) &&
                      proxied_take_rate(request, RATE_LOGIN, err));
}

/* A password's check takes long, and on the writer everything has its order: what was checked still
 * stands, and the voter is taken as it is by now; whoever changes it later changes the session too.
 */
static bool still_stands(struct errand *errand, struct db *tx, struct err *err)
{
    struct account *account = errand->data;
    struct login now;
    if (!logins_by_voter(tx, account->login.voter.id, &now, err))
        return false;
    if (strcmp(now.hash, account->login.hash) != 0)
        return err_set(err, ERR_CONFLICT, "the password has just been changed: try again");
    account->login = now;
    return consents_find(tx, now.voter.id, &account->consent, err);
}

static bool hash_new(struct errand *errand, struct db *db, struct err *err)
{
    struct account *account = errand->data;
    if (!logins_by_voter(db, errand->voter.id, &account->login, err))
        return false;
    if (*account->login.hash &&
        !(account->current && password_check(text_of(account->current), account->login.hash)))
        return err_set(err, ERR_FORBIDDEN, "the current password is not that");
    return password_hash(text_of(account->password), account->hash, err);
}

static bool store_new(struct errand *errand, struct db *tx, struct err *err)
{
    struct account *account = errand->data;
    return still_stands(errand, tx, err) &&
           logins_set(tx, errand->voter.id, account->name, account->hash, err);
}

static bool confirm(struct errand *errand, struct err *err)
{
    (void)err;
    sessions_confirm(errand->request->context->sessions, http_request_session(errand->request));
    return true;
}

/* Whoever knew the old password, or came in with it, is out: only this browser goes on, with a
 * session that nobody has seen. */
static bool start_anew(struct errand *errand, struct err *err)
{
    const struct account *account = errand->data;
    struct http_request *request = errand->request;
    struct sessions *sessions = request->context->sessions;
    if (!*account->login.hash || !http_request_session(request).length)
        return confirm(errand, err);
    struct voter voter = voter_from_record(&account->login.voter);
    voter.consent = account->consent;
    memcpy(voter.name, account->name, sizeof voter.name);
    if (!sessions_end_all(sessions, voter.id, err) ||
        !sessions_add(sessions, &voter, request->token, err))
        return false;
    sessions_confirm(sessions, text_of(request->token));
    return true;
}

void api_account_password(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct errand *errand = account_errand(request, true);
    if (!errand)
        return;
    errand->read = hash_new;
    errand->apply = store_new;
    errand->then = start_anew;
    if (read_secrets(request, errand->data, true, &err) &&
        take_tries(request, errand->voter.id, &err))
        errand_send(errand);
    else
        errand_refuse(errand, &err);
}

/* --- signing in with it --- */

/* A name that nobody has takes as long as a wrong password, and is told alike. */
static bool check_password(struct errand *errand, struct db *db, struct err *err)
{
    struct account *account = errand->data;
    bool found = true;
    if (!(*account->name ? logins_by_name(db, account->name, &account->login, &found, err)
                         : logins_by_voter(db, errand->voter.id, &account->login, err)))
        return false;
    bool set = found && *account->login.hash;
    if (password_check(text_of(account->password), set ? account->login.hash : NULL))
        return true;
    if (!*account->name && !set)
        return err_set(err, ERR_FORBIDDEN, "you have no password yet: set one on your own page");
    return err_set(err, *account->name ? ERR_UNAUTHORIZED : ERR_FORBIDDEN,
                   *account->name ? "no voter has this name and password"
                                  : "the password is not that");
}

static bool sign_in(struct errand *errand, struct err *err)
{
    struct account *account = errand->data;
    struct http_request *request = errand->request;
    struct voter voter = voter_from_record(&account->login.voter);
    voter.consent = account->consent;
    if (!sessions_add(request->context->sessions, &voter, request->token, err))
        return false;
    sessions_confirm(request->context->sessions, text_of(request->token));
    struct json_out out = json_out_to(&errand->out);
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "role", voter_role_word(voter.role));
    json_put_cstring(&out, "cohort", *voter.cohort ? voter.cohort : NULL);
    json_put_close(&out, '}');
    return true;
}

void api_login(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct errand *errand = account_errand(request, false);
    if (!errand)
        return;
    struct account *account = errand->data;
    errand->read = check_password;
    errand->apply = still_stands;
    errand->then = sign_in;
    if (request->context->auth == AUTH_PROXY)
        err_set(&err, ERR_FORBIDDEN, "the proxy in front of this arena signs people in");
    else if (read_secrets(request, account, true, &err) &&
             take_tries(request, account->name, &err)) {
        errand_send(errand);
        return;
    }
    errand_refuse(errand, &err);
}

void api_account_confirm(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct errand *errand = account_errand(request, true);
    if (!errand)
        return;
    errand->read = check_password;
    errand->then = confirm;
    if (read_secrets(request, errand->data, false, &err) &&
        take_tries(request, errand->voter.id, &err))
        errand_send(errand);
    else
        errand_refuse(errand, &err);
}

/* --- leaving --- */

void api_logout(struct http_request *request)
{
    static const char *const KEYS[] = {"everywhere", NULL};
    struct err err = ERR_INIT;
    bool everywhere = false, good = true;
    struct sessions *sessions = request->context->sessions;
    if (request->json)
        good = json_only_keys(request->json, KEYS, WHAT, &err) &&
               json_get_bool_or(request->json, "everywhere", WHAT, &everywhere, &err);
    if (good && sessions && request->has_voter)
        good = everywhere ? sessions_end_all(sessions, request->voter.id, &err)
                          : sessions_end(sessions, http_request_session(request), &err);
    if (good)
        response_json(request, 200, TEXT("{}"));
    else
        response_error(request, &err);
}

/* --- another link --- */

static bool store_link(struct errand *errand, struct db *tx, struct err *err)
{
    struct account *account = errand->data;
    return invites_store(tx, &account->batch, err);
}

static bool tell_link(struct errand *errand, struct err *err)
{
    (void)err;
    struct account *account = errand->data;
    struct json_out out = json_out_to(&errand->out);
    errand->status = 201;
    link_put_invitation(&out, errand->request, &account->batch.list[0]);
    return true;
}

void api_account_link(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct errand *errand = account_errand(request, true);
    if (!errand)
        return;
    struct account *account = errand->data;
    struct invite_wish wish = {
        .role = errand->voter.role, .for_voter = errand->voter.id, .days = LINK_DAYS};
    errand->apply = store_link;
    errand->then = tell_link;
    if (!proxied_take_own_rate(request, RATE_CHANGE, &err) ||
        !(request->context->auth == AUTH_INVITE
              ? invites_prepare(&account->batch, &wish, 1, errand->actor, &err)
              : err_set(&err, ERR_WRONG_STATE, "this arena has no links: see its auth mode")))
        errand_refuse(errand, &err);
    else
        errand_send(errand);
}

/* --- erasing everything --- */

static bool erase(struct errand *errand, struct db *tx, struct err *err)
{
    struct erasure_report report;
    if (!erasure_voter(tx, errand->voter.id, clock_wall_ms(), &report, err))
        return false;
    struct json_out out = json_out_to(&errand->out);
    json_put_open(&out, NULL, '{');
    json_put_int(&out, "battles", report.battles);
    json_put_int(&out, "votes", report.votes);
    json_put_close(&out, '}');
    return true;
}

static bool forget(struct errand *errand, struct err *err)
{
    (void)err;
    const struct http_context *context = errand->request->context;
    struct err ignored = ERR_INIT;
    hall_forget(context->hall, errand->voter.id, &ignored);
    if (context->addresses)
        addresses_forget(context->addresses, errand->voter.id);
    if (!sessions_end_all(context->sessions, errand->voter.id, &ignored))
        ignored = (struct err)ERR_INIT; /* their rows went with the voter's */
    return true;
}

static bool read_erasure(const struct http_request *request, struct err *err)
{
    static const char *const KEYS[] = {"erase", NULL};
    const char *what = "";
    if (request->json && (!json_only_keys(request->json, KEYS, WHAT, err) ||
                          !json_get_string_or(request->json, "erase", WHAT, &what, err)))
        return false;
    return strcmp(what, "everything") == 0 ||
           err_set(err, ERR_BAD_REQUEST,
                   WHAT ": nothing is erased without {\"erase\": \"everything\"}");
}

void api_account_erase(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct errand *errand = account_errand(request, true);
    if (!errand)
        return;
    errand->apply = erase;
    errand->then = forget;
    if (read_erasure(request, &err) &&
        (!request->context->hall || hall_forget(request->context->hall, errand->voter.id, &err)))
        errand_send(errand);
    else
        errand_refuse(errand, &err);
}
