/* The leaderboard as one self-contained page (page.h); plots are inline SVG. Pure; any thread. */
#ifndef ARENA_BOARD_RENDER_HTML_H
#define ARENA_BOARD_RENDER_HTML_H

#include "base/buf.h"
#include "board/leaderboard.h"

void render_html(struct buf *out, const struct leaderboard *const *boards, size_t count);

#endif
