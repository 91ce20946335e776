/* What a voter may see of a battle, as JSON: the one place that decides when a name, a finish or
 * a count may be told.
 *
 * Before the vote: the prompts, the answers' own text as far as it was shown, the state, the
 * commitment. After it: the winner and whether it counts. After the reveal: the names and the
 * rest. Pure. */
#ifndef ARENA_BATTLE_VIEW_H
#define ARENA_BATTLE_VIEW_H

#include "base/buf.h"
#include "base/json.h"
#include "battle/story.h"

/* A whole battle, for GET. `shown` is the text that stands on the voter's page while the last
 * turn streams. */
void view_battle(struct buf *out, const struct story *story, const struct text shown[2]);

/* {"battle_id","state","turn","commitment"}: the answer to everything that only moves a battle
 * on. */
void view_step(struct buf *out, const struct story *story);

/* {"battle_id","state","winner","counted","reason","models","nonce"}: to a vote, a reveal. */
void view_vote(struct buf *out, const struct story *story);

/* The answer to HALL_PRIVATE. */
void view_private(struct buf *out, const struct story *story, bool keep_private);

/* Members of the error for a second vote, with what the first committed. */
void view_error(struct buf *out, const struct err *err, const struct story *story);

/* A battle in a list; `prompt` is its opening. */
void view_summary(struct json_out *out, const struct story *story, struct text prompt, int turns);

#endif
