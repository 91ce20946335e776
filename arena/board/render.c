/* A table from the format's word to its function. */
#include "board/render.h"

#include <string.h>

#include "board/render_html.h"
#include "board/render_json.h"
#include "board/render_text.h"

bool render_format_of(const char *word, enum render_format *format)
{
    static const char *const WORDS[RENDER_FORMATS] = {"table", "json", "csv", "md", "html"};
    for (int k = 0; k < RENDER_FORMATS; k++) {
        if (strcmp(WORDS[k], word) == 0) {
            *format = (enum render_format)k;
            return true;
        }
    }
    return false;
}

bool render(struct buf *out, const struct leaderboard *board, enum render_format format, int columns)
{
    static void (*const DRAW[RENDER_FORMATS])(struct buf *, const struct leaderboard *) = {
        NULL, render_json, render_csv, render_md, render_html};
    if (format == RENDER_TABLE)
        render_table(out, board, columns);
    else
        DRAW[format](out, board);
    return !out->failed;
}
