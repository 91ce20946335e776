/* The next finished pair of the queue, as a battle that is ready at once. The steps of HALL_NEXT
 * (actions.h): everything happens in the writer's transaction, so two requests never take the same
 * place; the battle comes into memory when its voter first does something with it. */
#ifndef ARENA_BATTLE_QUEUED_H
#define ARENA_BATTLE_QUEUED_H

#include "battle/op.h"

bool queued_prepare(struct op *op, struct err *err);
bool queued_apply(struct db *tx, struct op *op, struct err *err);

#endif
