/* A whole arena below HTTP, for the battle room's tests: a real store in a folder of its own, a
 * real loop and workers, and competitors that say what a script tells them, on a clock that
 * stands still until a test moves it. */
#ifndef ARENA_TESTS_BATTLE_WORLD_H
#define ARENA_TESTS_BATTLE_WORLD_H

#include <math.h>
#include <time.h>

#include "../store/fixture.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "battle/hall.h"
#include "competitor/roster.h"
#include "loop/worker.h"

enum { START_MS = 1000000, WALL_MS = 1700000000 };

/* --- scripted competitors --- */

enum step_kind { SAY, THINK, REFUSE, AGAIN, END };
struct step {
    int at_ms; /* after the question */
    enum step_kind kind;
    const char *text;        /* SAY, THINK, REFUSE */
    enum chat_finish finish; /* END */
};
/* The end of a script that does not end: the lane hangs. */
#define HANG                                                                                       \
    {                                                                                              \
        -1, SAY, NULL, CHAT_STOP                                                                   \
    }

struct actor {
    const struct step *script;
    const struct step *next_script; /* from the second question on; NULL: the same */
    int64_t max_tokens;             /* of the last question */
    int asked, cancelled, restarts_refused;
    bool refuses_to_start,
        ends_late;      /* ends_late: a cancel is answered on a later turn of the loop */
    char *last_history; /* what it was asked, joined */
    struct loop *loop;
};

struct chat {
    struct actor *actor;
    struct chat_sink sink;
    const struct step *next;
    int64_t asked_ns;
    struct loop_timer timer;
    bool cancelled;
};

static inline void chat_end(struct chat *chat, enum chat_finish finish)
{
    struct chat_end end = {.finish = finish,
                           .usage = CHAT_USAGE_UNKNOWN,
                           .cost_usd = NAN,
                           .attempts = 1,
                           .model = "returned-model-id",
                           .request_id = "req-1"};
    if (chat_finish_failed(finish)) {
        end.error.class = CHAT_NETWORK;
        snprintf(end.error.message, sizeof end.error.message, "%s", "secret provider words");
    }
    struct chat_sink sink = chat->sink;
    loop_timer_stop(chat->actor->loop, &chat->timer);
    free(chat);
    sink.end(sink.user, &end);
}

static inline bool chat_step(struct chat *chat, const struct step *step)
{
    static const enum chat_channel CHANNEL[] = {
        [SAY] = CHAT_TEXT, [THINK] = CHAT_REASONING, [REFUSE] = CHAT_REFUSAL};
    if (step->kind == END) {
        chat_end(chat, step->finish);
        return false;
    }
    if (step->kind == AGAIN)
        chat->actor->restarts_refused += !chat->sink.restart(chat->sink.user);
    else
        chat->sink.delta(chat->sink.user, CHANNEL[step->kind], text_of(step->text));
    return true;
}

static inline void chat_run(void *user)
{
    struct chat *chat = user;
    struct actor *actor = chat->actor;
    if (chat->cancelled) {
        chat_end(chat, CHAT_CANCELLED);
        return;
    }
    int cancelled = actor->cancelled;
    while (chat->next->at_ms >= 0 &&
           chat->asked_ns + chat->next->at_ms * CLOCK_MS <= clock_mono_ns()) {
        if (!chat_step(chat, chat->next++) || (actor->cancelled != cancelled && !actor->ends_late))
            return; /* gone */
    }
    if (chat->next->at_ms >= 0)
        loop_timer_start(actor->loop, &chat->timer, chat->asked_ns + chat->next->at_ms * CLOCK_MS);
}

static inline void keep_history(struct actor *actor, const struct chat_message *messages,
                                size_t count)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s%.*s", i ? "|" : "", (int)messages[i].text.length,
                   messages[i].text.data);
    free(actor->last_history);
    actor->last_history = buf_take(&text, NULL);
}

static inline struct chat *actor_chat(struct competitor *competitor,
                                      const struct chat_message *messages, size_t count,
                                      const struct chat_params *params,
                                      const struct chat_sink *sink, struct err *err)
{
    struct actor *actor = competitor->state;
    actor->max_tokens = params->max_tokens;
    keep_history(actor, messages, count);
    if (actor->refuses_to_start) {
        err_set(err, ERR_BUSY, "no");
        return NULL;
    }
    struct chat *chat = calloc(1, sizeof *chat);
    bool again = actor->asked++ > 0 && actor->next_script;
    *chat = (struct chat){.actor = actor,
                          .sink = *sink,
                          .next = again ? actor->next_script : actor->script,
                          .asked_ns = clock_mono_ns()};
    chat->timer = (struct loop_timer){.expired = chat_run, .user = chat};
    loop_timer_start(actor->loop, &chat->timer, clock_mono_ns());
    return chat;
}

static inline void actor_cancel(struct chat *chat)
{
    chat->actor->cancelled++;
    if (!chat->actor->ends_late) {
        chat_end(chat, CHAT_CANCELLED);
        return;
    }
    chat->cancelled = true;
    loop_timer_start(chat->actor->loop, &chat->timer, clock_mono_ns());
}

static inline void actor_close(struct competitor *competitor)
{
    struct actor *actor = competitor->state;
    free(actor->last_history);
}

static const struct competitor_adapter ACTOR = {actor_chat, actor_cancel, actor_close};

/* --- the world --- */

enum { ACTORS = 4 };
static const char *const ACTOR_NAMES[ACTORS] = {"zephyrine-9", "obsidian-7", "marigold-3",
                                                "tourmaline-5"};

struct world {
    struct fixture base;
    struct roster *roster;
    struct workers *workers;
    struct hall *hall;
    struct actor actor[ACTORS];
    struct hall_options options;
    int64_t now_ms;
    char other_voter[STORE_ID_SIZE];
    bool stopped;
};

static inline void world_clock(struct world *world, int64_t now_ms)
{
    world->now_ms = now_ms;
    clock_freeze(now_ms * CLOCK_MS, WALL_MS + now_ms);
}

/* A few turns of the loop at the time that it is; real threads get real time to answer. */
static inline void world_turn(struct world *world)
{
    for (int i = 0; i < 3; i++)
        loop_turn(world->base.loop, 0);
}

/* Lets time pass in steps of 5 ms. */
static inline void world_pass(struct world *world, int64_t ms)
{
    int64_t end = world->now_ms + ms;
    while (world->now_ms < end) {
        world_clock(world, world->now_ms + 5);
        world_turn(world);
    }
}

static inline void world_settle(struct world *world) /* until no job is under way */
{
    for (int i = 0; i < 60000 && (i < 3 || hall_figures(world->hall).waiting_replies); i++)
        loop_turn(world->base.loop, 1);
    assert_int_equal(hall_figures(world->hall).waiting_replies, 0);
}

static inline void world_roster(struct world *world, size_t count)
{
    struct roster_options options = {.folder = "/", .unopened = true};
    struct err err = ERR_INIT;
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:s,s:[s]}", "name", ACTOR_NAMES[i],
                                              "provider", "openai", "model", "planted-model-id",
                                              "organisation", "Quillworks Foundry", "aliases",
                                              "Planted Alias"));
    world->roster = roster_open(world->base.loop, rows, &options, &err);
    need(world->roster != NULL, &err);
    json_decref(rows);
    for (size_t i = 0; i < count; i++) {
        struct competitor *competitor = roster_at(world->roster, i);
        world->actor[i].loop = world->base.loop;
        competitor->adapter = &ACTOR;
        competitor->state = &world->actor[i];
        competitor->availability = COMPETITOR_ACTIVE;
        memset(competitor->version, '0' + (int)i, DIGEST_HEX);
        competitor->version[DIGEST_HEX] = '\0';
        free(competitor->effective);
        competitor->effective = strdup("{}");
    }
}

static inline bool world_other_voter(struct db *tx, void *data, struct err *err)
{
    struct world *world = data;
    struct voter_record voter = {.created_ms = NOW};
    random_id(voter.id);
    memcpy(world->other_voter, voter.id, sizeof world->other_voter);
    return voters_insert(tx, &voter, err);
}

static inline void world_open_hall(struct world *world)
{
    struct err err = ERR_INIT;
    world->options.loop = world->base.loop;
    world->options.workers = world->workers;
    world->options.store = world->base.store;
    world->options.roster = world->roster;
    world->hall = hall_new(&world->options, &err);
    need(world->hall != NULL, &err);
    world->stopped = false;
}

static inline struct world *world_new(size_t competitors)
{
    struct world *world = calloc(1, sizeof *world);
    struct err err = ERR_INIT;
    world_clock(world, START_MS);
    fixture_dir(&world->base);
    world->base.loop = loop_new(&err);
    need(world->base.loop != NULL, &err);
    fixture_open(&world->base);
    fixture_apply(&world->base, fixture_fill, &world->base);
    fixture_apply(&world->base, world_other_voter, world);
    world->workers = workers_new(world->base.loop, 1, &err);
    need(world->workers != NULL, &err);
    world_roster(world, competitors);
    world->options.seed = 7;
    world_open_hall(world);
    return world;
}

static inline void world_stopped(void *user)
{
    struct world *world = user;
    world->stopped = true;
}

static inline void world_stop_hall(struct world *world)
{
    hall_stop(world->hall, world_stopped, world);
    for (int i = 0; i < 60000 && !world->stopped; i++)
        loop_turn(world->base.loop, 1);
    assert_true(world->stopped);
    hall_free(world->hall);
    world->hall = NULL;
}

static inline void world_free(struct world *world)
{
    if (world->hall)
        world_stop_hall(world);
    workers_free(world->workers);
    store_close(world->base.store);
    loop_turn(world->base.loop, 0);
    roster_free(world->roster);
    loop_free(world->base.loop);
    fixture_remove(&world->base);
    clock_freeze(-1, -1);
    free(world);
}

/* --- asking --- */

struct answer_got {
    int count, status;
    bool replayed;
    enum err_code code;
    char *text;
    json_t *json;
};

static inline void got(void *user, const struct hall_reply *reply)
{
    struct answer_got *answer = user;
    struct err err = ERR_INIT;
    answer->count++;
    answer->status = reply->status;
    answer->code = reply->code;
    answer->replayed = reply->replayed;
    answer->text = strndup(reply->body.data, reply->body.length);
    answer->json = json_read(reply->body, "reply", &err);
    need(answer->json != NULL, &err);
}

static inline void answer_drop(struct answer_got *answer)
{
    json_decref(answer->json);
    free(answer->text);
    *answer = (struct answer_got){0};
}

struct question {
    const char *voter, *battle, *key, *body, *before;
    int limit;
};

/* Sends a request; the answer may come later. */
static inline void world_send(struct world *world, enum hall_action action,
                              struct question question, struct answer_got *answer)
{
    struct err err = ERR_INIT;
    json_t *body = question.body ? json_read(text_of(question.body), "body", &err) : NULL;
    struct hall_request request = {.voter = question.voter ? question.voter : world->base.voter,
                                   .battle = question.battle,
                                   .key = question.key,
                                   .body = body,
                                   .before = question.before,
                                   .limit = question.limit,
                                   .reply = got,
                                   .user = answer};
    *answer = (struct answer_got){0};
    hall_ask(world->hall, action, &request);
    json_decref(body);
}

static inline void world_await(struct world *world, const struct answer_got *answer)
{
    for (int i = 0; i < 60000 && !answer->count; i++)
        loop_turn(world->base.loop, 1);
    assert_int_equal(answer->count, 1);
}

static inline struct answer_got world_ask(struct world *world, enum hall_action action,
                                          struct question question)
{
    struct answer_got answer;
    world_send(world, action, question, &answer);
    world_await(world, &answer);
    return answer;
}

static inline const char *member(const struct answer_got *answer, const char *key)
{
    const char *value = json_string_value(json_object_get(answer->json, key));
    return value ? value : "";
}

static inline const char *error_word(const struct answer_got *answer)
{
    const char *word =
        json_string_value(json_object_get(json_object_get(answer->json, "error"), "code"));
    return word ? word : "";
}

/* Status and error word of a request whose reply does not matter otherwise. */
static inline void world_expect(struct world *world, enum hall_action action,
                                struct question question, int status, const char *word)
{
    struct answer_got answer = world_ask(world, action, question);
    assert_int_equal(answer.status, status);
    assert_string_equal(error_word(&answer), word);
    answer_drop(&answer);
}

static inline void world_start(struct world *world, char id[STORE_ID_SIZE])
{
    struct answer_got answer =
        world_ask(world, HALL_START, (struct question){.body = "{\"prompt\":\"Why?\"}"});
    assert_int_equal(answer.status, 201);
    snprintf(id, STORE_ID_SIZE, "%s", member(&answer, "battle_id"));
    answer_drop(&answer);
}

static inline void world_state(struct world *world, const char *id, const char *state)
{
    struct answer_got answer = world_ask(world, HALL_GET, (struct question){.battle = id});
    assert_int_equal(answer.status, 200);
    assert_string_equal(member(&answer, "state"), state);
    answer_drop(&answer);
}

/* Text that stands on a page for a turn (from 1) and side. */
static inline void world_text(struct world *world, const char *id, size_t turn, const char *side,
                              const char *text)
{
    struct answer_got answer = world_ask(world, HALL_GET, (struct question){.battle = id});
    const json_t *of = json_array_get(json_object_get(answer.json, "turns"), turn - 1);
    assert_string_equal(json_string_value(json_object_get(json_object_get(of, side), "text")),
                        text);
    answer_drop(&answer);
}

/* --- watching --- */

struct watcher {
    struct world *world;
    struct eventlog_viewer viewer;
    struct eventlog *log;
    struct buf bytes;
    struct buf times; /* "MS " for each wake-up that brought text or a lane's state */
    bool failed, ended;
    enum err_code code;
};

static inline void watcher_more(void *user)
{
    struct watcher *watcher = user;
    struct text pending = eventlog_pending(&watcher->viewer);
    buf_add_text(&watcher->bytes, pending);
    eventlog_advance(&watcher->viewer, pending.length);
    watcher->ended = eventlog_ended(watcher->viewer.log);
    /* "ready" and "voted" come when the disk has answered, which no frozen clock times */
    if (memmem(pending.data, pending.length, "\"lane\":", 7))
        buf_printf(&watcher->times, "%d ", (int)watcher->world->now_ms);
}

static inline void watcher_opened(void *user, struct eventlog *log, const struct err *err)
{
    struct watcher *watcher = user;
    watcher->failed = !log;
    watcher->code = err ? err->code : ERR_NONE;
    watcher->log = log;
}

static inline void watch_from(struct world *world, const char *id, uint64_t last_id,
                              struct watcher *watcher)
{
    struct err err = ERR_INIT;
    *watcher = (struct watcher){.world = world, .viewer = {.more = watcher_more, .user = watcher}};
    buf_init(&watcher->bytes, 16 << 20);
    buf_init(&watcher->times, 1 << 20);
    hall_events(world->hall, world->base.voter, id, watcher_opened, watcher);
    for (int i = 0; i < 60000 && !watcher->log && !watcher->failed; i++)
        loop_turn(world->base.loop, 1);
    assert_non_null(watcher->log);
    need(eventlog_attach(watcher->log, &watcher->viewer, last_id, &err), &err);
    eventlog_release(watcher->log);
    watcher_more(watcher);
}

static inline void watch(struct world *world, const char *id, struct watcher *watcher)
{
    watch_from(world, id, 0, watcher);
}

static inline void unwatch(struct watcher *watcher)
{
    eventlog_detach(&watcher->viewer);
    buf_done(&watcher->bytes);
    buf_done(&watcher->times);
}

static inline bool saw(const struct watcher *watcher, const char *what)
{
    return watcher->bytes.length && strstr(watcher->bytes.data, what);
}

#endif
