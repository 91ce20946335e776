/* A list of a few: walked. Looking at a campaign costs a worker some milliseconds, so there is at
 * most one look a campaign under way, and where looks are dear not one a vote. */
#include "people/campaigns.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "loop/worker.h"
#include "people/conclusion.h"
#include "people/registration.h"

#define CHEAP_NS (50 * CLOCK_MS)
enum { LOOK_TRIES = 5 }; /* then the next vote asks again */

struct campaign {
    struct campaign_terms terms;
    uint64_t votes, next_look; /* since we know it */
    int64_t look_ns;           /* what the last look took */
    bool looking, again;
    int failures; /* of looks, one after the other */
    struct campaign *next;
};

struct campaigns {
    struct campaigns_options options;
    struct campaign *first; /* in the order of registration */
    size_t count;
};

bool campaign_pairs(const struct campaign_terms *terms, const char *one, const char *other)
{
    const char *rival = strcmp(one, terms->model) == 0     ? other
                        : strcmp(other, terms->model) == 0 ? one
                                                           : NULL;
    for (size_t i = 0; rival && i < terms->rivals; i++)
        if (strcmp(rival, terms->versus[i]) == 0)
            return true;
    return false;
}

static bool is_for(const struct campaign_terms *terms, const char *cohort)
{
    return !*terms->cohort || strcmp(terms->cohort, cohort) == 0;
}

const struct campaign_terms *campaigns_live(const struct campaigns *campaigns, const char *cohort)
{
    for (const struct campaign *at = campaigns->first; at; at = at->next)
        if (at->terms.live && is_for(&at->terms, cohort))
            return &at->terms;
    return NULL;
}

void campaigns_for(const struct campaigns *campaigns, const char *cohort,
                   void (*each)(void *user, const struct campaign_terms *terms), void *user)
{
    for (const struct campaign *at = campaigns->first; at; at = at->next)
        if (is_for(&at->terms, cohort))
            each(user, &at->terms);
}

static struct campaign *find(const struct campaigns *campaigns, const char *id)
{
    struct campaign *at = campaigns->first;
    while (at && strcmp(at->terms.id, id) != 0)
        at = at->next;
    return at;
}

const struct campaign_terms *campaigns_terms(const struct campaigns *campaigns, const char *id)
{
    const struct campaign *campaign = find(campaigns, id);
    return campaign ? &campaign->terms : NULL;
}

static bool add(struct campaigns *campaigns, const char *id, const struct question *question)
{
    struct campaign *campaign = calloc(1, sizeof *campaign), **link = &campaigns->first;
    if (!campaign)
        return false;
    struct campaign_terms *terms = &campaign->terms;
    snprintf(terms->id, sizeof terms->id, "%s", id);
    memcpy(terms->cohort, question->cohort, sizeof terms->cohort);
    terms->live = question->live;
    terms->same_model_rate = question->same_model_rate;
    memcpy(terms->model, question->model.version, sizeof terms->model);
    terms->rivals = question->rivals;
    for (size_t i = 0; i < question->rivals; i++)
        memcpy(terms->versus[i], question->versus[i].version, sizeof terms->versus[i]);
    while (*link)
        link = &(*link)->next;
    *link = campaign;
    campaigns->count++;
    return true;
}

static void forget(struct campaigns *campaigns, struct campaign *campaign)
{
    struct campaign **link = &campaigns->first;
    while (*link != campaign)
        link = &(*link)->next;
    *link = campaign->next;
    campaigns->count--;
    free(campaign);
}

/* --- looking, and ending --- */

struct look {
    struct campaigns *campaigns;
    char id[STORE_ID_SIZE];
    char why[CONCLUSION_WHY_SIZE]; /* "": only by its rule */
    bool ended;
    int64_t took_ns;
    struct err err;
    void (*reply)(void *user, const struct err *err); /* NULL: nobody waits */
    void *user;
};

static void work(void *data)
{
    struct look *look = data;
    int64_t start = clock_mono_ns();
    conclude(look->campaigns->options.store, look->id, *look->why ? look->why : NULL, &look->ended,
             &look->err);
    look->took_ns = clock_mono_ns() - start;
}

static void look_at(struct campaigns *campaigns, struct campaign *campaign);

static void go_on(struct campaigns *campaigns, struct campaign *campaign, const struct look *look)
{
    bool failed = look->err.code != ERR_NONE && look->err.code != ERR_WRONG_STATE;
    campaign->failures = failed ? campaign->failures + 1 : 0;
    campaign->looking = false;
    campaign->look_ns = look->took_ns;
    campaign->next_look =
        campaign->votes + 1 + (look->took_ns > CHEAP_NS ? campaign->votes / 100 : 0);
    if (campaign->again || (failed && campaign->failures < LOOK_TRIES))
        look_at(campaigns, campaign);
}

static void looked(void *data, bool cancelled)
{
    struct look *look = data;
    struct campaigns *campaigns = look->campaigns;
    struct campaign *campaign = find(campaigns, look->id);
    if (cancelled) {
        err_set(&look->err, ERR_BUSY, "the arena is shutting down");
        campaign = NULL;
    } else if (look->err.code != ERR_NONE && !look->reply) {
        log_warning("campaign", "%s: %s", look->id, look->err.message);
    }
    if (look->ended && campaign) {
        forget(campaigns, campaign);
        if (campaigns->options.ended)
            campaigns->options.ended(campaigns->options.user, look->id);
    } else if (campaign && !*look->why) {
        go_on(campaigns, campaign, look);
    }
    if (look->reply)
        look->reply(look->user, &look->err);
    free(look);
}

static bool submit(struct campaigns *campaigns, const struct look *look, struct err *err)
{
    struct look *copy = malloc(sizeof *copy);
    if (!copy)
        return err_set(err, ERR_MEMORY, "out of memory");
    *copy = *look;
    if (workers_submit(campaigns->options.workers, work, looked, copy, err))
        return true;
    free(copy);
    return false;
}

static void look_at(struct campaigns *campaigns, struct campaign *campaign)
{
    struct look look = {.campaigns = campaigns};
    memcpy(look.id, campaign->terms.id, sizeof look.id);
    campaign->again = false;
    campaign->looking = submit(campaigns, &look, &look.err); /* else the next vote asks again */
}

void campaigns_voted(struct campaigns *campaigns, const char *id)
{
    struct campaign *campaign = find(campaigns, id);
    if (!campaign || ++campaign->votes < campaign->next_look)
        return;
    if (campaign->looking)
        campaign->again = true;
    else
        look_at(campaigns, campaign);
}

void campaigns_stop(struct campaigns *campaigns, const char *id, const char *why,
                    void (*reply)(void *user, const struct err *err), void *user)
{
    struct look look = {.campaigns = campaigns, .reply = reply, .user = user};
    struct err err = ERR_INIT;
    snprintf(look.id, sizeof look.id, "%s", id);
    snprintf(look.why, sizeof look.why, "%s", why);
    if (!submit(campaigns, &look, &err))
        reply(user, &err);
}

/* --- registering --- */

struct registering {
    struct campaigns *campaigns;
    struct registration *registration;
    void (*reply)(void *user, const char *id, const struct err *err);
    void *user;
};

static bool apply_registering(struct db *tx, void *data, struct err *err)
{
    return registration_store(tx, ((struct registering *)data)->registration, err);
}

static void registered(void *data, const struct err *err)
{
    struct registering *registering = data;
    const struct registration *registration = registering->registration;
    struct err problem = *err;
    const char *id = registration_id(registration);
    if (problem.code == ERR_NONE &&
        !add(registering->campaigns, id, registration_question(registration)))
        err_set(&problem, ERR_MEMORY,
                "campaign %s is registered; restart the arena to make it run: out of memory", id);
    registering->reply(registering->user, problem.code == ERR_NONE ? id : NULL, &problem);
    registration_free(registering->registration);
    free(registering);
}

void campaigns_register(struct campaigns *campaigns, const struct campaign_wish *wish,
                        void (*reply)(void *user, const char *id, const struct err *err),
                        void *user)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct registering *registering = calloc(1, sizeof *registering);
    if (campaigns->count >= LIMIT_CAMPAIGNS)
        err_set(&err, ERR_TOO_MANY, "%d campaigns run, which is the most: stop one",
                LIMIT_CAMPAIGNS);
    else if (registering)
        registering->registration = registration_new(wish, &err);
    if (!registering || !registering->registration) {
        free(registering);
        reply(user, NULL, &err);
        return;
    }
    registering->campaigns = campaigns;
    registering->reply = reply;
    registering->user = user;
    struct store_job job = {apply_registering, registered, registering};
    if (!store_submit(campaigns->options.store, &job, &err))
        registered(registering, &err);
}

/* --- opening --- */

struct opening {
    struct campaigns *campaigns;
    struct err *err;
    bool failed;
};

static bool take_running(void *user, const struct campaign_record *record)
{
    struct opening *opening = user;
    struct question question;
    if (record->ended)
        return true;
    json_t *json = json_read(record->question, "a stored question", opening->err);
    opening->failed = !json || !question_read(json, &question, opening->err) ||
                      (!add(opening->campaigns, record->id, &question) &&
                       !err_set(opening->err, ERR_MEMORY, "out of memory"));
    json_decref(json);
    return !opening->failed;
}

struct campaigns *campaigns_new(const struct campaigns_options *options, struct err *err)
{
    struct campaigns *campaigns = calloc(1, sizeof *campaigns);
    struct opening opening = {campaigns, err, false};
    if (!campaigns) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    campaigns->options = *options;
    struct db *db = store_read_open(store_dir(options->store), err);
    bool good = db && campaigns_each(db, take_running, &opening, err) && !opening.failed;
    db_close(db);
    /* The vote that ended one may have been the last thing that was stored. */
    for (struct campaign *at = campaigns->first; good && at; at = at->next)
        look_at(campaigns, at);
    if (good)
        return campaigns;
    campaigns_free(campaigns);
    return NULL;
}

void campaigns_free(struct campaigns *campaigns)
{
    while (campaigns && campaigns->first)
        forget(campaigns, campaigns->first);
    free(campaigns);
}
