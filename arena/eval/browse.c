/* The list of pairs is numbers alone, so that a page can filter thousands of them without asking
 * again; texts are sent for one prompt at a time. */
#include "eval/browse.h"

#include <stdlib.h>
#include <string.h>

#include "eval/ask.h"
#include "eval/report_parts.h"
#include "store/eval_calls.h"
#include "store/eval_runs.h"

enum { OPENING = 100, TABLES_MAX = 4 << 20 };

/* --- the runs --- */

struct listing {
    struct json_out *out;
    const struct browse_working *working;
    struct db *db;
    struct err *err;
    bool ok;
};

static bool works_here(const struct browse_working *working, const char *id)
{
    for (size_t k = 0; k < working->count; k++)
        if (strcmp(working->id[k], id) == 0)
            return true;
    return false;
}

static bool put_run(void *user, const struct eval_run_record *record)
{
    struct listing *listing = user;
    struct json_out *out = listing->out;
    struct eval_people people;
    bool lost = record->state == EVAL_RUNNING && !works_here(listing->working, record->id);
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "id", record->id);
    json_put_cstring(out, "name", record->name);
    json_put_cstring(out, "state", lost ? "interrupted" : eval_state_word(record->state));
    json_put_cstring(out, "reason", record->reason);
    json_put_cstring(out, "campaign", record->campaign[0] ? record->campaign : NULL);
    json_put_int(out, "created_ms", record->created_ms);
    json_put_int(out, "active_ms", record->active_ms);
    if (record->progress)
        json_put_raw(out, "progress", text_of(record->progress));
    else
        json_put_null(out, "progress");
    listing->ok = eval_people_progress(listing->db, record->number, &people, listing->err);
    json_put_int(out, "people_votes", people.votes);
    json_put_int(out, "people_wanted", people.wanted);
    json_put_close(out, '}');
    return listing->ok;
}

bool browse_runs(struct json_out *out, struct db *db, const struct browse_working *working,
                 struct err *err)
{
    struct listing listing = {out, working, db, err, true};
    json_put_open(out, "runs", '[');
    bool ok = eval_runs_each(db, BROWSE_RUNS, put_run, &listing, err);
    json_put_close(out, ']');
    return ok && listing.ok;
}

/* --- one of them --- */

static void put_names(struct json_out *out, const char *key, const struct eval_side *sides,
                      size_t count)
{
    json_put_open(out, key, '[');
    for (size_t k = 0; k < count; k++) {
        json_put_open(out, NULL, '{');
        json_put_cstring(out, "model", sides[k].name);
        json_put_string(out, "version", (struct text){sides[k].digest, 8});
        json_put_raw(out, "settings", text_of(sides[k].effective));
        json_put_bool(out, "in_house", sides[k].in_house);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

static void put_who(struct json_out *out, const struct eval_plan *plan)
{
    put_names(out, "sides", plan->sides, plan->spec.competitor_count);
    put_names(out, "judges", plan->judges, plan->spec.judge_count);
}

static void put_prompts(struct json_out *out, const struct eval_plan *plan)
{
    json_put_open(out, "prompts", '[');
    for (size_t k = 0; k < plan->prompts.count; k++) {
        const struct eval_prompt *prompt = &plan->prompts.list[k];
        const char *first = json_string_value(json_array_get(prompt->turns, 0));
        size_t length = strcspn(first, "\n");
        if (length > OPENING)
            for (length = OPENING; length && ((unsigned char)first[length] & 0xc0) == 0x80;)
                length--;
        json_put_open(out, NULL, '{');
        json_put_string(out, "opening", (struct text){first, length});
        json_put_cstring(out, "category", prompt->category);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

static void put_numbers(struct json_out *out, const int64_t *numbers, size_t count)
{
    json_put_open(out, NULL, '[');
    for (size_t k = 0; k < count; k++)
        json_put_int(out, NULL, numbers[k]);
    json_put_close(out, ']');
}

static void put_pairs(struct json_out *out, const struct results *results)
{
    const struct eval_plan *plan = &results->plan;
    json_put_int(out, "pairs_in_all", (int64_t)plan->pair_count);
    json_put_open(out, "pairs", '[');
    for (size_t k = 0; k < plan->pair_count && k < BROWSE_PAIRS; k++) {
        const struct eval_pair *pair = &plan->pairs[k];
        put_numbers(out,
                    (const int64_t[]){pair->prompt, pair->sample, pair->side[0], pair->side[1]}, 4);
    }
    json_put_close(out, ']');
    json_put_open(out, "votes", '[');
    for (size_t k = 0; k < results->vote_count; k++) {
        const struct eval_vote *vote = &results->votes[k];
        if (vote->pair < BROWSE_PAIRS)
            put_numbers(out, (const int64_t[]){vote->pair, vote->rater, vote->winner}, 3);
    }
    json_put_close(out, ']');
}

static bool put_report(struct json_out *out, const struct report *report, struct db *db,
                       struct err *err)
{
    struct buf text;
    buf_init(&text, TABLES_MAX);
    report_json(report, &text);
    json_put_raw(out, "report", buf_text(&text));
    bool whole = !text.failed;
    buf_clear(&text);
    bool ok = report_sheets(report, db, &text, err);
    json_put_raw(out, "tables", buf_text(&text));
    whole = whole && !text.failed;
    buf_done(&text);
    return ok && (whole || err_set(err, ERR_TOO_LARGE, "the report is too large"));
}

bool browse_run(struct json_out *out, struct db *db, const char *id, struct err *err)
{
    struct report report;
    bool ok = report_load(&report, db, id, err);
    if (ok) {
        put_who(out, &report.results.plan);
        put_prompts(out, &report.results.plan);
        put_pairs(out, &report.results);
        ok = put_report(out, &report, db, err);
    }
    report_done(&report);
    return ok;
}

/* --- one prompt --- */

static void put_list(struct json_out *out, const char *key, const json_t *list)
{
    const json_t *text;
    size_t k;
    json_put_open(out, key, '[');
    json_array_foreach(list, k, text) json_put_cstring(out, NULL, json_string_value(text));
    json_put_close(out, ']');
}

static void put_prompt(struct json_out *out, const struct eval_prompt *prompt)
{
    json_put_open(out, "prompt", '{');
    json_put_cstring(out, "category", prompt->category);
    json_put_cstring(out, "system", prompt->system);
    put_list(out, "turns", prompt->turns);
    put_list(out, "reference", prompt->reference);
    json_put_close(out, '}');
}

static void put_answer(void *user, const struct answer_record *record)
{
    struct json_out *out = user;
    json_put_open(out, NULL, '{');
    json_put_string(out, "text", record->text.length ? record->text : record->refusal);
    json_put_cstring(out, "finish", record->finish);
    json_put_bool(out, "refusal", record->refusal.length > 0);
    json_put_close(out, '}');
}

static bool put_answers(struct json_out *out, const struct run_state *state, size_t prompt,
                        struct db *db, struct err *err)
{
    const struct eval_plan *plan = state->plan;
    bool ok = true;
    json_put_open(out, "answers", '[');
    for (size_t sample = 0; sample < plan->samples; sample++) {
        json_put_open(out, NULL, '[');
        for (size_t side = 0; side < plan->spec.competitor_count; side++) {
            size_t at = eval_conversation(plan, prompt, sample, side);
            json_put_open(out, NULL, '[');
            for (size_t turn = 0; ok && turn < state->conversations[at].turns; turn++)
                ok = answers_get(db, state_answers(state, at)[turn], put_answer, out, err);
            json_put_close(out, ']');
        }
        json_put_close(out, ']');
    }
    json_put_close(out, ']');
    return ok;
}

struct talk {
    struct json_out *out;
    const struct run_state *state;
    size_t prompt;
    struct db *db;
    struct err *err;
};

static void open_vote(const struct talk *talk, size_t pair, const char *judge, const char *name)
{
    const struct eval_pair *its = &talk->state->plan->pairs[pair];
    json_put_open(talk->out, NULL, '{');
    json_put_int(talk->out, "sample", its->sample);
    json_put_int(talk->out, "a", its->side[0]);
    json_put_int(talk->out, "b", its->side[1]);
    json_put_cstring(talk->out, "judge", judge);
    json_put_cstring(talk->out, "name", name);
}

static void put_reply(void *user, const struct answer_record *record)
{
    json_put_string(user, NULL, record->text);
}

/* What a judge said of a pair, in both orders, and what it comes to. */
static bool put_judgement(const struct talk *talk, size_t pair, size_t judge)
{
    static const char *const WINNERS_OF[] = {"model_a", "model_b", "tie", NULL};
    const struct judgement *judgement = state_judgement(talk->state, pair, judge);
    struct ask ask = {.judges = true, .pair = pair, .judge = judge};
    if (judgement->step != EVAL_FINISHED)
        return true;
    struct verdict_of_both both = verdict_combine(judgement->verdict[0], judgement->verdict[1]);
    bool ok = ask_prepare(&ask, talk->state, talk->db, talk->err);
    open_vote(talk, pair, "model", talk->state->plan->judges[judge].name);
    json_put_cstring(talk->out, "winner", WINNERS_OF[both.verdict]);
    json_put_bool(talk->out, "disagreement", both.disagreement);
    json_put_open(talk->out, "replies", '[');
    for (size_t k = 0; ok && k < ask.calls; k++)
        ok = answers_get(talk->db, ask.call[k].answer, put_reply, talk->out, talk->err);
    json_put_close(talk->out, ']');
    json_put_close(talk->out, '}');
    ask_done(&ask);
    return ok;
}

static bool put_judgements(const struct talk *talk)
{
    const struct eval_plan *plan = talk->state->plan;
    bool ok = true;
    for (size_t sample = 0; sample < plan->samples; sample++)
        for (uint32_t pair = plan->first_pair[talk->prompt * plan->samples + sample];
             ok && pair != EVAL_NONE; pair = plan->pairs[pair].next)
            for (size_t judge = 0; ok && judge < plan->spec.judge_count; judge++)
                ok = put_judgement(talk, pair, judge);
    return ok;
}

/* For the sides as the pair has them. */
static void put_reasons(struct json_out *out, const struct eval_person_vote *vote)
{
    struct err ignored = ERR_INIT;
    json_t *reasons = json_read(vote->reasons, "the reasons", &ignored), *turned = NULL;
    if (vote->turned && json_is_object(reasons))
        turned = json_pack("{s:O*, s:O*}", "a", json_object_get(reasons, "b"), "b",
                           json_object_get(reasons, "a"));
    char *text = json_dumps(turned ? turned : reasons, JSON_COMPACT);
    if (text)
        json_put_raw(out, "reasons", text_of(text));
    free(text);
    json_decref(turned);
    json_decref(reasons);
}

static bool put_person(void *user, const struct eval_person_vote *vote)
{
    const struct talk *talk = user;
    const struct eval_plan *plan = talk->state->plan;
    if ((size_t)vote->pair >= plan->pair_count || plan->pairs[vote->pair].prompt != talk->prompt)
        return true;
    open_vote(talk, (size_t)vote->pair, "human", NULL);
    json_put_cstring(talk->out, "winner", winner_word((enum winner)vote->winner));
    if (vote->reasons.data)
        put_reasons(talk->out, vote);
    if (vote->comment.data)
        json_put_string(talk->out, "comment", vote->comment);
    json_put_close(talk->out, '}');
    return true;
}

static bool put_all(struct json_out *out, const struct run_state *state, size_t prompt,
                    struct db *db, struct err *err)
{
    struct talk talk = {out, state, prompt, db, err};
    put_prompt(out, &state->plan->prompts.list[prompt]);
    put_who(out, state->plan);
    if (!put_answers(out, state, prompt, db, err))
        return false;
    json_put_open(out, "votes", '[');
    bool ok = put_judgements(&talk) &&
              eval_votes_of_people(db, state->plan->number, put_person, &talk, err);
    json_put_close(out, ']');
    return ok;
}

bool browse_prompt(struct json_out *out, struct db *db, const char *id, int64_t prompt,
                   struct err *err)
{
    struct eval_plan plan;
    struct run_state state = {0};
    bool ok = eval_plan_load(&plan, db, id, err);
    if (ok && (prompt < 0 || (size_t)prompt >= plan.prompts.count))
        ok = err_set(err, ERR_NOT_FOUND, "the evaluation has %zu prompts: from 0 on",
                     plan.prompts.count);
    ok = ok && state_init(&state, &plan, err) && ask_load_prompt(&state, (size_t)prompt, db, err) &&
         put_all(out, &state, (size_t)prompt, db, err);
    state_done(&state);
    eval_plan_done(&plan);
    return ok;
}
