/* The invitation is used up and its voter made in one job; the session follows when that is
 * committed, so that a refused invitation leaves nothing behind. */
#include "people/invites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "store/audit.h"

#define DAY_MS INT64_C(86400000)

static bool copy_text(char *out, size_t size, const char *text, const char *what, struct err *err)
{
    size_t length = text != NULL ? strlen(text) : 0;
    if (length >= size)
        return err_set(err, ERR_BAD_REQUEST, "the %s is too long: at most %zu bytes", what,
                       size - 1);
    memcpy(out, text != NULL ? text : "", length + 1);
    return true;
}

bool invites_make(struct invite *out, const struct invite_wish *wish, int64_t now_ms,
                  struct err *err)
{
    char hex[DIGEST_HEX + 1];
    *out =
        (struct invite){.record = {.role = wish->role, .staff = wish->staff, .created_ms = now_ms}};
    out->record.expires_ms = now_ms + (wish->days > 0 ? wish->days : INVITE_DAYS) * DAY_MS;
    if (!copy_text(out->record.cohort, sizeof out->record.cohort, wish->cohort, "cohort", err) ||
        !copy_text(out->record.note, sizeof out->record.note, wish->note, "note", err) ||
        !copy_text(out->record.for_voter, sizeof out->record.for_voter, wish->for_voter,
                   "voter's id", err))
        return false;
    token_new(out->token);
    token_hash(text_of(out->token), out->record.token_hash);
    hex_encode(out->record.token_hash, DIGEST_SIZE, hex);
    memcpy(out->id, hex, INVITATION_ID_LENGTH);
    return true;
}

/* --- several at once --- */

bool invites_prepare(struct invite_batch *batch, const struct invite_wish *wish, size_t count,
                     const char *actor, struct err *err)
{
    *batch = (struct invite_batch){.actor = actor, .now_ms = clock_wall_ms()};
    batch->list = calloc(count, sizeof *batch->list);
    if (batch->list == NULL)
        return err_set(err, ERR_MEMORY, "no memory for %zu invitations: ask for fewer", count);
    for (; batch->count < count; batch->count++)
        if (!invites_make(&batch->list[batch->count], wish, batch->now_ms, err))
            return false;
    return true;
}

bool invites_store(struct db *tx, const struct invite_batch *batch, struct err *err)
{
    char detail[80];
    const char *role = voter_role_word(batch->list[0].record.role);
    snprintf(detail, sizeof detail, "%zu for the role %s", batch->count, role);
    struct audit_record audit = {
        .at_ms = batch->now_ms, .actor = batch->actor, .act = "invite", .detail = detail};
    for (size_t i = 0; i < batch->count; i++)
        if (!invitations_insert(tx, &batch->list[i].record, err))
            return false;
    return audit_add(tx, &audit, err);
}

void invites_done(struct invite_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        secret_wipe(batch->list[i].token, sizeof batch->list[i].token);
    free(batch->list);
    *batch = (struct invite_batch){0};
}

bool invites_withdraw(struct db *tx, const char *id, const char *actor, struct err *err)
{
    int64_t now_ms = clock_wall_ms();
    struct audit_record audit = {
        .at_ms = now_ms, .actor = actor, .act = "revoke invitation", .detail = id};
    return invitations_revoke(tx, id, now_ms, err) && audit_add(tx, &audit, err);
}

/* --- using one --- */

struct redeeming {
    struct sessions *sessions;
    uint8_t token_hash[DIGEST_SIZE];
    int64_t now_ms;
    struct voter_record voter;
    struct consent consent; /* of a voter that comes back */
    void (*reply)(void *user, const struct voter *voter, const char *session,
                  const struct err *err);
    void *user;
};

static bool make_voter(struct db *tx, struct redeeming *redeeming,
                       const struct invitation_record *invitation, struct err *err)
{
    redeeming->voter = (struct voter_record){
        .role = invitation->role, .staff = invitation->staff, .created_ms = redeeming->now_ms};
    random_id(redeeming->voter.id);
    memcpy(redeeming->voter.cohort, invitation->cohort, sizeof redeeming->voter.cohort);
    return voters_insert(tx, &redeeming->voter, err);
}

static bool redeem(struct db *tx, void *data, struct err *err)
{
    struct redeeming *redeeming = data;
    struct invitation_record invitation;
    if (!invitations_use(tx, redeeming->token_hash, redeeming->now_ms, &invitation, err))
        return false;
    bool known = invitation.for_voter[0] != '\0';
    return (known ? voters_find(tx, invitation.for_voter, &redeeming->voter, err) &&
                        consents_find(tx, invitation.for_voter, &redeeming->consent, err)
                  : make_voter(tx, redeeming, &invitation, err)) &&
           invitations_used_by(tx, redeeming->token_hash, redeeming->voter.id, err);
}

static void redeemed(void *data, const struct err *err)
{
    struct redeeming *redeeming = data;
    struct err why = *err;
    char session[SESSION_TOKEN_LENGTH + 1] = "";
    const struct voter *voter = NULL;
    if (why.code == ERR_NONE) {
        struct voter new = voter_from_record(&redeeming->voter);
        new.consent = redeeming->consent;
        voter = sessions_add(redeeming->sessions, &new, session, &why);
    }
    redeeming->reply(redeeming->user, voter, session, &why);
    free(redeeming);
}

void invites_redeem(struct sessions *sessions, struct store *store, struct text token,
                    void (*reply)(void *user, const struct voter *voter, const char *session,
                                  const struct err *err),
                    void *user)
{
    struct err err = ERR_INIT;
    struct redeeming *redeeming = malloc(sizeof *redeeming);
    if (redeeming == NULL) {
        err_set(&err, ERR_MEMORY, "no memory for an invitation: try again");
        reply(user, NULL, NULL, &err);
        return;
    }
    *redeeming = (struct redeeming){
        .sessions = sessions, .now_ms = clock_wall_ms(), .reply = reply, .user = user};
    struct store_job job = {redeem, redeemed, redeeming};
    if (!token_hash(token, redeeming->token_hash))
        err_set(&err, ERR_NOT_FOUND, "this invitation is not known: ask for another link");
    else if (store_submit(store, &job, &err))
        return;
    redeemed(redeeming, &err);
}
