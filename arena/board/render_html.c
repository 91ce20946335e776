/* Every plot is drawn here rather than by a script in the page, so that a saved board looks the
 * same in ten years and passes any content policy. Colours are CSS variables; text from outside is
 * escaped in one place. */
#include "board/render_html.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "board/render_json.h"
#include "board/render_text.h"

#define HEAT_MOST 60 /* models in the heat map and the rank plot: more would be unreadable */

static const char STYLE[] =
    ":root{--ink:#1c1d21;--soft:#6b7079;--line:#e3e5e9;--paper:#fff;--accent:#c2410c;--win:194,65,"
    "12;--"
    "loss:37,99,235}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8e9ec;--soft:#9aa0aa;--line:#2b2e34;--paper:#"
    "15171b;"
    "--accent:#fb923c;--win:251,146,60;--loss:96,165,250}}"
    "*{box-sizing:border-box}body{margin:0 auto;padding:2rem 1rem "
    "4rem;max-width:72rem;background:var(--paper);"
    "color:var(--ink);font:15px/1.5 "
    "system-ui,sans-serif}h1{font-size:1.7rem;margin:0}p~h1,div~h1,svg~h1{margin-top:4rem}nav{"
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
    "var(--accent)}.grid{stroke:var(--line)}.axis{fill:var(--soft)}.scroll{overflow-x:auto}.note{"
    "border-"
    "left:3px solid "
    "var(--accent);padding-left:.75rem}.win{fill:rgb(var(--win))}.loss{fill:rgb(var(--loss))}";

static void add_escaped(struct buf *out, const char *text)
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
        buf_printf(out, "<tr><td>%u</td><td>%u–%u</td><td class=\"l\">", row->rank, row->rank_lower,
                   row->rank_upper);
        add_escaped(out, row->name);
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
        add_escaped(out, row->name);
        buf_printf(out,
                   "</td><td>%" PRIu64 "</td><td>%" PRIu64 "</td><td>%" PRIu64 "</td><td>%" PRIu64
                   "</td><td class=\"l\">",
                   row->record.votes, row->record.wins, row->record.losses,
                   render_ties(board, &row->record));
        add_escaped(out, row->reason);
        buf_add_string(out, "</td></tr>\n");
    }
    buf_add_string(out, "</tbody></table></div>\n");
}

/* --- ratings with their intervals --- */

struct axis {
    double low, high, step;
};

static struct axis axis_of(const struct leaderboard *board)
{
    struct axis axis = {INFINITY, -INFINITY, 0};
    for (size_t k = 0; k < board->model_count; k++) {
        const struct leaderboard_model *row = &board->models[k];
        axis.low = fmin(axis.low, isfinite(row->rating_lower) ? row->rating_lower : row->rating);
        axis.high = fmax(axis.high, isfinite(row->rating_upper) ? row->rating_upper : row->rating);
    }
    double span = fmax(axis.high - axis.low, 1);
    axis.step = pow(10, floor(log10(span / 4)));
    axis.step *= span / axis.step > 20 ? 5 : span / axis.step > 8 ? 2 : 1;
    axis.low = floor(axis.low / axis.step) * axis.step;
    axis.high = ceil(axis.high / axis.step) * axis.step;
    return axis;
}

#define PLOT_LEFT 220.0
#define PLOT_WIDTH 740.0

static double axis_x(const struct axis *axis, double value)
{
    return PLOT_LEFT + PLOT_WIDTH * (value - axis->low) / fmax(axis->high - axis->low, 1e-9);
}

static void add_ratings(struct buf *out, const struct leaderboard *board)
{
    struct axis axis = axis_of(board);
    size_t n = board->model_count;
    buf_printf(out,
               "<h2>Ratings and their intervals</h2><svg viewBox=\"0 0 1000 %zu\" role=\"img\" "
               "aria-label=\"Ratings "
               "with intervals\">\n",
               18 * n + 30);
    for (double at = axis.low; at <= axis.high + 0.5 * axis.step; at += axis.step)
        buf_printf(out,
                   "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"%zu\"/><text "
                   "class=\"axis\" x=\"%.1f\" "
                   "y=\"%zu\" text-anchor=\"middle\">%.0f</text>\n",
                   axis_x(&axis, at), axis_x(&axis, at), 18 * n + 8, axis_x(&axis, at), 18 * n + 24,
                   at);
    for (size_t k = 0; k < n; k++) {
        const struct leaderboard_model *row = &board->models[k];
        buf_printf(out, "<text x=\"%.0f\" y=\"%zu\" text-anchor=\"end\">", PLOT_LEFT - 10,
                   18 * k + 16);
        add_escaped(out, row->name);
        buf_add_string(out, "</text>");
        if (isfinite(row->rating_lower) && isfinite(row->rating_upper))
            buf_printf(out, "<line class=\"ci\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%zu\" y2=\"%zu\"/>",
                       axis_x(&axis, row->rating_lower), axis_x(&axis, row->rating_upper),
                       18 * k + 12, 18 * k + 12);
        buf_printf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%zu\" r=\"4\"/>\n",
                   axis_x(&axis, row->rating), 18 * k + 12);
    }
    buf_add_string(out, "</svg>\n");
}

/* --- n x n plots --- */

static size_t shown(const struct leaderboard *board)
{
    return board->model_count < HEAT_MOST ? board->model_count : HEAT_MOST;
}

/* Opens the SVG of a square plot and writes the models down its left side. */
static double open_square(struct buf *out, const struct leaderboard *board, const char *title,
                          const char *label)
{
    size_t n = shown(board);
    double cell = fmin(PLOT_WIDTH / (double)n, 36);
    buf_printf(out, "<h2>%s</h2>", title);
    if (n < board->model_count)
        buf_printf(out, "<p>The first %zu of %zu models.</p>", n, board->model_count);
    buf_printf(out, "<svg viewBox=\"0 0 1000 %.0f\" role=\"img\" aria-label=\"%s\">\n",
               cell * (double)n + 24, label);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">", PLOT_LEFT - 8,
                   cell * ((double)i + 0.5) + 4);
        add_escaped(out, board->models[i].name);
        buf_printf(
            out,
            "</text><text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%zu</text>\n",
            PLOT_LEFT + cell * ((double)i + 0.5), cell * (double)n + 16, i + 1);
    }
    return cell;
}

static void add_heat_cell(struct buf *out, const struct leaderboard *board, size_t i, size_t j,
                          double cell)
{
    size_t n = board->model_count;
    double wins = board->wins[i * n + j], losses = board->wins[j * n + i],
           ties = board->ties[i * n + j];
    double votes = wins + losses + ties;
    if (votes == 0)
        return;
    double rate = (wins + 0.5 * ties) / votes;
    buf_printf(out,
               "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
               "fill-opacity=\"%.2f\"><title>",
               rate >= 0.5 ? "win" : "loss", PLOT_LEFT + cell * (double)j, cell * (double)i,
               cell - 1, cell - 1, 0.06 + 1.88 * fabs(rate - 0.5));
    add_escaped(out, board->models[i].name);
    buf_add_string(out, " – ");
    add_escaped(out, board->models[j].name);
    struct leaderboard_chance chance = leaderboard_chance(board, i, j);
    buf_printf(out, ": %.0f %% of %.0f votes; model: %.0f %% (%.0f–%.0f)</title></rect>\n",
               100 * rate, votes, 100 * chance.p, 100 * chance.lower, 100 * chance.upper);
}

static void add_heat_map(struct buf *out, const struct leaderboard *board)
{
    double cell =
        open_square(out, board, "Head to head", "Share won by the row against the column");
    for (size_t i = 0; i < shown(board); i++)
        for (size_t j = 0; j < shown(board); j++)
            if (i != j)
                add_heat_cell(out, board, i, j, cell);
    buf_add_string(out, "</svg><p>Share won by the row against the column, a tie half: warm wins, "
                        "cool loses.</p>\n");
}

static void add_distribution(struct buf *out, const struct leaderboard *board)
{
    size_t n = board->model_count;
    if (!board->distribution)
        return;
    double cell =
        open_square(out, board, "Where each model could stand", "Probability of each rank");
    for (size_t i = 0; i < shown(board); i++) {
        for (size_t rank = 0; rank < shown(board); rank++) {
            double p = board->distribution[i * n + rank];
            if (p >= 0.005)
                buf_printf(
                    out,
                    "<rect class=\"win\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                    "fill-opacity="
                    "\"%.2f\"><title>rank %zu: %.0f %%</title></rect>\n",
                    PLOT_LEFT + cell * (double)rank, cell * (double)i, cell - 1, cell - 1,
                    fmax(p, 0.04), rank + 1, 100 * p);
        }
    }
    buf_add_string(out, "</svg>\n");
}

/* --- the rest --- */

static void add_coefficients(struct buf *out, const struct leaderboard *board)
{
    double most = 0;
    if (!board->coefficient_count)
        return;
    for (size_t k = 0; k < board->coefficient_count; k++)
        most = fmax(most, fabs(board->coefficients[k].value) +
                              1.96 * board->coefficients[k].standard_error);
    double unit = most > 0 ? 0.5 * PLOT_WIDTH / most : 0, zero = PLOT_LEFT + 0.5 * PLOT_WIDTH;
    buf_printf(
        out,
        "<h2>What style and position are worth</h2><svg viewBox=\"0 0 1000 %zu\" role=\"img\" "
        "aria-label=\"Style "
        "coefficients\"><line class=\"grid\" x1=\"%.0f\" x2=\"%.0f\" y1=\"0\" y2=\"%zu\"/>\n",
        24 * board->coefficient_count + 8, zero, zero, 24 * board->coefficient_count);
    for (size_t k = 0; k < board->coefficient_count; k++) {
        const struct leaderboard_coefficient *row = &board->coefficients[k];
        double reach = 1.96 * row->standard_error;
        buf_printf(out, "<text x=\"%.0f\" y=\"%zu\" text-anchor=\"end\">", PLOT_LEFT - 10,
                   24 * k + 18);
        add_escaped(out, row->name);
        buf_printf(out,
                   " %+.3f</text><line class=\"ci\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%zu\" "
                   "y2=\"%zu\"/><circle class=\"dot\" "
                   "cx=\"%.1f\" cy=\"%zu\" r=\"4\"/>\n",
                   row->value, zero + unit * (row->value - reach),
                   zero + unit * (row->value + reach), 24 * k + 14, 24 * k + 14,
                   zero + unit * row->value, 24 * k + 14);
    }
    buf_add_string(out, "</svg>\n");
}

static void add_fragility(struct buf *out, const struct leaderboard *board)
{
    const struct leaderboard_fragility *fragility = &board->fragility;
    if (!fragility->known)
        return;
    buf_add_string(out, "<h2>What the order hangs on</h2>");
    if (fragility->votes_to_flip) {
        buf_printf(out, "<p>%" PRIu64 " votes (%.3f %%) would have to vanish for ",
                   fragility->votes_to_flip,
                   100.0 * (double)fragility->votes_to_flip / (double)board->votes_used);
        add_escaped(out, fragility->flips_to ? fragility->flips_to : "another model");
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
        add_escaped(out, category_of(boards[k]));
    }
    buf_printf(out, "</title><style>%s</style></head><body>", STYLE);
    for (size_t k = 0; k < count && count > 1; k++) {
        buf_printf(out, "%s<a href=\"#board%zu\">", k ? " · " : "<nav>", k);
        add_escaped(out, category_of(boards[k]));
        buf_add_string(out, k + 1 < count ? "</a>" : "</a></nav>\n");
    }
}

static void add_title(struct buf *out, const struct leaderboard *board, size_t number)
{
    struct buf subtitle;
    buf_init(&subtitle, 4096);
    render_subtitle(&subtitle, board);
    buf_printf(out, "<h1 id=\"board%zu\">Leaderboard: ", number);
    add_escaped(out, category_of(board));
    buf_printf(out, "</h1><p>%" PRIu64 " votes. ", board->votes);
    if (subtitle.data)
        add_escaped(out, subtitle.data);
    buf_printf(out, ". Method %s.</p>\n", LEADERBOARD_VERSION);
    buf_done(&subtitle);
    for (size_t k = 0; k < board->warning_count; k++) {
        buf_add_string(out, "<p class=\"note\">");
        add_escaped(out, board->warnings[k]);
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
            add_ratings(out, board);
            add_heat_map(out, board);
            add_distribution(out, board);
            add_coefficients(out, board);
            add_fragility(out, board);
        }
        add_unranked(out, board);
    }
    buf_add_string(out, "</body></html>\n");
}
