/* Answers that are not there yet count with the cap of whoever gives them. */
#include "eval/bounds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { UNCAPPED = 32768, MESSAGE = 16 }; /* as competitor/cost.c counts them */

static double cap_of(const struct chat_params *params, const struct competitor *competitor,
                     bool *uncapped)
{
    int64_t cap =
        params->max_tokens > 0 ? params->max_tokens : competitor->config.params.max_tokens;
    *uncapped = *uncapped || cap <= 0;
    return cap > 0 ? (double)cap : UNCAPPED;
}

static double bytes_of(const json_t *list, size_t count)
{
    double bytes = 0;
    for (size_t k = 0; k < count && k < json_array_size(list); k++)
        bytes += (double)json_string_length(json_array_get(list, k)) + MESSAGE;
    return bytes;
}

/* Which conversations does the plan need? New, to be freed; NULL without memory. */
static bool *needed(const struct eval_plan *plan)
{
    bool *which = calloc(eval_plan_conversations(plan) + 1, sizeof *which);
    for (size_t k = 0; which && k < plan->pair_count; k++)
        for (int side = 0; side < 2; side++)
            which[eval_pair_conversation(plan, &plan->pairs[k], side)] = true;
    bool judged = plan->spec.judge_count || plan->spec.people;
    for (size_t at = 0; which && !judged && at < eval_plan_conversations(plan); at++)
        which[at] = true;
    return which;
}

/* An adaptive plan grows: its first pairs stand for all. */
static double growth(const struct eval_plan *plan)
{
    size_t most = eval_plan_most_pairs(plan);
    if (plan->spec.pairing != EVAL_ADAPTIVE || !plan->pair_count)
        return 1;
    most = most < (size_t)plan->spec.adaptive_pairs ? most : (size_t)plan->spec.adaptive_pairs;
    return (double)most / (double)plan->pair_count;
}

static void add_conversation(struct eval_bounds *bounds, const struct eval_plan *plan,
                             size_t prompt, double cap, const char *own_system)
{
    const struct eval_prompt *its = &plan->prompts.list[prompt];
    const char *system = its->system ? its->system : own_system;
    size_t turns = json_array_size(its->turns);
    for (size_t turn = 0; turn < turns; turn++) {
        bounds->input_tokens += bytes_of(its->turns, turn + 1) + (double)turn * (cap + MESSAGE) +
                                (system ? (double)strlen(system) : 0) + 2 * MESSAGE;
        bounds->output_tokens += cap;
        bounds->calls++;
    }
}

static bool bound_answers(struct eval_bounds *bounds, const struct eval_plan *plan, size_t place,
                          double cap, const char *own_system, struct err *err)
{
    bool *which = needed(plan);
    size_t conversations = eval_plan_conversations(plan), sides = plan->spec.competitor_count,
           of_prompt = plan->samples * sides;
    for (size_t at = place; which && at < conversations; at += sides)
        if (which[at])
            add_conversation(bounds, plan, at / of_prompt, cap, own_system);
    free(which);
    return which || err_set(err, ERR_MEMORY, "out of memory");
}

static bool bound_verdicts(struct eval_bounds *bounds, const struct eval_plan *plan,
                           const struct roster *roster, double cap, struct err *err)
{
    const struct eval_judging *judging = &plan->spec.judging;
    double own = (double)strlen(judging->system) + (double)strlen(judging->prompt_with_reference);
    for (size_t k = 0; k < plan->pair_count; k++) {
        const struct eval_pair *pair = &plan->pairs[k];
        const struct eval_prompt *prompt = &plan->prompts.list[pair->prompt];
        double turns = (double)json_array_size(prompt->turns), shown = own;
        for (int side = 0; side < 2; side++) {
            const char *name = plan->spec.competitors[pair->side[side]];
            const struct competitor *competitor = roster_need(roster, name, err);
            bool ignored = false;
            if (!competitor)
                return false;
            shown += turns * cap_of(&plan->spec.params, competitor, &ignored);
        }
        shown += bytes_of(prompt->turns, SIZE_MAX) + bytes_of(prompt->reference, SIZE_MAX);
        bounds->calls += 2;
        bounds->input_tokens += 2 * shown;
        bounds->output_tokens += 2 * cap;
    }
    return true;
}

bool eval_bounds_of(struct eval_bounds *bounds, const struct eval_plan *plan,
                    const struct roster *roster, bool judge, size_t place, struct err *err)
{
    const char *name = judge ? plan->spec.judges[place] : plan->spec.competitors[place];
    const struct chat_params *params = judge ? &plan->spec.judging.params : &plan->spec.params;
    const struct competitor *competitor = roster_need(roster, name, err);
    double more = growth(plan);
    *bounds = (struct eval_bounds){0};
    if (!competitor)
        return false;
    double cap = cap_of(params, competitor, &bounds->uncapped);
    bool ok = judge ? bound_verdicts(bounds, plan, roster, cap, err)
                    : bound_answers(bounds, plan, place, cap, competitor->config.system, err);
    bounds->calls = (int64_t)ceil((double)bounds->calls * more);
    bounds->input_tokens *= more;
    bounds->output_tokens *= more;
    struct price_rates rates = price_at_worst(&competitor->config.prices, clock_wall_ms());
    bounds->usd = (bounds->input_tokens * rates.input + bounds->output_tokens * rates.output) / 1e6;
    if (strcmp(competitor->config.provider, "engine") == 0 && isnan(bounds->usd))
        bounds->usd = 0;
    return ok;
}
