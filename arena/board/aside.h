/* What stands beside the arena's own board and is no function of the ratings: the categories
 * there are votes for, and how reliable each model is.
 *
 * The stored board (history, `arena verify`) is without it; what is served and shown has it as
 * further members. Nothing here may move before the battle that moves it is over: a voter could
 * read off the change who answers. */
#ifndef ARENA_BOARD_ASIDE_H
#define ARENA_BOARD_ASIDE_H

#include "base/buf.h"
#include "board/reliability.h"
#include "board/stored.h"

/* Puts its members at the end of the board's JSON object. False only when `json` failed. */
bool aside_append(struct buf *json, const struct stored_votes *votes,
                  const struct reliability *reliability);

#endif
