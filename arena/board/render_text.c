/* The table draws each interval to one common scale, so that what overlaps on the screen overlaps
 * in fact. Names are the only text from outside: control characters are shown as "?", and a CSV
 * cell that a spreadsheet would run as a formula is quoted with an apostrophe. */
#include "board/render_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/csv.h"
#include "base/utf8.h"
#include "board/render_json.h"
#include "rating/bradley_terry.h"

#define BAR_LEAST 12
#define BAR_MOST 40
#define NAME_MOST 40

/* --- names --- */

/* Appends at most `most` characters of a name, none of which can move the cursor; returns how many.
 */
static size_t add_name(struct buf *out, const char *name, size_t most)
{
    size_t length = strlen(name), at = 0, shown = 0;
    while (at < length && shown < most) {
        uint32_t code = 0;
        size_t step = utf8_decode(name + at, length - at, &code);
        if (step == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            buf_add_char(out, '?');
            step = step ? step : 1;
        } else if (shown + 1 == most && at + step < length) {
            buf_add_string(out, "…");
        } else {
            buf_add(out, name + at, step);
        }
        at += step;
        shown++;
    }
    return shown;
}

static void pad(struct buf *out, size_t shown, size_t width)
{
    for (; shown < width; shown++)
        buf_add_char(out, ' ');
}

static size_t name_width(const struct leaderboard *board)
{
    size_t width = 5;
    for (size_t k = 0; k < board->model_count; k++) {
        size_t length = utf8_count(board->models[k].name, strlen(board->models[k].name));
        width = length > width ? length : width;
    }
    return width < NAME_MOST ? width : NAME_MOST;
}

/* --- the line above --- */

static void add_ties(struct buf *out, const struct leaderboard *board)
{
    static const char *const TEXTS[] = {"ties half a win each", "Davidson's ties",
                                        "Rao-Kupper's ties",
                                        "grounded: both-bad an outcome of its own"};
    buf_printf(out, ", %s", TEXTS[board->options.ties]);
    if (!isnan(board->tie_parameter))
        buf_printf(out, " (%.4f)", board->tie_parameter);
}

void render_subtitle(struct buf *out, const struct leaderboard *board)
{
    const struct leaderboard_options *options = &board->options;
    bool elo = options->method == LEADERBOARD_ELO;
    if (elo)
        buf_printf(out, "Online Elo, K = %g", options->elo_k);
    else
        buf_add_string(out, "Bradley-Terry");
    if (strcmp(board->interval, "none") != 0)
        buf_printf(out, ", %s %g %% intervals", board->interval, 100 * options->confidence);
    if (!elo)
        add_ties(out, board);
    if (options->reweighted)
        buf_add_string(out, ", pairs reweighted");
    if (options->weighted)
        buf_add_string(out, ", votes weighted");
    if (options->style)
        buf_add_string(out, ", style controlled");
    if (options->position)
        buf_add_string(out, ", position controlled");
    if (options->anchor)
        buf_printf(out, ", %s = %g", options->anchor, options->anchor_rating);
    if (options->scale != RATING_SCALE || options->base != RATING_BASE)
        buf_printf(out, ", scale %g, base %g", options->scale, options->base);
}

/* --- the table --- */

struct scale {
    double low, high;
    size_t width;
};

static double finite_or(double value, double otherwise)
{
    return isfinite(value) ? value : otherwise;
}

static struct scale scale_of(const struct leaderboard *board, size_t width)
{
    struct scale scale = {INFINITY, -INFINITY, width};
    for (size_t k = 0; k < board->model_count; k++) {
        const struct leaderboard_model *model = &board->models[k];
        scale.low = fmin(scale.low, finite_or(model->rating_lower, model->rating));
        scale.high = fmax(scale.high, finite_or(model->rating_upper, model->rating));
    }
    return scale;
}

static size_t place(const struct scale *scale, double value)
{
    double span = scale->high - scale->low;
    double at = span > 0 ? (value - scale->low) / span * (double)(scale->width - 1) : 0;
    return (size_t)lround(fmin(fmax(at, 0), (double)(scale->width - 1)));
}

static void add_bar(struct buf *out, const struct scale *scale,
                    const struct leaderboard_model *model)
{
    size_t low = place(scale, finite_or(model->rating_lower, model->rating)),
           at = place(scale, model->rating),
           high = place(scale, finite_or(model->rating_upper, model->rating));
    for (size_t k = 0; k < scale->width; k++)
        buf_add_string(out, k == at                  ? "●"
                            : k == low && low < at   ? "├"
                            : k == high && high > at ? "┤"
                            : k > low && k < high    ? "─"
                                                     : " ");
}

static void add_range(char *text, size_t size, uint32_t low, uint32_t high)
{
    if (low == high)
        snprintf(text, size, "%u", low);
    else
        snprintf(text, size, "%u–%u", low, high);
}

/* Half the interval; blank where there is none. */
static void add_half_width(struct buf *out, const struct leaderboard_model *model)
{
    double half = 0.5 * (model->rating_upper - model->rating_lower);
    if (isfinite(half))
        buf_printf(out, " ±%-6.1f", half);
    else
        pad(out, 0, 8);
}

static void add_row(struct buf *out, const struct scale *scale,
                    const struct leaderboard_model *model, size_t names)
{
    char range[32];
    add_range(range, sizeof range, model->rank_lower, model->rank_upper);
    buf_printf(out, "%4u  ", model->rank);
    buf_add_string(out, range);
    pad(out, utf8_count(range, strlen(range)), 8);
    pad(out, add_name(out, model->name, names), names);
    buf_printf(out, " %7.1f", model->rating);
    add_half_width(out, model);
    add_bar(out, scale, model);
    buf_printf(out, " %9" PRIu64 "  %5.1f %%\n", model->record.votes, 100 * model->win_rate);
}

static void add_unranked(struct buf *out, const struct leaderboard *board)
{
    if (!board->unranked_count)
        return;
    buf_add_string(out, "\nUnranked\n");
    for (size_t k = 0; k < board->unranked_count; k++) {
        const struct leaderboard_unranked *row = &board->unranked[k];
        buf_add_string(out, "      ");
        add_name(out, row->name, NAME_MOST);
        buf_printf(
            out, "  %" PRIu64 " vote%s (%" PRIu64 " won, %" PRIu64 " lost, %" PRIu64 " tied): %s\n",
            row->record.votes, render_plural(row->record.votes), row->record.wins,
            row->record.losses, row->record.ties + row->record.both_bad, row->reason);
    }
}

static void add_coefficients(struct buf *out, const struct leaderboard *board)
{
    if (!board->coefficient_count)
        return;
    buf_add_string(out, "\nEffects on the odds, natural scale\n");
    for (size_t k = 0; k < board->coefficient_count; k++) {
        const struct leaderboard_coefficient *row = &board->coefficients[k];
        buf_printf(out, "      %-24s %+.4f ±%.4f\n", row->name, row->value,
                   1.959963984540054 * row->standard_error);
    }
}

static void add_fragility(struct buf *out, const struct leaderboard *board)
{
    const struct leaderboard_fragility *fragility = &board->fragility;
    if (!fragility->known)
        return;
    if (fragility->votes_to_flip)
        buf_printf(out, "\n%" PRIu64 " vote%s (%.3f %%) would have to vanish for %s to be first.\n",
                   fragility->votes_to_flip, render_plural(fragility->votes_to_flip),
                   100.0 * (double)fragility->votes_to_flip / (double)board->votes_used,
                   fragility->flips_to);
    if (!isnan(fragility->top_voter_share))
        buf_printf(
            out,
            "The busiest voter cast %.1f %% of the votes; leaving one voter out moves a rank by "
            "at most %u.\n",
            100 * fragility->top_voter_share, fragility->top_voter_rank_change);
    buf_printf(out, "Counting ties another way moves a rank by at most %u.\n",
               board->tie_rank_change);
    if (board->coefficient_count)
        buf_add_string(out, "All this without control for style or position.\n");
}

void render_table(struct buf *out, const struct leaderboard *board, int columns)
{
    size_t names = name_width(board), fixed = 4 + 2 + 8 + names + 8 + 8 + 10 + 9;
    size_t room = (size_t)(columns > 0 ? columns : 100),
           bar = room > fixed + BAR_LEAST ? room - fixed : BAR_LEAST;
    struct scale scale = scale_of(board, bar < BAR_MOST ? bar : BAR_MOST);
    buf_printf(out, "%s · %" PRIu64 " vote%s\n",
               board->options.category ? board->options.category : "overall", board->votes,
               render_plural(board->votes));
    render_subtitle(out, board);
    buf_add_char(out, '\n');
    if (board->model_count) {
        buf_add_string(out, "\nrank  range   model");
        pad(out, 5, names);
        buf_add_string(out, "  rating ±      ");
        pad(out, 0, scale.width);
        buf_add_string(out, "     votes      won\n");
    }
    for (size_t k = 0; k < board->model_count; k++)
        add_row(out, &scale, &board->models[k], names);
    add_unranked(out, board);
    add_coefficients(out, board);
    add_fragility(out, board);
    for (size_t k = 0; k < board->warning_count; k++)
        buf_printf(out, "%sNote: %s.\n", k ? "" : "\n", board->warnings[k]);
}

/* --- CSV --- */

static void add_number(struct buf *out, double value, int decimals)
{
    buf_add_char(out, ',');
    if (isfinite(value))
        buf_printf(out, "%.*f", decimals, value);
}

static void add_record(struct buf *out, const struct leaderboard *board,
                       const struct tally_record *record)
{
    buf_printf(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, record->votes,
               record->wins, record->losses, render_ties(board, record), record->both_bad);
}

static void add_category(struct buf *out, const struct leaderboard *board, bool category)
{
    if (category) {
        csv_cell(out, text_of(board->options.category ? board->options.category : "overall"));
        buf_add_char(out, ',');
    }
}

static void add_csv_rows(struct buf *out, const struct leaderboard *board, bool category)
{
    for (size_t k = 0; k < board->model_count; k++) {
        const struct leaderboard_model *row = &board->models[k];
        add_category(out, board, category);
        buf_printf(out, "%u,%u,%u,", row->rank, row->rank_lower, row->rank_upper);
        csv_cell(out, text_of(row->name));
        add_number(out, row->rating, 6);
        add_number(out, row->rating_lower, 6);
        add_number(out, row->rating_upper, 6);
        add_number(out, row->standard_error, 6);
        add_number(out, row->best, 4);
        add_record(out, board, &row->record);
        add_number(out, row->win_rate, 6);
        buf_add_string(out, ",\n");
    }
    for (size_t k = 0; k < board->unranked_count; k++) {
        const struct leaderboard_unranked *row = &board->unranked[k];
        add_category(out, board, category);
        buf_add_string(out, ",,,");
        csv_cell(out, text_of(row->name));
        buf_add_string(out, ",,,,,");
        add_record(out, board, &row->record);
        buf_add_string(out, ",,");
        csv_cell(out, text_of(row->reason));
        buf_add_char(out, '\n');
    }
}

void render_csv(struct buf *out, const struct leaderboard *const *boards, size_t count)
{
    buf_add_string(out, count > 1 ? "category," : "");
    buf_add_string(
        out, "rank,rank_lower,rank_upper,model,rating,rating_lower,rating_upper,standard_error,"
             "probability_best,votes,wins,losses,ties,both_bad,win_rate,reason\n");
    for (size_t k = 0; k < count; k++)
        add_csv_rows(out, boards[k], count > 1);
}

/* --- Markdown --- */

void render_md_words(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("|\\`*_[]<>~", *text))
            buf_add_char(out, '\\');
        buf_add_char(out, (unsigned char)*text < 0x20 ? ' ' : *text);
    }
}

static void add_md_row(struct buf *out, const struct leaderboard *board,
                       const struct leaderboard_model *row)
{
    char range[32];
    double half = 0.5 * (row->rating_upper - row->rating_lower);
    add_range(range, sizeof range, row->rank_lower, row->rank_upper);
    buf_printf(out, "| %u | %s | ", row->rank, range);
    render_md_words(out, row->name);
    buf_printf(out, " | %.1f | ", row->rating);
    if (isfinite(half))
        buf_printf(out, "±%.1f", half);
    buf_printf(out, " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %.1f %% |\n",
               row->record.votes, row->record.wins, row->record.losses,
               render_ties(board, &row->record), 100 * row->win_rate);
}

void render_md(struct buf *out, const struct leaderboard *board)
{
    buf_add_string(out, "**");
    render_md_words(out, board->options.category ? board->options.category : "overall");
    buf_printf(out, "**, %" PRIu64 " vote%s. ", board->votes, render_plural(board->votes));
    render_subtitle(out, board);
    buf_add_string(
        out,
        ".\n\n| Rank | Range | Model | Rating | 95 % | Votes | Won | Lost | Tied | Win rate |\n"
        "|---:|:---:|:---|---:|---:|---:|---:|---:|---:|---:|\n");
    for (size_t k = 0; k < board->model_count; k++)
        add_md_row(out, board, &board->models[k]);
    for (size_t k = 0; k < board->unranked_count; k++) {
        const struct leaderboard_unranked *row = &board->unranked[k];
        buf_add_string(out, k ? "- " : "\nUnranked:\n\n- ");
        render_md_words(out, row->name);
        buf_printf(out, " (%" PRIu64 " vote%s): %s\n", row->record.votes,
                   render_plural(row->record.votes), row->reason);
    }
    for (size_t k = 0; k < board->warning_count; k++) {
        buf_add_string(out, k ? "> " : "\n> ");
        render_md_words(out, board->warnings[k]);
        buf_add_string(out, "\n");
    }
}
