/* Every plot is made of a few SVG shapes with coordinates in a box of 1,000 units across; the page
 * scales it. */
#include "board/render_plot.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "board/day.h"
#include "board/page.h"
#include "board/render_json.h"

#define HEAT_MOST 60  /* models in the heat map and the rank plot: more would be unreadable */
#define LABEL_MOST 29 /* characters of a name that stand in a margin */

/* A name, shortened to what fits beside a plot. */
static void add_label(struct buf *out, const char *name)
{
    char label[4 * LABEL_MOST + 4];
    size_t bytes = 0, characters = 0;
    while (name[bytes] && bytes < sizeof label - 5) {
        bool starts = ((unsigned char)name[bytes] & 0xc0) != 0x80;
        if (starts && characters++ == LABEL_MOST)
            break;
        label[bytes] = name[bytes];
        bytes++;
    }
    memcpy(label + bytes, name[bytes] ? "…" : "", name[bytes] ? sizeof "…" : 1);
    page_escaped(out, label);
}

/* --- ratings with their intervals --- */

struct axis {
    double low, high, step;
};

/* Grid lines at round numbers, `lines` of them or so. */
static struct axis axis_round(struct axis axis, double lines)
{
    double span = fmax(axis.high - axis.low, 1e-6);
    axis.step = pow(10, floor(log10(span / lines)));
    axis.step *= span / axis.step > 5 * lines ? 5 : span / axis.step > 2 * lines ? 2 : 1;
    axis.low = floor(axis.low / axis.step) * axis.step;
    axis.high = ceil(axis.high / axis.step) * axis.step;
    return axis;
}

static struct axis axis_of(const struct leaderboard *board)
{
    struct axis axis = {INFINITY, -INFINITY, 0};
    for (size_t k = 0; k < board->model_count; k++) {
        const struct leaderboard_model *row = &board->models[k];
        axis.low = fmin(axis.low, isfinite(row->rating_lower) ? row->rating_lower : row->rating);
        axis.high = fmax(axis.high, isfinite(row->rating_upper) ? row->rating_upper : row->rating);
    }
    return axis_round(axis, 4);
}

#define PLOT_LEFT 220.0
#define PLOT_WIDTH 740.0

static double axis_x(const struct axis *axis, double value)
{
    return PLOT_LEFT + PLOT_WIDTH * (value - axis->low) / fmax(axis->high - axis->low, 1e-9);
}

void plot_ratings(struct buf *out, const struct leaderboard *board)
{
    struct axis axis = axis_of(board);
    size_t n = board->model_count;
    buf_printf(out,
               "<h2>Ratings and their intervals</h2><div class=\"scroll\"><svg viewBox=\"0 0 1000 "
               "%zu\" role=\"img\" "
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
        add_label(out, row->name);
        buf_add_string(out, "</text>");
        if (isfinite(row->rating_lower) && isfinite(row->rating_upper))
            buf_printf(out, "<line class=\"ci\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%zu\" y2=\"%zu\"/>",
                       axis_x(&axis, row->rating_lower), axis_x(&axis, row->rating_upper),
                       18 * k + 12, 18 * k + 12);
        buf_printf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%zu\" r=\"4\"/>\n",
                   axis_x(&axis, row->rating), 18 * k + 12);
    }
    buf_add_string(out, "</svg></div>\n");
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
    buf_printf(
        out,
        "<div class=\"scroll\"><svg viewBox=\"0 0 1000 %.0f\" role=\"img\" aria-label=\"%s\">\n",
        cell * (double)n + 24, label);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">", PLOT_LEFT - 8,
                   cell * ((double)i + 0.5) + 4);
        add_label(out, board->models[i].name);
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
    page_escaped(out, board->models[i].name);
    buf_add_string(out, " – ");
    page_escaped(out, board->models[j].name);
    struct leaderboard_chance chance = leaderboard_chance(board, i, j);
    buf_printf(out, ": %.0f %% of %.0f vote%s; model: %.0f %% (%.0f–%.0f)</title></rect>\n",
               100 * rate, votes, render_plural((uint64_t)votes), 100 * chance.p,
               100 * chance.lower, 100 * chance.upper);
}

void plot_heat_map(struct buf *out, const struct leaderboard *board)
{
    double cell =
        open_square(out, board, "Head to head", "Share won by the row against the column");
    for (size_t i = 0; i < shown(board); i++)
        for (size_t j = 0; j < shown(board); j++)
            if (i != j)
                add_heat_cell(out, board, i, j, cell);
    buf_add_string(out,
                   "</svg></div><p>Share won by the row against the column, a tie half: blue where "
                   "the row wins more, orange where it loses more.</p>\n");
}

void plot_distribution(struct buf *out, const struct leaderboard *board)
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
    buf_add_string(out, "</svg></div>\n");
}

/* --- ratings over time --- */

#define TIME_LEFT 60.0
#define TIME_WIDTH 700.0
#define TIME_HEIGHT 380.0
#define TIME_NAMED                                                                                 \
    10 /* of the models that have a colour and a name: more could not be told apart */
#define TIME_LABEL 15.0

static double time_x(const struct leaderboard_history *history, size_t point)
{
    double first = history->day[0], last = history->day[history->count - 1];
    return TIME_LEFT + TIME_WIDTH * (history->day[point] - first) / fmax(last - first, 1);
}

static double time_y(const struct axis *axis, double rating)
{
    return 10 + TIME_HEIGHT * (axis->high - rating) / fmax(axis->high - axis->low, 1e-9);
}

static double history_rating(const struct leaderboard *board, size_t point, size_t model)
{
    return board->history.rating[point * board->model_count + model];
}

static struct axis time_axis(const struct leaderboard *board)
{
    struct axis axis = {INFINITY, -INFINITY, 0};
    for (size_t k = 0; k < board->history.count; k++) {
        for (size_t i = 0; i < shown(board); i++) {
            double rating = history_rating(board, k, i);
            axis.low = fmin(axis.low, rating); /* a NAN is passed over */
            axis.high = fmax(axis.high, rating);
        }
    }
    return axis_round(axis, 5);
}

static void add_time_grid(struct buf *out, const struct leaderboard_history *history,
                          const struct axis *axis)
{
    double shown_until = -INFINITY;
    for (double at = axis->low; at <= axis->high + 0.5 * axis->step; at += axis->step)
        buf_printf(out,
                   "<line class=\"grid\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/><text "
                   "class=\"axis\" x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n",
                   TIME_LEFT, TIME_LEFT + TIME_WIDTH, time_y(axis, at), time_y(axis, at),
                   TIME_LEFT - 8, time_y(axis, at) + 4, at);
    for (size_t k = 0; k < history->count; k++) {
        char day[DAY_TEXT];
        double x = time_x(history, k);
        if (x < shown_until + 80)
            continue;
        shown_until = x;
        day_write(history->day[k], day);
        buf_printf(out,
                   "<text class=\"axis\" x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>\n",
                   x, TIME_HEIGHT + 30, day);
    }
}

static void add_time_line(struct buf *out, const struct leaderboard *board, const struct axis *axis,
                          size_t model)
{
    bool pen = false;
    buf_printf(out, "<path class=\"time s%zu\" d=\"", model < TIME_NAMED ? model : TIME_NAMED);
    for (size_t k = 0; k < board->history.count; k++) {
        double rating = history_rating(board, k, model);
        if (isfinite(rating))
            buf_printf(out, "%c%.1f %.1f", pen ? 'L' : 'M', time_x(&board->history, k),
                       time_y(axis, rating));
        pen = isfinite(rating);
    }
    buf_add_string(out, "\"><title>");
    page_escaped(out, board->models[model].name);
    buf_add_string(out, "</title></path>\n");
}

/* Names beside the lines' ends, best first, pushed down where they would touch. */
static void add_time_names(struct buf *out, const struct leaderboard *board,
                           const struct axis *axis)
{
    double below = -INFINITY;
    size_t last = board->history.count - 1;
    for (size_t i = 0; i < board->model_count && i < TIME_NAMED; i++) {
        double rating = history_rating(board, last, i);
        if (!isfinite(rating))
            continue;
        double y = fmax(time_y(axis, rating), below + TIME_LABEL);
        below = y;
        buf_printf(out, "<text class=\"f%zu\" x=\"%.0f\" y=\"%.1f\">", i,
                   TIME_LEFT + TIME_WIDTH + 10, y + 4);
        add_label(out, board->models[i].name);
        buf_add_string(out, "</text>\n");
    }
}

void plot_history(struct buf *out, const struct leaderboard *board)
{
    if (board->history.count < 2)
        return;
    struct axis axis = time_axis(board);
    buf_printf(out,
               "<h2>Ratings over time</h2><div class=\"scroll\"><svg viewBox=\"0 0 1000 %.0f\" "
               "role=\"img\" "
               "aria-label=\"Ratings over time\">\n",
               TIME_HEIGHT + 40);
    add_time_grid(out, &board->history, &axis);
    for (size_t i = shown(board); i-- > 0;)
        add_time_line(out, board, &axis, i);
    add_time_names(out, board, &axis);
    buf_add_string(out, "</svg></div><p>Each point is fitted from all votes until that day.</p>\n");
}

/* --- style and position --- */

void plot_coefficients(struct buf *out, const struct leaderboard *board)
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
        "<h2>What style and position are worth</h2><div class=\"scroll\"><svg viewBox=\"0 0 1000 "
        "%zu\" role=\"img\" "
        "aria-label=\"Style "
        "coefficients\"><line class=\"grid\" x1=\"%.0f\" x2=\"%.0f\" y1=\"0\" y2=\"%zu\"/>\n",
        24 * board->coefficient_count + 24, zero, zero, 24 * board->coefficient_count + 4);
    const struct axis axis = axis_round((struct axis){-most, most, 0}, 4);
    for (double at = axis.low; most > 0 && at <= axis.high; at += axis.step)
        if (fabs(at) <= most)
            buf_printf(
                out, "<text class=\"axis\" x=\"%.1f\" y=\"%zu\" text-anchor=\"middle\">%g</text>\n",
                zero + unit * at, 24 * board->coefficient_count + 20, fabs(at) < 1e-9 ? 0 : at);
    for (size_t k = 0; k < board->coefficient_count; k++) {
        const struct leaderboard_coefficient *row = &board->coefficients[k];
        double reach = 1.96 * row->standard_error;
        buf_printf(out, "<text x=\"%.0f\" y=\"%zu\" text-anchor=\"end\">", PLOT_LEFT - 10,
                   24 * k + 18);
        page_escaped(out, row->name);
        buf_printf(out,
                   " %+.3f</text><line class=\"ci\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%zu\" "
                   "y2=\"%zu\"/><circle class=\"dot\" "
                   "cx=\"%.1f\" cy=\"%zu\" r=\"4\"/>\n",
                   row->value, zero + unit * (row->value - reach),
                   zero + unit * (row->value + reach), 24 * k + 14, 24 * k + 14,
                   zero + unit * row->value, 24 * k + 14);
    }
    buf_add_string(
        out,
        "</svg></div><p>In logits, for a standard deviation of the feature; the lines are 95 % "
        "intervals.</p>\n");
}
