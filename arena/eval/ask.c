/* The same few steps serve a first run, one that is resumed and a report: make the messages, make
 * the key, look it up. */
#include "eval/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/judge.h"
#include "store/answers.h"
#include "store/eval_calls.h"

enum { PROMPT_MAX = 64 << 20 };

const struct chat_params *ask_params(const struct ask *ask, const struct eval_plan *plan)
{
    return ask->judges ? &plan->spec.judging.params : &plan->spec.params;
}

const struct eval_side *ask_side(const struct ask *ask, const struct eval_plan *plan)
{
    return ask->judges ? &plan->judges[ask->judge]
                       : &plan->sides[ask->conversation % plan->spec.competitor_count];
}

void ask_done(struct ask *ask)
{
    for (size_t k = 0; k < ask->text_count; k++)
        free(ask->texts[k]);
    free(ask->texts);
    for (int k = 0; k < 2; k++)
        free(ask->call[k].messages);
    ask->texts = NULL;
    ask->text_count = 0;
    ask->call[0].messages = ask->call[1].messages = NULL;
}

/* --- texts --- */

static bool own_text(struct ask *ask, char *text, struct err *err)
{
    char **texts = realloc(ask->texts, (ask->text_count + 1) * sizeof *texts);
    if (texts)
        ask->texts = texts;
    if (!texts || !text) {
        free(text);
        return err_set(err, ERR_MEMORY, "out of memory");
    }
    ask->texts[ask->text_count++] = text;
    return true;
}

/* What an answer showed: its text, or the refusal in its place. */
static void take_text(void *user, const struct answer_record *record)
{
    struct text shown = record->text.length ? record->text : record->refusal;
    *(char **)user = strndup(shown.data ? shown.data : "", shown.length);
}

/* The first `turns` answers of a conversation. */
static bool read_answers(struct ask *ask, const struct run_state *state, size_t conversation,
                         size_t turns, struct db *db, struct text *out, struct err *err)
{
    const int64_t *ids = state_answers(state, conversation);
    for (size_t k = 0; k < turns; k++) {
        char *text = NULL;
        if (!answers_get(db, ids[k], take_text, &text, err) || !own_text(ask, text, err))
            return false;
        out[k] = text_of(text);
    }
    return true;
}

/* --- keys --- */

static const char *role_word(enum chat_role role)
{
    return role == CHAT_SYSTEM ? "system" : role == CHAT_USER ? "user" : "assistant";
}

static bool make_key(struct ask_call *call, const struct eval_side *side,
                     const struct chat_params *params, const char *sample, struct err *err)
{
    uint8_t sum[DIGEST_SIZE];
    struct buf settings;
    buf_init(&settings, 64 << 10);
    struct digest *digest = eval_params_write(params, &settings) ? digest_new() : NULL;
    if (!digest) {
        buf_done(&settings);
        return err_set(err, ERR_MEMORY, "out of memory");
    }
    digest_add_field(digest, settings.data, settings.length);
    for (size_t k = 0; k < call->count; k++) {
        const char *role = role_word(call->messages[k].role);
        digest_add_field(digest, role, strlen(role));
        digest_add_field(digest, call->messages[k].text.data, call->messages[k].text.length);
    }
    digest_finish(digest, sum);
    buf_done(&settings);
    answers_key(side->digest, (struct text){(const char *)sum, sizeof sum}, text_of(sample),
                call->key);
    return true;
}

struct looking {
    struct ask_call *call;
    bool judges;
};

static void take_found(void *user, const struct answer_record *record)
{
    struct looking *looking = user;
    looking->call->answer = record->id;
    if (looking->judges)
        looking->call->verdict = verdict_read(record->text);
}

/* Looks the call's answer up by its key. */
static bool look_up(struct ask *ask, struct ask_call *call, struct db *db, struct err *err)
{
    struct looking looking = {call, ask->judges};
    call->answer = 0;
    return answers_find(db, call->key, take_found, &looking, err);
}

/* --- an answer --- */

static struct text string_at(const json_t *list, size_t k)
{
    const json_t *string = json_array_get(list, k);
    return (struct text){json_string_value(string), json_string_length(string)};
}

static bool prepare_answer(struct ask *ask, const struct run_state *state, struct db *db,
                           struct err *err)
{
    const struct eval_plan *plan = state->plan;
    const struct eval_prompt *prompt = &plan->prompts.list[state_prompt(state, ask->conversation)];
    struct ask_call *call = &ask->call[0];
    struct text said[LIMIT_TURNS];
    char sample[32];
    ask->turn = state->conversations[ask->conversation].turns;
    ask->calls = 1;
    call->messages = calloc(2 * ask->turn + 2, sizeof *call->messages);
    if (!call->messages)
        return err_set(err, ERR_MEMORY, "out of memory");
    if (!read_answers(ask, state, ask->conversation, ask->turn, db, said, err))
        return false;
    if (prompt->system)
        call->messages[call->count++] = (struct chat_message){CHAT_SYSTEM, text_of(prompt->system)};
    for (size_t k = 0; k <= ask->turn; k++) {
        call->messages[call->count++] =
            (struct chat_message){CHAT_USER, string_at(prompt->turns, k)};
        if (k < ask->turn)
            call->messages[call->count++] = (struct chat_message){CHAT_ASSISTANT, said[k]};
    }
    snprintf(sample, sizeof sample, "eval/%zu", state_sample(state, ask->conversation));
    return make_key(call, ask_side(ask, plan), ask_params(ask, plan), sample, err) &&
           look_up(ask, call, db, err);
}

/* --- a judgement --- */

static bool prepare_order(struct ask *ask, const struct eval_plan *plan,
                          const struct judge_pair *shown, bool swapped, struct err *err)
{
    const struct eval_judging *judging = &plan->spec.judging;
    struct ask_call *call = &ask->call[swapped];
    struct buf prompt;
    char sample[32];
    buf_init(&prompt, PROMPT_MAX);
    judge_prompt(&prompt, shown->reference ? judging->prompt_with_reference : judging->prompt,
                 shown, swapped);
    call->messages = calloc(2, sizeof *call->messages);
    char *text = call->messages ? buf_take(&prompt, NULL) : NULL;
    buf_done(&prompt);
    if (!own_text(ask, text, err))
        return false;
    if (judging->system[0])
        call->messages[call->count++] =
            (struct chat_message){CHAT_SYSTEM, text_of(judging->system)};
    call->messages[call->count++] = (struct chat_message){CHAT_USER, text_of(text)};
    snprintf(sample, sizeof sample, "judge/%u", (unsigned)plan->pairs[ask->pair].sample);
    return make_key(call, ask_side(ask, plan), ask_params(ask, plan), sample, err);
}

/* Answers that are the same give the same prompt in both orders: it is asked once. */
static void drop_a_repeat(struct ask *ask)
{
    ask->calls = memcmp(ask->call[0].key, ask->call[1].key, DIGEST_SIZE) == 0 ? 1 : 2;
}

static bool prepare_judgement(struct ask *ask, const struct run_state *state, struct db *db,
                              struct err *err)
{
    const struct eval_plan *plan = state->plan;
    const struct eval_pair *pair = &plan->pairs[ask->pair];
    const struct eval_prompt *prompt = &plan->prompts.list[pair->prompt];
    struct text said[2][LIMIT_TURNS];
    struct judge_pair shown = {prompt->turns, prompt->reference, {said[0], said[1]}};
    struct {
        uint8_t asked[DIGEST_SIZE];
        char version[DIGEST_HEX]; /* other versions may say the same */
    } keys[2];
    for (int which = 0; which < 2; which++)
        if (!read_answers(ask, state, eval_pair_conversation(plan, pair, which),
                          json_array_size(prompt->turns), db, said[which], err))
            return false;
    for (int order = 0; order < 2; order++) {
        if (!prepare_order(ask, plan, &shown, order == 1, err) ||
            !look_up(ask, &ask->call[order], db, err))
            return false;
        memcpy(keys[order].asked, ask->call[order].key, DIGEST_SIZE);
        memcpy(keys[order].version, plan->sides[pair->side[order]].digest, DIGEST_HEX);
    }
    drop_a_repeat(ask);
    digest_of(keys, sizeof keys, ask->vote);
    return eval_votes_find(db, ask->vote, &ask->voted, err);
}

bool ask_prepare(struct ask *ask, const struct run_state *state, struct db *db, struct err *err)
{
    return ask->judges ? prepare_judgement(ask, state, db, err)
                       : prepare_answer(ask, state, db, err);
}

/* --- all of it --- */

static bool load_conversation(struct run_state *state, size_t at, struct db *db, struct err *err)
{
    struct conversation *conversation = &state->conversations[at];
    size_t turns = state_turns(state, at);
    bool there = conversation->step != EVAL_UNWANTED;
    while (there && conversation->turns < turns) {
        struct ask ask = {.conversation = at};
        bool ok = ask_prepare(&ask, state, db, err);
        there = ask.call[0].answer != 0;
        if (there)
            state_answers(state, at)[conversation->turns++] = ask.call[0].answer;
        ask_done(&ask);
        if (!ok)
            return false;
    }
    if (there && turns)
        conversation->step = EVAL_FINISHED;
    return true;
}

static bool load_judgement(struct run_state *state, size_t pair, size_t judge, struct db *db,
                           struct err *err)
{
    struct judgement *judgement = state_judgement(state, pair, judge);
    struct ask ask = {.judges = true, .pair = pair, .judge = judge};
    bool ok = ask_prepare(&ask, state, db, err);
    for (int order = 0; order < 2; order++) {
        judgement->asked[order] = ask.call[order].answer != 0;
        judgement->verdict[order] = (uint8_t)ask.call[order].verdict;
    }
    judgement->step = judgement->asked[0] && judgement->asked[1] ? EVAL_FINISHED : EVAL_WAITING;
    ask_done(&ask);
    return ok;
}

bool ask_load_prompt(struct run_state *state, size_t prompt, struct db *db, struct err *err)
{
    const struct eval_plan *plan = state->plan;
    size_t conversations = plan->samples * plan->spec.competitor_count;
    for (size_t at = prompt * conversations; at < (prompt + 1) * conversations; at++)
        if (!load_conversation(state, at, db, err))
            return false;
    for (size_t sample = 0; sample < plan->samples; sample++)
        for (uint32_t pair = plan->first_pair[prompt * plan->samples + sample]; pair != EVAL_NONE;
             pair = plan->pairs[pair].next)
            for (size_t judge = 0; state_pair_ready(state, pair) && judge < plan->spec.judge_count;
                 judge++)
                if (!load_judgement(state, pair, judge, db, err))
                    return false;
    return true;
}

bool ask_load_state(struct run_state *state, struct db *db, struct err *err)
{
    for (size_t prompt = 0; prompt < state->plan->prompts.count; prompt++)
        if (!ask_load_prompt(state, prompt, db, err))
            return false;
    return true;
}
