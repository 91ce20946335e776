/* Each table is a function that fills a sheet; TABLES is the report's order. */
#include "eval/report_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/bias.h"
#include "eval/why.h"

enum { PAIRS_SHOWN = 20 };

void report_percent(struct sheet *sheet, double share)
{
    if (isnan(share))
        sheet_add(sheet, "-");
    else
        sheet_add(sheet, "%.1f %%", 100 * share);
}

void report_interval(struct sheet *sheet, double lower, double upper)
{
    if (isnan(lower) || isnan(upper))
        sheet_add(sheet, "-");
    else
        sheet_add(sheet, "%.1f–%.1f", 100 * lower, 100 * upper);
}

static void add_share(struct sheet *sheet, const struct share *share)
{
    if (share->count)
        sheet_add(sheet, "%.1f %% (%.1f–%.1f)", 100 * share->share, 100 * share->lower,
                  100 * share->upper);
    else
        sheet_add(sheet, "-");
}

/* --- a board --- */

static void add_record(const struct tally_record *record, struct sheet *sheet)
{
    sheet_add(sheet, "%" PRIu64, record->votes);
    sheet_add(sheet, "%" PRIu64, record->wins);
    sheet_add(sheet, "%" PRIu64, record->losses);
    sheet_add(sheet, "%" PRIu64, record->ties + record->both_bad);
}

/* Why some have no rank, below the table: in it the reasons would push the figures aside. */
static void note_unranked(const struct leaderboard *board, struct sheet *sheet)
{
    struct buf note;
    if (!board->unranked_count)
        return;
    buf_init(&note, 64 << 10);
    for (size_t k = 0; k < board->unranked_count; k++)
        buf_printf(&note, "%s%s (%s)", k ? "; " : "Not ranked: ", board->unranked[k].name,
                   board->unranked[k].reason);
    sheet_note(sheet, "%s.", note.data ? note.data : "");
    buf_done(&note);
}

void report_board(const struct report *report, int who, struct sheet *sheet)
{
    static const char *const TITLES[2] = {"Votes of judges", "Votes of people"};
    const struct leaderboard *board = report->board[who];
    static const char *const HEADS[] = {"model", "rank", "rating", "95 %", "votes",
                                        "won",   "lost", "tied",   NULL};
    sheet_init(sheet, TITLES[who], 1, HEADS);
    for (size_t k = 0; k < board->model_count; k++) {
        const struct leaderboard_model *row = &board->models[k];
        sheet_add(sheet, "%s", row->name);
        sheet_add(sheet, "%u (%u–%u)", row->rank, row->rank_lower, row->rank_upper);
        sheet_add(sheet, "%.1f", row->rating);
        if (isnan(row->rating_lower) || isnan(row->rating_upper))
            sheet_add(sheet, "-");
        else
            sheet_add(sheet, "%.1f–%.1f", row->rating_lower, row->rating_upper);
        add_record(&row->record, sheet);
    }
    for (size_t k = 0; k < board->unranked_count; k++) {
        const struct leaderboard_unranked *row = &board->unranked[k];
        sheet_add(sheet, "%s", row->name);
        sheet_add(sheet, "-");
        sheet_add(sheet, "-");
        sheet_add(sheet, "-");
        add_record(&row->record, sheet);
    }
    note_unranked(board, sheet);
}

/* --- how it was asked --- */

static void table_settings(const struct report *report, struct sheet *sheet)
{
    static const char *const HEADS[] = {"", "", NULL};
    const struct results *results = &report->results;
    const struct eval_spec *spec = &results->plan.spec;
    struct buf params;
    char text[320];
    sheet_init(sheet, "How it was asked", 2, HEADS);
    buf_init(&params, 64 << 10);
    eval_params_write(&spec->params, &params);
    snprintf(text, sizeof text, "%s%s%s", eval_state_word(results->run_state),
             results->reason[0] ? ": " : "", results->reason);
    sheet_add(sheet, "state");
    sheet_add(sheet, "%s, after %.0f s", text, (double)results->active_ms / 1e3);
    sheet_add(sheet, "prompts");
    sheet_add(sheet, "%zu, %" PRId64 " sample%s each", results->plan.prompts.count, spec->samples,
              spec->samples == 1 ? "" : "s");
    sheet_add(sheet, "pairs");
    sheet_add(sheet, "%zu", results->plan.pair_count);
    sheet_add(sheet, "settings of both sides");
    sheet_add(sheet, "%s", params.length > 2 ? params.data : "each competitor's own, see below");
    for (size_t k = 0; k < spec->competitor_count; k++) {
        sheet_add(sheet, "%s", results->plan.sides[k].name);
        snprintf(text, sizeof text, "version %.12s: ", results->plan.sides[k].digest);
        sheet_add_settings(sheet, text, results->plan.sides[k].effective);
    }
    for (size_t k = 0; k < spec->judge_count; k++) {
        sheet_add(sheet, "judge %s", results->plan.judges[k].name);
        sheet_add(sheet, "version %.12s, both orders, %s on disagreement",
                  results->plan.judges[k].digest,
                  spec->judging.disagreement_is_tie ? "a tie" : "no vote");
    }
    buf_done(&params);
}

/* --- against the baseline --- */

static void add_rate_row(const struct report *report, enum stand_raters who, size_t side,
                         size_t base, struct sheet *sheet)
{
    const struct results *results = &report->results;
    struct stand_filter filter = STAND_ALL(who);
    struct stand_rate rate, even;
    filter.against = (ptrdiff_t)base;
    if (!stand_rate(results, &filter, side, &rate) || !rate.votes)
        return;
    even = stand_rate_at_length(report->at_length[who], results->plan.sides[side].name,
                                results->plan.sides[base].name);
    sheet_add(sheet, "%s", results->plan.sides[side].name);
    sheet_add(sheet, "%s", REPORT_RATERS[who]);
    report_percent(sheet, rate.rate);
    report_interval(sheet, rate.lower, rate.upper);
    report_percent(sheet, even.rate);
    report_interval(sheet, even.lower, even.upper);
    sheet_add(sheet, "%zu", rate.wins);
    sheet_add(sheet, "%zu", rate.losses);
    sheet_add(sheet, "%zu", rate.ties);
    sheet_add(sheet, "%zu", rate.prompts);
}

static void table_baseline(const struct report *report, struct sheet *sheet)
{
    static const char *const HEADS[] = {"model", "votes of", "win rate", "95 %", "at equal length",
                                        "95 %",  "won",      "lost",     "tied", "prompts",
                                        NULL};
    size_t base = stand_baseline(&report->results);
    sheet_init(sheet, "Win rates against the baseline", 2, HEADS);
    for (int who = 0; who < 2; who++)
        for (size_t side = 0; side < report->results.plan.spec.competitor_count; side++)
            if (side != base)
                add_rate_row(report, (enum stand_raters)who, side, base, sheet);
    if (sheet->count)
        sheet_note(sheet, "The baseline is %s. Ties are half a win; a prompt is one observation.",
                   report->results.plan.sides[base].name);
}

/* --- by category --- */

static void table_categories(const struct report *report, struct sheet *sheet)
{
    static const char *const HEADS[] = {"category", "model", "votes of", "win rate",
                                        "95 %",     "votes", "prompts",  NULL};
    const struct results *results = &report->results;
    sheet_init(sheet, "By category", 3, HEADS);
    for (size_t k = 0; report->category_count > 1 && k < report->category_count; k++)
        for (size_t side = 0; side < results->plan.spec.competitor_count; side++)
            for (int who = 0; who < 2; who++) {
                struct stand_filter filter = STAND_ALL((enum stand_raters)who);
                struct stand_rate rate;
                filter.category = report->categories[k];
                if (!stand_rate(results, &filter, side, &rate) || !rate.votes)
                    continue;
                sheet_add(sheet, "%s", report->categories[k]);
                sheet_add(sheet, "%s", results->plan.sides[side].name);
                sheet_add(sheet, "%s", REPORT_RATERS[who]);
                report_percent(sheet, rate.rate);
                report_interval(sheet, rate.lower, rate.upper);
                sheet_add(sheet, "%zu", rate.votes);
                sheet_add(sheet, "%zu", rate.prompts);
            }
}

/* --- prompts that were chosen because they were lost --- */

static void table_chosen(const struct report *report, struct sheet *sheet)
{
    static const char *const HEADS[] = {"prompts", "model", "votes of", "win rate",
                                        "95 %",    "votes", "prompts",  NULL};
    static const char *const WHY[] = {NULL, "lost before", "not chosen by it"};
    const struct results *results = &report->results;
    sheet_init(sheet, "Prompts lost before, and others", 3, HEADS);
    for (int why = EVAL_CHOSEN_LOST; why <= EVAL_CHOSEN_CONTROL; why++)
        for (size_t side = 0; side < results->plan.spec.competitor_count; side++)
            for (int who = 0; who < 2; who++) {
                struct stand_filter filter = STAND_ALL((enum stand_raters)who);
                struct stand_rate rate;
                filter.chosen = why;
                if (!stand_rate(results, &filter, side, &rate) || !rate.votes)
                    continue;
                sheet_add(sheet, "%s", WHY[why]);
                sheet_add(sheet, "%s", results->plan.sides[side].name);
                sheet_add(sheet, "%s", REPORT_RATERS[who]);
                report_percent(sheet, rate.rate);
                report_interval(sheet, rate.lower, rate.upper);
                sheet_add(sheet, "%zu", rate.votes);
                sheet_add(sheet, "%zu", rate.prompts);
            }
    if (sheet->count)
        sheet_note(sheet, "Prompts that were chosen because they were lost get better by chance "
                          "alone: the others say what the new version is worth.");
}

/* --- judges --- */

static void table_judges(const struct report *report, struct sheet *sheet)
{
    static const char *const HEADS[] = {
        "judge",       "pairs",      "malformed",      "disagreed", "failed", "first shown wins",
        "longer wins", "own models", "own, by others", NULL};
    const struct results *results = &report->results;
    sheet_init(sheet, "Judges, and what leads them", 1, HEADS);
    for (size_t judge = 0; judge < results->plan.spec.judge_count; judge++) {
        struct bias bias;
        bias_of(results, judge, &bias);
        sheet_add(sheet, "%s", results->plan.judges[judge].name);
        sheet_add(sheet, "%zu", bias.judged);
        sheet_add(sheet, "%zu", bias.malformed);
        sheet_add(sheet, "%zu", bias.disagreements);
        sheet_add(sheet, "%zu", bias.failed);
        add_share(sheet, &bias.first);
        add_share(sheet, &bias.longer);
        add_share(sheet, &bias.own);
        add_share(sheet, &bias.own_by_others);
    }
    if (sheet->count)
        sheet_note(sheet,
                   "Each pair was judged in both orders, together one vote. First shown: of single "
                   "verdicts that are no tie; a fair judge is near 50 %%. Longer: of votes that "
                   "are no tie. Own models: the score of the judge's own model or organisation "
                   "against others, by itself and by the other raters on the same pairs.");
}

static void add_agreement(struct sheet *sheet, const char *a, const char *b,
                          const struct agreement_share *agreement)
{
    if (!agreement->with_ties.count)
        return;
    sheet_add(sheet, "%s", a);
    sheet_add(sheet, "%s", b);
    add_share(sheet, &agreement->with_ties);
    sheet_add(sheet, "%zu", agreement->with_ties.count);
    add_share(sheet, &agreement->without_ties);
    sheet_add(sheet, "%zu", agreement->without_ties.count);
}

static void note_alpha(const struct results *results, struct sheet *sheet)
{
    double alpha[2];
    size_t pairs[2];
    char note[256] = "";
    for (int people = 0; people < 2; people++)
        if (bias_alpha(results, people, &alpha[people], &pairs[people]) && pairs[people])
            snprintf(note + strlen(note), sizeof note - strlen(note),
                     "%sKrippendorff's alpha among the %s: %.3f on %zu pairs.", note[0] ? " " : "",
                     people ? "people" : "judges", alpha[people], pairs[people]);
    if (note[0])
        sheet_note(sheet, "%s", note);
}

static void table_agreement(const struct report *report, struct sheet *sheet)
{
    static const char *const HEADS[] = {"rater",        "and",   "agree", "pairs",
                                        "without ties", "pairs", NULL};
    const struct results *results = &report->results;
    size_t judges = results->plan.spec.judge_count;
    struct agreement_share agreement;
    sheet_init(sheet, "Agreement", 2, HEADS);
    for (size_t a = 0; a < judges; a++) {
        for (size_t b = a + 1; b < judges; b++) {
            bias_agreement(results, a, b, &agreement);
            add_agreement(sheet, results->plan.judges[a].name, results->plan.judges[b].name,
                          &agreement);
        }
        bias_agreement_with_people(results, a, &agreement);
        add_agreement(sheet, results->plan.judges[a].name, "people", &agreement);
    }
    note_alpha(results, sheet);
}

/* --- how far people are --- */

static void table_people(const struct report *report, struct sheet *sheet)
{
    static const char *const HEADS[] = {"pairs",  "votes a pair", "votes cast",
                                        "wanted", "voters",       NULL};
    const struct eval_people *people = &report->people;
    sheet_init(sheet, "People's votes so far", 0, HEADS);
    if (!people->pairs)
        return;
    sheet_add(sheet, "%" PRId64, people->pairs);
    sheet_add(sheet, "%" PRId64, report->results.plan.spec.overlap);
    sheet_add(sheet, "%" PRId64, people->votes);
    sheet_add(sheet, "%" PRId64, people->wanted);
    sheet_add(sheet, "%" PRId64, people->voters);
}

/* --- pairs on which they differ --- */

static bool raters_differ(const struct results *results, size_t from, size_t *to)
{
    bool differ = false;
    for (*to = from;
         *to < results->vote_count && results->votes[*to].pair == results->votes[from].pair &&
         results->votes[*to].rater < results->plan.spec.judge_count;
         ++*to)
        differ = differ || results->votes[*to].winner != results->votes[from].winner;
    *to = *to > from ? *to : from + 1;
    return differ;
}

static void add_pair(const struct results *results, size_t at, const char *why, struct sheet *sheet)
{
    const struct eval_pair *pair = &results->plan.pairs[at];
    sheet_add(sheet, "#p%u", pair->prompt + 1);
    sheet_add(sheet, "%s", results->plan.sides[pair->side[0]].name);
    sheet_add(sheet, "%s", results->plan.sides[pair->side[1]].name);
    sheet_add(sheet, "%s", why);
}

static void table_disagreements(const struct report *report, struct sheet *sheet)
{
    static const char *const HEADS[] = {"prompt", "model", "against", "who differs", NULL};
    const struct results *results = &report->results;
    size_t judges = results->plan.spec.judge_count, shown = 0, all = 0, to;
    char why[LIMIT_NAME_BYTES + 64];
    sheet_init(sheet, "Disagreements", 4, HEADS);
    for (size_t pair = 0; pair < results->plan.pair_count; pair++)
        for (size_t judge = 0; judge < judges; judge++) {
            struct verdict_of_both both;
            if (!results_verdicts(results, pair, judge, &both) || !both.disagreement)
                continue;
            snprintf(why, sizeof why, "%s with itself, the sides swapped",
                     results->plan.judges[judge].name);
            if (shown < PAIRS_SHOWN)
                add_pair(results, pair, why, sheet);
            shown += shown < PAIRS_SHOWN;
            all++;
        }
    for (size_t k = 0; judges > 1 && k < results->vote_count; k = to) {
        if (!raters_differ(results, k, &to))
            continue;
        if (shown < 2 * PAIRS_SHOWN)
            add_pair(results, results->votes[k].pair, "the judges with one another", sheet);
        shown += shown < 2 * PAIRS_SHOWN;
        all++;
    }
    if (all > shown)
        sheet_note(sheet, "%zu in all.", all);
}

/* --- what it took --- */

static void table_answers(const struct report *report, struct sheet *sheet)
{
    static const char *const HEADS[] = {"model",
                                        "answers",
                                        "refused",
                                        "cut",
                                        "empty",
                                        "characters",
                                        "tokens in",
                                        "tokens out",
                                        "first s p50/p95",
                                        "whole s p50/p95",
                                        "cost",
                                        "spent here",
                                        NULL};
    const struct results *results = &report->results;
    sheet_init(sheet, "Answers", 1, HEADS);
    for (size_t side = 0; side < results->plan.spec.competitor_count; side++) {
        struct report_totals totals;
        if (!report_totals(results, side, &totals))
            continue;
        sheet_add(sheet, "%s", results->plan.sides[side].name);
        sheet_add(sheet, "%zu", totals.answers);
        sheet_add(sheet, "%zu", totals.refused);
        sheet_add(sheet, "%zu", totals.cut);
        sheet_add(sheet, "%zu", totals.empty);
        sheet_add(sheet, "%.0f", totals.characters);
        sheet_add(sheet, totals.input < 0 ? "-" : "%" PRId64, totals.input);
        sheet_add(sheet, totals.output < 0 ? "-" : "%" PRId64, totals.output);
        sheet_add(sheet, "%.2f/%.2f", totals.first_p50, totals.first_p95);
        sheet_add(sheet, "%.2f/%.2f", totals.total_p50, totals.total_p95);
        if (isnan(totals.cost_usd))
            sheet_add(sheet, "unknown");
        else
            sheet_add(sheet, "$%.6g", totals.cost_usd);
        sheet_add(sheet, "$%.6g", results->side_spent[side]);
    }
    for (size_t judge = 0; judge < results->plan.spec.judge_count; judge++)
        if (results->judge_spent[judge] > 0)
            sheet_note(sheet,
                       "Judges spent $%.6g here; answers that were known already cost "
                       "nothing again.",
                       results->judge_spent[judge]);
}

static void table_failures(const struct report *report, struct sheet *sheet)
{
    static const char *const HEADS[] = {"who", "cause", "for instance", "calls", NULL};
    const struct results *results = &report->results;
    sheet_init(sheet, "Failures by cause", 3, HEADS);
    for (size_t k = 0; k < results->failure_count; k++) {
        const struct eval_failure *failure = &results->failures[k];
        const struct eval_side *side = failure->judge ? &results->plan.judges[failure->place]
                                                      : &results->plan.sides[failure->place];
        sheet_add(sheet, "%s", side->name ? side->name : "");
        sheet_add(sheet, "%s", failure->cause);
        sheet_add(sheet, "%.120s", failure->example);
        sheet_add(sheet, "%" PRId64, failure->count);
    }
}

/* The lab's own: how each of its versions fared anywhere, not in this run alone. */
static bool table_variants(const struct report *report, struct db *db, struct sheet *sheet,
                           struct err *err)
{
    const struct results *results = &report->results;
    for (size_t side = 0; side < results->plan.spec.competitor_count; side++)
        if (results->plan.sides[side].in_house)
            return why_variants(sheet, db, results->plan.sides[side].name, err);
    sheet_init(sheet, "", 0, NULL);
    return true;
}

static void draw(struct sheet *sheet, enum sheet_form form, struct buf *out)
{
    if (form == SHEET_JSON && out->length > 1)
        buf_add_char(out, ',');
    sheet_draw(sheet, form, out);
    sheet_done(sheet);
}

bool report_tables(const struct report *report, struct db *db, enum sheet_form form,
                   struct buf *out, struct err *err)
{
    static void (*const TABLES[])(const struct report *report, struct sheet *sheet) = {
        table_baseline, table_categories, table_chosen,        table_judges,
        table_people,   table_agreement,  table_disagreements, report_why,
        report_lost,    table_answers,    table_failures,      table_settings};
    struct sheet sheet;
    for (size_t k = 0; k < sizeof TABLES / sizeof *TABLES; k++) {
        TABLES[k](report, &sheet);
        draw(&sheet, form, out);
    }
    bool ok = table_variants(report, db, &sheet, err);
    draw(&sheet, form, out);
    return ok;
}

bool report_sheets(const struct report *report, struct db *db, struct buf *out, struct err *err)
{
    struct sheet sheet;
    buf_add_char(out, '[');
    for (int who = 0; who < 2; who++)
        if (report->board[who]) {
            report_board(report, who, &sheet);
            draw(&sheet, SHEET_JSON, out);
        }
    bool ok = report_tables(report, db, SHEET_JSON, out, err);
    buf_add_char(out, ']');
    return ok;
}
