/* Which models a set of votes can put on one scale.
 *
 * Ratings exist and are unique exactly when every model can be reached from every other over
 * "has beaten or tied" (Ford's condition). Where that fails the models fall into groups that can
 * be rated only among themselves; the largest group is ranked and every other model is told why
 * it is not. Pure. */
#ifndef ARENA_RATING_CONNECT_H
#define ARENA_RATING_CONNECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rating/tally.h"

enum connect_reason {
    CONNECT_RANKED,
    CONNECT_NO_VOTES,
    CONNECT_UNDEFEATED,  /* never lost or tied */
    CONNECT_WINLESS,     /* never won or tied */
    CONNECT_SEPARATED,   /* no chain of votes leads to the ranked models */
    CONNECT_ALWAYS_WON,  /* its group only ever won against the ranked models */
    CONNECT_ALWAYS_LOST, /* its group only ever lost against them */
    CONNECT_REASONS
};

const char *connect_word(enum connect_reason reason); /* "undefeated", …; static */

struct connect {
    size_t models;
    enum connect_reason *reason; /* of each model */
    size_t ranked;               /* how many are CONNECT_RANKED: 0 or at least 2 */
    size_t components;           /* groups that no vote joins, models without votes left out */
};

/* Looks at the models with keep[k] (NULL: all) and the votes among them. The largest group wins; of
 * equal ones, the one with more votes, then the one with the lowest model number. */
bool connect_find(struct connect *connect, const struct tally *tally, const bool *keep,
                  struct err *err);
void connect_done(struct connect *connect);

#endif
