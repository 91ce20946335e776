/* Only our own models are asked why: of the others the report says how they stand. */
#include "eval/report_parts.h"

enum { LOST_SHOWN = 50 };

/* --- against each rival, by category --- */

static void add_meeting(const struct report *report, const struct stand_filter *filter, size_t side,
                        struct sheet *sheet)
{
    const struct results *results = &report->results;
    struct stand_rate rate;
    if (!stand_rate(results, filter, side, &rate) || !rate.votes)
        return;
    sheet_add(sheet, "%s", results->plan.sides[side].name);
    sheet_add(sheet, "%s", results->plan.sides[filter->against].name);
    sheet_add(sheet, "%s", filter->category ? filter->category : "all");
    sheet_add(sheet, "%s", REPORT_RATERS[filter->raters]);
    report_percent(sheet, rate.rate);
    report_interval(sheet, rate.lower, rate.upper);
    sheet_add(sheet, "%zu", rate.wins);
    sheet_add(sheet, "%zu", rate.losses);
    sheet_add(sheet, "%zu", rate.ties);
    sheet_add(sheet, "%zu", rate.prompts);
}

static void add_rival(const struct report *report, size_t side, size_t rival, struct sheet *sheet)
{
    size_t categories = report->category_count > 1 ? report->category_count : 0;
    for (int who = 0; who < 2; who++)
        for (size_t k = 0; k <= categories; k++) {
            struct stand_filter filter = STAND_ALL((enum stand_raters)who);
            filter.against = (ptrdiff_t)rival;
            filter.category = k ? report->categories[k - 1] : NULL;
            add_meeting(report, &filter, side, sheet);
        }
}

void report_why(const struct report *report, struct sheet *sheet)
{
    static const char *const HEADS[] = {"model",    "against", "category", "votes of",
                                        "win rate", "95 %",    "won",      "lost",
                                        "tied",     "prompts", NULL};
    const struct eval_plan *plan = &report->results.plan;
    sheet_init(sheet, "Why? Our models against each rival, by category", 4, HEADS);
    for (size_t side = 0; side < plan->spec.competitor_count; side++)
        for (size_t rival = 0; rival < plan->spec.competitor_count; rival++)
            if (plan->sides[side].in_house && rival != side)
                add_rival(report, side, rival, sheet);
}

/* --- what they lost --- */

void report_lost(const struct report *report, struct sheet *sheet)
{
    static const char *const HEADS[] = {"prompt", "model", "lost to", "says", NULL};
    const struct results *results = &report->results;
    size_t all = 0;
    sheet_init(sheet, "Why? What our models lost", 4, HEADS);
    for (size_t k = 0; k < results->vote_count; k++) {
        const struct eval_vote *vote = &results->votes[k];
        const struct eval_pair *pair = &results->plan.pairs[vote->pair];
        if (vote->winner > WINNER_B || pair->side[0] == pair->side[1])
            continue;
        const struct eval_side *loser = &results->plan.sides[pair->side[vote->winner == WINNER_A]],
                               *winner = &results->plan.sides[pair->side[vote->winner == WINNER_B]];
        if (!loser->in_house || ++all > LOST_SHOWN)
            continue;
        sheet_add(sheet, "#p%u", pair->prompt + 1);
        sheet_add(sheet, "%s", loser->name);
        sheet_add(sheet, "%s", winner->name);
        sheet_add(sheet, "%s",
                  vote->rater < results->plan.spec.judge_count
                      ? results->plan.judges[vote->rater].name
                      : "a person");
    }
    if (all > LOST_SHOWN)
        sheet_note(sheet, "%zu in all.", all);
}
