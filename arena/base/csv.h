/* Cells of a CSV file that people open in a spreadsheet (RFC 4180).
 *
 * What a spreadsheet would compute as a formula gets an apostrophe in front, so that what a
 * stranger wrote stays text. Any thread. */
#ifndef ARENA_BASE_CSV_H
#define ARENA_BASE_CSV_H

#include "base/buf.h"

/* One cell, quoted where it has to be; commas and line ends are the caller's. */
void csv_cell(struct buf *out, struct text text);

#endif
