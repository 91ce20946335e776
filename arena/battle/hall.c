/* The hall owns what outlives a request: the battles in memory and the order of their jobs. A
 * turn that ended is stored by a job of its own, tried again while the disk refuses, and given
 * up as void in the end: every battle ends. */
#include "battle/hall.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "battle/actions.h"
#include "battle/hall_state.h"
#include "battle/matchmaker.h"
#include "battle/op.h"
#include "battle/recall.h"
#include "battle/record.h"
#include "competitor/draw.h"
#include "competitor/roster.h"
#include "store/idempotency.h"

#define SWEEP_NS (30 * CLOCK_S)
#define SETTLE_TRIES 5
#define SETTLE_AGAIN_NS (1 * CLOCK_S)

/* --- counting jobs --- */

static void destroy(struct hall *hall);

static void tell_stopped(void *user)
{
    struct hall *hall = user;
    hall->jobs--;
    if (hall->abandoned)
        destroy(hall);
    else
        hall->stopped(hall->stopped_user);
}

/* Nothing is under way any more: tells whoever waits for that, or ends what was freed too early. */
static void look_whether_stopped(struct hall *hall)
{
    if (!hall->stopping || hall->stopped_told || hall->jobs || hall->gate.under_way)
        return;
    hall->stopped_told = true;
    hall->jobs++;
    if (!loop_post(hall->options.loop, tell_stopped, hall)) /* not from inside whatever calls us */
        tell_stopped(hall);
}

void hall_job_out(struct hall *hall)
{
    hall->jobs++;
}

void hall_job_back(struct hall *hall)
{
    hall->jobs--;
    look_whether_stopped(hall);
}

static void on_gate_idle(void *user)
{
    look_whether_stopped(user);
}

/* --- competitors --- */

size_t hall_competitors(const struct hall *hall, bool in_house_only, struct competitor *list[])
{
    size_t all = roster_count(hall->options.roster), count = 0;
    for (size_t i = 0; i < all && count < LIMIT_COMPETITORS; i++) {
        struct competitor *competitor = roster_at(hall->options.roster, i);
        if (competitor->config.in_house || !in_house_only)
            list[count++] = competitor;
    }
    return count;
}

static struct competitor *substitute(void *user, struct battle *battle, int side)
{
    struct hall *hall = user;
    struct competitor *list[LIMIT_COMPETITORS];
    const char * not [LIMIT_SWAPS + 4];
    size_t excluded = 0, count = hall_competitors(hall, battle->in_house_only, list);
    count = draw_filter(list, count, clock_wall_ms());
    (void)side;
    if (battle->story.mode != BATTLE_BLIND || battle->story.campaign[0])
        return NULL; /* these two were asked for, nobody else */
    for (int i = 0; i < 2; i++)
        not [excluded++] = battle->story.side[i].version;
    for (size_t i = 0; i < battle->incident_count && excluded < sizeof not / sizeof *not ; i++)
        not [excluded++] =
            battle->incidents[i].side.version; /* it failed before: not again in this battle */
    struct competitor *other = matchmaker_substitute(list, count, not, excluded, &hall->rng);
    hall->figures.swaps += other != NULL;
    return other;
}

void hall_count_day(const struct hall *hall, const struct story *story, struct health_day add)
{
    int64_t now_ms = clock_wall_ms();
    for (int i = 0; i < (story->mode == BATTLE_DIRECT ? 1 : 2); i++) {
        const struct competitor *competitor =
            roster_find(hall->options.roster, story->side[i].name);
        if (competitor)
            health_add_day(competitor->health, add, now_ms);
    }
}

void hall_battle_over(const struct hall *hall, struct battle *battle)
{
    battle_count(battle);
    hall_count_day(hall, &battle->story, (struct health_day){.over = 1});
}

/* --- a turn that ended --- */

struct settling {
    struct resident *resident;
    bool failed;
    int64_t version[2];
};

static bool apply_settling(struct db *tx, void *data, struct err *err)
{
    struct settling *settling = data;
    const struct battle *battle = settling->resident->battle;
    if (settling->failed)
        return record_void(tx, battle, "failed", clock_wall_ms(), err);
    return record_answers(tx, battle, settling->version, clock_wall_ms(), err);
}

static void become_void(struct resident *resident, const char *code)
{
    struct story *story = &resident->battle->story;
    resident->hall->figures.voided++;
    story->state = BATTLE_VOID;
    snprintf(story->void_code, sizeof story->void_code, "%s", code);
    battle_tell_void(resident->battle, code);
    hall_battle_over(resident->hall, resident->battle);
}

static void become_ready(struct resident *resident, const int64_t version[2])
{
    struct battle *battle = resident->battle;
    for (int i = 0; i < 2; i++) {
        battle->story.side[i].version_id = version[i];
        lane_rest(&battle->lane[i]);
    }
    battle_forget_incidents(battle);
    battle->story.state = BATTLE_READY;
    battle_tell_ready(battle);
}

/* The store knows better: viewers and requests come back to what it says. */
static void read_anew(struct resident *resident)
{
    resident->stale = true;
    eventlog_end(resident->battle->log);
    eventlog_wake(resident->battle->log);
}

static void settle(struct resident *resident);

static void settle_again(void *user)
{
    struct resident *resident = user;
    resident->busy = false;
    settle(resident);
}

static void settled(void *data, const struct err *err)
{
    struct settling *settling = data;
    struct resident *resident = settling->resident;
    struct hall *hall = resident->hall;
    bool again = err->code == ERR_STORE || err->code == ERR_BUSY || err->code == ERR_MEMORY;
    if (err->code != ERR_NONE)
        log_warning("battle", "%s: its turn could not be stored: %s", resident->battle->story.id,
                    err->message);
    if (err->code != ERR_NONE && again && !hall->stopping &&
        resident->settle_tries++ < SETTLE_TRIES) {
        resident->retry = (struct loop_timer){.expired = settle_again, .user = resident};
        again = loop_timer_start(hall->options.loop, &resident->retry,
                                 clock_mono_ns() + SETTLE_AGAIN_NS);
    } else {
        again = false;
    }
    if (!again) {
        resident->settling = SETTLING_NO;
        if (err->code ==
            ERR_WRONG_STATE) /* an earlier try that was told as failed did reach the disk */
            read_anew(resident);
        else if (settling->failed || err->code != ERR_NONE)
            become_void(resident, "failed");
        else
            become_ready(resident, settling->version);
        resident->busy = false;
        hall_unbusy(resident);
    }
    free(settling);
    hall_job_back(hall);
}

static void settle(struct resident *resident)
{
    struct hall *hall = resident->hall;
    struct settling *settling = malloc(sizeof *settling);
    struct err err = {ERR_MEMORY, "out of memory"};
    resident->busy = true;
    if (!settling) {
        resident->settling = SETTLING_NO;
        resident->busy = false;
        become_void(resident, "failed");
        return;
    }
    *settling =
        (struct settling){.resident = resident, .failed = resident->settling == SETTLING_VOID};
    struct store_job job = {apply_settling, settled, settling};
    hall_job_out(hall);
    if (!store_submit(hall->options.store, &job, &err))
        settled(settling, &err);
}

static void on_settled(void *user, struct battle *battle, bool failed)
{
    struct hall *hall = user;
    struct resident *resident = residents_find(&hall->residents, battle->story.id);
    resident->settling = failed ? SETTLING_VOID : SETTLING_READY;
    resident->settle_tries = 0;
    if (!resident->busy)
        settle(resident);
}

void hall_unbusy(struct resident *resident)
{
    struct hall *hall = resident->hall;
    if (!resident->busy && resident->settling && !hall->stopping)
        settle(resident);
    while (!resident->busy && resident->first) {
        struct op *op = resident->first;
        resident->first = op->next;
        if (!resident->first)
            resident->last = NULL;
        op_run(op);
        resident->waiting--; /* only now: while it is counted the resident stays */
    }
    if (resident->stale && resident_is_idle(resident))
        residents_remove(&hall->residents, resident);
}

struct voter_count {
    const char *voter;
    size_t streaming;
};

static void count_streaming(void *user, struct resident *resident)
{
    struct voter_count *count = user;
    const struct story *story = &resident->battle->story;
    count->streaming += (story->state == BATTLE_STREAMING || resident->opens) &&
                        (!count->voter || strcmp(story->voter, count->voter) == 0);
}

size_t hall_streaming_of(struct hall *hall, const char *voter)
{
    struct voter_count count = {voter, 0};
    residents_each(&hall->residents, count_streaming, &count);
    return count.streaming;
}

struct forgetting {
    const char *voter;
    bool under_way;
};

static bool is_of(const struct resident *resident, const char *voter)
{
    return strcmp(resident->battle->story.voter, voter) == 0;
}

static void find_under_way(void *user, struct resident *resident)
{
    struct forgetting *forgetting = user;
    if (is_of(resident, forgetting->voter) &&
        (resident->busy || resident->settling || resident->battle->streaming))
        forgetting->under_way = true;
}

/* One that is still looked at stays until nobody does, but tells nothing more from memory. */
static void forget_one(void *user, struct resident *resident)
{
    const struct forgetting *forgetting = user;
    if (!is_of(resident, forgetting->voter))
        return;
    resident->stale = true;
    if (resident_is_idle(resident))
        residents_remove(&resident->hall->residents, resident);
}

bool hall_forget(struct hall *hall, const char *voter, struct err *err)
{
    struct forgetting forgetting = {.voter = voter};
    residents_each(&hall->residents, find_under_way, &forgetting);
    if (forgetting.under_way)
        return err_set(err, ERR_WRONG_STATE, "a battle of yours is under way: stop it first");
    residents_each(&hall->residents, forget_one, &forgetting);
    return true;
}

/* --- the sweep --- */

struct sweeping {
    struct hall *hall;
    int64_t now_ms, expired;
};

static bool apply_sweep(struct db *tx, void *data, struct err *err)
{
    struct sweeping *sweeping = data;
    return battles_expire(tx, sweeping->now_ms, &sweeping->expired, err) &&
           idempotency_sweep(tx, sweeping->now_ms, err);
}

static void sweep_one(void *user, struct resident *resident)
{
    struct sweeping *sweeping = user;
    struct battle *battle = resident->battle;
    int64_t too_old_ms = sweeping->now_ms - (battle->story.source == BATTLE_QUEUED
                                                 ? LIMIT_RESERVATION_MINUTES * INT64_C(60000)
                                                 : LIMIT_BATTLE_HOURS * INT64_C(3600000));
    if (battle->story.state == BATTLE_READY && !resident->busy &&
        battle->story.created_ms < too_old_ms) {
        battle->story.state = BATTLE_EXPIRED;
        battle_tell_void(battle, "expired");
        hall_battle_over(sweeping->hall, battle);
    }
    if (resident_is_idle(resident) &&
        clock_mono_ns() - resident->used_ns > LIMIT_BATTLE_IDLE_SECONDS * CLOCK_S)
        residents_remove(&sweeping->hall->residents, resident);
}

static void swept(void *data, const struct err *err)
{
    struct sweeping *sweeping = data;
    struct hall *hall = sweeping->hall;
    if (err->code == ERR_NONE) {
        hall->figures.expired += (uint64_t)sweeping->expired;
        residents_each(&hall->residents, sweep_one, sweeping);
        overdue_count(&hall->residents.overdue, sweeping->now_ms);
    }
    free(sweeping);
    hall_job_back(hall);
}

static void on_sweep(void *user)
{
    struct hall *hall = user;
    struct sweeping *sweeping = malloc(sizeof *sweeping);
    struct err err = ERR_INIT;
    loop_timer_start(hall->options.loop, &hall->sweep, clock_mono_ns() + SWEEP_NS);
    if (!sweeping)
        return;
    *sweeping = (struct sweeping){hall, clock_wall_ms(), 0};
    struct store_job job = {apply_sweep, swept, sweeping};
    hall_job_out(hall);
    if (!store_submit(hall->options.store, &job, &err))
        swept(sweeping, &err);
}

/* --- asking --- */

static void run_new(struct hall *hall, struct op *op)
{
    if (op->action == HALL_START || op->action == HALL_NEXT) {
        op_run(op);
    } else if (op->action == HALL_LIST) {
        recall_list(op);
    } else {
        op->resident = residents_find(&hall->residents, op->battle);
        if (op->resident)
            op_run(op);
        else
            recall_battle(op);
    }
}

void hall_ask(struct hall *hall, enum hall_action action, const struct hall_request *request)
{
    struct err err = ERR_INIT;
    struct op *op = NULL;
    if (hall->stopping)
        err_set(&err, ERR_BUSY, "the arena is shutting down: try again when it is back");
    else
        op = op_new(hall, action, request, &err);
    if (op)
        run_new(hall, op);
    else
        op_refuse_request(request, &err);
}

void hall_events(struct hall *hall, const char *voter, const char *battle,
                 void (*opened)(void *user, struct eventlog *log, const struct err *err),
                 void *user)
{
    struct err err = ERR_INIT;
    struct hall_request request = {.voter = voter, .battle = battle, .user = user};
    struct op *op = NULL;
    if (hall->stopping)
        err_set(&err, ERR_BUSY, "the arena is shutting down: try again when it is back");
    else
        op = op_new(hall, HALL_EVENTS, &request, &err);
    if (!op) {
        opened(user, NULL, &err);
        return;
    }
    op->opened = opened;
    run_new(hall, op);
}

struct hall_figures hall_figures(const struct hall *hall)
{
    struct hall_figures figures = hall->figures;
    struct voter_count count = {NULL, 0};
    /* residents_each is for those who may remove; counting does not */
    residents_each((struct residents *)(uintptr_t)&hall->residents, count_streaming, &count);
    figures.live = hall->residents.count;
    figures.streaming = count.streaming;
    figures.waiting_replies = hall->jobs;
    return figures;
}

/* --- opening and closing --- */

/* What a stop left behind, and who may be drawn from now on. */
struct opening {
    struct hall *hall;
    int64_t voided;
};

static bool register_all(struct db *tx, const struct hall *hall, int64_t now_ms, struct err *err)
{
    struct competitor *list[LIMIT_COMPETITORS];
    size_t count = hall_competitors(hall, false, list);
    for (size_t i = 0; i < count; i++) {
        const struct competitor_config *config = &list[i]->config;
        struct story_side side = {.name = config->name,
                                  .organisation = config->organisation,
                                  .licence = config->licence,
                                  .effective = list[i]->effective,
                                  .in_house = config->in_house,
                                  .outputs_may_train = config->outputs_may_train};
        int64_t version;
        snprintf(side.version, sizeof side.version, "%s", list[i]->version);
        if (!record_version(tx, &side, now_ms, &version, err) ||
            !competitors_set_code_name(tx, config->name, config->code_name, err))
            return false;
    }
    return true;
}

/* What the day had before this process; nobody else is at the roster yet. */
static void take_day(void *user, const char *name, const struct competitor_day *day)
{
    struct hall *hall = user;
    struct competitor *competitor = roster_find(hall->options.roster, name);
    struct health_day add = {0, day->drawn, day->over, day->votes};
    if (competitor)
        health_add_day(competitor->health, add, clock_wall_ms());
}

static bool apply_opening(struct db *tx, void *data, struct err *err)
{
    struct opening *opening = data;
    int64_t now_ms = clock_wall_ms(), expired;
    return battles_restart(tx, now_ms, &opening->voided, err) &&
           battles_expire(tx, now_ms, &expired, err) &&
           register_all(tx, opening->hall, now_ms, err) &&
           competitors_day(tx, now_ms, take_day, opening->hall, err);
}

struct hall *hall_new(const struct hall_options *options, struct err *err)
{
    struct hall *hall = calloc(1, sizeof *hall);
    if (!hall) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    hall->options = *options;
    hall->gate = (struct lane_gate){.idle = on_gate_idle, .user = hall};
    hall->host = (struct battle_host){.loop = options->loop,
                                      .gate = &hall->gate,
                                      .unpaced = options->unpaced,
                                      .substitute = substitute,
                                      .settled = on_settled,
                                      .user = hall};
    uint64_t seed = options->seed;
    if (!seed)
        random_bytes(&seed, sizeof seed);
    rng_init(&hall->rng, seed, 0);
    hall->sweep = (struct loop_timer){.expired = on_sweep, .user = hall};
    struct opening opening = {hall, 0};
    if (!store_apply(options->store, apply_opening, &opening, err)) {
        free(hall);
        return NULL;
    }
    if (opening.voided)
        log_note("battle", "%lld battles were streaming at the last stop: they are void",
                 (long long)opening.voided);
    loop_timer_start(options->loop, &hall->sweep, clock_mono_ns() + SWEEP_NS);
    return hall;
}

static void stop_one(void *user, struct resident *resident)
{
    struct battle *battle = resident->battle;
    struct err err = {ERR_BUSY, "the arena is shutting down: try again when it is back"};
    (void)user;
    loop_timer_stop(battle->host->loop, &resident->retry);
    battle_cut(battle);
    if (battle->story.state == BATTLE_STREAMING && !resident->busy)
        become_void(resident, "restart");
    else if (battle->story.state == BATTLE_STREAMING)
        battle_tell_void(
            battle, "restart"); /* its job may still make it ready; nobody will see that here */
    else
        eventlog_end(battle->log);
    eventlog_wake(battle->log);
    while (resident->first) {
        struct op *op = resident->first;
        resident->first = op->next;
        resident->waiting--;
        op_refuse(op, &err);
    }
    resident->last = NULL;
}

static bool apply_stop(struct db *tx, void *data, struct err *err)
{
    int64_t voided;
    (void)data;
    return battles_restart(tx, clock_wall_ms(), &voided, err);
}

static void stop_stored(void *data, const struct err *err)
{
    if (err->code != ERR_NONE)
        log_warning("battle", "streaming battles are marked at the next start, not now: %s",
                    err->message);
    hall_job_back(data);
}

void hall_stop(struct hall *hall, void (*stopped)(void *user), void *user)
{
    struct err err = ERR_INIT;
    hall->stopping = true;
    hall->stopped = stopped;
    hall->stopped_user = user;
    loop_timer_stop(hall->options.loop, &hall->sweep);
    hall_job_out(hall); /* keeps "stopped" from being told while this goes on */
    residents_each(&hall->residents, stop_one, hall);
    struct store_job job = {apply_stop, stop_stored, hall};
    if (!store_submit(hall->options.store, &job, &err))
        stop_stored(hall, &err);
}

static void free_one(void *user, struct resident *resident)
{
    struct hall *hall = user;
    residents_remove(&hall->residents, resident);
}

static void destroy(struct hall *hall)
{
    residents_each(&hall->residents, free_one, hall);
    overdue_done(&hall->residents.overdue);
    free(hall);
}

void hall_free(struct hall *hall)
{
    if (!hall)
        return;
    loop_timer_stop(hall->options.loop, &hall->sweep);
    if (hall->jobs || hall->gate.under_way)
        hall->stopping = hall->abandoned = true; /* the last answer that comes back ends it */
    else
        destroy(hall);
}
