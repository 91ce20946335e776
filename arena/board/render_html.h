/* The leaderboard as one self-contained page: no script, no font, no request; plots are inline SVG.
 * Readable in light and dark, on paper and by screen readers. Pure; any thread. */
#ifndef ARENA_BOARD_RENDER_HTML_H
#define ARENA_BOARD_RENDER_HTML_H

#include "base/buf.h"
#include "board/leaderboard.h"

extern const char RENDER_STYLE[]; /* the page's CSS, the plots' included */

/* Appends text from outside so that it is no markup; control characters become spaces. */
void render_escaped(struct buf *out, const char *text);

void render_html(struct buf *out, const struct leaderboard *const *boards, size_t count);

#endif
