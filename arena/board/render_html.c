/* Every plot is drawn here rather than by a script in the page, so that a saved board looks the
 * same in ten years and passes any content policy. Colours are CSS variables; text from outside is
 * escaped in one place. */
#include "board/render_html.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "board/render_json.h"
#include "board/render_plot.h"
#include "board/render_text.h"

const char RENDER_STYLE[] =
    ":root{--ink:#1c1d21;--soft:#6b7079;--line:#e3e5e9;--paper:#fff;--accent:#c2410c;--win:194,65,"
    "12;--"
    "loss:37,99,235}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8e9ec;--soft:#9aa0aa;--line:#2b2e34;--paper:#"
    "15171b;"
    "--accent:#fb923c;--win:251,146,60;--loss:96,165,250}}"
    "*{box-sizing:border-box}body{margin:0 auto;padding:2rem 1rem "
    "4rem;max-width:72rem;background:var(--paper);"
    "color:var(--ink);font:15px/1.5 "
    "system-ui,sans-serif}h1{font-size:1.7rem;margin:0}p~h1,div~h1{margin-top:4rem}nav{"
    "margin-bottom:1.5rem}a{color:var(--accent)}h2{font-size:1.15rem;margin:2.5rem "
    "0 .5rem}p{margin:.25rem "
    "0;color:var(--soft)}table{border-collapse:collapse;width:100%;font-variant-numeric:"
    "tabular-nums}th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid "
    "var(--line);white-space:nowrap}"
    "th{color:var(--soft);font-weight:500}.l{text-align:left;white-space:normal}svg{width:100%;"
    "height:"
    "auto;display:"
    "block}svg text{fill:var(--ink);font:11px "
    "system-ui,sans-serif}.ci{stroke:var(--accent);stroke-width:2}.dot{fill:"
    "var(--accent)}.grid{stroke:var(--line)}.axis{fill:var(--soft)}.scroll{overflow-x:auto}.scroll "
    "svg{min-width:44rem}.note{"
    "border-"
    "left:3px solid "
    "var(--accent);padding-left:.75rem}.win{fill:rgb(var(--win))}.loss{fill:rgb(var(--loss))}"
    ".time{fill:none;stroke-width:2}.s0{stroke:#4e79a7}.s1{stroke:#f28e2b}.s2{stroke:#e15759}"
    ".s3{stroke:#3a9c95}.s4{stroke:#59a14f}.s5{stroke:#b8911f}.s6{stroke:#b07aa1}"
    ".s7{stroke:#d3718a}.s8{stroke:#9c755f}.s9{stroke:#7d8590}.s10{stroke:var(--line);stroke-width:"
    "1}"
    "svg .f0{fill:#4e79a7}svg .f1{fill:#f28e2b}svg .f2{fill:#e15759}svg .f3{fill:#3a9c95}"
    "svg .f4{fill:#59a14f}svg .f5{fill:#b8911f}svg .f6{fill:#b07aa1}svg .f7{fill:#d3718a}"
    "svg .f8{fill:#9c755f}svg .f9{fill:#7d8590}";

void render_escaped(struct buf *out, const char *text)
{
    static const struct {
        char c;
        const char *entity;
    } ENTITIES[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    for (; *text; text++) {
        const char *entity = NULL;
        for (size_t k = 0; k < sizeof ENTITIES / sizeof *ENTITIES; k++)
            entity = ENTITIES[k].c == *text ? ENTITIES[k].entity : entity;
        if (entity)
            buf_add_string(out, entity);
        else
            buf_add_char(out, (unsigned char)*text < 0x20 ? ' ' : *text);
    }
}

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
        render_escaped(out, row->name);
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
        render_escaped(out, row->name);
        buf_printf(out,
                   "</td><td>%" PRIu64 "</td><td>%" PRIu64 "</td><td>%" PRIu64 "</td><td>%" PRIu64
                   "</td><td class=\"l\">",
                   row->record.votes, row->record.wins, row->record.losses,
                   render_ties(board, &row->record));
        render_escaped(out, row->reason);
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
        render_escaped(out, fragility->flips_to ? fragility->flips_to : "another model");
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
    buf_add_string(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width,initial-scale=1\"><title>Leaderboard: ");
    for (size_t k = 0; k < count; k++) {
        buf_add_string(out, k ? ", " : "");
        render_escaped(out, category_of(boards[k]));
    }
    buf_printf(out, "</title><style>%s</style></head><body>", RENDER_STYLE);
    for (size_t k = 0; k < count && count > 1; k++) {
        buf_printf(out, "%s<a href=\"#board%zu\">", k ? " · " : "<nav>", k);
        render_escaped(out, category_of(boards[k]));
        buf_add_string(out, k + 1 < count ? "</a>" : "</a></nav>\n");
    }
}

static void add_title(struct buf *out, const struct leaderboard *board, size_t number)
{
    struct buf subtitle;
    buf_init(&subtitle, 4096);
    render_subtitle(&subtitle, board);
    buf_printf(out, "<h1 id=\"board%zu\">Leaderboard: ", number);
    render_escaped(out, category_of(board));
    buf_printf(out, "</h1><p>%" PRIu64 " vote%s. ", board->votes, render_plural(board->votes));
    if (subtitle.data)
        render_escaped(out, subtitle.data);
    buf_printf(out, ". Method %s.</p>\n", LEADERBOARD_VERSION);
    buf_done(&subtitle);
    for (size_t k = 0; k < board->warning_count; k++) {
        buf_add_string(out, "<p class=\"note\">");
        render_escaped(out, board->warnings[k]);
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
    buf_add_string(out, "</body></html>\n");
}
