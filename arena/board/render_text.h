/* The leaderboard as text for people and tools: the terminal's table, CSV, Markdown. Pure; any
 * thread.
 */
#ifndef ARENA_BOARD_RENDER_TEXT_H
#define ARENA_BOARD_RENDER_TEXT_H

#include "base/buf.h"
#include "board/leaderboard.h"

void render_table(struct buf *out, const struct leaderboard *board, int columns);
/* Of several boards, with a first column that says which. */
void render_csv(struct buf *out, const struct leaderboard *const *boards, size_t count);
void render_md(struct buf *out, const struct leaderboard *board);

/* Appends text from outside so that it ends no cell and begins no markup. */
void render_md_words(struct buf *out, const char *text);

/* "Bradley-Terry, clustered 95 % intervals, …": what the board is, in one line. */
void render_subtitle(struct buf *out, const struct leaderboard *board);

#endif
