/* The plots of a leaderboard's page, as SVG with a heading each; a plot that the board has nothing
 * for is left out. Pure; any thread. */
#ifndef ARENA_BOARD_RENDER_PLOT_H
#define ARENA_BOARD_RENDER_PLOT_H

#include "base/buf.h"
#include "board/leaderboard.h"

void plot_ratings(struct buf *out, const struct leaderboard *board);
void plot_heat_map(struct buf *out, const struct leaderboard *board);
void plot_distribution(struct buf *out, const struct leaderboard *board);
void plot_history(struct buf *out, const struct leaderboard *board);
void plot_coefficients(struct buf *out, const struct leaderboard *board);

#endif
