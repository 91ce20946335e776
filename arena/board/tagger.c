/* A step is one question. Between two steps everything is in the store or in a short queue that the
 * store can fill again, so that nothing is lost by stopping anywhere. */
#include "board/tagger.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "board/agreement.h"
#include "board/live.h"
#include "board/tag_form.h"
#include "board/tag_sample.h"
#include "loop/loop.h"
#include "loop/worker.h"
#include "store/battle_tags.h"
#include "store/store.h"

#define LOOK_NS (500 * CLOCK_MS) /* whether it is quiet */
#define WATCH_NS (20 * CLOCK_MS) /* while it asks: whether somebody else wants an answer */
#define REST_NS (5 * CLOCK_S)    /* after finding nothing to do */
#define FAILED_NS (60 * CLOCK_S) /* after an answer that failed */
#define ANSWER_TOKENS 32         /* the longest form takes 21 */
#define ANSWER_BYTES 512

struct waiting {
    int64_t seq, battle;
    char *prompts; /* owned */
};

/* What the store is asked for or told, on another thread. */
struct errand {
    struct tagger *tagger;
    struct tagger_record record;
    struct battle_tags_record tags;
    struct buf text; /* tags, or the agreement */
    struct waiting queue[LIMIT_TAG_QUEUE];
    size_t count;
    bool measured;
    struct err err;
};

struct tagger {
    struct tagger_options options;
    struct competitor *competitor;
    struct loop_timer timer;
    int64_t id;    /* the store's; 0: not registered yet */
    int64_t after; /* votes up to this one need no look */
    bool measured, busy_with_store, stopping;
    int64_t quiet_from; /* since then nobody was answered */
    struct waiting queue[LIMIT_TAG_QUEUE];
    size_t count, next;
    int attempts; /* at queue[next] */

    struct chat *chat;
    bool asking, cancelled;
    size_t sample; /* which prompt of the sample, while not measured */
    enum tag_question question;
    struct tag_answers answers;
    int malformed; /* of this battle's answers */
    struct agreement agreement;
    struct buf prompt, said;
    void (*stopped)(void *user);
    void *stopped_user;
};

static void look(void *user);

static void look_after(struct tagger *tagger, int64_t ns)
{
    if (!tagger->stopping)
        loop_timer_start(tagger->options.loop, &tagger->timer, clock_mono_ns() + ns);
}

/* --- errands to the store --- */

static struct errand *errand_new(struct tagger *tagger)
{
    struct errand *errand = calloc(1, sizeof *errand);
    if (!errand)
        return NULL;
    errand->tagger = tagger;
    buf_init(&errand->text, LIMIT_BODY_BYTES);
    return errand;
}

static void errand_free(struct errand *errand)
{
    for (size_t i = 0; i < errand->count; i++)
        free(errand->queue[i].prompts);
    buf_done(&errand->text);
    free(errand);
}

static void told_stopped(struct tagger *tagger)
{
    void (*stopped)(void *user) = tagger->stopped;
    tagger->stopped = NULL;
    if (stopped)
        stopped(tagger->stopped_user);
}

/* Hands a job to the writer; without room there it is tried again later. */
static void submit(struct errand *errand, bool (*apply)(struct db *, void *, struct err *),
                   void (*done)(void *, const struct err *))
{
    struct tagger *tagger = errand->tagger;
    struct store_job job = {apply, done, errand};
    struct err err = ERR_INIT;
    tagger->busy_with_store = store_submit(tagger->options.store, &job, &err);
    if (tagger->busy_with_store)
        return;
    log_warning("tagger", "%s", err.message);
    errand_free(errand);
    look_after(tagger, FAILED_NS);
}

static void tell_measured(void *user, const struct tagger_record *record)
{
    ((struct errand *)user)->measured = record->agreement.data != NULL;
}

static bool apply_choose(struct db *tx, void *data, struct err *err)
{
    struct errand *errand = data;
    return taggers_choose(tx, &errand->record, clock_wall_ms(), &errand->record.id, err) &&
           taggers_current(tx, tell_measured, errand, err);
}

/* The end of every errand. */
static void came_back(struct errand *errand, const struct err *err, int64_t again_ns)
{
    struct tagger *tagger = errand->tagger;
    tagger->busy_with_store = false;
    if (err->code != ERR_NONE)
        log_warning("tagger", "%s", err->message);
    errand_free(errand);
    look_after(tagger, err->code != ERR_NONE ? FAILED_NS : again_ns);
}

static void chosen(void *data, const struct err *err)
{
    struct errand *errand = data;
    if (err->code == ERR_NONE) {
        errand->tagger->id = errand->record.id;
        errand->tagger->measured = errand->measured;
    }
    came_back(errand, err, LOOK_NS);
}

static void choose(struct tagger *tagger)
{
    struct errand *errand = errand_new(tagger);
    if (!errand) {
        look_after(tagger, FAILED_NS);
        return;
    }
    struct tagger_record *record = &errand->record;
    snprintf(record->name, sizeof record->name, "%s", tagger->competitor->config.name);
    snprintf(record->version, sizeof record->version, "%s", tagger->competitor->version);
    snprintf(record->method, sizeof record->method, "%s", TAG_METHOD);
    submit(errand, apply_choose, chosen);
}

static bool take_battle(void *user, const struct untagged_battle *battle)
{
    struct errand *errand = user;
    struct waiting *waiting = &errand->queue[errand->count];
    *waiting = (struct waiting){battle->seq, battle->battle,
                                strndup(battle->prompts.data, battle->prompts.length)};
    errand->count += waiting->prompts != NULL;
    return waiting->prompts != NULL;
}

static void read_missing(void *data)
{
    struct errand *errand = data;
    struct tagger *tagger = errand->tagger;
    struct db *db = store_read_open(store_dir(tagger->options.store), &errand->err);
    if (db)
        battle_tags_missing(db, tagger->id, tagger->after, !tagger->competitor->own_engine,
                            LIMIT_TAG_QUEUE, take_battle, errand, &errand->err);
    db_close(db);
}

static void took_missing(void *data, bool cancelled)
{
    struct errand *errand = data;
    struct tagger *tagger = errand->tagger;
    bool any = errand->count > 0 && !cancelled;
    if (any) {
        memcpy(tagger->queue, errand->queue, sizeof tagger->queue);
        tagger->count = errand->count;
        tagger->next = 0;
        tagger->after = tagger->queue[tagger->count - 1].seq;
        errand->count = 0; /* they are the tagger's */
    }
    struct err err = errand->err;
    came_back(errand, &err, any ? 0 : REST_NS);
}

static void fetch(struct tagger *tagger)
{
    struct errand *errand = errand_new(tagger);
    struct err err = ERR_INIT;
    tagger->busy_with_store =
        errand && workers_submit(tagger->options.workers, read_missing, took_missing, errand, &err);
    if (tagger->busy_with_store)
        return;
    if (errand)
        errand_free(errand);
    look_after(tagger, REST_NS);
}

static bool apply_measured(struct db *tx, void *data, struct err *err)
{
    struct errand *errand = data;
    return taggers_measured(tx, errand->record.id, buf_text(&errand->text), err);
}

static void stored_measure(void *data, const struct err *err)
{
    struct errand *errand = data;
    errand->tagger->measured = err->code == ERR_NONE;
    came_back(errand, err, 0);
}

static void store_measure(struct tagger *tagger)
{
    struct errand *errand = errand_new(tagger);
    if (!errand || !agreement_write(&tagger->agreement, &errand->text)) {
        if (errand)
            errand_free(errand);
        look_after(tagger, FAILED_NS);
        return;
    }
    errand->record.id = tagger->id;
    submit(errand, apply_measured, stored_measure);
}

static bool apply_tags(struct db *tx, void *data, struct err *err)
{
    struct errand *errand = data;
    return battle_tags_add(tx, &errand->tags, err);
}

static void stored_tags(void *data, const struct err *err)
{
    struct errand *errand = data;
    struct tagger *tagger = errand->tagger;
    if (err->code == ERR_NONE && tagger->options.live)
        live_tagged(tagger->options.live);
    came_back(errand, err, 0);
}

static void next_battle(struct tagger *tagger)
{
    free(tagger->queue[tagger->next].prompts);
    tagger->queue[tagger->next++].prompts = NULL;
    tagger->question = 0;
    tagger->attempts = tagger->malformed = 0;
}

static void store_tags(struct tagger *tagger)
{
    struct errand *errand = errand_new(tagger);
    if (!errand) {
        look_after(tagger, FAILED_NS);
        return;
    }
    bool any = tag_form_write(&tagger->answers, &errand->text) > 0;
    errand->tags = (struct battle_tags_record){.battle = tagger->queue[tagger->next].battle,
                                               .tagger = tagger->id,
                                               .malformed = tagger->malformed,
                                               .at_ms = clock_wall_ms()};
    if (any)
        errand->tags.tags = buf_text(&errand->text);
    next_battle(tagger);
    submit(errand, apply_tags, stored_tags);
}

/* --- a question --- */

static bool others_wait(const struct tagger *tagger)
{
    int under_way = 0;
    for (size_t i = 0; i < roster_count(tagger->options.roster); i++)
        under_way += roster_at(tagger->options.roster, i)->under_way;
    return under_way > (tagger->asking ? 1 : 0);
}

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    struct tagger *tagger = user;
    if (channel == CHAT_TEXT)
        buf_add_text(&tagger->said, text); /* past its room it has no form anyway */
}

static void answered_sample(struct tagger *tagger)
{
    agreement_add(&tagger->agreement, tagger->sample++, &tagger->answers);
    tagger->question = 0;
    tagger->malformed = 0;
    if (tagger->sample < TAG_SAMPLE_COUNT)
        look_after(tagger, 0);
    else
        store_measure(tagger);
}

static void take_answer(struct tagger *tagger)
{
    struct text said = tagger->said.failed ? (struct text){"", 0} : buf_text(&tagger->said);
    if (!tagger->question)
        tagger->answers = TAG_ANSWERS_NONE;
    tagger->malformed += !tag_form_read(tagger->question, said, &tagger->answers);
    tagger->attempts = 0;
    if (++tagger->question < TAG_QUESTIONS)
        look_after(tagger, 0);
    else if (!tagger->measured)
        answered_sample(tagger);
    else
        store_tags(tagger);
}

/* No answer came: later again, and after some times another battle's turn. */
static void take_failure(struct tagger *tagger, const struct chat_end *end)
{
    log_warning("tagger", "%s did not answer: %s", tagger->competitor->config.name,
                end->error.message);
    if (++tagger->attempts >= LIMIT_TAG_ATTEMPTS && tagger->measured &&
        tagger->next < tagger->count)
        next_battle(tagger);
    look_after(tagger, FAILED_NS);
}

static void on_end(void *user, const struct chat_end *end)
{
    struct tagger *tagger = user;
    bool cancelled = tagger->cancelled || end->finish == CHAT_CANCELLED;
    tagger->chat = NULL;
    tagger->asking = tagger->cancelled = false;
    if (tagger->stopping)
        told_stopped(tagger);
    else if (cancelled)
        look_after(tagger, LOOK_NS);
    else if (chat_finish_failed(end->finish))
        take_failure(tagger, end);
    else
        take_answer(tagger);
}

static void ask(struct tagger *tagger, struct text prompts)
{
    struct chat_message messages[TAG_MESSAGES];
    struct chat_params params = CHAT_PARAMS_UNSET;
    const struct chat_sink sink = {.delta = on_delta, .end = on_end, .user = tagger};
    struct err err = ERR_INIT;
    size_t count = tag_form_ask(tagger->question, prompts, &tagger->prompt, messages);
    params.temperature = 0;
    params.max_tokens = ANSWER_TOKENS;
    buf_clear(&tagger->said);
    tagger->asking = true;
    look_after(tagger, WATCH_NS);
    struct chat *chat = competitor_chat(tagger->competitor, messages, count, &params, &sink, &err);
    if (tagger->asking)
        tagger->chat = chat;
    if (!chat && tagger->asking) {
        tagger->asking = false;
        look_after(tagger, FAILED_NS);
    }
}

/* --- what to do next --- */

static void step(struct tagger *tagger)
{
    if (!tagger->id)
        choose(tagger);
    else if (tagger->next == tagger->count)
        fetch(tagger);
    else if (tagger->measured)
        ask(tagger, text_of(tagger->queue[tagger->next].prompts));
    else if (tagger->sample < TAG_SAMPLE_COUNT)
        ask(tagger, text_of(TAG_SAMPLE[tagger->sample].prompt));
    else
        store_measure(tagger); /* the store would not take it before */
}

static void look(void *user)
{
    struct tagger *tagger = user;
    int64_t now = clock_mono_ns();
    if (others_wait(tagger)) {
        tagger->quiet_from = now;
        if (tagger->chat && !tagger->cancelled) {
            tagger->cancelled = true;
            chat_cancel(tagger->competitor, tagger->chat);
            return;
        }
    }
    if (tagger->asking)
        look_after(tagger, WATCH_NS);
    else if (now - tagger->quiet_from < tagger->options.quiet_ms * CLOCK_MS ||
             tagger->quiet_from == now || tagger->busy_with_store)
        look_after(tagger, LOOK_NS);
    else
        step(tagger);
}

/* --- the public face --- */

struct competitor *tagger_competitor(const struct roster *roster, const char *model)
{
    if (model)
        return strcmp(model, TAGGER_OFF) == 0 ? NULL : roster_find(roster, model);
    for (size_t i = 0; i < roster_count(roster); i++)
        if (roster_at(roster, i)->config.in_house)
            return roster_at(roster, i);
    return NULL;
}

bool tagger_start(struct tagger **out, const struct tagger_options *options, struct err *err)
{
    *out = NULL;
    struct competitor *competitor = tagger_competitor(options->roster, options->model);
    if (!competitor && options->model && strcmp(options->model, TAGGER_OFF) != 0)
        return err_set(err, ERR_CONFIG, "the tagger \"%.64s\" is none of the competitors",
                       options->model);
    if (!competitor)
        return true;
    struct tagger *tagger = calloc(1, sizeof *tagger);
    if (!tagger)
        return err_set(err, ERR_MEMORY, "out of memory");
    tagger->options = *options;
    tagger->competitor = competitor;
    competitor_hold(competitor); /* for good: the roster closes before we do */
    tagger->quiet_from = clock_mono_ns();
    tagger->timer = (struct loop_timer){.expired = look, .user = tagger};
    buf_init(&tagger->prompt, LIMIT_TAG_PROMPT_BYTES + 1);
    buf_init(&tagger->said, ANSWER_BYTES);
    *out = tagger;
    look_after(tagger, LOOK_NS);
    return true;
}

void tagger_stop(struct tagger *tagger, void (*stopped)(void *user), void *user)
{
    if (!tagger) {
        stopped(user);
        return;
    }
    tagger->stopping = true;
    tagger->stopped = stopped;
    tagger->stopped_user = user;
    loop_timer_stop(tagger->options.loop, &tagger->timer);
    if (tagger->chat && !tagger->cancelled) {
        tagger->cancelled = true;
        chat_cancel(tagger->competitor, tagger->chat);
    } else if (!tagger->asking) {
        told_stopped(tagger);
    }
}

void tagger_free(struct tagger *tagger)
{
    if (!tagger)
        return;
    loop_timer_stop(tagger->options.loop, &tagger->timer);
    for (size_t i = tagger->next; i < tagger->count; i++)
        free(tagger->queue[i].prompts);
    buf_done(&tagger->prompt);
    buf_done(&tagger->said);
    free(tagger);
}
