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
#include "loop/worker.h"
#include "store/battle_tags.h"
#include "store/store.h"

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
    struct spare_guest guest;
    int64_t id;    /* the store's; 0: not registered yet */
    int64_t after; /* votes up to this one need no look */
    bool measured;
    struct waiting queue[LIMIT_TAG_QUEUE];
    size_t count, next;
    int attempts; /* at queue[next] */

    size_t sample; /* which prompt of the sample, while not measured */
    enum tag_question question;
    struct tag_answers answers;
    int malformed; /* of this battle's answers */
    struct agreement agreement;
    struct buf prompt;
};

static void go_on(struct tagger *tagger, int64_t ns)
{
    spare_again(tagger->options.spare, &tagger->guest, ns);
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

/* Hands a job to the writer; without room there it is tried again later. */
static void submit(struct errand *errand, bool (*apply)(struct db *, void *, struct err *),
                   void (*done)(void *, const struct err *))
{
    struct tagger *tagger = errand->tagger;
    struct store_job job = {apply, done, errand};
    struct err err = ERR_INIT;
    if (store_submit(tagger->options.store, &job, &err))
        return;
    log_warning("tagger", "%s", err.message);
    errand_free(errand);
    go_on(tagger, FAILED_NS);
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
    if (err->code != ERR_NONE)
        log_warning("tagger", "%s", err->message);
    errand_free(errand);
    go_on(tagger, err->code != ERR_NONE ? FAILED_NS : again_ns);
}

static void chosen(void *data, const struct err *err)
{
    struct errand *errand = data;
    if (err->code == ERR_NONE) {
        errand->tagger->id = errand->record.id;
        errand->tagger->measured = errand->measured;
    }
    came_back(errand, err, 0);
}

static void choose(struct tagger *tagger)
{
    struct errand *errand = errand_new(tagger);
    if (!errand) {
        go_on(tagger, FAILED_NS);
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
    if (errand && workers_submit(tagger->options.workers, read_missing, took_missing, errand, &err))
        return;
    if (errand)
        errand_free(errand);
    go_on(tagger, REST_NS);
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
        go_on(tagger, FAILED_NS);
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
        go_on(tagger, FAILED_NS);
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

static void answered_sample(struct tagger *tagger)
{
    agreement_add(&tagger->agreement, tagger->sample++, &tagger->answers);
    tagger->question = 0;
    tagger->malformed = 0;
    if (tagger->sample < TAG_SAMPLE_COUNT)
        go_on(tagger, 0);
    else
        store_measure(tagger);
}

static void take_answer(struct tagger *tagger, struct text said)
{
    if (!tagger->question)
        tagger->answers = TAG_ANSWERS_NONE;
    tagger->malformed += !tag_form_read(tagger->question, said, &tagger->answers);
    tagger->attempts = 0;
    if (++tagger->question < TAG_QUESTIONS)
        go_on(tagger, 0);
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
    go_on(tagger, FAILED_NS);
}

static void answered(void *user, struct text said, const struct chat_end *end)
{
    struct tagger *tagger = user;
    if (chat_finish_failed(end->finish))
        take_failure(tagger, end);
    else
        take_answer(tagger, said);
}

static void ask(struct tagger *tagger, struct text prompts)
{
    struct chat_message messages[TAG_MESSAGES];
    struct spare_question question = {.competitor = tagger->competitor,
                                      .messages = messages,
                                      .params = CHAT_PARAMS_UNSET,
                                      .most = ANSWER_BYTES};
    question.count = tag_form_ask(tagger->question, prompts, &tagger->prompt, messages);
    question.params.temperature = 0;
    question.params.max_tokens = ANSWER_TOKENS;
    if (!spare_ask(tagger->options.spare, &tagger->guest, &question))
        go_on(tagger, FAILED_NS);
}

/* --- what to do next --- */

static void turn(void *user)
{
    struct tagger *tagger = user;
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
    tagger->guest = (struct spare_guest){
        .quiet_ms = options->quiet_ms, .turn = turn, .answered = answered, .user = tagger};
    buf_init(&tagger->prompt, LIMIT_TAG_PROMPT_BYTES + 1);
    *out = tagger;
    spare_join(options->spare, &tagger->guest);
    return true;
}

void tagger_free(struct tagger *tagger)
{
    if (!tagger)
        return;
    for (size_t i = tagger->next; i < tagger->count; i++)
        free(tagger->queue[i].prompts);
    buf_done(&tagger->prompt);
    free(tagger);
}
