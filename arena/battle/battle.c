/* Everything that happens to a turn (text, an end, a tick, a deadline) leads to battle_look,
 * which looks at both lanes as they stand and does what is due: one place decides, whatever the
 * order in which things come. */
#include "battle/battle.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "battle/even.h"
#include "battle/leak.h"

#define WATCH_NS (1 * CLOCK_S)
#define TURN_ROOM (256u << 10) /* of the log: what a further turn of usual length takes */

static void battle_look(struct battle *battle);
static void on_tick(void *user);
static void on_watch(void *user);
static void on_lane(void *user);

static const char *lane_name(int side)
{
    return side ? "b" : "a";
}

struct battle *battle_new(const struct battle_host *host, struct story *story, uint64_t first_event,
                          struct err *err)
{
    struct battle *battle = calloc(1, sizeof *battle);
    struct eventlog *log = battle ? eventlog_new(first_event, LIMIT_EVENT_LOG_BYTES) : NULL;
    if (!log) {
        free(battle);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    battle->host = host;
    battle->log = log;
    battle->story = *story;
    story_init(story);
    for (int i = 0; i < 2; i++)
        lane_init(&battle->lane[i], host->gate, on_lane, battle);
    pacer_init(&battle->pacer);
    battle->tick = (struct loop_timer){.expired = on_tick, .user = battle};
    battle->watch = (struct loop_timer){.expired = on_watch, .user = battle};
    return battle;
}

void battle_free(struct battle *battle)
{
    if (!battle)
        return;
    battle_cut(battle);
    for (int i = 0; i < 2; i++)
        lane_rest(&battle->lane[i]);
    battle_forget_incidents(battle);
    for (int i = 0; i < 2; i++)
        competitor_release(battle->competitor[i]);
    eventlog_end(battle->log);
    eventlog_release(battle->log);
    story_done(&battle->story);
    free(battle->notes);
    free(battle);
}

void battle_keep(struct battle *battle, int side, struct competitor *competitor)
{
    competitor_hold(competitor);
    competitor_release(battle->competitor[side]);
    battle->competitor[side] = competitor;
}

bool battle_set_side(struct battle *battle, int side, struct competitor *competitor,
                     struct err *err)
{
    const struct competitor_config *config = &competitor->config;
    struct story_side wanted = {.name = config->name,
                                .organisation = config->organisation,
                                .licence = config->licence,
                                .code_name = config->code_name,
                                .effective = competitor->effective,
                                .in_house = config->in_house,
                                .outputs_may_train = config->outputs_may_train};
    snprintf(wanted.version, sizeof wanted.version, "%s", competitor->version);
    if (!story_set_side(&battle->story.side[side], &wanted, err))
        return false;
    battle_keep(battle, side, competitor);
    return true;
}

/* --- events --- */

static bool emit(struct battle *battle, const char *event, struct buf *data, bool last)
{
    bool good = !data->failed && eventlog_append(battle->log, event, buf_text(data), last);
    buf_done(data);
    return good;
}

static struct json_out open_data(struct buf *data)
{
    buf_init(data, LIMIT_EVENT_LOG_BYTES);
    struct json_out out = json_out_to(data);
    json_put_open(&out, NULL, '{');
    return out;
}

static void emit_turn(struct battle *battle, const char *event, size_t turn)
{
    struct buf data;
    struct json_out out = open_data(&data);
    json_put_int(&out, "turn", (int64_t)turn);
    json_put_close(&out, '}');
    emit(battle, event, &data, true);
}

static void emit_lanes(struct battle *battle, size_t turn, const char *state)
{
    for (int i = 0; i < 2; i++) {
        struct buf data;
        struct json_out out = open_data(&data);
        json_put_int(&out, "turn", (int64_t)turn);
        json_put_cstring(&out, "lane", lane_name(i));
        json_put_cstring(&out, "state", state);
        json_put_close(&out, '}');
        emit(battle, "lane", &data, true);
    }
}

static bool emit_delta(struct battle *battle, size_t turn, int side, struct text text)
{
    struct buf data;
    struct json_out out = open_data(&data);
    json_put_int(&out, "turn", (int64_t)turn);
    json_put_cstring(&out, "lane", lane_name(side));
    json_put_string(&out, "text", text);
    json_put_close(&out, '}');
    return emit(battle, "delta", &data, false);
}

void battle_tell_ready(struct battle *battle)
{
    emit_turn(battle, "ready", battle->story.turn_count);
    eventlog_wake(battle->log);
}

static void end_log(struct battle *battle)
{
    eventlog_end(battle->log);
    eventlog_wake(battle->log);
}

void battle_tell_voted(struct battle *battle)
{
    eventlog_append(battle->log, "voted", TEXT("{}"), true);
    end_log(battle);
}

void battle_tell_void(struct battle *battle, const char *code)
{
    struct buf data;
    struct json_out out = open_data(&data);
    json_put_cstring(&out, "code", code);
    json_put_close(&out, '}');
    emit(battle, "void", &data, true);
    end_log(battle);
}

static void tell_end(struct battle *battle)
{
    switch (battle->story.state) {
    case BATTLE_VOTED:
        battle_tell_voted(battle);
        break;
    case BATTLE_SKIPPED:
        battle_tell_void(battle, "skipped");
        break;
    case BATTLE_EXPIRED:
        battle_tell_void(battle, "expired");
        break;
    case BATTLE_VOID:
        battle_tell_void(battle, battle->story.void_code);
        break;
    default:
        break;
    }
}

void battle_retell(struct battle *battle)
{
    for (size_t i = 0; i < battle->story.turn_count; i++) {
        const struct story_turn *turn = &battle->story.turns[i];
        emit_turn(battle, "reset", i + 1);
        if (!turn->answered)
            continue;
        emit_delta(battle, i + 1, 0, buf_text(&turn->answer[0].text));
        emit_delta(battle, i + 1, 1, buf_text(&turn->answer[1].text));
        emit_lanes(battle, i + 1, "done");
        emit_turn(battle, "ready", i + 1);
    }
    tell_end(battle);
}

bool battle_has_room(const struct battle *battle)
{
    return eventlog_room(battle->log) >= TURN_ROOM;
}

/* --- a turn --- */

static void stop_timers(struct battle *battle)
{
    loop_timer_stop(battle->host->loop, &battle->tick);
    loop_timer_stop(battle->host->loop, &battle->watch);
}

static bool thinks(const struct competitor *competitor)
{
    const char *reasoning = competitor->config.params.reasoning;
    return (reasoning && strcmp(reasoning, "none") != 0) || !competitor->health ||
           competitor->health->thinks;
}

/* The other's token limit where this side must keep to it; -1: as configured. */
static int64_t even_limit(const struct battle *battle, int side)
{
    const struct competitor *mine = battle->competitor[side], *other = battle->competitor[1 - side];
    int64_t own = mine->config.params.max_tokens, others = other->config.params.max_tokens;
    bool lower = others > 0 && (own <= 0 || others < own);
    return battle->story.mode == BATTLE_BLIND && lower && !thinks(mine) ? others : -1;
}

/* The conversation as one side knows it: every prompt, and its own answers. */
static bool ask(struct battle *battle, int side)
{
    const struct story *story = &battle->story;
    size_t count = 2 * story->turn_count - 1;
    struct chat_message *messages = calloc(count, sizeof *messages);
    if (!messages)
        return false;
    for (size_t i = 0; i < story->turn_count; i++) {
        const struct story_turn *turn = &story->turns[i];
        messages[2 * i] = (struct chat_message){CHAT_USER, buf_text(&turn->prompt)};
        if (2 * i + 1 < count)
            messages[2 * i + 1] =
                (struct chat_message){CHAT_ASSISTANT, buf_text(&turn->answer[side].text)};
    }
    int64_t limit = even_limit(battle, side);
    battle->lowered[side] = limit > 0;
    lane_ask(&battle->lane[side], battle->competitor[side], messages, count, limit);
    free(messages);
    return true;
}

/* A direct chat has nobody on its second side. */
static bool leave_empty(struct lane *lane)
{
    lane_rest(lane);
    lane_settle(lane, CHAT_STOP, true);
    return true;
}

static void settle(struct battle *battle, bool failed)
{
    stop_timers(battle);
    battle->streaming = false;
    battle->ended_ns = clock_mono_ns();
    battle->host->settled(battle->host->user, battle, failed);
}

static void fail_turn(struct battle *battle)
{
    for (int i = 0; i < 2; i++)
        lane_drop(&battle->lane[i]);
    settle(battle, true);
}

void battle_stream(struct battle *battle, bool again)
{
    int64_t now = clock_mono_ns();
    if (again) {
        battle->regenerations++;
        story_clear_answers(story_last(&battle->story));
        emit_turn(battle, "reset", battle->story.turn_count);
        eventlog_wake(battle->log);
    }
    pacer_init(&battle->pacer);
    battle->streaming = true;
    battle->started_ns = now;
    battle->opened_ns = battle->ended_ns = 0;
    battle->looking = true; /* a lane may end at once: look when both were asked */
    bool asked =
        ask(battle, 0) &&
        (battle->story.mode == BATTLE_DIRECT ? leave_empty(&battle->lane[1]) : ask(battle, 1));
    battle->looking = false;
    if (!asked || !loop_timer_start(battle->host->loop, &battle->watch, now + WATCH_NS)) {
        fail_turn(battle);
        return;
    }
    battle_look(battle);
}

void battle_cut(struct battle *battle)
{
    stop_timers(battle);
    for (int i = 0; i < 2; i++)
        lane_drop(&battle->lane[i]);
    battle->streaming = false;
}

/* --- a lane that failed --- */

static void forget_incident(struct battle_incident *incident)
{
    story_side_done(&incident->side);
    story_side_done(&incident->against);
}

void battle_forget_incidents(struct battle *battle)
{
    while (battle->incident_count)
        forget_incident(&battle->incidents[--battle->incident_count]);
}

/* Without memory, or past the limit, a figure is missing: nobody's answer depends on it. */
static void note(struct battle *battle, int side, bool voided, bool swapped)
{
    const struct lane_facts *facts = &battle->lane[side].facts;
    struct competitor *competitor = battle->competitor[side];
    bool nothing = !battle->lane[side].failed && !facts->attempts; /* it was not asked */
    if (!competitor || nothing || battle->note_count >= LIMIT_BATTLE_NOTES)
        return;
    struct battle_note *notes =
        realloc(battle->notes, (battle->note_count + 1) * sizeof *battle->notes);
    if (!notes)
        return;
    battle->notes = notes;
    struct health_fact fact = {.failed = battle->lane[side].failed,
                               .voided = voided,
                               .swapped = swapped,
                               .first_content_ns = facts->first_content_ns,
                               .total_ns = facts->total_ns,
                               .cost_usd = facts->cost_usd,
                               .cooling_until_ns = facts->cooling_until_ns};
    memcpy(fact.faults, facts->faults, sizeof fact.faults);
    notes[battle->note_count++] = (struct battle_note){competitor->health, fact};
}

void battle_count(struct battle *battle)
{
    for (size_t i = 0; i < battle->note_count; i++)
        health_count(battle->notes[i].health, &battle->notes[i].fact);
    battle->note_count = 0;
}

static void note_incident(struct battle *battle, int side, bool swapped)
{
    if (battle->incident_count >= sizeof battle->incidents / sizeof *battle->incidents)
        return;
    struct battle_incident *incident = &battle->incidents[battle->incident_count];
    *incident = (struct battle_incident){
        .lane = side, .swapped = swapped, .error = battle->lane[side].facts.error};
    if (story_set_side(&incident->side, &battle->story.side[side], NULL) &&
        story_set_side(&incident->against, &battle->story.side[1 - side], NULL))
        battle->incident_count++;
    else
        forget_incident(incident);
    log_warning("battle", "%s: %s did not answer (%s)%s", battle->story.id,
                battle->story.side[side].name, chat_error_word(battle->lane[side].facts.error),
                swapped ? ", another takes its place" : "");
}

static bool swap(struct battle *battle, int side)
{
    const struct battle_host *host = battle->host;
    struct competitor *other = NULL;
    if (battle->story.turn_count == 1 && !battle->opened_ns && battle->swaps < LIMIT_SWAPS)
        other = host->substitute(host->user, battle, side);
    note(battle, side, !other, other != NULL);
    note_incident(battle, side, other != NULL);
    if (!other || !battle_set_side(battle, side, other, NULL))
        return false;
    battle->swaps++;
    battle->story.side[side].swapped = true;
    return ask(battle, side);
}

/* A limit that was lowered for the other's sake went into thoughts: its own is due to it. */
static bool is_starved(const struct battle *battle, int side)
{
    const struct lane *lane = &battle->lane[side];
    bool thought = lane->reasoning.length || lane->facts.usage.reasoning > 0 || !lane->characters;
    return battle->lowered[side] && lane->ended && lane->facts.finish == CHAT_LENGTH && thought &&
           !lane->shown_bytes;
}

static bool feed(struct battle *battle, int side)
{
    note(battle, side, false, false);
    battle->competitor[side]->health->thinks = true;
    return ask(battle, side);
}

/* True when no lane has failed for good. */
static bool mend(struct battle *battle)
{
    for (int i = 0; i < 2; i++)
        if (is_starved(battle, i) && !feed(battle, i))
            return false;
    for (int i = 0; i < 2; i++)
        while (battle->lane[i].ended && battle->lane[i].failed)
            if (!swap(battle, i))
                return false;
    return true;
}

/* --- the end of a turn --- */

static void take_answer(struct story_answer *answer, const struct lane *lane)
{
    const struct lane_facts *facts = &lane->facts;
    buf_clear(&answer->text);
    buf_add_text(&answer->text, buf_text(&lane->text));
    snprintf(answer->finish, sizeof answer->finish, "%s", chat_finish_word(facts->finish));
    answer->refused = lane->refusal.length > 0 || facts->finish == CHAT_REFUSED;
    answer->output_tokens = facts->usage.output;
    answer->cost_usd = facts->cost_usd;
    answer->first_content_ns = lane->first_ns ? lane->first_ns - lane->asked_ns : 0;
    answer->total_ns = lane->ended_ns - lane->asked_ns;
}

bool battle_gives_away(const struct story_side *side, const struct competitor *competitor,
                       struct text answer)
{
    struct err err = ERR_INIT;
    struct competitor_config names = {.name = side->name, .organisation = side->organisation};
    struct leak *leak = leak_new(competitor ? &competitor->config : &names, &err);
    bool found = leak ? leak_found(leak, answer) : true; /* not blind for sure is what counts */
    leak_free(leak);
    return found;
}

/* At once, not when the battle is over: nobody can look at it. */
static void learn_tempo(struct battle *battle, int side)
{
    const struct lane *lane = &battle->lane[side];
    struct competitor *competitor = battle->competitor[side];
    if (competitor && competitor->health && lane->characters && lane->facts.first_content_ns > 0)
        tempo_add(&competitor->health->tempo, lane->characters, lane->facts.first_content_ns,
                  lane->facts.total_ns);
}

static void finish_turn(struct battle *battle)
{
    struct story_turn *turn = story_last(&battle->story);
    bool whole = true;
    for (int i = 0; i < 2; i++) {
        take_answer(&turn->answer[i], &battle->lane[i]);
        whole &= !turn->answer[i].text.failed;
        if (battle->story.mode == BATTLE_BLIND)
            battle->story.self_identified |= battle_gives_away(
                &battle->story.side[i], battle->competitor[i], buf_text(&turn->answer[i].text));
        note(battle, i, false, false);
        learn_tempo(battle, i);
    }
    if (!whole) {
        story_clear_answers(turn);
        fail_turn(battle); /* out of memory: an answer cut short is not what the model said */
        return;
    }
    turn->answered = true;
    emit_lanes(battle, battle->story.turn_count, "done");
    eventlog_wake(battle->log);
    settle(battle, false);
}

static void open_lanes(struct battle *battle)
{
    battle->opened_ns = clock_mono_ns();
    emit_lanes(battle, battle->story.turn_count, "streaming");
}

void battle_stop(struct battle *battle)
{
    if (!battle->opened_ns)
        open_lanes(battle);
    for (int i = 0; i < 2; i++)
        lane_settle(&battle->lane[i], CHAT_CANCELLED, false);
    finish_turn(battle);
}

/* --- showing --- */

static void supplies(const struct battle *battle, struct pacer_supply supply[2])
{
    for (int i = 0; i < 2; i++)
        supply[i] = (struct pacer_supply){battle->lane[i].characters, battle->lane[i].ended};
}

/* Shows `count` characters more of both. False when the log is full: then what stands is the
 * answer. */
static bool show(struct battle *battle, size_t count)
{
    size_t turn = battle->story.turn_count;
    size_t most =
        2 * (6 * count + 128); /* a character is 4 bytes at most, or 6 when it is escaped */
    if (most > eventlog_room(battle->log))
        return false;
    for (int i = 0; i < 2; i++)
        if (!emit_delta(battle, turn, i, lane_show(&battle->lane[i], count)))
            return false;
    return true;
}

static void release(struct battle *battle)
{
    struct pacer_supply supply[2];
    supplies(battle, supply);
    size_t count = pacer_tick(&battle->pacer, supply);
    if (count && !show(battle, count)) {
        battle_stop(battle);
        return;
    }
    if (pacer_finished(&battle->pacer, supply)) {
        finish_turn(battle);
        return;
    }
    if (count)
        eventlog_wake(battle->log);
    /* on the grid from the opening: the clock of both lanes, whatever a callback cost */
    int64_t ticks = (clock_mono_ns() - battle->opened_ns) / PACER_TICK_NS + 1;
    if (!loop_timer_start(battle->host->loop, &battle->tick,
                          battle->opened_ns + ticks * PACER_TICK_NS))
        fail_turn(battle);
}

/* Not blind, or the names are known: each lane as it comes. */
static void pass_through(struct battle *battle)
{
    bool ended = true;
    if (!battle->opened_ns)
        open_lanes(battle);
    for (int i = 0; i < 2; i++) {
        struct lane *lane = &battle->lane[i];
        struct text text = lane_show(lane, lane->characters - lane->shown_characters);
        if (text.length && !emit_delta(battle, battle->story.turn_count, i, text)) {
            battle_stop(battle);
            return;
        }
        ended &= lane->ended;
    }
    eventlog_wake(battle->log);
    if (ended)
        finish_turn(battle);
}

static bool is_even(struct battle *battle)
{
    struct even even;
    if (!even_look(&even, battle))
        return false;
    if (clock_mono_ns() < even.due && loop_timer_start(battle->host->loop, &battle->tick, even.due))
        return false;
    pacer_expect(&battle->pacer, even.usual, even.whole);
    return true;
}

static void look_once(struct battle *battle)
{
    struct pacer_supply supply[2];
    if (!mend(battle)) {
        fail_turn(battle);
        return;
    }
    if (battle->host->unpaced || battle->story.mode != BATTLE_BLIND) {
        pass_through(battle);
        return;
    }
    supplies(battle, supply);
    if (battle->opened_ns || !is_even(battle) || !pacer_open(&battle->pacer, supply))
        return; /* the ticks go on, or both are still waited for */
    open_lanes(battle);
    release(battle);
}

static void battle_look(struct battle *battle)
{
    if (!battle->streaming || battle->looking)
        return;
    battle->looking = true;
    look_once(battle);
    battle->looking = false;
}

static void on_lane(void *user)
{
    battle_look(user);
}

static void on_tick(void *user)
{
    struct battle *battle = user;
    if (battle->opened_ns)
        release(battle);
    else
        battle_look(battle);
}

static bool is_silent(const struct lane *lane, int64_t now)
{
    int64_t seconds = lane->first_ns ? LIMIT_SILENCE_SECONDS : LIMIT_FIRST_TOKEN_SECONDS;
    return !lane->ended && now - lane->last_ns > seconds * CLOCK_S;
}

static void on_watch(void *user)
{
    struct battle *battle = user;
    int64_t now = clock_mono_ns();
    bool over = now - battle->started_ns > LIMIT_TURN_SECONDS * CLOCK_S;
    if (over && battle->opened_ns) {
        battle_stop(battle);
        return;
    }
    for (int i = 0; i < 2; i++) {
        struct lane *lane = &battle->lane[i];
        if (!is_silent(lane, now) && !(over && !lane->first_ns && !lane->ended))
            continue;
        lane_settle(lane, CHAT_ERROR, true);
        lane->facts.error = CHAT_TIMEOUT;
    }
    if (loop_timer_start(battle->host->loop, &battle->watch, now + WATCH_NS))
        battle_look(battle);
    else
        fail_turn(battle);
}

void battle_shown(const struct battle *battle, struct text shown[2])
{
    for (int i = 0; i < 2; i++)
        shown[i] = battle->streaming ? lane_shown(&battle->lane[i]) : TEXT("");
}
