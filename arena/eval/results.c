/* The state is found again as a resumed run finds it (ask.h), so a report cannot differ from what
 * the run did. */
#include "eval/results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "eval/ask.h"
#include "store/eval_calls.h"

struct reading {
    struct results *results;
    struct err *err;
    size_t room;
    bool ok;
};

/* --- answers --- */

static int64_t add_known(int64_t sum, int64_t more)
{
    return sum < 0 || more < 0 ? -1 : sum + more;
}

static void take_answer(void *user, const struct answer_record *record)
{
    struct answer_fact *fact = user;
    struct text shown = record->text.length ? record->text : record->refusal;
    fact->refused = fact->refused || record->refusal.length ||
                    strcmp(record->finish, "refusal") == 0 ||
                    strcmp(record->finish, "content_filter") == 0;
    fact->cut = fact->cut || strcmp(record->finish, "length") == 0;
    fact->empty = fact->empty || !shown.length;
    fact->input = add_known(fact->input, record->input_tokens);
    fact->output = add_known(fact->output, record->output_tokens);
    fact->cost_usd += record->cost_usd;
    if (fact->total_s == 0)
        fact->first_s = (double)record->first_content_ns / 1e9;
    fact->total_s += (double)record->total_ns / 1e9;
    fact->characters += utf8_count(shown.data, shown.length);
}

/* Our own engine has no price, and nothing to pay. */
static bool is_own_engine(const struct eval_side *side)
{
    json_t *effective = json_loads(side->effective ? side->effective : "{}", 0, NULL);
    const char *provider = json_string_value(json_object_get(effective, "provider"));
    bool own = provider && strcmp(provider, "engine") == 0;
    json_decref(effective);
    return own;
}

static bool read_facts(struct results *results, struct db *db, struct err *err)
{
    size_t count = eval_plan_conversations(&results->plan);
    results->facts = calloc(count + 1, sizeof *results->facts);
    if (!results->facts)
        return err_set(err, ERR_MEMORY, "no memory for the answers");
    for (size_t at = 0; at < count; at++) {
        const struct conversation *conversation = &results->state.conversations[at];
        struct answer_fact *fact = &results->facts[at];
        fact->there = conversation->step == EVAL_FINISHED;
        for (size_t turn = 0; turn < conversation->turns; turn++)
            if (!answers_get(db, state_answers(&results->state, at)[turn], take_answer, fact, err))
                return false;
    }
    for (size_t side = 0; side < results->plan.spec.competitor_count; side++)
        if (is_own_engine(&results->plan.sides[side]))
            for (size_t at = side; at < count; at += results->plan.spec.competitor_count)
                results->facts[at].cost_usd = 0;
    return true;
}

/* --- votes --- */

static bool add_vote(struct results *results, size_t pair, size_t rater, enum winner winner,
                     struct err *err)
{
    if (results->vote_count == results->vote_room) {
        size_t room = results->vote_room ? 2 * results->vote_room : 256;
        struct eval_vote *votes = realloc(results->votes, room * sizeof *votes);
        if (!votes)
            return err_set(err, ERR_MEMORY, "no memory for the votes");
        results->votes = votes;
        results->vote_room = room;
    }
    results->votes[results->vote_count++] =
        (struct eval_vote){(uint32_t)pair, (uint32_t)rater, (uint8_t)winner};
    return true;
}

bool results_verdicts(const struct results *results, size_t pair, size_t judge,
                      struct verdict_of_both *out)
{
    const struct judgement *judgement = state_judgement(&results->state, pair, judge);
    if (judgement->step != EVAL_FINISHED)
        return false;
    *out = verdict_combine(judgement->verdict[0], judgement->verdict[1]);
    return true;
}

static bool add_judges(struct results *results, struct err *err)
{
    static const enum winner WINNER[] = {WINNER_A, WINNER_B, WINNER_TIE, WINNER_TIE};
    const struct eval_spec *spec = &results->plan.spec;
    for (size_t pair = 0; pair < results->plan.pair_count; pair++)
        for (size_t judge = 0; judge < spec->judge_count; judge++) {
            struct verdict_of_both both;
            if (!results_verdicts(results, pair, judge, &both) ||
                both.verdict == VERDICT_MALFORMED ||
                (both.disagreement && !spec->judging.disagreement_is_tie))
                continue;
            if (!add_vote(results, pair, judge, WINNER[both.verdict], err))
                return false;
        }
    return true;
}

static bool find_person(struct results *results, int64_t number, size_t *rater)
{
    for (*rater = 0; *rater < results->people; ++*rater)
        if (results->people_numbers[*rater] == number)
            return true;
    int64_t *numbers =
        realloc(results->people_numbers, (results->people + 1) * sizeof *results->people_numbers);
    if (!numbers)
        return false;
    results->people_numbers = numbers;
    numbers[results->people++] = number;
    return true;
}

static bool take_person(void *user, const struct eval_person_vote *vote)
{
    struct reading *reading = user;
    struct results *results = reading->results;
    size_t rater;
    if ((size_t)vote->pair >= results->plan.pair_count)
        return true;
    reading->ok = find_person(results, vote->voter, &rater) &&
                  add_vote(results, (size_t)vote->pair, results->plan.spec.judge_count + rater,
                           (enum winner)vote->winner, reading->err);
    return reading->ok;
}

/* --- what failed, and what it all cost --- */

static struct eval_failure *find_failure(struct results *results,
                                         const struct eval_call_record *record)
{
    for (size_t k = 0; k < results->failure_count; k++) {
        struct eval_failure *failure = &results->failures[k];
        if (failure->judge == record->judge && failure->place == (size_t)record->place &&
            strcmp(failure->cause, record->error_class) == 0)
            return failure;
    }
    struct eval_failure *failures =
        realloc(results->failures, (results->failure_count + 1) * sizeof *failures);
    if (!failures)
        return NULL;
    results->failures = failures;
    failures += results->failure_count++;
    *failures = (struct eval_failure){.judge = record->judge, .place = (size_t)record->place};
    snprintf(failures->cause, sizeof failures->cause, "%s", record->error_class);
    snprintf(failures->example, sizeof failures->example, "%s",
             record->error_message ? record->error_message : "");
    return failures;
}

static bool take_call(void *user, const struct eval_call_record *record)
{
    struct reading *reading = user;
    struct results *results = reading->results;
    size_t most = record->judge ? LIMIT_EVAL_JUDGES : LIMIT_EVAL_SIDES;
    if ((size_t)record->place >= most)
        return true;
    *(record->judge ? &results->judge_spent[record->place] : &results->side_spent[record->place]) +=
        record->charged_usd;
    ++*(record->judge ? &results->judge_calls[record->place] : &results->side_calls[record->place]);
    if (record->answer || !record->error_class || strcmp(record->error_class, "cancelled") == 0)
        return true; /* answered, or ended by hand: no failure */
    struct eval_failure *failure = find_failure(results, record);
    if (failure)
        failure->count++;
    return reading->ok = failure != NULL;
}

static void take_run(void *user, const struct eval_run_record *record)
{
    struct results *results = user;
    results->run_state = record->state;
    snprintf(results->reason, sizeof results->reason, "%s", record->reason ? record->reason : "");
    results->created_ms = record->created_ms;
    results->active_ms = record->active_ms;
}

bool results_load(struct results *results, struct db *db, const char *id, struct err *err)
{
    struct reading reading = {.results = results, .err = err, .ok = true};
    *results = (struct results){0};
    bool ok = eval_plan_load(&results->plan, db, id, err) &&
              eval_runs_find(db, results->plan.id, take_run, results, err) &&
              state_init(&results->state, &results->plan, err) &&
              ask_load_state(&results->state, db, err) && read_facts(results, db, err) &&
              add_judges(results, err) &&
              eval_votes_of_people(db, results->plan.number, take_person, &reading, err) &&
              eval_calls_each(db, results->plan.number, take_call, &reading, err);
    return ok && (reading.ok || err_set(err, ERR_MEMORY, "no memory for the report"));
}

void results_done(struct results *results)
{
    free(results->facts);
    free(results->votes);
    free(results->people_numbers);
    free(results->failures);
    state_done(&results->state);
    eval_plan_done(&results->plan);
    *results = (struct results){0};
}
