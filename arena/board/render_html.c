/* Every plot is drawn here rather than by a script in the page, so that a saved board looks the
 * same in ten years and passes any content policy. Colours are CSS variables; text from outside is
 * escaped in one place. */
#include "board/render_html.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "board/page.h"
#include "board/render_json.h"
#include "board/render_plot.h"
#include "board/render_text.h"

/* --- tables --- */

static void add_table(struct buf *out, const struct leaderboard *board)
{
    buf_add_string(
        out,
        "<div class=\"scroll\"><table><thead><tr><th>Rank</th><th>Range</th><th "
        "class=\"l\">Model</th>"
        "<th>Rating</th><th>Interval</th><th>P(best)</th><th>Votes</th><th>Won</th><th>Lost</th>"
        "<th>Tied</th><th>Win rate</th></tr></thead><tbody>");
    for (size_t k = 0; k < board->model_count; k++) {
        const struct leaderboard_model *row = &board->models[k];
        buf_printf(out, "<tr><td>%u</td><td>%u", row->rank, row->rank_lower);
        if (row->rank_upper > row->rank_lower)
            buf_printf(out, "–%u", row->rank_upper);
        buf_add_string(out, "</td><td class=\"l\">");
        page_escaped(out, row->name);
        buf_printf(out, "</td><td>%.1f</td><td>", row->rating);
        if (isfinite(row->rating_lower) && isfinite(row->rating_upper))
            buf_printf(out, "%.1f–%.1f", row->rating_lower, row->rating_upper);
        buf_printf(out,
                   "</td><td>%.1f %%</td><td>%" PRIu64 "</td><td>%" PRIu64 "</td><td>%" PRIu64
                   "</td><td>%" PRIu64 "</td><td>%.1f %%</td></tr>\n",
                   100 * row->best, row->record.votes, row->record.wins, row->record.losses,
                   render_ties(board, &row->record), 100 * row->win_rate);
    }
    buf_add_string(out, "</tbody></table></div>\n");
}

static void add_unranked(struct buf *out, const struct leaderboard *board)
{
    if (!board->unranked_count)
        return;
    buf_add_string(
        out, "<h2>Unranked</h2><div class=\"scroll\"><table><thead><tr><th "
             "class=\"l\">Model</th><th>Votes</th>"
             "<th>Won</th><th>Lost</th><th>Tied</th><th class=\"l\">Why</th></tr></thead><tbody>");
    for (size_t k = 0; k < board->unranked_count; k++) {
        const struct leaderboard_unranked *row = &board->unranked[k];
        buf_add_string(out, "<tr><td class=\"l\">");
        page_escaped(out, row->name);
        buf_printf(out,
                   "</td><td>%" PRIu64 "</td><td>%" PRIu64 "</td><td>%" PRIu64 "</td><td>%" PRIu64
                   "</td><td class=\"l\">",
                   row->record.votes, row->record.wins, row->record.losses,
                   render_ties(board, &row->record));
        page_escaped(out, row->reason);
        buf_add_string(out, "</td></tr>\n");
    }
    buf_add_string(out, "</tbody></table></div>\n");
}

/* --- the rest --- */

static void add_fragility(struct buf *out, const struct leaderboard *board)
{
    const struct leaderboard_fragility *fragility = &board->fragility;
    if (!fragility->known)
        return;
    buf_add_string(out, "<h2>What the order hangs on</h2>");
    if (fragility->votes_to_flip) {
        buf_printf(out, "<p>%" PRIu64 " vote%s (%.3f %%) would have to vanish for ",
                   fragility->votes_to_flip, render_plural(fragility->votes_to_flip),
                   100.0 * (double)fragility->votes_to_flip / (double)board->votes_used);
        page_escaped(out, fragility->flips_to ? fragility->flips_to : "another model");
        buf_add_string(out, " to be first.</p>");
    }
    if (!isnan(fragility->top_voter_share))
        buf_printf(out,
                   "<p>The busiest voter cast %.1f %% of the votes; leaving one voter out moves a "
                   "rank by at "
                   "most %u.</p>",
                   100 * fragility->top_voter_share, fragility->top_voter_rank_change);
    buf_printf(out, "<p>Counting ties another way moves a rank by at most %u.</p>\n",
               board->tie_rank_change);
    if (board->coefficient_count)
        buf_add_string(out, "<p>All this without control for style or position.</p>\n");
}

static const char *category_of(const struct leaderboard *board)
{
    return board->options.category ? board->options.category : "overall";
}

/* With links to the boards when there are several. */
static void add_head(struct buf *out, const struct leaderboard *const *boards, size_t count)
{
    struct buf title;
    buf_init(&title, 64 * 1024);
    buf_add_string(&title, "Leaderboard: ");
    for (size_t k = 0; k < count; k++)
        buf_printf(&title, "%s%s", k ? ", " : "", category_of(boards[k]));
    page_open(out, title.data ? title.data : "Leaderboard");
    buf_done(&title);
    for (size_t k = 0; k < count && count > 1; k++) {
        buf_printf(out, "%s<a href=\"#board%zu\">", k ? " · " : "<nav>", k);
        page_escaped(out, category_of(boards[k]));
        buf_add_string(out, k + 1 < count ? "</a>" : "</a></nav>\n");
    }
}

static void add_title(struct buf *out, const struct leaderboard *board, size_t number)
{
    struct buf subtitle;
    buf_init(&subtitle, 4096);
    render_subtitle(&subtitle, board);
    buf_printf(out, "<h1 id=\"board%zu\">Leaderboard: ", number);
    page_escaped(out, category_of(board));
    buf_printf(out, "</h1><p>%" PRIu64 " vote%s. ", board->votes, render_plural(board->votes));
    if (subtitle.data)
        page_escaped(out, subtitle.data);
    buf_printf(out, ". Method %s.</p>\n", LEADERBOARD_VERSION);
    buf_done(&subtitle);
    for (size_t k = 0; k < board->warning_count; k++) {
        buf_add_string(out, "<p class=\"note\">");
        page_escaped(out, board->warnings[k]);
        buf_add_string(out, ".</p>\n");
    }
}

void render_html(struct buf *out, const struct leaderboard *const *boards, size_t count)
{
    add_head(out, boards, count);
    for (size_t k = 0; k < count; k++) {
        const struct leaderboard *board = boards[k];
        add_title(out, board, k);
        if (board->model_count) {
            add_table(out, board);
            plot_ratings(out, board);
            plot_heat_map(out, board);
            plot_distribution(out, board);
            plot_history(out, board);
            plot_coefficients(out, board);
            add_fragility(out, board);
        }
        add_unranked(out, board);
    }
    page_close(out);
}
