/* A task goes from its side's line to a worker (prepare), to its side's ready line, into one or two
 * calls, and ends in run_task_over. run_pump moves whatever can move and is called after every
 * event; when nothing waits and nothing is under way, the run is over. */
#include "eval/run_work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "eval/waves.h"
#include "loop/worker.h"
#include "rating/tally.h"

enum {
    BATCH = 64,      /* tasks that a worker prepares at once */
    WINDOW = 256,    /* tasks of a remote side under way: more than a provider takes at once */
    OWN_WINDOW = 48, /* of our own engine */
    OWN_CALLS = 32,  /* of all runs together: its batch full, and its queue free for people */
};
#define TICK_NS CLOCK_S
#define STARVED_NS (CLOCK_S / 4)

double run_active_s(const struct run *run)
{
    return (double)run->past.active_ms / 1e3 +
           (double)(clock_mono_ns() - run->begun_ns) / (double)CLOCK_S;
}

const char *run_id(const struct run *run)
{
    return run->plan.id;
}

const char *run_campaign(const struct run *run)
{
    return run->plan.campaign;
}

/* --- its sides --- */

static const struct eval_side *side_at(const struct run *run, bool judges, size_t place)
{
    return judges ? &run->plan.judges[place] : &run->plan.sides[place];
}

/* The competitor behind a side; NULL: it is no longer there, or became another version. */
static struct competitor *find_competitor(const struct run *run, const struct eval_side *side)
{
    struct competitor *competitor = roster_find(run->options.house->roster, side->name);
    bool same = competitor && strcmp(competitor->version, side->digest) == 0;
    return same && competitor->availability != COMPETITOR_RETIRED ? competitor : NULL;
}

/* Calls for every competitor, then for every judge, until it returns false. */
static bool each_side(struct run *run, bool (*each)(struct run *run, bool judges, size_t place))
{
    for (size_t k = 0; k < run->plan.spec.competitor_count; k++)
        if (!each(run, false, k))
            return false;
    for (size_t k = 0; k < run->plan.spec.judge_count; k++)
        if (!each(run, true, k))
            return false;
    return true;
}

/* --- the end --- */

/* What the store is told of the run, now and then and at its end. */
struct telling {
    struct run *run; /* NULL: it goes on */
    int64_t number, active_ms;
    char *progress;
    char why[256];
};

static bool tell(struct db *tx, void *data, struct err *err)
{
    const struct telling *telling = data;
    enum eval_state state = !telling->run             ? EVAL_RUNNING
                            : telling->why[0] != '\0' ? EVAL_STOPPED
                                                      : EVAL_DONE;
    return eval_runs_update(tx, telling->number, state, state == EVAL_STOPPED ? telling->why : NULL,
                            telling->progress, telling->active_ms, clock_wall_ms(), err);
}

static void is_told(void *data, const struct err *err)
{
    struct telling *telling = data;
    struct run *run = telling->run;
    if (run && err->code != ERR_NONE)
        log_error("eval", "the end of %s could not be stored: %s", run->plan.id, err->message);
    free(telling->progress);
    free(telling);
    if (run)
        run->options.over(run, run->options.user);
}

/* False without memory, or where the writer is too busy. */
static bool tell_store(struct run *run, bool end)
{
    struct telling *telling = calloc(1, sizeof *telling);
    struct buf buf;
    if (!telling)
        return false;
    buf_init(&buf, 1 << 20);
    run_progress(run, &buf);
    telling->run = end ? run : NULL;
    telling->number = run->plan.number;
    telling->active_ms = (int64_t)(run_active_s(run) * 1e3);
    telling->progress = buf_take(&buf, NULL);
    memcpy(telling->why, run->why, sizeof telling->why);
    buf_done(&buf);
    struct store_job job = {tell, is_told, telling};
    if (store_submit(run->options.house->store, &job, NULL))
        return true;
    free(telling->progress);
    free(telling);
    return false;
}

static bool is_idle(struct run *run, bool judges, size_t place)
{
    struct work *work = run_work(run, judges, place);
    return !work->under_way && (run->stopping || work->first == EVAL_NONE);
}

/* Where the writer is too busy now, the clock comes back to it. */
static void end_run(struct run *run)
{
    run->ending = tell_store(run, true);
    if (!run->ending)
        return;
    loop_timer_stop(run->options.house->loop, &run->tick);
    loop_timer_stop(run->options.house->loop, &run->again);
}

void run_stop(struct run *run, const char *why)
{
    if (run->stopping || run->ending)
        return;
    run->stopping = true;
    snprintf(run->why, sizeof run->why, "%s", why);
    for (struct task *task = run->asked; task;) {
        struct task *younger = task->younger; /* a cancel may end it */
        for (size_t k = 0; k < task->ask.calls; k++)
            if (task->call[k].run)
                call_cancel(&task->call[k]);
        task = younger;
    }
    /* Whoever called goes on; the loop ends the run. */
    loop_timer_start(run->options.house->loop, &run->again, clock_mono_ns());
}

/* --- waves of an adaptive run --- */

static bool count_vote(struct run *run, struct tally *tally, size_t pair, struct err *err)
{
    static const enum outcome OUTCOME[] = {OUTCOME_A, OUTCOME_B, OUTCOME_TIE, OUTCOMES};
    const struct eval_pair *its = &run->plan.pairs[pair];
    for (size_t judge = 0; judge < run->plan.spec.judge_count; judge++) {
        const struct judgement *judgement = state_judgement(&run->state, pair, judge);
        if (judgement->step != EVAL_FINISHED || its->side[0] == its->side[1])
            continue;
        enum outcome outcome =
            OUTCOME[verdict_combine(judgement->verdict[0], judgement->verdict[1]).verdict];
        if (outcome != OUTCOMES && !tally_add(tally, its->side[0], its->side[1], outcome, 1, err))
            return false;
    }
    return true;
}

static void make_wave(void *data)
{
    struct run *run = data;
    struct tally tally;
    struct eval_plan *plan = &run->plan;
    size_t from = plan->pair_count;
    tally_init(&tally);
    bool ok = tally_grow(&tally, plan->spec.competitor_count, &run->worker_err);
    for (size_t pair = 0; ok && pair < from; pair++)
        ok = count_vote(run, &tally, pair, &run->worker_err);
    ok = ok && waves_next(plan, &tally, &run->wave, &run->worker_err);
    tally_done(&tally);
}

static bool store_wave(struct db *tx, void *data, struct err *err)
{
    struct run *run = data;
    const struct eval_plan *plan = &run->plan;
    for (size_t k = plan->pair_count - run->wave; k < plan->pair_count; k++) {
        const struct eval_pair *pair = &plan->pairs[k];
        struct eval_pair_record record = {(int64_t)k, pair->prompt, pair->sample, pair->side[0],
                                          pair->side[1]};
        if (!eval_pairs_insert(tx, plan->number, &record, err))
            return false;
    }
    return true;
}

static void wave_is_stored(void *data, const struct err *err)
{
    struct run *run = data;
    struct err own = *err;
    size_t from = run->plan.pair_count - run->wave;
    run->waving = false;
    if (own.code == ERR_NONE && state_grow(&run->state, &own))
        run_enqueue_from(run, from);
    else
        run_stop(run, own.message);
    run_pump(run);
}

static void wave_is_made(void *data, bool cancelled)
{
    struct run *run = data;
    struct store_job job = {store_wave, wave_is_stored, run};
    bool ok = !cancelled && run->worker_err.code == ERR_NONE;
    if (ok && run->wave && store_submit(run->options.house->store, &job, &run->worker_err))
        return;
    run->waving = false;
    if (run->worker_err.code != ERR_NONE || cancelled)
        run_stop(run, cancelled ? "the arena is stopping" : run->worker_err.message);
    if (!run->wave && !run->stopping)
        run->plan.spec.pairing = EVAL_ALL; /* there are as many pairs as there will be */
    run_pump(run);
}

/* --- preparing --- */

struct batch {
    struct run *run;
    struct task *first, **end;
    size_t count;
};

static void prepare_batch(void *data)
{
    struct batch *batch = data;
    struct run *run = batch->run;
    if (!run->db)
        run->db = store_read_open(store_dir(run->options.house->store), &run->worker_err);
    for (struct task *task = batch->first; run->db && task; task = task->next)
        if (run->worker_err.code == ERR_NONE)
            ask_prepare(&task->ask, &run->state, run->db, &run->worker_err);
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool failed_before(const struct run *run, const struct ask *ask)
{
    uint64_t key;
    for (size_t k = 0; run->past.failed_count && k < ask->calls; k++) {
        memcpy(&key, ask->call[k].key, sizeof key);
        if (!ask->call[k].answer &&
            bsearch(&key, run->past.failed, run->past.failed_count, sizeof key, compare_keys))
            return true;
    }
    return false;
}

static bool is_known(const struct ask *ask)
{
    for (size_t k = 0; k < ask->calls; k++)
        if (!ask->call[k].answer)
            return false;
    return true;
}

/* Back to where it came from: the run ends, and the store decides what is left to do. */
static void drop_task(struct task *task)
{
    run_work_of(task->run, &task->ask)->under_way--;
    ask_done(&task->ask);
    free(task);
}

static void take_prepared(struct task *task)
{
    struct run *run = task->run;
    struct work *work = run_work_of(run, &task->ask);
    task->next = NULL;
    if (run->stopping) {
        drop_task(task);
    } else if (is_known(&task->ask)) {
        run_task_over(task);
    } else if (failed_before(run, &task->ask)) {
        task->failed = true;
        run_task_over(task);
    } else {
        *work->ready_end = task;
        work->ready_end = &task->next;
    }
}

static void batch_is_prepared(void *data, bool cancelled)
{
    struct batch *batch = data;
    struct run *run = batch->run;
    run->batches--;
    if (cancelled || run->worker_err.code != ERR_NONE)
        run_stop(run, cancelled ? "the arena is stopping" : run->worker_err.message);
    for (struct task *task = batch->first, *next; task; task = next) {
        next = task->next;
        take_prepared(task);
    }
    free(batch);
    run_pump(run);
}

static void add_to_batch(struct batch *batch, bool judges, size_t place, size_t window)
{
    struct run *run = batch->run;
    struct work *work = run_work(run, judges, place);
    while (work->first != EVAL_NONE && (size_t)work->under_way < window && batch->count < BATCH) {
        struct task *task = calloc(1, sizeof *task);
        if (!task)
            return;
        uint32_t what = run_line_pop(run, judges, place);
        *task = (struct task){.run = run, .ask = {.judges = judges}};
        *(judges ? &task->ask.pair : &task->ask.conversation) = what;
        task->ask.judge = judges ? place : 0;
        work->under_way++;
        batch->count++;
        *batch->end = task;
        batch->end = &task->next;
    }
}

static size_t window_of(const struct run *run, bool judges, size_t place)
{
    struct competitor *competitor = find_competitor(run, side_at(run, judges, place));
    size_t window = competitor && competitor->own_engine ? OWN_WINDOW : WINDOW;
    return judges ? window / 2 : window;
}

static void start_batch(struct run *run)
{
    struct err err = ERR_INIT;
    struct batch *batch = run->batches ? NULL : calloc(1, sizeof *batch);
    if (!batch)
        return;
    batch->run = run;
    batch->end = &batch->first;
    for (size_t k = 0; k < run->plan.spec.judge_count; k++)
        add_to_batch(batch, true, k, window_of(run, true, k));
    for (size_t k = 0; k < run->plan.spec.competitor_count; k++)
        add_to_batch(batch, false, k, window_of(run, false, k));
    if (!batch->count) {
        free(batch);
        return;
    }
    run->batches++;
    if (!workers_submit(run->options.house->workers, prepare_batch, batch_is_prepared, batch,
                        &err)) {
        run->worker_err = err;
        batch_is_prepared(batch, false);
    }
}

/* --- calling --- */

static void unlink_task(struct task *task)
{
    if (!task->link)
        return;
    *task->link = task->younger;
    if (task->younger)
        task->younger->link = task->link;
    task->link = NULL;
}

static void link_task(struct task *task)
{
    struct run *run = task->run;
    task->younger = run->asked;
    task->link = &run->asked;
    if (run->asked)
        run->asked->link = &task->younger;
    run->asked = task;
}

/* Our own engine's queue was full: nothing was asked. */
static bool was_starved(const struct call *call)
{
    return call->own && call_failed(call) && call->error_class == CHAT_OVERLOADED;
}

static void count_call(struct run *run, struct work *work, const struct call *call)
{
    work->in_flight--;
    *run->options.own_calls -= call->own;
    run->held_usd = fmax(0, run->held_usd - call->worst_usd);
    run->spent_usd += call->charged_usd;
    work->spent_usd += call->charged_usd;
    work->retries += call->attempts > 1 ? call->attempts - 1 : 0;
}

static void call_is_over(struct call *call)
{
    struct task *task = call->user;
    struct run *run = task->run;
    count_call(run, run_work_of(run, &task->ask), call);
    task->starved = task->starved || was_starved(call);
    task->failed = task->failed || call_failed(call) || call->lost;
    if (call->cancelled || call->lost)
        task->starved = true; /* not answered, and no failure of its own */
    if (--task->pending > 0)
        return;
    unlink_task(task);
    for (size_t k = 0; k < task->ask.calls; k++)
        if (task->call[k].run)
            call_done(&task->call[k]);
    if (task->starved && !run->stopping)
        loop_timer_start(run->options.house->loop, &run->again, clock_mono_ns() + STARVED_NS);
    run_task_over(task);
    run_pump(run);
}

enum room { ROOM_YES, ROOM_LATER, ROOM_NEVER };

/* Is there money, and are there calls, for the worst that this task can come to? */
static enum room budget_room(const struct run *run, double worst, size_t calls)
{
    const struct eval_budget *budget = &run->plan.spec.budget;
    if (budget->calls >= 0 && run->calls + (int64_t)calls > budget->calls)
        return ROOM_NEVER;
    if (isnan(budget->usd) || run->spent_usd + run->held_usd + worst <= budget->usd)
        return ROOM_YES;
    return run->held_usd > 0 ? ROOM_LATER : ROOM_NEVER;
}

static void begin_call(struct task *task, size_t order, struct competitor *competitor)
{
    struct run *run = task->run;
    const struct eval_plan *plan = &run->plan;
    struct work *work = run_work_of(run, &task->ask);
    struct call *call = &task->call[order];
    struct err err = ERR_INIT;
    *call = (struct call){
        .loop = run->options.house->loop,
        .store = run->options.house->store,
        .run = plan->number,
        .judges = task->ask.judges,
        .place =
            task->ask.judges ? task->ask.judge : state_side(&run->state, task->ask.conversation),
        .version = ask_side(&task->ask, plan)->version,
        .worst_usd = call_worst(competitor, &task->ask.call[order], ask_params(&task->ask, plan)),
        .over = call_is_over,
        .user = task,
        .order = (int)order};
    run->held_usd += call->worst_usd;
    run->calls++;
    work->calls++;
    work->in_flight++;
    task->pending++;
    *run->options.own_calls += competitor->own_engine;
    if (!call_start(call, competitor, &task->ask.call[order], ask_params(&task->ask, plan), &err)) {
        call->cancelled = true; /* no memory to ask: later, perhaps */
        call_is_over(call);
    }
}

static size_t missing(const struct ask *ask)
{
    size_t count = 0;
    for (size_t k = 0; k < ask->calls; k++)
        count += ask->call[k].answer == 0;
    return count;
}

/* Asks what is not known. False: it must wait, or the run ends. */
static bool ask_task(struct task *task)
{
    struct run *run = task->run;
    struct competitor *competitor = find_competitor(run, ask_side(&task->ask, &run->plan));
    size_t calls = missing(&task->ask);
    double worst = 0;
    char why[256];
    if (!competitor) {
        snprintf(why, sizeof why, "%.100s" EVALS_AWAY, ask_side(&task->ask, &run->plan)->name);
        run_stop(run, why);
        return false;
    }
    if (competitor->own_engine && *run->options.own_calls + (int)calls > OWN_CALLS)
        return false;
    for (size_t k = 0; k < task->ask.calls; k++)
        if (!task->ask.call[k].answer)
            worst += call_worst(competitor, &task->ask.call[k], ask_params(&task->ask, &run->plan));
    enum room room = budget_room(run, worst, calls);
    if (room == ROOM_NEVER && !run->asked)
        run_stop(run, "its budget is spent");
    if (room != ROOM_YES)
        return false;
    struct work *work = run_work_of(run, &task->ask);
    work->ready = task->next;
    if (!work->ready)
        work->ready_end = &work->ready;
    task->next = NULL;
    task->began = true;
    link_task(task);
    task->pending = 1; /* until all have begun */
    for (size_t k = 0; k < task->ask.calls; k++)
        if (!task->ask.call[k].answer)
            begin_call(task, k, competitor);
    task->pending--;
    return true;
}

static bool ask_ready(struct run *run, bool judges, size_t place)
{
    struct work *work = run_work(run, judges, place);
    while (work->ready && !run->stopping && ask_task(work->ready))
        ;
    return !run->stopping;
}

static bool drop_ready(struct run *run, bool judges, size_t place)
{
    struct work *work = run_work(run, judges, place);
    while (work->ready) {
        struct task *task = work->ready;
        work->ready = task->next;
        drop_task(task);
    }
    work->ready_end = &work->ready;
    return true;
}

/* --- moving --- */

static void make_waves(struct run *run)
{
    struct err err = ERR_INIT;
    run->waving = true;
    if (!workers_submit(run->options.house->workers, make_wave, wave_is_made, run, &err)) {
        run->waving = false;
        run_stop(run, err.message);
    }
}

void run_pump(struct run *run)
{
    if (run->ending)
        return;
    if (!run->stopping) {
        run_queue_pairs(run);
        each_side(run, ask_ready);
    }
    if (!run->stopping)
        start_batch(run);
    else
        each_side(run, drop_ready);
    bool idle = !run->batches && !run->keeping && !run->waving && each_side(run, is_idle) &&
                (run->stopping || run->queue.first == EVAL_NONE);
    if (idle && !run->stopping && run->plan.spec.pairing == EVAL_ADAPTIVE)
        make_waves(run);
    else if (idle)
        end_run(run);
}

static void pump_again(void *user)
{
    run_pump(user);
}

/* --- the clock --- */

static void tick(void *user)
{
    struct run *run = user;
    double most = run->plan.spec.budget.seconds;
    loop_timer_start(run->options.house->loop, &run->tick, clock_mono_ns() + TICK_NS);
    tell_store(run, false);
    if (!isnan(most) && run_active_s(run) > most)
        run_stop(run, "its time is up");
    run_pump(run);
}

/* --- beginning --- */

static void start(struct run *run)
{
    struct loop *loop = run->options.house->loop;
    run->begun_ns = clock_mono_ns();
    run->tick = (struct loop_timer){.expired = tick, .user = run};
    run->again = (struct loop_timer){.expired = pump_again, .user = run};
    run_enqueue_from(run, run->plan.pair_count);
    loop_timer_start(loop, &run->tick, run->begun_ns);
}

struct run *run_new(struct eval_plan *plan, const struct run_past *past,
                    const struct run_options *options, struct err *err)
{
    struct run *run = calloc(1, sizeof *run);
    if (!run) {
        err_set(err, ERR_MEMORY, "no memory for the run");
        return NULL;
    }
    run->options = *options;
    run->plan = *plan;
    run->past = *past;
    run->calls = past->calls;
    run->spent_usd = past->spent_usd;
    for (size_t k = 0; k < LIMIT_EVAL_SIDES; k++)
        run->sides[k] = (struct work){.first = EVAL_NONE, .ready_end = &run->sides[k].ready};
    for (size_t k = 0; k < LIMIT_EVAL_JUDGES; k++)
        run->judges[k] = (struct work){.first = EVAL_NONE, .ready_end = &run->judges[k].ready};
    run->queue = (struct work){.first = EVAL_NONE, .ready_end = &run->queue.ready};
    if (!state_init(&run->state, &run->plan, err)) {
        run->plan = (struct eval_plan){0};
        run_free(run);
        return NULL;
    }
    *plan = (struct eval_plan){0};
    start(run);
    return run;
}

void run_free(struct run *run)
{
    if (!run)
        return;
    db_close(run->db);
    state_done(&run->state);
    eval_plan_done(&run->plan);
    free(run->past.failed);
    free(run);
}
