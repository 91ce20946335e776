/* A run begins in three steps: a worker reads the spec (or the stored run), the loop finds its
 * competitors in the roster, the writer stores the plan, or that it goes on. Only then is it at
 * work, and whoever asked is told. */
#include "eval/evals.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "competitor/remote.h"
#include "competitor/roster.h"
#include "eval/run.h"
#include "loop/worker.h"
#include "store/campaigns.h"
#include "store/eval_calls.h"

struct evals {
    struct evals_options options;
    struct run *runs[LIMIT_EVAL_RUNS];
    int beginning; /* not at work yet */
    int own_calls;
    bool stopping, wake_again; /* wake_again: campaigns are looked at once more when a run ends */
    void (*stopped)(void *user);
    void *stopped_user;
};

/* A run that is about to begin. */
struct beginning {
    struct evals *evals;
    struct evals_reply reply;
    json_t *spec; /* NULL: `id` is resumed */
    char *folder;
    char id[STORE_ID_SIZE];
    bool retry_failed;
    struct eval_plan plan;
    struct run_past past;
    struct err err;
};

/* --- the registry --- */

static struct run *find_run(const struct evals *evals, const char *id)
{
    for (int k = 0; k < LIMIT_EVAL_RUNS; k++)
        if (evals->runs[k] && strcmp(run_id(evals->runs[k]), id) == 0)
            return evals->runs[k];
    return NULL;
}

size_t evals_working(const struct evals *evals, char ids[LIMIT_EVAL_RUNS][STORE_ID_SIZE])
{
    size_t count = 0;
    for (int k = 0; k < LIMIT_EVAL_RUNS; k++)
        if (evals->runs[k])
            snprintf(ids[count++], STORE_ID_SIZE, "%s", run_id(evals->runs[k]));
    return count;
}

static void tell_stopped(struct evals *evals)
{
    bool idle = evals->stopping && evals->stopped && !evals->beginning;
    for (int k = 0; k < LIMIT_EVAL_RUNS; k++)
        idle = idle && !evals->runs[k];
    if (!idle)
        return;
    void (*stopped)(void *user) = evals->stopped;
    evals->stopped = NULL;
    stopped(evals->stopped_user);
}

static void run_is_over(struct run *run, void *user)
{
    struct evals *evals = user;
    for (int k = 0; k < LIMIT_EVAL_RUNS; k++)
        if (evals->runs[k] == run)
            evals->runs[k] = NULL;
    run_free(run);
    if (evals->wake_again && !evals->stopping)
        evals_resume_campaigns(evals);
    tell_stopped(evals);
}

/* --- beginning --- */

static void beginning_free(struct beginning *beginning)
{
    json_decref(beginning->spec);
    free(beginning->folder);
    free(beginning->past.failed);
    eval_plan_done(&beginning->plan);
    free(beginning);
}

static void fail(struct beginning *beginning)
{
    struct evals *evals = beginning->evals;
    evals->beginning--;
    if (beginning->reply.started)
        beginning->reply.started(beginning->reply.user, NULL, &beginning->err);
    beginning_free(beginning);
    tell_stopped(evals);
}

static void put_to_work(struct beginning *beginning)
{
    struct evals *evals = beginning->evals;
    struct run_options options = {&evals->options, &evals->own_calls, run_is_over, evals};
    struct run **place = evals->runs;
    while (*place)
        place++; /* may_begin left one free */
    *place = run_new(&beginning->plan, &beginning->past, &options, &beginning->err);
    if (!*place) {
        fail(beginning);
        return;
    }
    evals->beginning--;
    beginning->past.failed = NULL;
    if (beginning->reply.started)
        beginning->reply.started(beginning->reply.user, run_id(*place), NULL);
    if (evals->stopping)
        run_stop(*place, EVALS_SHUT_DOWN);
    beginning_free(beginning);
}

/* --- its competitors --- */

static char *copy_or_null(const char *string)
{
    return string ? strdup(string) : NULL;
}

static bool take_version(struct eval_side *side, const struct competitor *competitor,
                         struct err *err)
{
    const struct competitor_config *config = &competitor->config;
    memcpy(side->digest, competitor->version, sizeof side->digest);
    side->effective = strdup(competitor->effective ? competitor->effective : "{}");
    side->organisation = copy_or_null(config->organisation);
    side->licence = copy_or_null(config->licence);
    side->in_house = config->in_house;
    side->outputs_may_train = config->outputs_may_train;
    return side->effective || err_set(err, ERR_MEMORY, "out of memory");
}

static bool check_price(const struct eval_plan *plan, const struct competitor *competitor,
                        struct err *err)
{
    struct price_rates rates = price_at_worst(&competitor->config.prices, clock_wall_ms());
    return isnan(plan->spec.budget.usd) || competitor->own_engine ||
           (!isnan(rates.input) && !isnan(rates.output)) ||
           err_set(err, ERR_BAD_REQUEST,
                   "the budget is in money, but %.100s has no \"price\" in the configuration",
                   competitor->config.name);
}

static bool check_side(const struct beginning *beginning, struct eval_side *side, struct err *err)
{
    const struct roster *roster = beginning->evals->options.roster;
    const struct competitor *competitor = roster_need(roster, side->name, err);
    if (!competitor)
        return false;
    if (competitor->availability == COMPETITOR_RETIRED)
        return err_set(err, ERR_BAD_REQUEST,
                       "%.100s is retired: arena models resume brings it back", side->name);
    if (!beginning->spec)
        return strcmp(side->digest, competitor->version) == 0 ||
               err_set(err, ERR_WRONG_STATE,
                       "%.100s is another version now than when this run began, and answers never "
                       "cross versions: start a new run",
                       side->name);
    if (!competitor->own_engine && remote_lacks(competitor))
        return err_set(err, ERR_BAD_REQUEST, "%.100s: %s", side->name, remote_lacks(competitor));
    return check_price(&beginning->plan, competitor, err) && take_version(side, competitor, err);
}

/* Two names for one thing would ask for one answer twice. */
static bool check_all(struct beginning *beginning, struct eval_side *sides, size_t count,
                      struct err *err)
{
    for (size_t k = 0; k < count; k++) {
        if (!check_side(beginning, &sides[k], err))
            return false;
        for (size_t j = 0; j < k; j++)
            if (strcmp(sides[j].digest, sides[k].digest) == 0)
                return err_set(err, ERR_BAD_REQUEST,
                               "%.100s and %.100s are the same model with the same settings",
                               sides[j].name, sides[k].name);
    }
    return true;
}

static bool find_sides(struct beginning *beginning)
{
    struct eval_plan *plan = &beginning->plan;
    return check_all(beginning, plan->sides, plan->spec.competitor_count, &beginning->err) &&
           check_all(beginning, plan->judges, plan->spec.judge_count, &beginning->err);
}

/* --- a new run --- */

/* A campaign has one run, however often it is begun. */
static bool store_plan(struct db *tx, void *data, struct err *err)
{
    struct beginning *beginning = data;
    const char *campaign = beginning->plan.campaign;
    int64_t runs = 0;
    if (*campaign && !db_one_int(tx, "SELECT count(*) FROM eval_runs WHERE campaign = ?",
                                 DB_VALUES(DB_STRING(campaign)), 0, &runs, err))
        return false;
    if (runs)
        return err_set(err, ERR_WRONG_STATE, "the answers of this campaign are begun already");
    return eval_plan_store(tx, &beginning->plan, clock_wall_ms(), err);
}

static void plan_is_stored(void *data, const struct err *err)
{
    struct beginning *beginning = data;
    beginning->err = *err;
    if (err->code != ERR_NONE)
        fail(beginning);
    else
        put_to_work(beginning);
}

static void read_spec(void *data)
{
    struct beginning *beginning = data;
    eval_plan_make(&beginning->plan, beginning->spec, beginning->folder, &beginning->err);
}

static void spec_is_read(void *data, bool cancelled)
{
    struct beginning *beginning = data;
    struct evals *evals = beginning->evals;
    struct store_job job = {store_plan, plan_is_stored, beginning};
    if (cancelled || evals->stopping)
        err_set(&beginning->err, ERR_BUSY, "the arena is stopping");
    memcpy(beginning->plan.campaign, beginning->id, sizeof beginning->plan.campaign);
    random_id(beginning->plan.id);
    if (beginning->err.code != ERR_NONE || !find_sides(beginning) ||
        !store_submit(evals->options.store, &job, &beginning->err))
        fail(beginning);
}

/* --- a resumed run --- */

struct reading {
    struct beginning *beginning;
    size_t room;
    bool ok;
};

static bool take_failure(void *user, const struct eval_call_record *record)
{
    struct reading *reading = user;
    struct run_past *past = &reading->beginning->past;
    if (record->answer || record->forgiven)
        return true;
    if (past->failed_count == reading->room) {
        size_t room = reading->room ? 2 * reading->room : 64;
        uint64_t *failed = realloc(past->failed, room * sizeof *failed);
        if (!failed)
            return reading->ok = false;
        past->failed = failed;
        reading->room = room;
    }
    memcpy(&past->failed[past->failed_count++], record->key, sizeof *past->failed);
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void take_time(void *user, const struct eval_run_record *record)
{
    struct run_past *past = user;
    past->active_ms = record->active_ms;
}

static bool forgive(struct db *tx, void *data, struct err *err)
{
    const struct beginning *beginning = data;
    return eval_calls_forgive(tx, beginning->plan.number, err);
}

static bool read_run(struct beginning *beginning, struct db *db)
{
    struct err *err = &beginning->err;
    struct run_past *past = &beginning->past;
    struct eval_calls_total total;
    struct reading reading = {beginning, 0, true};
    if (!eval_plan_load(&beginning->plan, db, beginning->id, err) ||
        !eval_runs_find(db, beginning->plan.id, take_time, past, err) ||
        (beginning->retry_failed &&
         !store_apply(beginning->evals->options.store, forgive, beginning, err)) ||
        !eval_calls_total(db, beginning->plan.number, &total, err) ||
        !eval_calls_each(db, beginning->plan.number, take_failure, &reading, err))
        return false;
    past->calls = total.calls;
    past->spent_usd = total.charged_usd;
    if (past->failed)
        qsort(past->failed, past->failed_count, sizeof *past->failed, compare_keys);
    return reading.ok || err_set(err, ERR_MEMORY, "out of memory");
}

static void read_stored(void *data)
{
    struct beginning *beginning = data;
    struct db *db = store_read_open(store_dir(beginning->evals->options.store), &beginning->err);
    if (db)
        read_run(beginning, db);
    db_close(db);
}

/* Whoever looks at the store sees it at work before the reply comes, never as it ended before. */
static bool store_again(struct db *tx, void *data, struct err *err)
{
    const struct beginning *beginning = data;
    return eval_runs_update(tx, beginning->plan.number, EVAL_RUNNING, NULL, NULL,
                            beginning->past.active_ms, clock_wall_ms(), err);
}

/* Asked when it is stored: the writer answers in order, so that a run whose end is stored is no
 * longer found here. */
static bool is_free(struct beginning *beginning)
{
    return !find_run(beginning->evals, beginning->plan.id) ||
           err_set(&beginning->err, ERR_WRONG_STATE, "this evaluation is at work already");
}

static void again_is_stored(void *data, const struct err *err)
{
    struct beginning *beginning = data;
    beginning->err = *err;
    if (err->code != ERR_NONE || !is_free(beginning))
        fail(beginning);
    else
        put_to_work(beginning);
}

static void stored_is_read(void *data, bool cancelled)
{
    struct beginning *beginning = data;
    struct evals *evals = beginning->evals;
    struct store_job job = {store_again, again_is_stored, beginning};
    if (cancelled || evals->stopping)
        err_set(&beginning->err, ERR_BUSY, "the arena is stopping");
    if (beginning->err.code != ERR_NONE || !find_sides(beginning) ||
        !store_submit(evals->options.store, &job, &beginning->err))
        fail(beginning);
}

/* --- what others call --- */

static bool may_begin(const struct evals *evals, struct err *err)
{
    int count = evals->beginning;
    for (int k = 0; k < LIMIT_EVAL_RUNS; k++)
        count += evals->runs[k] != NULL;
    if (evals->stopping)
        return err_set(err, ERR_BUSY, "the arena is stopping");
    return count < LIMIT_EVAL_RUNS ||
           err_set(err, ERR_BUSY, "%d evaluations are at work already: let one end first",
                   LIMIT_EVAL_RUNS);
}

/* Takes nothing when it fails; the reply is then given here. */
static void begin(struct evals *evals, struct beginning *beginning, const struct evals_reply *reply)
{
    struct err err = ERR_INIT;
    bool resumes = beginning && !beginning->spec;
    if (beginning && may_begin(evals, &err) &&
        workers_submit(evals->options.workers, resumes ? read_stored : read_spec,
                       resumes ? stored_is_read : spec_is_read, beginning, &err)) {
        evals->beginning++;
        return;
    }
    if (err.code == ERR_NONE)
        err_set(&err, ERR_MEMORY, "out of memory");
    if (beginning)
        beginning_free(beginning);
    if (reply->started)
        reply->started(reply->user, NULL, &err);
}

static struct beginning *beginning_new(struct evals *evals, const char *id,
                                       const struct evals_reply *reply)
{
    struct beginning *beginning = calloc(1, sizeof *beginning);
    if (!beginning)
        return NULL;
    beginning->evals = evals;
    beginning->reply = *reply;
    if (id)
        snprintf(beginning->id, sizeof beginning->id, "%s", id);
    return beginning;
}

void evals_start(struct evals *evals, const json_t *spec, const char *folder, const char *campaign,
                 const struct evals_reply *reply)
{
    struct beginning *beginning = beginning_new(evals, campaign, reply);
    if (beginning) {
        beginning->spec = json_deep_copy(spec);
        beginning->folder = copy_or_null(folder);
        if (!beginning->spec || (folder && !beginning->folder)) {
            beginning_free(beginning);
            beginning = NULL;
        }
    }
    begin(evals, beginning, reply);
}

void evals_resume(struct evals *evals, const char *id, bool retry_failed,
                  const struct evals_reply *reply)
{
    struct beginning *beginning = beginning_new(evals, id, reply);
    if (beginning)
        beginning->retry_failed = retry_failed;
    begin(evals, beginning, reply);
}

bool evals_end(struct evals *evals, const char *id, const char *why, struct err *err)
{
    struct run *run = find_run(evals, id);
    if (!run)
        return err_set(err, ERR_NOT_FOUND, "the evaluation %.40s is not at work here", id);
    run_stop(run, why);
    return true;
}

void evals_end_campaign(struct evals *evals, const char *campaign, const char *why)
{
    for (int k = 0; k < LIMIT_EVAL_RUNS; k++)
        if (evals->runs[k] && strcmp(run_campaign(evals->runs[k]), campaign) == 0)
            run_stop(evals->runs[k], why);
}

bool evals_figures(const struct evals *evals, const char *id, struct evals_figures *out)
{
    const struct run *run = find_run(evals, id);
    if (run)
        run_figures(run, out);
    return run != NULL;
}

bool evals_progress(const struct evals *evals, const char *id, struct buf *out)
{
    const struct run *run = find_run(evals, id);
    return run && run_progress(run, out);
}

/* --- campaigns --- */

struct sleeper {
    char id[STORE_ID_SIZE], campaign[STORE_ID_SIZE];
    bool away; /* a model of it was */
};

struct waking {
    struct evals *evals;
    struct sleeper list[LIMIT_EVAL_RUNS];
    int count;
};

static bool ends_with(const char *string, const char *end)
{
    size_t length = strlen(string), its = strlen(end);
    return length >= its && strcmp(string + length - its, end) == 0;
}

static bool take_sleeper(void *user, const struct eval_run_record *record)
{
    struct waking *waking = user;
    bool stopped = record->state == EVAL_STOPPED && record->reason,
         away = stopped && ends_with(record->reason, EVALS_AWAY),
         slept = record->state == EVAL_RUNNING ||
                 (stopped && strcmp(record->reason, EVALS_SHUT_DOWN) == 0);
    if (record->campaign[0] && (slept || away)) {
        struct sleeper *one = &waking->list[waking->count++];
        memcpy(one->id, record->id, sizeof one->id);
        memcpy(one->campaign, record->campaign, sizeof one->campaign);
        one->away = away;
    }
    return waking->count < LIMIT_EVAL_RUNS;
}

static void see_whether_it_runs(void *user, const struct campaign_record *record)
{
    *(bool *)user = !record->ended;
}

static void find_sleepers(void *data)
{
    struct waking *waking = data;
    struct err err = ERR_INIT;
    struct db *db = store_read_open(store_dir(waking->evals->options.store), &err);
    if (db)
        eval_runs_each(db, INT64_MAX, take_sleeper, waking, &err);
    for (int k = 0; db && k < waking->count; k++) {
        bool runs = false;
        campaigns_find(db, waking->list[k].campaign, see_whether_it_runs, &runs, &err);
        if (!runs)
            waking->list[k--] = waking->list[--waking->count];
    }
    db_close(db);
}

static void is_awake(void *user, const char *id, const struct err *err)
{
    (void)user;
    if (id)
        log_note("eval", "going on with %s", id);
    else
        log_warning("eval", "a campaign's evaluation could not go on: %s", err->message);
}

static void sleepers_are_found(void *data, bool cancelled)
{
    struct waking *waking = data;
    struct evals_reply reply = {is_awake, NULL};
    for (int k = 0; !cancelled && k < waking->count; k++) {
        const struct sleeper *one = &waking->list[k];
        if (find_run(waking->evals, one->id))
            waking->evals->wake_again = true; /* it may be about to stop */
        else
            evals_resume(waking->evals, one->id, one->away, &reply);
    }
    free(waking);
}

void evals_resume_campaigns(struct evals *evals)
{
    struct waking *waking = calloc(1, sizeof *waking);
    struct err err = ERR_INIT;
    if (!waking)
        return;
    evals->wake_again = false;
    waking->evals = evals;
    if (!workers_submit(evals->options.workers, find_sleepers, sleepers_are_found, waking, &err))
        free(waking);
}

/* --- life --- */

struct evals *evals_new(const struct evals_options *options, struct err *err)
{
    struct evals *evals = calloc(1, sizeof *evals);
    if (!evals) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    evals->options = *options;
    return evals;
}

void evals_stop(struct evals *evals, void (*stopped)(void *user), void *user)
{
    evals->stopping = true;
    evals->stopped = stopped;
    evals->stopped_user = user;
    for (int k = 0; k < LIMIT_EVAL_RUNS; k++)
        if (evals->runs[k])
            run_stop(evals->runs[k], EVALS_SHUT_DOWN);
    tell_stopped(evals);
}

void evals_free(struct evals *evals)
{
    free(evals);
}
