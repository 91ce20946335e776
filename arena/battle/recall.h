/* Battles that are not in memory: read from the store by a worker, for one request. Both take
 * the op and see to its answer. Loop's thread. */
#ifndef ARENA_BATTLE_RECALL_H
#define ARENA_BATTLE_RECALL_H

#include "battle/op.h"

void recall_battle(
    struct op *op);              /* brings its battle back into memory, then goes on with op_run */
void recall_list(struct op *op); /* HALL_LIST */

#endif
