/* Writes down what competitors cost as it happens, and reads it back at the start: a daily budget
 * holds over a restart.
 *
 * What is written is what was spent and what is held for answers under way, so a process that dies
 * leaves at most too little room. Writes of one name that come close together are one. Loop's
 * thread; spender_new blocks and comes before serving. */
#ifndef ARENA_COMMAND_SPENDER_H
#define ARENA_COMMAND_SPENDER_H

#include "base/err.h"
#include "competitor/roster.h"
#include "store/store.h"

struct spender;

/* Restores today's sums into the roster's budgets, then watches them. Borrows both. */
struct spender *spender_new(struct roster *roster, struct store *store, struct err *err);
void spender_free(struct spender *spender); /* after the store's last answers; NULL is allowed */

#endif
