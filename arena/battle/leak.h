/* Does an answer tell who wrote it? Such a battle is not blind: its vote is kept, not counted.
 *
 * Looked for are the competitor's whole name, its organisation and its aliases, as whole words,
 * in any case. A term made of common words alone ("our lab") says nothing by itself and counts
 * only where the answer speaks of itself with it ("I am …", "made by …"); parts of a name never
 * count. Only the assistant's own text is looked at, a lane's against its own competitor. Linear
 * in the text. Pure; a leak belongs to one thread at a time. */
#ifndef ARENA_BATTLE_LEAK_H
#define ARENA_BATTLE_LEAK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "competitor/competitor.h"

struct leak;

/* Returns new: a detector for one competitor; NULL with `err`. */
struct leak *leak_new(const struct competitor_config *config, struct err *err);
void leak_free(struct leak *leak);

bool leak_found(const struct leak *leak, struct text answer);

#endif
