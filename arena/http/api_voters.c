/* /api/people and GET /api/invitations: who is here, as administrators see them, and what they
 * change about them. Nobody takes the administrator's role from oneself: one is always left. */
#include "http/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "board/live.h"
#include "http/errand.h"
#include "http/response.h"
#include "people/sessions.h"
#include "store/attendance.h"
#include "store/audit.h"
#include "store/invitations.h"

#define WHAT "the request"

enum { LIST_BYTES = 1 << 20, PAGE = 100, INVITATIONS = 2000, INVITATIONS_BYTES = 2 << 20 };

static void put_text(struct json_out *out, const char *key, const char *text)
{
    json_put_cstring(out, key, *text ? text : NULL);
}

static void put_ms(struct json_out *out, const char *key, int64_t ms)
{
    if (ms)
        json_put_int(out, key, ms);
    else
        json_put_null(out, key);
}

static void free_data(struct errand *errand)
{
    free(errand->data);
}

/* --- who is here --- */

struct listing {
    struct json_out out;
    int64_t before, count, next;
};

static void put_person(void *user, const struct attendance *person)
{
    struct listing *listing = user;
    struct json_out *out = &listing->out;
    if (++listing->count > PAGE) /* one more than is shown: there are more */
        return;
    listing->next = person->voter.number;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "id", person->voter.id);
    json_put_int(out, "voter", person->voter.number);
    put_text(out, "name", person->voter.name);
    json_put_cstring(out, "role", voter_role_word(person->voter.role));
    put_text(out, "cohort", person->voter.cohort);
    json_put_bool(out, "staff", person->voter.staff);
    json_put_bool(out, "password", person->password);
    json_put_int(out, "votes", person->votes);
    json_put_int(out, "counted", person->counted);
    json_put_int(out, "sessions", person->sessions);
    json_put_int(out, "since_ms", person->voter.created_ms);
    json_put_int(out, "last_ms", person->last_ms);
    json_put_close(out, '}');
}

static bool read_people(struct errand *errand, struct db *db, struct err *err)
{
    struct listing *listing = errand->data;
    int64_t people;
    listing->out = json_out_to(&errand->out);
    json_put_open(&listing->out, NULL, '{');
    json_put_open(&listing->out, "people", '[');
    if (!attendance_each(db, listing->before, PAGE + 1, clock_wall_ms(), put_person, listing,
                         err) ||
        !attendance_count(db, &people, err))
        return false;
    json_put_close(&listing->out, ']');
    json_put_int(&listing->out, "known", people);
    json_put_cstring(&listing->out, "you", *errand->voter.id ? errand->voter.id : NULL);
    put_ms(&listing->out, "next", listing->count > PAGE ? listing->next : 0);
    json_put_close(&listing->out, '}');
    return true;
}

void api_person_list(struct http_request *request)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct errand *errand = errand_new(request, LIST_BYTES);
    if (!errand)
        return;
    struct listing *listing = errand->data = calloc(1, sizeof *listing);
    errand->read = read_people;
    errand->done = free_data;
    if (listing && http_request_query_int(request, "before", &listing->before, &err))
        errand_send(errand);
    else
        errand_refuse(errand, &err);
}

/* --- changing one --- */

struct changing {
    struct voter_record record;
    char id[sizeof((struct http_request *)0)->part];
    const json_t *body; /* the request's, which is held */
};

static bool read_role(const json_t *body, struct voter_record *record, struct err *err)
{
    const char *role = NULL, *cohort = NULL;
    if (!json_get_string_or(body, "role", WHAT, &role, err) ||
        !json_get_string_or(body, "cohort", WHAT, &cohort, err) ||
        !json_get_bool_or(body, "staff", WHAT, &record->staff, err))
        return false;
    if (role && !voter_role_from(role, &record->role))
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"role\" must be voter, analyst or admin");
    if (cohort && strlen(cohort) >= sizeof record->cohort)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"cohort\" has at most %zu bytes",
                       sizeof record->cohort - 1);
    if (cohort)
        memcpy(record->cohort, cohort, strlen(cohort) + 1);
    return true;
}

static bool store_change(struct errand *errand, struct db *tx, struct err *err)
{
    struct changing *changing = errand->data;
    char detail[192];
    if (!voters_find(tx, changing->id, &changing->record, err))
        return false;
    enum voter_role before = changing->record.role;
    if (!read_role(changing->body, &changing->record, err))
        return false;
    if (changing->record.role != before && strcmp(changing->id, errand->voter.id) == 0)
        return err_set(err, ERR_WRONG_STATE,
                       "your own role is for another administrator to change");
    snprintf(detail, sizeof detail, "%s: %s, cohort %s%s", changing->id,
             voter_role_word(changing->record.role),
             *changing->record.cohort ? changing->record.cohort : "-",
             changing->record.staff ? ", staff" : "");
    struct audit_record audit = {
        .at_ms = clock_wall_ms(), .actor = errand->actor, .act = "change voter", .detail = detail};
    return voters_change(tx, &changing->record, err) && audit_add(tx, &audit, err);
}

/* Boards without staff follow whoever is staff now. */
static void tell_boards(const struct http_context *context)
{
    if (context->live)
        live_staffed(context->live);
    if (context->published)
        live_staffed(context->published);
}

static bool tell_change(struct errand *errand, struct err *err)
{
    (void)err;
    const struct changing *changing = errand->data;
    struct voter voter = voter_from_record(&changing->record);
    if (errand->request->context->sessions)
        sessions_change(errand->request->context->sessions, changing->id, &voter);
    tell_boards(errand->request->context);
    struct json_out out = json_out_to(&errand->out);
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "id", changing->id);
    json_put_cstring(&out, "role", voter_role_word(voter.role));
    put_text(&out, "cohort", voter.cohort);
    json_put_bool(&out, "staff", voter.staff);
    json_put_close(&out, '}');
    return true;
}

/* NULL after it has answered. */
static struct errand *change_errand(struct http_request *request)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct errand *errand = errand_new(request, 1024);
    if (!errand)
        return NULL;
    struct changing *changing = errand->data = calloc(1, sizeof *changing);
    errand->done = free_data;
    if (!changing) {
        errand_refuse(errand, &err);
        return NULL;
    }
    snprintf(changing->id, sizeof changing->id, "%s", request->part);
    changing->body = request->json;
    return errand;
}

void api_person_change(struct http_request *request)
{
    static const char *const KEYS[] = {"role", "cohort", "staff", NULL};
    struct err err = ERR_INIT;
    struct errand *errand = change_errand(request);
    if (!errand)
        return;
    errand->apply = store_change;
    errand->then = tell_change;
    if (!request->json)
        err_set(&err, ERR_BAD_REQUEST, "the request has no body");
    else if (request->context->auth == AUTH_PROXY && json_object_get(request->json, "role"))
        err_set(&err, ERR_WRONG_STATE, "the configuration names who does what here");
    else if (json_only_keys(request->json, KEYS, WHAT, &err)) {
        errand_send(errand);
        return;
    }
    errand_refuse(errand, &err);
}

/* --- signing one out everywhere --- */

static bool store_signout(struct errand *errand, struct db *tx, struct err *err)
{
    struct changing *changing = errand->data;
    struct audit_record audit = {.at_ms = clock_wall_ms(),
                                 .actor = errand->actor,
                                 .act = "end sessions",
                                 .detail = changing->id};
    return voters_find(tx, changing->id, &changing->record, err) &&
           voter_sessions_revoke_all(tx, changing->id, err) && audit_add(tx, &audit, err);
}

/* In memory too, and what was made meanwhile. */
static bool end_sessions(struct errand *errand, struct err *err)
{
    const struct changing *changing = errand->data;
    return sessions_end_all(errand->request->context->sessions, changing->id, err);
}

void api_person_signout(struct http_request *request)
{
    struct errand *errand = change_errand(request);
    if (!errand)
        return;
    errand->apply = store_signout;
    errand->then = end_sessions;
    errand_send(errand);
}

/* --- invitations --- */

static const char *standing(const struct invitation_record *record, int64_t now_ms)
{
    return record->revoked_ms                                   ? "withdrawn"
           : record->used_ms                                    ? "used"
           : record->expires_ms && record->expires_ms <= now_ms ? "expired"
                                                                : "open";
}

static void put_invitation(void *user, const struct invitation_record *record)
{
    struct listing *listing = user;
    struct json_out *out = &listing->out;
    char hex[DIGEST_HEX + 1];
    if (++listing->count > INVITATIONS)
        return;
    hex_encode(record->token_hash, DIGEST_SIZE, hex);
    hex[INVITATION_ID_LENGTH] = '\0';
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "id", hex);
    json_put_cstring(out, "state", standing(record, clock_wall_ms()));
    json_put_cstring(out, "role", voter_role_word(record->role));
    put_text(out, "cohort", record->cohort);
    put_text(out, "note", record->note);
    json_put_bool(out, "another", *record->for_voter != '\0');
    put_text(out, "used_by", record->used_by);
    json_put_int(out, "created_ms", record->created_ms);
    put_ms(out, "expires_ms", record->expires_ms);
    put_ms(out, "used_ms", record->used_ms);
    json_put_close(out, '}');
}

static bool read_invitations(struct errand *errand, struct db *db, struct err *err)
{
    struct listing listing = {.out = json_out_to(&errand->out)};
    json_put_open(&listing.out, NULL, '{');
    json_put_open(&listing.out, "invitations", '[');
    if (!invitations_each(db, put_invitation, &listing, err))
        return false;
    json_put_close(&listing.out, ']');
    json_put_int(&listing.out, "known", listing.count);
    json_put_close(&listing.out, '}');
    return true;
}

void api_invitation_list(struct http_request *request)
{
    struct errand *errand = errand_new(request, INVITATIONS_BYTES);
    if (!errand)
        return;
    errand->read = read_invitations;
    errand_send(errand);
}
