/* Which categories there are votes for: what a page may offer to choose from.
 *
 * Counts every vote for each of LMArena's categories that it falls into, and for its language;
 * the names are those that select_category takes. One owner; at most CATALOGUE_LANGUAGES
 * languages, further ones are not listed. */
#ifndef ARENA_BOARD_CATALOGUE_H
#define ARENA_BOARD_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "rating/tally.h"

#define CATALOGUE_LANGUAGES 64

struct catalogue;

struct catalogue *catalogue_new(struct err *err);
void catalogue_free(struct catalogue *catalogue); /* NULL is allowed */

/* Counts a vote by its tags, a JSON object (empty: none). Tags that cannot be read count as
 * none. */
void catalogue_add(struct catalogue *catalogue, struct text tags, enum outcome outcome);

/* [{"name","votes"}], those with votes: the categories in LMArena's order, then languages by
 * votes. */
void catalogue_write(const struct catalogue *catalogue, struct json_out *out, const char *key);

#endif
