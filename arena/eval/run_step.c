/* From one answer to what it makes possible: the next turn, a pair for people, a question to the
 * judges, a vote. Whatever waits stands in a line that links conversations or pairs by number, so
 * that a million of them cost no allocation. */
#include "eval/run_work.h"

#include <stdlib.h>

#include "base/log.h"
#include "board/live.h"

enum { KEEPING_MOST = 256 }; /* with the writer at once: it serves others too */

/* --- lines --- */

static uint32_t *next_of(struct run *run, bool judges, size_t place, uint32_t what)
{
    return judges ? &state_judgement(&run->state, what, place)->next
                  : &run->state.conversations[what].next;
}

struct work *run_work(struct run *run, bool judges, size_t place)
{
    if (!judges)
        return &run->sides[place];
    return place == run->plan.spec.judge_count ? &run->queue : &run->judges[place];
}

struct work *run_work_of(struct run *run, const struct ask *ask)
{
    return ask->judges ? &run->judges[ask->judge]
                       : &run->sides[state_side(&run->state, ask->conversation)];
}

static void line_push(struct run *run, bool judges, size_t place, uint32_t what, bool front)
{
    struct work *work = run_work(run, judges, place);
    *next_of(run, judges, place, what) = front ? work->first : EVAL_NONE;
    if (work->first == EVAL_NONE)
        work->first = work->last = what;
    else if (front)
        work->first = what;
    else
        work->last = *next_of(run, judges, place, work->last) = what;
}

uint32_t run_line_pop(struct run *run, bool judges, size_t place)
{
    struct work *work = run_work(run, judges, place);
    uint32_t what = work->first;
    if (what != EVAL_NONE)
        work->first = *next_of(run, judges, place, what);
    return what;
}

/* --- pairs --- */

static void pair_is_ready(struct run *run, size_t pair)
{
    size_t judges = run->plan.spec.judge_count;
    for (size_t judge = 0; judge < judges + run->plan.spec.people; judge++) {
        struct judgement *judgement = state_judgement(&run->state, pair, judge);
        if (judgement->step != EVAL_UNWANTED)
            continue;
        judgement->step = EVAL_WAITING;
        line_push(run, true, judge, (uint32_t)pair, false);
    }
}

static bool has_conversation(const struct run *run, size_t pair, size_t conversation)
{
    const struct eval_pair *its = &run->plan.pairs[pair];
    return eval_pair_conversation(&run->plan, its, 0) == conversation ||
           eval_pair_conversation(&run->plan, its, 1) == conversation;
}

/* The pairs that a conversation takes part in hear that it is over. A sample may stand in a pair
 * with the one before it. */
static void tell_pairs(struct run *run, size_t conversation)
{
    size_t prompt = state_prompt(&run->state, conversation),
           sample = state_sample(&run->state, conversation);
    for (size_t s = sample ? sample - 1 : 0; s <= sample; s++)
        for (uint32_t pair = run->plan.first_pair[prompt * run->plan.samples + s];
             pair != EVAL_NONE; pair = run->plan.pairs[pair].next) {
            if (!has_conversation(run, pair, conversation))
                continue;
            if (state_pair_ready(&run->state, pair))
                pair_is_ready(run, pair);
            run->pairs_failed += state_pair_failed(&run->state, pair);
        }
}

void run_enqueue_from(struct run *run, size_t pair)
{
    size_t conversations = eval_plan_conversations(&run->plan);
    for (size_t at = 0; at < conversations; at++)
        if (run->state.conversations[at].step == EVAL_WAITING) {
            run->state.conversations[at].step = EVAL_BUSY;
            run->wanted++;
            line_push(run, false, state_side(&run->state, at), (uint32_t)at, false);
        }
    for (; pair < run->plan.pair_count; pair++)
        if (state_pair_ready(&run->state, pair))
            pair_is_ready(run, pair);
}

/* --- into the store --- */

static void close_task(struct task *task)
{
    run_work_of(task->run, &task->ask)->under_way--;
    ask_done(&task->ask);
    free(task);
}

/* `user` is the run of a pair that goes into the queue, the task of a vote. */
static void keep_is_over(struct run *run, struct keep *keep, const struct err *err)
{
    struct live *live = run->options.house->live;
    run->keeping--;
    if (err->code != ERR_NONE) {
        log_error("eval", "a pair of %s could not be stored: %s", run->plan.id, err->message);
        run_stop(run, "the store failed");
    } else if (keep->seq && live) {
        live_changed(live, keep->seq);
    }
    keep_free(keep);
}

static void item_is_kept(void *data, const struct err *err)
{
    struct keep *keep = data;
    struct run *run = keep->user;
    run->queued += err->code == ERR_NONE;
    keep_is_over(run, keep, err);
    run_pump(run);
}

static void vote_is_kept(void *data, const struct err *err)
{
    struct keep *keep = data;
    struct task *task = keep->user;
    struct run *run = task->run;
    keep_is_over(run, keep, err);
    close_task(task);
    run_pump(run);
}

static bool submit(struct run *run, struct keep *keep,
                   void (*done)(void *data, const struct err *err), struct err *err)
{
    struct store_job job = {keep_apply, done, keep};
    if (!store_submit(run->options.house->store, &job, err))
        return false;
    run->keeping++;
    return true;
}

void run_queue_pairs(struct run *run)
{
    struct err err = ERR_INIT;
    while (!run->stopping && run->queue.first != EVAL_NONE && run->keeping < KEEPING_MOST) {
        size_t judges = run->plan.spec.judge_count;
        uint32_t pair = run_line_pop(run, true, judges);
        struct keep *keep = keep_new(&run->state, pair, &err);
        if (keep)
            keep->user = run;
        if (!keep || !submit(run, keep, item_is_kept, &err)) {
            keep_free(keep);
            line_push(run, true, judges, pair, true); /* the writer is busy: the next tick */
            return;
        }
        state_judgement(&run->state, pair, judges)->step = EVAL_FINISHED;
    }
}

/* --- what came of a task --- */

static void conversation_over(struct task *task)
{
    struct run *run = task->run;
    size_t at = task->ask.conversation;
    struct conversation *conversation = &run->state.conversations[at];
    struct work *work = run_work_of(run, &task->ask);
    if (task->starved) {
        line_push(run, false, state_side(&run->state, at), (uint32_t)at, true);
    } else if (task->failed) {
        conversation->step = EVAL_FAILED;
        work->failed++;
        tell_pairs(run, at);
    } else {
        int64_t answer = task->began ? task->call[0].answer : task->ask.call[0].answer;
        state_answers(&run->state, at)[conversation->turns++] = answer;
        work->reused += !task->began;
        if (conversation->turns < state_turns(&run->state, at)) {
            line_push(run, false, state_side(&run->state, at), (uint32_t)at, true);
        } else {
            conversation->step = EVAL_FINISHED;
            work->done++;
            tell_pairs(run, at);
        }
    }
    close_task(task);
}

/* The verdicts in both orders; those of a single call where the answers are the same. */
static void take_verdicts(struct task *task, struct judgement *judgement)
{
    for (size_t order = 0; order < 2; order++) {
        size_t from = order < task->ask.calls ? order : 0;
        const struct ask_call *asked = &task->ask.call[from];
        bool known = asked->answer != 0;
        judgement->asked[order] = true;
        judgement->verdict[order] = (uint8_t)(known ? asked->verdict : task->call[from].verdict);
    }
}

/* Their vote goes to the writer; true: the task is over only when it is stored. */
static bool keep_the_vote(struct task *task, enum verdict verdict)
{
    struct run *run = task->run;
    struct err err = ERR_INIT;
    struct keep *keep = keep_new(&run->state, task->ask.pair, &err);
    if (keep)
        keep->user = task;
    if (keep && keep_vote(keep, &run->state, task->ask.judge, verdict, task->ask.vote, &err) &&
        submit(run, keep, vote_is_kept, &err))
        return true;
    keep_free(keep);
    log_error("eval", "a vote of %s could not be stored: %s", run->plan.id, err.message);
    run_stop(run, "the store is too busy");
    return false;
}

static void judgement_over(struct task *task)
{
    struct run *run = task->run;
    struct judgement *judgement = state_judgement(&run->state, task->ask.pair, task->ask.judge);
    struct work *work = run_work_of(run, &task->ask);
    if (task->starved) {
        line_push(run, true, task->ask.judge, (uint32_t)task->ask.pair, true);
        close_task(task);
        return;
    }
    judgement->step = task->failed ? EVAL_FAILED : EVAL_FINISHED;
    work->failed += task->failed;
    if (!task->failed) {
        take_verdicts(task, judgement);
        struct verdict_of_both both = verdict_combine(judgement->verdict[0], judgement->verdict[1]);
        work->done++;
        work->reused += !task->began;
        run->malformed += both.verdict == VERDICT_MALFORMED;
        run->disagreements += both.disagreement;
        bool votes = both.verdict != VERDICT_MALFORMED &&
                     (!both.disagreement || run->plan.spec.judging.disagreement_is_tie);
        run->votes += votes;
        if (votes && !task->ask.voted && keep_the_vote(task, both.verdict))
            return;
    }
    close_task(task);
}

void run_task_over(struct task *task)
{
    if (task->ask.judges)
        judgement_over(task);
    else
        conversation_over(task);
}
