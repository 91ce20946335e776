/* Token buckets: how often a voter, a session or an address may do something. In memory, on the
 * loop's thread.
 *
 * A bucket holds `burst` tokens and refills at `per_minute`; an act takes one. Buckets that are
 * full again are forgotten, and at most LIMIT_RATE_BUCKETS are held: past it the fullest of a
 * few looked at makes room, so that a flood of new addresses cannot grow memory. */
#ifndef ARENA_PEOPLE_RATES_H
#define ARENA_PEOPLE_RATES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* kind, per minute, burst, what the refusal calls it */
#define RATE_MAP(X)                                                                                \
    X(RATE_BATTLE, 30, 20, "battles")                                                              \
    X(RATE_TURN, 60, 30, "turns")                                                                  \
    X(RATE_VOTE, 60, 30, "votes")                                                                  \
    X(RATE_SESSION, 60, 60, "new sessions")                                                        \
    X(RATE_LOGIN, 5, 10, "attempts to log in")                                                     \
    X(RATE_REQUEST, 5, 5, "requests for access")                                                   \
    X(RATE_CHANGE, 20, 20, "changes of your account")                                              \
    X(RATE_OWN, 60, 60, "looks at what is stored of you")
enum rate_kind {
#define X(kind, per_minute, burst, words) kind,
    RATE_MAP(X)
#undef X
        RATE_KINDS
};

struct rates;

struct rates *rates_new(void); /* NULL only without memory */
void rates_free(struct rates *rates);

/* An operator's own numbers for a kind; per_minute 0 lifts the limit. */
void rates_set(struct rates *rates, enum rate_kind kind, double per_minute, double burst);

/* Takes a token of `who` (a voter's id, an address's name of people/addresses.h). ERR_TOO_MANY says
 * how long to wait; *retry_after_s (which may be NULL) is that in whole seconds, at least 1. */
bool rates_take(struct rates *rates, enum rate_kind kind, const char *who, int *retry_after_s,
                struct err *err);

#endif
