/* Leaderboards as text: one function for the five formats. Output is a function of the leaderboard
 * alone (no clock, no locale), so the same board always gives the same bytes. Pure; any thread. */
#ifndef ARENA_BOARD_RENDER_H
#define ARENA_BOARD_RENDER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "board/leaderboard.h"

#define RENDER_MAX (64u << 20) /* a board of 2,048 models with its matrices stays below */

enum render_format {
    RENDER_TABLE,
    RENDER_JSON,
    RENDER_CSV,
    RENDER_MD,
    RENDER_HTML,
    RENDER_FORMATS
};

/* False when the word names no format. */
bool render_format_of(const char *word, enum render_format *format);

/* Appends to `out`; false only when `out` failed. `columns`: the terminal's width for the table (0:
 * 100). */
bool render(struct buf *out, const struct leaderboard *board, enum render_format format,
            int columns);

/* Appends words from outside so that they are no markup of the format. */
void render_words(struct buf *out, const char *words, enum render_format format);

/* Several boards as one text: JSON {"boards": [...]}, CSV with a first column `category`, one page.
 * One board alone is as render() has it. */
bool render_boards(struct buf *out, const struct leaderboard *const *boards, size_t count,
                   enum render_format format, int columns);

#endif
