/* Changes to the configuration's text: a competitor's row added, a member of a row set or taken
 * away.
 *
 * The rest of the file stays as it was written, to the byte: numbers, order and layout. The text is
 * JSON that was read before, with "competitors" a list of objects. Pure, any thread. */
#ifndef ARENA_COMPETITOR_ROSTER_FILE_H
#define ARENA_COMPETITOR_ROSTER_FILE_H

#include "base/buf.h"
#include "base/err.h"

/* Appends the row (a JSON object) to the list and writes the new text to `out`. */
bool roster_file_add(struct text text, struct text row, struct buf *out, struct err *err);

/* Sets a member of the row at `index` to a value, which is JSON; NULL: takes it away. */
bool roster_file_set(struct text text, size_t index, const char *key, const char *value,
                     struct buf *out, struct err *err);

#endif
