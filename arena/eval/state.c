/* Arrays by number: a run of a million conversations takes some 50 MB. */
#include "eval/state.h"

#include <stdlib.h>
#include <string.h>

/* And the queue. */
static size_t judges_of(const struct run_state *state)
{
    return state->plan->spec.judge_count + 1;
}

size_t state_prompt(const struct run_state *state, size_t conversation)
{
    return conversation / (state->plan->samples * state->plan->spec.competitor_count);
}

size_t state_side(const struct run_state *state, size_t conversation)
{
    return conversation % state->plan->spec.competitor_count;
}

size_t state_sample(const struct run_state *state, size_t conversation)
{
    return conversation / state->plan->spec.competitor_count % state->plan->samples;
}

size_t state_turns(const struct run_state *state, size_t conversation)
{
    return json_array_size(state->plan->prompts.list[state_prompt(state, conversation)].turns);
}

int64_t *state_answers(const struct run_state *state, size_t conversation)
{
    size_t of_prompt = conversation % (state->plan->samples * state->plan->spec.competitor_count);
    return state->answers + state->first[state_prompt(state, conversation)] +
           of_prompt * state_turns(state, conversation);
}

struct judgement *state_judgement(const struct run_state *state, size_t pair, size_t judge)
{
    return &state->judgements[pair * judges_of(state) + judge];
}

static bool pair_has(const struct run_state *state, size_t pair, enum eval_step step, bool both)
{
    int count = 0;
    for (int which = 0; which < 2; which++) {
        size_t at = eval_pair_conversation(state->plan, &state->plan->pairs[pair], which);
        count += state->conversations[at].step == step;
    }
    return count == 2 || (count == 1 && !both);
}

bool state_pair_ready(const struct run_state *state, size_t pair)
{
    return pair_has(state, pair, EVAL_FINISHED, true);
}

bool state_pair_failed(const struct run_state *state, size_t pair)
{
    return pair_has(state, pair, EVAL_FAILED, false);
}

/* --- making it --- */

static void want(struct run_state *state, size_t pair)
{
    for (int which = 0; which < 2; which++) {
        size_t at = eval_pair_conversation(state->plan, &state->plan->pairs[pair], which);
        if (state->conversations[at].step == EVAL_UNWANTED)
            state->conversations[at].step = EVAL_WAITING;
    }
}

bool state_grow(struct run_state *state, struct err *err)
{
    size_t pairs = state->plan->pair_count, judges = judges_of(state);
    size_t bytes = (pairs * judges + 1) * sizeof *state->judgements;
    struct judgement *judgements = realloc(state->judgements, bytes);
    if (!judgements)
        return err_set(err, ERR_MEMORY, "no memory for the judgements");
    state->judgements = judgements;
    memset(judgements + state->judged_pairs * judges, 0,
           (pairs - state->judged_pairs) * judges * sizeof *judgements);
    for (size_t pair = state->judged_pairs; pair < pairs; pair++)
        want(state, pair);
    state->judged_pairs = pairs;
    return true;
}

/* Answers alone are wanted too: of every prompt, as many samples as the spec says. */
static void want_all(struct run_state *state)
{
    const struct eval_spec *spec = &state->plan->spec;
    for (size_t at = 0; at < eval_plan_conversations(state->plan); at++)
        if (state_sample(state, at) < (size_t)spec->samples)
            state->conversations[at].step = EVAL_WAITING;
}

bool state_init(struct run_state *state, const struct eval_plan *plan, struct err *err)
{
    size_t conversations = eval_plan_conversations(plan), slots = 0,
           of_prompt = plan->samples * plan->spec.competitor_count;
    *state = (struct run_state){.plan = plan};
    state->conversations = calloc(conversations + 1, sizeof *state->conversations);
    state->first = calloc(plan->prompts.count + 1, sizeof *state->first);
    for (size_t k = 0; state->first && k < plan->prompts.count; k++) {
        state->first[k] = slots;
        slots += of_prompt * json_array_size(plan->prompts.list[k].turns);
    }
    state->answers = calloc(slots + 1, sizeof *state->answers);
    if (!state->conversations || !state->first || !state->answers)
        return err_set(err, ERR_MEMORY, "no memory for the run");
    if (!plan->spec.judge_count && !plan->spec.people)
        want_all(state);
    return state_grow(state, err);
}

void state_done(struct run_state *state)
{
    free(state->conversations);
    free(state->answers);
    free(state->first);
    free(state->judgements);
    *state = (struct run_state){0};
}
