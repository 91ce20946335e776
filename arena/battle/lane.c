/* A chat's sink must live until its `end`, while a battle may be over long before: so the sink
 * is a small object of its own, the run, that points at its lane only as long as the lane wants
 * to hear of it. */
#include "battle/lane.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"

struct lane_run {
    struct lane *lane; /* NULL: cut off */
    struct lane_gate *gate;
    struct competitor *competitor;
    struct chat *chat; /* NULL: not started yet, or ended */
    bool starting, ended;
};

static void copy_string(char **to, const char *from)
{
    free(*to);
    *to = from && *from ? strdup(from) : NULL;
}

void lane_facts_done(struct lane_facts *facts)
{
    free(facts->error_message);
    free(facts->model);
    free(facts->request_id);
    free(facts->sent);
    *facts = (struct lane_facts){.usage = CHAT_USAGE_UNKNOWN, .cost_usd = NAN};
}

void lane_init(struct lane *lane, struct lane_gate *gate, void (*changed)(void *user), void *user)
{
    *lane = (struct lane){.gate = gate, .changed = changed, .user = user};
    buf_init(&lane->text, LIMIT_ANSWER_BYTES);
    buf_init(&lane->reasoning, LIMIT_ANSWER_BYTES);
    buf_init(&lane->refusal, LIMIT_ANSWER_BYTES);
    lane_facts_done(&lane->facts);
}

void lane_rest(struct lane *lane)
{
    lane_drop(lane);
    buf_done(&lane->text);
    buf_done(&lane->reasoning);
    buf_done(&lane->refusal);
    lane_facts_done(&lane->facts);
    lane->characters = lane->shown_bytes = lane->shown_characters = 0;
}

static void finish(struct lane *lane, enum chat_finish how)
{
    lane->facts.finish = how;
    lane->failed = chat_finish_failed(how);
    lane->ended = true;
    lane->ended_ns = clock_mono_ns();
}

/* Appends whole characters up to the limit; false when not all went in. */
static bool keep(struct buf *buf, struct text text)
{
    size_t room = buf->max - buf->length, length = text.length;
    if (length > room)
        length = utf8_complete_prefix(text.data, room);
    return buf_add(buf, text.data, length) && length == text.length;
}

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    struct lane_run *run = user;
    struct lane *lane = run->lane;
    bool starting = run->starting;
    if (!lane || lane->ended || !text.length)
        return;
    lane->last_ns = clock_mono_ns();
    if (channel == CHAT_REASONING) {
        keep(&lane->reasoning, text); /* past the limit it is cut: nobody waits for it */
        return;
    }
    if (!lane->first_ns)
        lane->first_ns = lane->last_ns;
    size_t before = lane->text.length;
    bool whole = keep(&lane->text, text);
    if (channel == CHAT_REFUSAL)
        keep(&lane->refusal, text);
    lane->characters += utf8_count(lane->text.data + before, lane->text.length - before);
    if (!whole)
        lane_settle(lane, CHAT_LENGTH,
                    true); /* a runaway answer ends here, and maybe the run with it */
    if (!starting)
        lane->changed(lane->user);
}

static void clear_text(struct lane *lane)
{
    buf_clear(&lane->text);
    buf_clear(&lane->reasoning);
    buf_clear(&lane->refusal);
    lane->characters = lane->shown_bytes = lane->shown_characters = 0;
    lane->first_ns = 0;
}

static bool on_restart(void *user)
{
    struct lane_run *run = user;
    struct lane *lane = run->lane;
    if (!lane || lane->shown_bytes)
        return false;
    clear_text(lane);
    lane->last_ns = clock_mono_ns();
    return true;
}

static void take_facts(struct lane_facts *facts, const struct chat_end *end)
{
    facts->error = end->error.class;
    copy_string(&facts->error_message, end->error.message);
    copy_string(&facts->model, end->model);
    copy_string(&facts->request_id, end->request_id);
    copy_string(&facts->sent, end->sent);
    facts->usage = end->usage;
    facts->cost_usd = end->cost_usd;
    facts->attempts = end->attempts;
    facts->first_content_ns = end->first_content_ns;
    facts->total_ns = end->total_ns;
    memcpy(facts->faults, end->faults, sizeof facts->faults);
    facts->cooling_until_ns = end->cooling_until_ns;
}

static void free_run(struct lane_run *run)
{
    struct lane_gate *gate = run->gate;
    competitor_release(run->competitor);
    free(run);
    if (--gate->under_way == 0 && gate->idle)
        gate->idle(gate->user);
}

static void on_end(void *user, const struct chat_end *end)
{
    struct lane_run *run = user;
    struct lane *lane = run->lane;
    bool starting = run->starting;
    run->chat = NULL;
    run->ended = true;
    if (lane) {
        lane->run = NULL;
        take_facts(&lane->facts, end);
        if (!lane->ended)
            finish(lane, end->finish);
    }
    if (starting)
        return; /* lane_ask has it in hand */
    free_run(run);
    if (lane)
        lane->changed(lane->user);
}

/* What could not start failed like an answer that broke off: the reason is for the operator. */
static void fail_to_start(struct lane *lane, const struct err *err)
{
    lane->run = NULL;
    lane->facts.error = CHAT_BAD_REQUEST;
    copy_string(&lane->facts.error_message, err->message);
    finish(lane, CHAT_ERROR);
}

void lane_ask(struct lane *lane, struct competitor *competitor, const struct chat_message *messages,
              size_t count, int64_t max_tokens)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct chat_params params = CHAT_PARAMS_UNSET;
    params.max_tokens = max_tokens;
    lane_drop(lane);
    clear_text(lane);
    lane_facts_done(&lane->facts);
    lane->ended = lane->failed = false;
    lane->asked_ns = lane->last_ns = clock_mono_ns();
    lane->ended_ns = 0;
    struct lane_run *run = calloc(1, sizeof *run);
    if (!run) {
        fail_to_start(lane, &err);
        return;
    }
    *run = (struct lane_run){
        .lane = lane, .gate = lane->gate, .competitor = competitor, .starting = true};
    lane->run = run;
    competitor_hold(competitor);
    lane->gate->under_way++;
    struct chat_sink sink = {.delta = on_delta, .restart = on_restart, .end = on_end, .user = run};
    struct chat *chat = competitor_chat(competitor, messages, count, &params, &sink, &err);
    run->starting = false;
    if (!run->ended)
        run->chat = chat;
    if (run->ended || !chat) { /* ended before it came back, or never began */
        if (!run->ended)
            fail_to_start(lane, &err);
        free_run(run);
    } else if (!run->lane) {
        chat_cancel(competitor, chat); /* cut off while it started */
    }
}

void lane_drop(struct lane *lane)
{
    struct lane_run *run = lane->run;
    if (!run)
        return;
    lane->run = NULL;
    run->lane = NULL;
    if (run->chat)
        chat_cancel(run->competitor, run->chat); /* its end frees the run, maybe now */
}

void lane_settle(struct lane *lane, enum chat_finish how, bool all)
{
    lane_drop(lane);
    if (!all && lane->shown_bytes < lane->text.length) {
        lane->text.length = lane->shown_bytes;
        lane->text.data[lane->text.length] = '\0';
        lane->characters = lane->shown_characters;
        lane->ended = false; /* it had said more than was seen: what stands is what was seen */
    }
    if (!lane->ended)
        finish(lane, how);
}

struct text lane_show(struct lane *lane, size_t count)
{
    size_t start = lane->shown_bytes, at = start, length = lane->text.length;
    while (count-- && at < length) {
        uint32_t code;
        size_t step = utf8_decode(lane->text.data + at, length - at, &code);
        at += step ? step : 1;
        lane->shown_characters++;
    }
    lane->shown_bytes = at;
    return (struct text){lane->text.data ? lane->text.data + start : "", at - start};
}

struct text lane_shown(const struct lane *lane)
{
    return (struct text){lane->text.data ? lane->text.data : "", lane->shown_bytes};
}
