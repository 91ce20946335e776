/* Invitations: links that let somebody in once, with a role. And using one: from the token in the link to a
 * voter with a session. Loop's thread, except invites_make, which is pure. */
#ifndef ARENA_PEOPLE_INVITES_H
#define ARENA_PEOPLE_INVITES_H

#include "people/sessions.h"
#include "people/tokens.h"
#include "store/invitations.h"

#define INVITE_DAYS 30 /* unless told otherwise */

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

/* Makes one; `record` is then for invitations_insert. ERR_BAD_REQUEST for a cohort or note that is too
 * long. */
bool invites_make(struct invite *out, const struct invite_wish *wish, int64_t now_ms, struct err *err);

/* Uses the token up: `reply` comes exactly once, on the loop, with the voter (borrowed for the call) and
 * the new session's token for the cookie, or with NULL and why not. */
void invites_redeem(struct sessions *sessions, struct store *store, struct text token,
                    void (*reply)(void *user, const struct voter *voter, const char *session,
                                  const struct err *err),
                    void *user);

#endif
