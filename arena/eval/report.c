/* Everything is computed before anything is drawn, so that the formats cannot differ. */
#include "eval/report_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "board/render.h"
#include "board/page.h"
#include "board/render_plot.h"
#include "rating/stats.h"

const char *const REPORT_RATERS[2] = {"judges", "people"};

bool report_totals(const struct results *results, size_t side, struct report_totals *out)
{
    size_t conversations = eval_plan_conversations(&results->plan),
           sides = results->plan.spec.competitor_count, most = conversations / sides + 1;
    double *first = calloc(2 * most, sizeof *first), *total = first ? first + most : NULL;
    *out = (struct report_totals){0};
    for (size_t at = side; first && at < conversations; at += sides) {
        const struct answer_fact *fact = &results->facts[at];
        if (!fact->there)
            continue;
        first[out->answers] = fact->first_s;
        total[out->answers++] = fact->total_s;
        out->refused += fact->refused;
        out->cut += fact->cut;
        out->empty += fact->empty;
        out->input = out->input < 0 || fact->input < 0 ? -1 : out->input + fact->input;
        out->output = out->output < 0 || fact->output < 0 ? -1 : out->output + fact->output;
        out->cost_usd += fact->cost_usd;
        out->characters += (double)fact->characters;
    }
    if (first && out->answers) {
        stats_sort(first, out->answers);
        stats_sort(total, out->answers);
        out->first_p50 = stats_quantile(first, out->answers, 0.5);
        out->first_p95 = stats_quantile(first, out->answers, 0.95);
        out->total_p50 = stats_quantile(total, out->answers, 0.5);
        out->total_p95 = stats_quantile(total, out->answers, 0.95);
        out->characters /= (double)out->answers;
    }
    free(first);
    return first != NULL;
}

static bool fit_boards(struct report *report, struct err *err)
{
    for (int who = STAND_JUDGES; who <= STAND_PEOPLE; who++) {
        struct err ignored = ERR_INIT;
        if (!stand_votes(&report->results, (enum stand_raters)who))
            continue;
        report->board[who] = stand_board(&report->results, (enum stand_raters)who, false, err);
        if (!report->board[who])
            return false;
        /* Too few votes, or answers of one length: then there is nothing to control for. */
        report->at_length[who] =
            stand_board(&report->results, (enum stand_raters)who, true, &ignored);
    }
    return true;
}

static void draw_boards(const struct report *report, enum report_format format, struct buf *out)
{
    for (int who = 0; who < 2; who++) {
        if (!report->board[who])
            continue;
        if (format == REPORT_HTML) {
            struct sheet sheet;
            report_board(report, who, &sheet);
            sheet_draw(&sheet, SHEET_HTML, out);
            sheet_done(&sheet);
            if (report->board[who]->model_count) {
                plot_ratings(out, report->board[who]);
                plot_heat_map(out, report->board[who]);
            }
        } else {
            buf_printf(out, format == REPORT_MD ? "\n## Votes of %s\n\n" : "\nVotes of %s: ",
                       REPORT_RATERS[who]);
            render(out, report->board[who], format == REPORT_MD ? RENDER_MD : RENDER_TABLE, 0);
        }
    }
}

static void open_page(const struct report *report, struct buf *out)
{
    page_open(out, report->results.plan.spec.name);
    buf_add_string(out, "<h1>");
    page_escaped(out, report->results.plan.spec.name);
    buf_printf(out, "</h1><p>evaluation %s</p>\n", report->results.plan.id);
}

static bool draw(const struct report *report, struct db *db, enum report_format format,
                 struct buf *out, struct err *err)
{
    static const enum sheet_form FORM[] = {
        [REPORT_TABLE] = SHEET_TEXT, [REPORT_MD] = SHEET_MD, [REPORT_HTML] = SHEET_HTML};
    const struct eval_plan *plan = &report->results.plan;
    if (format == REPORT_JSON) {
        report_json(report, out);
        return true;
    }
    if (format == REPORT_HTML)
        open_page(report, out);
    else
        buf_printf(out, "%s%s: evaluation %s\n", format == REPORT_MD ? "# " : "", plan->spec.name,
                   plan->id);
    draw_boards(report, format, out);
    bool ok = report_tables(report, db, FORM[format], out, err);
    if (format != REPORT_HTML)
        return ok;
    ok = ok && report_pages(report, db, out, err);
    page_close(out);
    return ok;
}

bool report_load(struct report *report, struct db *db, const char *id, struct err *err)
{
    *report = (struct report){.board = {NULL}};
    if (!results_load(&report->results, db, id, err) || !fit_boards(report, err) ||
        !eval_people_progress(db, report->results.plan.number, &report->people, err))
        return false;
    report->category_count =
        stand_categories(&report->results, report->categories, REPORT_CATEGORIES);
    return true;
}

void report_done(struct report *report)
{
    for (int who = 0; who < 2; who++) {
        leaderboard_free(report->board[who]);
        leaderboard_free(report->at_length[who]);
    }
    results_done(&report->results);
}

bool report_write(struct buf *out, struct db *db, const char *id, enum report_format format,
                  struct err *err)
{
    struct report report;
    bool ok = report_load(&report, db, id, err) && draw(&report, db, format, out, err) &&
              (!out->failed || err_set(err, ERR_TOO_LARGE, "the report is too large"));
    report_done(&report);
    return ok;
}
