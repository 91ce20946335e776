/* Who votes, and what a voter may do.
 *
 * A voter is a random id. In `local` mode whoever reaches the loopback address is the
 * administrator; in the other modes the role comes from the invitation. Every route asks
 * `voter_may` with the act that it stands for; nothing else in the house looks at roles. Plain
 * data: belongs to whoever holds it; `struct sessions` hands out borrowed ones on the loop's
 * thread. */
#ifndef ARENA_PEOPLE_VOTERS_H
#define ARENA_PEOPLE_VOTERS_H

#include "base/err.h"
#include "store/voters.h"

enum auth_mode { AUTH_LOCAL, AUTH_INVITE, AUTH_PROXY };
bool auth_mode_from(const char *word, enum auth_mode *mode); /* "local", "invite", "proxy" */

struct voter {
    int64_t number; /* the store's; 0 until it is known */
    char id[STORE_ID_SIZE];
    enum voter_role role;
    char name[VOTER_NAME_SIZE];
    char cohort[VOTER_COHORT_SIZE];
    bool staff;
    struct consent consent; /* what it agreed to last */
};

/* The version of the notice that web/join.html shows. Who agreed to another one is asked again. */
#define CONSENT_NOTICE "2026-11"

/* Has it agreed to the notice as it is now? */
bool voter_consented(const struct voter *voter);

struct voter voter_from_record(const struct voter_record *record);

/* name, the lowest role that may, what it is called in the refusal */
#define VOTER_ACT_MAP(X)                                                                           \
    X(ACT_BATTLE, ROLE_VOTER, "start a battle")                                                    \
    X(ACT_VOTE, ROLE_VOTER, "vote")                                                                \
    X(ACT_READ_BOARD, ROLE_VOTER, "read the leaderboard")                                          \
    X(ACT_READ_LIVE, ROLE_ANALYST, "read live figures")                                            \
    X(ACT_EXPORT, ROLE_ANALYST, "export votes")                                                    \
    X(ACT_EVALUATE, ROLE_ANALYST, "run evaluations")                                               \
    X(ACT_ADMINISTER, ROLE_ADMIN, "administer the arena")
enum voter_act {
#define X(name, role, words) name,
    VOTER_ACT_MAP(X)
#undef X
};

/* `voter` NULL is nobody: ERR_UNAUTHORIZED; too low a role is ERR_FORBIDDEN. Both say what was
 * refused. */
bool voter_may(const struct voter *voter, enum voter_act act, struct err *err);

#endif
