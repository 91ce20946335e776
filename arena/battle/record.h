/* Battles into the store and out of it. The `record_` functions that take `tx` run on the
 * writer's thread inside a job and only read the battle, which stays busy (unchanged) until the
 * job is done; those that take a directory run on a worker with a connection of their own. */
#ifndef ARENA_BATTLE_RECORD_H
#define ARENA_BATTLE_RECORD_H

#include "base/buf.h"
#include "base/err.h"
#include "battle/battle.h"
#include "battle/story.h"
#include "store/store.h"

/* Stores a side's version where it is new; gives its id. */
bool record_version(struct db *tx, const struct story_side *side, int64_t now_ms, int64_t *version,
                    struct err *err);

/* A new battle with its first prompt; gives the ids of both versions. */
bool record_start(struct db *tx, const struct story *story, bool in_house_only, int64_t version[2],
                  struct err *err);

/* Ready to streaming, with the next prompt (`turn` its number), or for the last one again. */
bool record_turn(struct db *tx, const char *battle, int turn, struct text prompt, int64_t now_ms,
                 struct err *err);
bool record_again(struct db *tx, const char *battle, int64_t now_ms, struct err *err);

/* The last turn's two answers, who was swapped in, what went wrong; streaming to ready. */
bool record_answers(struct db *tx, const struct battle *battle, int64_t version[2], int64_t now_ms,
                    struct err *err);

/* What went wrong, and streaming to void. */
bool record_void(struct db *tx, const struct battle *battle, const char *code, int64_t now_ms,
                 struct err *err);

/* Fills an initialised story. ERR_NOT_FOUND: none of that id, or another voter's. */
bool record_load(const char *dir, const char *battle, const char *voter, struct story *story,
                 struct err *err);

/* The same on a connection that is open. */
bool record_read(struct db *db, const char *battle, const char *voter, struct story *story,
                 struct err *err);

/* What the whole battle, as the story has it, is about and looks like. `category`: what its prompt
 * came with; NULL: none. */
bool record_tags(struct db *tx, const struct story *story, const char *category, struct err *err);

/* {"battles":[…],"next"}: a voter's battles, newest first, those older than `before` (NULL: from
 * the newest). */
bool record_list(const char *dir, const char *voter, const char *before, int limit, struct buf *out,
                 struct err *err);

#endif
