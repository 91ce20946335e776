/* Cells of a CSV file that people open in a spreadsheet (RFC 4180).
 *
 * What a spreadsheet would compute as a formula gets an apostrophe in front, so that what a
 * stranger wrote stays text; so does what begins with an apostrophe itself, so that whoever reads
 * it can take exactly ours away (board/row.h). Any thread. */
#ifndef ARENA_BASE_CSV_H
#define ARENA_BASE_CSV_H

#include <string.h>

#include "base/buf.h"

/* Does a cell that begins so get the apostrophe? */
static inline bool csv_is_guarded(char first)
{
    return first != '\0' && strchr("=+-@\t\r'", first) != NULL;
}

/* One cell, quoted where it has to be; commas and line ends are the caller's. */
void csv_cell(struct buf *out, struct text text);

#endif
