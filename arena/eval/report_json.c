/* The same figures for programs; the boards are the objects that `arena rank --format json` gives.
 */
#include "eval/report_parts.h"

#include <math.h>

#include "base/json.h"
#include "board/render.h"
#include "eval/bias.h"

static void put_share(struct json_out *json, const char *key, const struct share *share)
{
    json_put_open(json, key, '{');
    json_put_real(json, "share", share->share);
    json_put_real(json, "lower", share->lower);
    json_put_real(json, "upper", share->upper);
    json_put_int(json, "count", (int64_t)share->count);
    json_put_close(json, '}');
}

static void put_rate(struct json_out *json, const struct stand_rate *rate)
{
    json_put_real(json, "win_rate", rate->rate);
    json_put_real(json, "lower", rate->lower);
    json_put_real(json, "upper", rate->upper);
    json_put_int(json, "votes", (int64_t)rate->votes);
    json_put_int(json, "prompts", (int64_t)rate->prompts);
    json_put_int(json, "wins", (int64_t)rate->wins);
    json_put_int(json, "losses", (int64_t)rate->losses);
    json_put_int(json, "ties", (int64_t)rate->ties);
}

static void put_boards(const struct report *report, struct json_out *json)
{
    for (int who = 0; who < 2; who++) {
        struct buf board;
        if (!report->board[who])
            continue;
        buf_init(&board, RENDER_MAX);
        render(&board, report->board[who], RENDER_JSON, 0);
        while (board.length && board.data[board.length - 1] == '\n')
            board.length--;
        json_put_raw(json, REPORT_RATERS[who], buf_text(&board));
        buf_done(&board);
    }
}

/* Rates of every competitor under each value of one filter. */
static void put_rates(const struct report *report, struct json_out *json, const char *word,
                      const char *value, const struct stand_filter *filter)
{
    const struct results *results = &report->results;
    for (size_t side = 0; side < results->plan.spec.competitor_count; side++) {
        struct stand_rate rate;
        if (!stand_rate(results, filter, side, &rate) || !rate.votes)
            continue;
        json_put_open(json, NULL, '{');
        json_put_cstring(json, "model", results->plan.sides[side].name);
        json_put_cstring(json, "raters", REPORT_RATERS[filter->raters]);
        json_put_cstring(json, word, value);
        put_rate(json, &rate);
        if (filter->against >= 0) {
            struct stand_rate even = stand_rate_at_length(
                report->at_length[filter->raters], results->plan.sides[side].name,
                results->plan.sides[filter->against].name);
            json_put_real(json, "win_rate_at_equal_length", even.rate);
            json_put_real(json, "win_rate_at_equal_length_lower", even.lower);
            json_put_real(json, "win_rate_at_equal_length_upper", even.upper);
        }
        json_put_close(json, '}');
    }
}

static void put_all_rates(const struct report *report, struct json_out *json)
{
    static const char *const WHY[] = {"", "lost", "control"};
    size_t base = stand_baseline(&report->results);
    json_put_open(json, "baseline", '[');
    for (int who = 0; who < 2; who++) {
        struct stand_filter filter = STAND_ALL((enum stand_raters)who);
        filter.against = (ptrdiff_t)base;
        put_rates(report, json, "against", report->results.plan.sides[base].name, &filter);
    }
    json_put_close(json, ']');
    json_put_open(json, "categories", '[');
    for (int who = 0; who < 2; who++)
        for (size_t k = 0; k < report->category_count; k++) {
            struct stand_filter filter = STAND_ALL((enum stand_raters)who);
            filter.category = report->categories[k];
            put_rates(report, json, "category", report->categories[k], &filter);
        }
    json_put_close(json, ']');
    json_put_open(json, "chosen", '[');
    for (int who = 0; who < 2; who++)
        for (int why = EVAL_CHOSEN_LOST; why <= EVAL_CHOSEN_CONTROL; why++) {
            struct stand_filter filter = STAND_ALL((enum stand_raters)who);
            filter.chosen = why;
            put_rates(report, json, "chosen", WHY[why], &filter);
        }
    json_put_close(json, ']');
}

/* The votes of one side against another, over all (`category` 0) or in one category. */
static void put_meeting(const struct report *report, struct json_out *json, size_t side,
                        size_t rival, size_t category, enum stand_raters who)
{
    const struct results *results = &report->results;
    struct stand_filter filter = STAND_ALL(who);
    struct stand_rate rate;
    filter.against = (ptrdiff_t)rival;
    filter.category = category ? report->categories[category - 1] : NULL;
    if (side == rival || !stand_rate(results, &filter, side, &rate) || !rate.votes)
        return;
    json_put_open(json, NULL, '{');
    json_put_cstring(json, "model", results->plan.sides[side].name);
    json_put_cstring(json, "against", results->plan.sides[rival].name);
    json_put_cstring(json, "raters", REPORT_RATERS[who]);
    json_put_cstring(json, "category", filter.category);
    put_rate(json, &rate);
    json_put_close(json, '}');
}

/* Of our own models: against each rival, over all and by category. */
static void put_why(const struct report *report, struct json_out *json)
{
    const struct results *results = &report->results;
    json_put_open(json, "why", '[');
    for (size_t side = 0; side < results->plan.spec.competitor_count; side++)
        for (size_t rival = 0; rival < results->plan.spec.competitor_count; rival++)
            for (size_t k = 0; results->plan.sides[side].in_house && k <= report->category_count;
                 k++)
                for (int who = 0; who < 2; who++)
                    put_meeting(report, json, side, rival, k, (enum stand_raters)who);
    json_put_close(json, ']');
}

static void put_agreement(struct json_out *json, const char *a, const char *b,
                          const struct agreement_share *agreement)
{
    if (!agreement->with_ties.count)
        return;
    json_put_open(json, NULL, '{');
    json_put_cstring(json, "a", a);
    json_put_cstring(json, "b", b);
    put_share(json, "with_ties", &agreement->with_ties);
    put_share(json, "without_ties", &agreement->without_ties);
    json_put_close(json, '}');
}

static void put_judges(const struct results *results, struct json_out *json)
{
    json_put_open(json, "judges", '[');
    for (size_t judge = 0; judge < results->plan.spec.judge_count; judge++) {
        struct bias bias;
        bias_of(results, judge, &bias);
        json_put_open(json, NULL, '{');
        json_put_cstring(json, "judge", results->plan.judges[judge].name);
        json_put_cstring(json, "version", results->plan.judges[judge].digest);
        json_put_int(json, "pairs", (int64_t)bias.judged);
        json_put_int(json, "malformed", (int64_t)bias.malformed);
        json_put_int(json, "disagreements", (int64_t)bias.disagreements);
        json_put_int(json, "failed", (int64_t)bias.failed);
        put_share(json, "first_shown_wins", &bias.first);
        put_share(json, "longer_wins", &bias.longer);
        put_share(json, "own", &bias.own);
        put_share(json, "own_by_others", &bias.own_by_others);
        json_put_close(json, '}');
    }
    json_put_close(json, ']');
}

static void put_agreements(const struct results *results, struct json_out *json)
{
    static const char *const KEYS[] = {"alpha_judges", "alpha_people"};
    size_t judges = results->plan.spec.judge_count, pairs;
    struct agreement_share agreement;
    double alpha;
    json_put_open(json, "agreement", '[');
    for (size_t a = 0; a < judges; a++) {
        const char *name = results->plan.judges[a].name;
        for (size_t b = a + 1; b < judges; b++) {
            bias_agreement(results, a, b, &agreement);
            put_agreement(json, name, results->plan.judges[b].name, &agreement);
        }
        bias_agreement_with_people(results, a, &agreement);
        put_agreement(json, name, "people", &agreement);
    }
    json_put_close(json, ']');
    for (int people = 0; people < 2; people++)
        if (bias_alpha(results, people, &alpha, &pairs))
            json_put_real(json, KEYS[people], pairs ? alpha : NAN);
}

static void put_answers(const struct results *results, struct json_out *json)
{
    json_put_open(json, "answers", '[');
    for (size_t side = 0; side < results->plan.spec.competitor_count; side++) {
        struct report_totals totals;
        if (!report_totals(results, side, &totals))
            continue;
        json_put_open(json, NULL, '{');
        json_put_cstring(json, "model", results->plan.sides[side].name);
        json_put_cstring(json, "version", results->plan.sides[side].digest);
        json_put_int(json, "answers", (int64_t)totals.answers);
        json_put_int(json, "refused", (int64_t)totals.refused);
        json_put_int(json, "cut", (int64_t)totals.cut);
        json_put_int(json, "empty", (int64_t)totals.empty);
        json_put_real(json, "characters", totals.characters);
        json_put_int(json, "input_tokens", totals.input);
        json_put_int(json, "output_tokens", totals.output);
        json_put_real(json, "first_content_s_p50", totals.first_p50);
        json_put_real(json, "first_content_s_p95", totals.first_p95);
        json_put_real(json, "total_s_p50", totals.total_p50);
        json_put_real(json, "total_s_p95", totals.total_p95);
        json_put_real(json, "cost_usd", totals.cost_usd);
        json_put_real(json, "spent_usd", results->side_spent[side]);
        json_put_int(json, "calls", results->side_calls[side]);
        json_put_close(json, '}');
    }
    json_put_close(json, ']');
}

static void put_failures(const struct results *results, struct json_out *json)
{
    json_put_open(json, "failures", '[');
    for (size_t k = 0; k < results->failure_count; k++) {
        const struct eval_failure *failure = &results->failures[k];
        const struct eval_side *side = failure->judge ? &results->plan.judges[failure->place]
                                                      : &results->plan.sides[failure->place];
        json_put_open(json, NULL, '{');
        json_put_cstring(json, "model", side->name);
        json_put_bool(json, "judge", failure->judge);
        json_put_cstring(json, "cause", failure->cause);
        json_put_cstring(json, "example", failure->example);
        json_put_int(json, "calls", failure->count);
        json_put_close(json, '}');
    }
    json_put_close(json, ']');
}

static void put_people(const struct eval_people *people, struct json_out *json)
{
    json_put_open(json, "people", '{');
    json_put_int(json, "pairs", people->pairs);
    json_put_int(json, "wanted", people->wanted);
    json_put_int(json, "votes", people->votes);
    json_put_int(json, "voters", people->voters);
    json_put_close(json, '}');
}

void report_json(const struct report *report, struct buf *out)
{
    const struct results *results = &report->results;
    struct json_out json = json_out_to(out);
    json_put_open(&json, NULL, '{');
    json_put_cstring(&json, "id", results->plan.id);
    json_put_cstring(&json, "name", results->plan.spec.name);
    json_put_cstring(&json, "state", eval_state_word(results->run_state));
    json_put_cstring(&json, "reason", results->reason[0] ? results->reason : NULL);
    json_put_int(&json, "prompts", (int64_t)results->plan.prompts.count);
    json_put_int(&json, "pairs", (int64_t)results->plan.pair_count);
    json_put_real(&json, "seconds", (double)results->active_ms / 1e3);
    json_put_open(&json, "boards", '{');
    put_boards(report, &json);
    json_put_close(&json, '}');
    put_all_rates(report, &json);
    put_why(report, &json);
    put_judges(results, &json);
    put_people(&report->people, &json);
    put_agreements(results, &json);
    put_answers(results, &json);
    put_failures(results, &json);
    json_put_close(&json, '}');
    buf_add_char(out, '\n');
}
