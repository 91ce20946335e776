/* One battle at a time: read by a worker, asked about piece by piece, stored at once, so that
 * stopping anywhere loses a battle's questions and nothing else. While a worker or the writer has
 * it, no turn comes, and the fields are theirs. */
#include "eval/finder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "eval/find_form.h"
#include "eval/search.h"
#include "loop/worker.h"

#define REST_NS (1 * CLOCK_S)    /* the least, after finding nothing to do */
#define REST_FACTOR 100          /* and so many times the work of looking: one in a hundred */
#define FAILED_NS (60 * CLOCK_S) /* after an answer that failed */

struct finder {
    struct finder_options options;
    struct competitor *competitor;
    struct spare_guest guest;
    struct finder_record record;
    int64_t after;         /* battles up to this one were looked at in this round */
    struct search *search; /* owned; NULL: none at hand */
    size_t piece;
    int attempts;    /* at that piece */
    bool unformed;   /* its engine holds no answer to a schema */
    int64_t took_ns; /* the work of looking, whatever else the machine does */
    struct err err;
};

static void go_on(struct finder *finder, int64_t ns)
{
    spare_again(finder->options.spare, &finder->guest, ns);
}

/* --- the next battle --- */

static void read_next(void *data)
{
    struct finder *finder = data;
    int64_t began = clock_cpu_ns();
    bool own = false;
    finder->err = (struct err)ERR_INIT;
    struct db *db = store_read_open(store_dir(finder->options.store), &finder->err);
    if (db && battles_are_own(db, &own, &finder->err))
        search_next(db, finder->record.id, finder->after, own && finder->options.at_home,
                    &finder->search, &finder->err);
    db_close(db);
    finder->took_ns = clock_cpu_ns() - began;
}

static int64_t rest_of(const struct finder *finder)
{
    int64_t rest = REST_FACTOR * finder->took_ns, quiet = finder->options.quiet_ms * CLOCK_MS;
    rest = rest < quiet ? quiet : rest;
    return rest < REST_NS ? REST_NS : rest;
}

static void have_read(void *data, bool cancelled)
{
    struct finder *finder = data;
    finder->piece = 0;
    finder->attempts = 0;
    if (cancelled)
        return;
    if (finder->err.code != ERR_NONE)
        log_warning("finder", "%s", finder->err.message);
    if (!finder->search)
        finder->after = 0; /* another round: voters change their minds, battles end late */
    go_on(finder, finder->search ? 0 : finder->err.code != ERR_NONE ? FAILED_NS : rest_of(finder));
}

static void fetch(struct finder *finder)
{
    struct err err = ERR_INIT;
    if (!workers_submit(finder->options.workers, read_next, have_read, finder, &err))
        go_on(finder, FAILED_NS);
}

static void leave_battle(struct finder *finder)
{
    finder->after = finder->search->battle.battle;
    search_free(finder->search);
    finder->search = NULL;
}

/* --- what came of it --- */

static bool apply_search(struct db *tx, void *data, struct err *err)
{
    struct finder *finder = data;
    const struct search *search = finder->search;
    struct search_record record = {.battle = search->battle.battle,
                                   .finder = finder->record.id,
                                   .feedback_ms = search->battle.feedback_ms,
                                   .patterns = search->patterns,
                                   .invented = search->invented,
                                   .malformed = search->malformed,
                                   .unread = search->unread,
                                   .at_ms = clock_wall_ms(),
                                   .finds = search->finds,
                                   .count = search->found};
    return searches_put(tx, &record, err);
}

static void stored_search(void *data, const struct err *err)
{
    struct finder *finder = data;
    if (err->code == ERR_NONE)
        leave_battle(finder);
    else
        log_warning("finder", "%s", err->message);
    go_on(finder, err->code == ERR_NONE ? 0 : FAILED_NS);
}

static void store_search(struct finder *finder)
{
    struct store_job job = {apply_search, stored_search, finder};
    struct err err = ERR_INIT;
    if (!store_submit(finder->options.store, &job, &err))
        go_on(finder, FAILED_NS);
}

/* --- a question --- */

/* No answer came: later again, and after some times another battle's turn. */
static void take_failure(struct finder *finder, const struct chat_end *end)
{
    if (end->error.class == CHAT_BAD_REQUEST && !finder->unformed) {
        finder->unformed = true;
        go_on(finder, 0);
        return;
    }
    log_warning("finder", "%s did not answer: %s", finder->competitor->config.name,
                end->error.message);
    if (++finder->attempts >= LIMIT_SEARCH_ATTEMPTS)
        leave_battle(finder);
    go_on(finder, FAILED_NS);
}

static void answered(void *user, struct text said, const struct chat_end *end)
{
    struct finder *finder = user;
    if (chat_finish_failed(end->finish)) {
        take_failure(finder, end);
        return;
    }
    search_take(finder->search, finder->piece++, said);
    finder->attempts = 0;
    go_on(finder, 0);
}

static void ask(struct finder *finder)
{
    const struct search_piece *piece = &finder->search->pieces[finder->piece];
    struct chat_message messages[FIND_MESSAGES];
    struct spare_question question = {.competitor = finder->competitor,
                                      .messages = messages,
                                      .params = CHAT_PARAMS_UNSET,
                                      .most = FIND_ANSWER_BYTES};
    question.count = find_form_ask((struct text){piece->text, piece->length}, messages);
    question.params.temperature = 0;
    question.params.max_tokens = FIND_ANSWER_TOKENS;
    question.params.schema = finder->unformed ? NULL : FIND_SCHEMA;
    if (!spare_ask(finder->options.spare, &finder->guest, &question))
        go_on(finder, FAILED_NS);
}

static void turn(void *user)
{
    struct finder *finder = user;
    if (!finder->search)
        fetch(finder);
    else if (finder->piece < finder->search->count)
        ask(finder);
    else
        store_search(finder);
}

/* --- the public face --- */

static bool choose(struct db *tx, void *data, struct err *err)
{
    struct finder_record *record = data;
    return record->name[0] ? finders_choose(tx, record, clock_wall_ms(), err)
                           : finders_dismiss(tx, err);
}

static bool choose_model(struct finder *finder, struct err *err)
{
    const struct finder_options *options = &finder->options;
    bool off = !options->model || strcmp(options->model, FINDER_OFF) == 0;
    finder->competitor = off ? NULL : roster_find(options->roster, options->model);
    if (!off && !finder->competitor)
        return err_set(err, ERR_CONFIG,
                       "\"personal_data\": the model \"%.64s\" is none of the competitors, nor "
                       "\"off\"",
                       options->model);
    if (finder->competitor && !finder->competitor->config.in_house)
        return err_set(err, ERR_CONFIG,
                       "\"personal_data\": the model \"%.64s\" is not in-house: texts that may "
                       "hold personal data are shown to no other",
                       options->model);
    if (finder->competitor) {
        struct finder_record *record = &finder->record;
        snprintf(record->name, sizeof record->name, "%s", finder->competitor->config.name);
        snprintf(record->version, sizeof record->version, "%s", finder->competitor->version);
        snprintf(record->method, sizeof record->method, "%s", FIND_METHOD);
    }
    return store_apply(options->store, choose, &finder->record, err);
}

bool finder_start(struct finder **out, const struct finder_options *options, struct err *err)
{
    struct finder *finder = calloc(1, sizeof *finder);
    *out = NULL;
    if (!finder)
        return err_set(err, ERR_MEMORY, "out of memory");
    finder->options = *options;
    if (!choose_model(finder, err) || !finder->competitor) {
        bool off = err->code == ERR_NONE;
        free(finder);
        return off;
    }
    competitor_hold(finder->competitor); /* for good: the roster closes before we do */
    finder->guest = (struct spare_guest){
        .quiet_ms = options->quiet_ms, .turn = turn, .answered = answered, .user = finder};
    *out = finder;
    spare_join(options->spare, &finder->guest);
    return true;
}

void finder_free(struct finder *finder)
{
    if (finder)
        search_free(finder->search);
    free(finder);
}
