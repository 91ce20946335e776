/* How a battle begins: who meets whom, and the battle that is made of them. The steps of
 * HALL_START (actions.h). */
#ifndef ARENA_BATTLE_OPENING_H
#define ARENA_BATTLE_OPENING_H

#include "battle/op.h"

bool opening_prepare(struct op *op, struct err *err);
bool opening_apply(struct db *tx, struct op *op, struct err *err);
void opening_committed(struct op *op);
void opening_undone(struct op *op, const struct err *err);

/* The body's "prompt", checked; and whether this voter may have one more battle streaming. For
 * further turns too. */
bool opening_prompt(const struct op *op, struct text *out, struct err *err);
bool opening_may_stream(const struct op *op, struct err *err);

#endif
