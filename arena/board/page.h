/* A page that arena writes into a file (a board, a report): self-contained, with no script, no font
 * and no request. Readable in light and dark, on paper and by screen readers. Pure; any thread. */
#ifndef ARENA_BOARD_PAGE_H
#define ARENA_BOARD_PAGE_H

#include "base/buf.h"

/* Begins a page, up to where its own content comes; `title` is plain text. */
void page_open(struct buf *out, const char *title);

void page_close(struct buf *out);

/* Takes page_close back, so that more can follow. */
void page_reopen(struct buf *out);

/* Appends text from outside so that it is no markup; control characters become spaces. */
void page_escaped(struct buf *out, const char *text);

#endif
