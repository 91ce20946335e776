/* A competitor's versions, oldest first: what each is, what changed from the one before, how many
 * battles and votes it had.
 *
 * Counted are battles that are over and counted votes, so that nothing tells who answers in one
 * that is not. Any thread with its own reader. */
#ifndef ARENA_BOARD_LINEAGE_H
#define ARENA_BOARD_LINEAGE_H

#include "base/err.h"
#include "base/json.h"
#include "store/competitors.h"

/* Writes {"name","versions":[…]} as schema/api.schema.json has it. `live` is the digest of the one
 * that answers now; "": none does; NULL: the newest. ERR_NOT_FOUND for a name that was never met.
 */
bool lineage_write(struct json_out *out, struct db *db, const char *name, const char *live,
                   struct err *err);

#endif
