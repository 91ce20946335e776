/* What waits is found in the store each time anew: there is no list here that could differ. */
#include "command/campaign_answers.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "eval/evals.h"
#include "loop/worker.h"
#include "people/campaigns.h"
#include "people/presence.h"
#include "store/campaigns.h"
#include "store/store.h"

struct campaign_answers {
    struct campaign_answers_options options;
};

/* A campaign whose answers were never begun. */
struct unbegun {
    char id[STORE_ID_SIZE];
    json_t *spec;
    struct unbegun *next;
};

struct search {
    struct campaign_answers *answers;
    struct unbegun *list;
    struct err err;
};

static void on_begun(void *user, const char *id, const struct err *err)
{
    (void)user;
    if (!id)
        log_error("campaign", "its answers cannot be made: %s", err->message);
}

static void take_unbegun(void *user, const char *id, struct text spec)
{
    struct search *search = user;
    struct unbegun *one = calloc(1, sizeof *one);
    if (!one || !(one->spec = json_read(spec, "the campaign's evaluation", &search->err))) {
        free(one);
        return;
    }
    snprintf(one->id, sizeof one->id, "%s", id);
    one->next = search->list;
    search->list = one;
}

static void find_unbegun(void *data)
{
    struct search *search = data;
    struct db *db = store_read_open(store_dir(search->answers->options.store), &search->err);
    if (db)
        campaigns_unbegun(db, take_unbegun, search, &search->err);
    db_close(db);
}

static bool is_whole(const struct campaign_answers *answers, const char *id)
{
    const struct campaign_terms *terms = campaigns_terms(answers->options.campaigns, id);
    struct presence presence;
    presence_take(&presence, answers->options.roster);
    return terms && presence_is_whole(&presence, terms);
}

static void begin_found(struct search *search, bool cancelled)
{
    const struct campaign_answers *answers = search->answers;
    struct evals_reply reply = {on_begun, NULL};
    for (struct unbegun *one = search->list, *next; one; one = next) {
        next = one->next;
        if (!cancelled && is_whole(answers, one->id))
            evals_start(answers->options.evals, one->spec, NULL, one->id, &reply);
        else if (!cancelled)
            log_warning("campaign", "%s waits: its models do not answer as they were registered",
                        one->id);
        json_decref(one->spec);
        free(one);
    }
}

static void are_found(void *data, bool cancelled)
{
    struct search *search = data;
    begin_found(search, cancelled);
    if (!cancelled && search->err.code != ERR_NONE)
        on_begun(NULL, NULL, &search->err);
    free(search);
}

bool campaign_answers_begin(struct campaign_answers *answers, struct err *err)
{
    struct search search = {.answers = answers};
    find_unbegun(&search);
    begin_found(&search, false);
    if (search.err.code != ERR_NONE)
        *err = search.err;
    return search.err.code == ERR_NONE;
}

void campaign_answers_go_on(struct campaign_answers *answers)
{
    struct search *search = calloc(1, sizeof *search);
    struct err err = ERR_INIT;
    evals_resume_campaigns(answers->options.evals);
    if (!search)
        return;
    search->answers = answers;
    if (!workers_submit(answers->options.workers, find_unbegun, are_found, search, &err))
        free(search);
}

struct campaign_answers *campaign_answers_new(const struct campaign_answers_options *options,
                                              struct err *err)
{
    struct campaign_answers *answers = calloc(1, sizeof *answers);
    if (answers)
        answers->options = *options;
    else
        err_set(err, ERR_MEMORY, "out of memory");
    return answers;
}

void campaign_answers_free(struct campaign_answers *answers)
{
    free(answers);
}
