/* A table from the format's word to its function. */
#include "board/render.h"

#include <string.h>

#include "board/page.h"
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

bool render(struct buf *out, const struct leaderboard *board, enum render_format format,
            int columns)
{
    return render_boards(out, &board, 1, format, columns);
}

/* Text formats put a board below the other. */
static void render_each(struct buf *out, const struct leaderboard *const *boards, size_t count,
                        enum render_format format, int columns)
{
    for (size_t k = 0; k < count; k++) {
        if (k)
            buf_add_char(out, '\n');
        if (format == RENDER_TABLE)
            render_table(out, boards[k], columns);
        else
            render_md(out, boards[k]);
    }
}

bool render_boards(struct buf *out, const struct leaderboard *const *boards, size_t count,
                   enum render_format format, int columns)
{
    static void (*const DRAW[RENDER_FORMATS])(struct buf *, const struct leaderboard *const *,
                                              size_t) = {
        [RENDER_JSON] = render_json, [RENDER_CSV] = render_csv, [RENDER_HTML] = render_html};
    if (DRAW[format])
        DRAW[format](out, boards, count);
    else
        render_each(out, boards, count, format, columns);
    return !out->failed;
}

void render_words(struct buf *out, const char *words, enum render_format format)
{
    if (format == RENDER_HTML)
        page_escaped(out, words);
    else if (format == RENDER_MD)
        render_md_words(out, words);
    else
        buf_add_string(out, words);
}
