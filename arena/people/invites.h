/* Invitations: links that let somebody in once, with a role. And using one: from the token in the
 * link to a voter with a session. Loop's thread, except invites_make, which is pure. */
#ifndef ARENA_PEOPLE_INVITES_H
#define ARENA_PEOPLE_INVITES_H

#include "people/sessions.h"
#include "people/tokens.h"
#include "store/invitations.h"

#define INVITE_DAYS 30    /* unless told otherwise */
#define INVITES_MOST 1000 /* made at once: a batch is one transaction and one reply */

struct invite {
    char token[TOKEN_LENGTH + 1]; /* goes into the link, is shown once and stored nowhere */
    char id[INVITATION_ID_LENGTH + 1];
    struct invitation_record record;
};

struct invite_wish {
    enum voter_role role;
    const char *cohort, *note; /* NULL: none */
    const char *for_voter;     /* an existing voter's id; NULL: a new one */
    bool staff;
    int64_t days; /* until it expires; 0: INVITE_DAYS */
};

/* Makes one; `record` is then for invitations_insert. ERR_BAD_REQUEST for a cohort or note that is
 * too long. */
bool invites_make(struct invite *out, const struct invite_wish *wish, int64_t now_ms,
                  struct err *err);

/* Several at once, for the process that owns the data directory: prepare, store in one job (all or
 * none, with a line in the audit log), tell their tokens, done. Any thread, one at a time. */
struct invite_batch {
    struct invite *list;
    size_t count;
    const char *actor; /* for the audit log; borrowed */
    int64_t now_ms;
};
bool invites_prepare(struct invite_batch *batch, const struct invite_wish *wish, size_t count,
                     const char *actor, struct err *err);
bool invites_store(struct db *tx, const struct invite_batch *batch, struct err *err);
void invites_done(
    struct invite_batch *batch); /* wipes the tokens; a batch that was never prepared is zero */

/* Withdraws an open one by its id. ERR_NOT_FOUND: none is open under it. */
bool invites_withdraw(struct db *tx, const char *id, const char *actor, struct err *err);

/* Uses the token up: `reply` comes exactly once, on the loop, with the voter (borrowed for the
 * call) and the new session's token for the cookie, or with NULL and why not. */
void invites_redeem(struct sessions *sessions, struct store *store, struct text token,
                    void (*reply)(void *user, const struct voter *voter, const char *session,
                                  const struct err *err),
                    void *user);

#endif
