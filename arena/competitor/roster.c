/* Reading comes before opening, so that a mistake in the last row is told before minutes of
 * loading. Opening the first roster and changing it later is the same plan; only who waits for
 * it differs. */
#include "competitor/roster.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "competitor/code_name.h"
#include "competitor/config.h"
#include "competitor/health.h"
#include "competitor/inhouse.h"
#include "competitor/remote.h"
#include "competitor/weights.h"

/* A competitor and what it was read from: its row, whole, but without the keys of who is drawn. */
struct member {
    struct competitor competitor; /* first: its address is the member's */
    json_t *row;
    const struct weights_model *model; /* engine only; closed with the member */
    struct weights *weights;
};

struct crew {
    struct member **list;
    size_t count;
};

struct roster {
    struct loop *loop;
    struct roster_options options;
    char default_folder[PATH_MAX];
    struct crew crew;
    struct competitor *departed; /* held by somebody still */
    struct loop_timer burial;
    struct weights *weights;
    struct remote_hub *hub;
    struct health_book health;
};

struct roster_plan {
    struct roster *roster;
    struct roster_options options;
    bool preset; /* the default pair, with no configuration */
    struct crew crew;
};

#define DEFAULT_MODEL "SmolLM2-135M-Instruct.Q4_1.gguf"
#define MISSING_PRESET " (./run fetches it; ARENA_MODELS names another folder)"

/* The default pair: one checkpoint under two settings that really differ, as a lab compares
 * presets. The aliases are what the model calls itself and its maker. */
static const char DEFAULT_COMPETITORS[] =
    "[{\"name\":\"smollm2-precise\",\"provider\":\"engine\",\"path\":\"" DEFAULT_MODEL
    "\",\"in_house\":true,"
    "\"organisation\":\"Hugging "
    "Face\",\"licence\":\"Apache-2.0\",\"aliases\":[\"SmolLM\",\"SmolLM2\"],"
    "\"outputs_may_train\":true,\"params\":{\"temperature\":0.2,\"top_p\":0.9,\"max_tokens\":256}},"
    "{\"name\":\"smollm2-creative\",\"provider\":\"engine\",\"path\":\"" DEFAULT_MODEL
    "\",\"in_house\":true,"
    "\"organisation\":\"Hugging "
    "Face\",\"licence\":\"Apache-2.0\",\"aliases\":[\"SmolLM\",\"SmolLM2\"],"
    "\"outputs_may_train\":true,\"params\":{\"temperature\":1.0,\"min_p\":0.05,\"max_tokens\":256},"
    "\"system\":\"You are a lively, imaginative assistant. Answer with vivid examples, in plain "
    "and friendly words.\"}]";

const char *roster_default_folder(char *out, size_t size)
{
    const char *models = getenv("ARENA_MODELS"), *home = getenv("HOME");
    if (models && *models)
        return models;
    snprintf(out, size, "%s/.cache/arena", home ? home : "");
    return out;
}

json_t *roster_default_rows(struct err *err)
{
    char folder[PATH_MAX];
    json_t *rows = json_read(TEXT(DEFAULT_COMPETITORS), "default competitors", err), *row;
    char *path = file_join(roster_default_folder(folder, sizeof folder), DEFAULT_MODEL);
    size_t i;
    json_array_foreach(rows, i, row) json_object_set_new(row, "path", json_string(path));
    free(path);
    return rows;
}

/* --- members --- */

static bool is_engine(const struct competitor *competitor)
{
    return strcmp(competitor->config.provider, "engine") == 0;
}

static void member_free(struct member *member)
{
    struct competitor *competitor = &member->competitor;
    if (competitor->adapter && competitor->state)
        competitor->adapter->close(competitor);
    if (member->model)
        weights_close(member->weights, member->model);
    free(competitor->effective);
    competitor_config_done(&competitor->config);
    json_decref(member->row);
    free(member);
}

static void crew_free(struct crew *crew)
{
    for (size_t i = 0; i < crew->count; i++)
        if (crew->list[i])
            member_free(crew->list[i]);
    free(crew->list);
    *crew = (struct crew){0};
}

static struct member *crew_find(const struct crew *crew, const char *name)
{
    for (size_t i = 0; i < crew->count; i++)
        if (crew->list[i] && strcmp(crew->list[i]->competitor.config.name, name) == 0)
            return crew->list[i];
    return NULL;
}

/* --- reading --- */

/* Keys of a row that say who is drawn and what voters are told: changing them opens nobody anew. */
static const char *const STANDING[] = {"state",  "paused_reason", "paused_since", "code_name",
                                       "weight", "battles_a_day", "votes_a_day",  "at_once"};

/* A member's own copy of its row, with its price filled in. */
static json_t *whole_row(const json_t *row, const json_t *prices)
{
    json_t *copy = json_deep_copy(row);
    const char *provider = json_string_value(json_object_get(row, "provider")),
               *model = json_string_value(json_object_get(row, "model"));
    char key[LIMIT_NAME_BYTES * 2];
    if (!prices || !provider || !model || json_object_get(row, "price"))
        return copy;
    snprintf(key, sizeof key, "%s/%s", provider, model);
    const json_t *price = json_object_get(prices, key);
    if (price)
        json_object_set_new(copy, "price", json_deep_copy(price));
    return copy;
}

static bool read_row(struct crew *crew, const json_t *row, const json_t *prices, struct err *err)
{
    size_t index = crew->count;
    struct member *member = calloc(1, sizeof *member);
    if (!member || !(member->row = whole_row(row, prices))) {
        free(member);
        return err_set(err, ERR_MEMORY, "out of memory");
    }
    struct competitor *competitor = &member->competitor;
    crew->list[crew->count++] = member;
    if (!competitor_config_read(&competitor->config, member->row, index, err))
        return false;
    competitor->availability = competitor->config.state;
    for (size_t i = 0; i < sizeof STANDING / sizeof *STANDING; i++)
        json_object_del(member->row, STANDING[i]);
    const char *name = competitor->config.name;
    return crew_find(crew, name) == member ||
           err_set(err, ERR_CONFIG, "two competitors are named \"%s\"", name);
}

static bool check_code_names(const struct crew *crew, struct err *err)
{
    const struct competitor_config *all[LIMIT_COMPETITORS];
    for (size_t i = 0; i < crew->count; i++)
        all[i] = &crew->list[i]->competitor.config;
    for (size_t i = 0; i < crew->count; i++)
        if (!code_name_check(all[i], all, crew->count, err))
            return false;
    return true;
}

static bool read_rows(struct crew *crew, const json_t *rows, const json_t *prices, struct err *err)
{
    size_t count = json_array_size(rows);
    if (!json_is_array(rows) || !count)
        return err_set(err, ERR_CONFIG,
                       "\"competitors\" must be a list with at least one competitor");
    if (count > LIMIT_COMPETITORS)
        return err_set(err, ERR_CONFIG, "\"competitors\" has %zu rows, at most %d", count,
                       LIMIT_COMPETITORS);
    crew->list = calloc(count, sizeof *crew->list);
    if (!crew->list)
        return err_set(err, ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        if (!read_row(crew, json_array_get(rows, i), prices, err))
            return false;
    return check_code_names(crew, err);
}

static bool nobody_called(const struct crew *crew, const char *name, struct err *err)
{
    char names[256] = "";
    for (size_t i = 0; i < crew->count; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                 crew->list[i]->competitor.config.name);
    }
    return err_set(err, ERR_CONFIG, "no competitor is named \"%.128s\"; configured: %s", name,
                   names);
}

struct roster_plan *roster_plan_new(struct roster *roster, const json_t *competitors,
                                    const struct roster_options *options, struct err *err)
{
    struct roster_plan *plan = calloc(1, sizeof *plan);
    if (!plan) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    *plan = (struct roster_plan){.roster = roster, .options = *options, .preset = !competitors};
    json_t *defaults = NULL;
    if (!competitors) {
        competitors = defaults = json_read(TEXT(DEFAULT_COMPETITORS), "default competitors", err);
        plan->options.folder =
            roster_default_folder(roster->default_folder, sizeof roster->default_folder);
    }
    bool ok = competitors && read_rows(&plan->crew, competitors, options->prices, err);
    json_decref(defaults);
    if (ok && options->only && !crew_find(&plan->crew, options->only))
        ok = nobody_called(&plan->crew, options->only, err);
    if (ok)
        return plan;
    roster_plan_free(plan);
    return NULL;
}

/* --- opening --- */

/* Who was retired is only remembered; who was not asked for stays closed. */
static bool is_wanted(const struct roster_plan *plan, const struct competitor *competitor)
{
    const char *only = plan->options.only;
    return only ? strcmp(competitor->config.name, only) == 0
                : competitor->availability != COMPETITOR_RETIRED;
}

static bool in_row(const struct competitor *competitor, struct err *err)
{
    return err_prefix(err, "competitor \"%s\"", competitor->config.name);
}

size_t roster_plan_drawable(const struct roster_plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->crew.count; i++)
        count += plan->crew.list[i]->competitor.availability == COMPETITOR_ACTIVE &&
                 plan->crew.list[i]->competitor.config.weight > 0;
    return count;
}

bool roster_plan_load(struct roster_plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->crew.count; i++) {
        struct member *member = plan->crew.list[i];
        if (!is_wanted(plan, &member->competitor) || !is_engine(&member->competitor))
            continue;
        member->weights = plan->roster->weights;
        member->model = weights_open(member->weights, &member->competitor.config,
                                     plan->options.folder, plan->preset ? MISSING_PRESET : "", err);
        if (!member->model)
            return in_row(&member->competitor, err);
    }
    return true;
}

static bool set_version(struct competitor *competitor, const char *weights, struct err *err)
{
    struct buf description;
    uint8_t digest[DIGEST_SIZE];
    buf_init(&description, 1 << 20);
    if (!competitor_config_describe(&competitor->config, weights, &description)) {
        buf_done(&description);
        return err_set(err, ERR_MEMORY, "out of memory");
    }
    digest_of(description.data, description.length, digest);
    hex_encode(digest, DIGEST_SIZE, competitor->version);
    competitor->effective = buf_take(&description, NULL);
    return competitor->effective || err_set(err, ERR_MEMORY, "out of memory");
}

static bool need_hub(struct roster *roster, struct err *err)
{
    if (!roster->hub)
        roster->hub = remote_hub_new(roster->loop, err);
    return roster->hub != NULL;
}

static bool attach(struct roster_plan *plan, struct member *member, struct err *err)
{
    struct roster *roster = plan->roster;
    struct competitor *competitor = &member->competitor;
    bool ok;
    if (member->model) {
        ok = inhouse_attach(competitor, weights_engine(roster->weights), member->model->model,
                            roster->loop, err);
    } else {
        ok = need_hub(roster, err) && remote_attach(competitor, roster->hub, plan->options.folder,
                                                    plan->options.budget_usd > 0, err);
        if (ok && !plan->options.only && remote_lacks(competitor)) /* else its answer tells it */
            log_warning("roster", "competitor \"%s\": %s", competitor->config.name,
                        remote_lacks(competitor));
    }
    return ok && set_version(competitor, member->model ? member->model->fingerprint : NULL, err);
}

/* The member of the roster that this one of the plan would only repeat. A key's file is read anew
 * with every change: that is how a key is replaced. */
static struct member *unchanged(const struct roster_plan *plan, const struct member *member)
{
    struct member *old = crew_find(&plan->roster->crew, member->competitor.config.name);
    bool same = old && json_equal(old->row, member->row) && old->model == member->model &&
                old->competitor.adapter && is_wanted(plan, &member->competitor) &&
                !member->competitor.config.api_key_file;
    return same ? old : NULL;
}

bool roster_plan_attach(struct roster_plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->crew.count; i++) {
        struct member *member = plan->crew.list[i];
        struct competitor *competitor = &member->competitor;
        if (unchanged(plan, member))
            continue;
        if (is_wanted(plan, competitor) ? !attach(plan, member, err)
                                        : !set_version(competitor, NULL, err))
            return in_row(competitor, err);
    }
    return true;
}

/* --- the change --- */

static void bury(void *user)
{
    struct roster *roster = user;
    for (struct competitor **link = &roster->departed; *link;) {
        struct competitor *competitor = *link;
        if (competitor->holds || competitor->under_way) {
            link = &competitor->next;
            continue;
        }
        *link = competitor->next;
        member_free((struct member *)competitor);
    }
}

/* Not now: whoever lets go may still be inside one of its callbacks. Without memory for the timer
 * the next change, or the end, does it. */
static void unheld(struct competitor *competitor)
{
    struct roster *roster = competitor->keeper;
    loop_timer_start(roster->loop, &roster->burial, clock_mono_ns());
}

static void depart(struct roster *roster, struct member *member)
{
    struct competitor *competitor = &member->competitor;
    competitor->availability = COMPETITOR_RETIRED;
    competitor->keeper = roster;
    competitor->unheld = unheld;
    competitor->next = roster->departed;
    roster->departed = competitor;
}

static void put_in_force(struct roster *roster, struct member *member)
{
    struct competitor *competitor = &member->competitor;
    competitor->health = health_book_find(&roster->health, competitor->config.name);
    if (roster->hub && competitor->adapter && !is_engine(competitor))
        remote_limit(competitor);
}

static void swap_text(char **one, char **other)
{
    char *text = *one;
    *one = *other;
    *other = text;
}

static void take_standing(struct competitor *stays, struct competitor *news)
{
    struct competitor_config *config = &stays->config, *from = &news->config;
    stays->availability = config->state = from->state;
    config->weight = from->weight;
    config->battles_a_day = from->battles_a_day;
    config->votes_a_day = from->votes_a_day;
    config->at_once = from->at_once;
    swap_text(&config->code_name, &from->code_name);
    swap_text(&config->paused_reason, &from->paused_reason);
    swap_text(&config->paused_since, &from->paused_since);
}

static void take_unchanged(struct roster_plan *plan)
{
    struct crew *old = &plan->roster->crew;
    for (size_t i = 0; i < plan->crew.count; i++) {
        struct member *member = plan->crew.list[i], *stays = unchanged(plan, member);
        if (!stays)
            continue;
        take_standing(&stays->competitor, &member->competitor);
        for (size_t k = 0; k < old->count; k++)
            if (old->list[k] == stays)
                old->list[k] = NULL;
        plan->crew.list[i] = stays;
        member_free(member);
    }
}

void roster_plan_commit(struct roster_plan *plan)
{
    struct roster *roster = plan->roster;
    struct crew old = roster->crew;
    double limit = plan->options.budget_usd;
    struct budget *everybody = roster->hub ? remote_hub_budget(roster->hub, "") : NULL;
    take_unchanged(plan);
    for (size_t i = 0; i < old.count; i++)
        if (old.list[i])
            depart(roster, old.list[i]);
    free(old.list);
    roster->crew = plan->crew;
    plan->crew = (struct crew){0};
    for (size_t i = 0; i < roster->crew.count; i++)
        put_in_force(roster, roster->crew.list[i]);

    if (everybody)
        everybody->limit_usd = limit > 0 ? limit : NAN;
    bury(roster);
}

void roster_plan_free(struct roster_plan *plan)
{
    if (!plan)
        return;
    crew_free(&plan->crew);
    free(plan);
}

/* --- the roster --- */

static bool open_first(struct roster *roster, const json_t *competitors, struct err *err)
{
    struct roster_plan *plan = roster_plan_new(roster, competitors, &roster->options, err);
    bool ok = plan && (roster->options.unopened ||
                       (roster_plan_load(plan, err) && roster_plan_attach(plan, err)));
    if (ok)
        roster_plan_commit(plan);
    roster_plan_free(plan);
    return ok;
}

struct roster *roster_open(struct loop *loop, const json_t *competitors,
                           const struct roster_options *options, struct err *err)
{
    struct roster *roster = calloc(1, sizeof *roster);
    if (!roster) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    *roster = (struct roster){.loop = loop, .options = *options};
    roster->burial = (struct loop_timer){.expired = bury, .user = roster};
    roster->weights = weights_new(options->device, options->engine_threads, err);
    if (roster->weights && open_first(roster, competitors, err))
        return roster;
    roster_free(roster);
    return NULL;
}

void roster_free(struct roster *roster)
{
    if (!roster)
        return;
    if (roster->loop)
        loop_timer_stop(roster->loop, &roster->burial);
    weights_stop(roster->weights);
    crew_free(&roster->crew);
    while (roster->departed) {
        struct competitor *competitor = roster->departed;
        roster->departed = competitor->next;
        member_free((struct member *)competitor);
    }
    weights_free(roster->weights);
    remote_hub_free(roster->hub);
    health_book_done(&roster->health);
    free(roster);
}

size_t roster_count(const struct roster *roster)
{
    return roster->crew.count;
}

struct competitor *roster_need(const struct roster *roster, const char *name, struct err *err)
{
    struct competitor *found = roster_find(roster, name);
    size_t count = roster_count(roster);
    char known[300] = "";
    for (size_t k = 0, at = 0; !found && k < count && at < sizeof known - 4; k++)
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", k ? ", " : "",
                               roster_at(roster, k)->config.name);
    if (!found)
        err_set(err, ERR_BAD_REQUEST, "there is no competitor \"%.100s\"%s%s", name,
                known[0] ? "; there are: " : "", known);
    return found;
}

struct competitor *roster_at(const struct roster *roster, size_t index)
{
    return &roster->crew.list[index]->competitor;
}

struct competitor *roster_find_shown(const struct roster *roster, const char *name)
{
    for (size_t i = 0; i < roster_count(roster); i++)
        if (strcmp(competitor_shown_name(&roster_at(roster, i)->config), name) == 0)
            return roster_at(roster, i);
    return NULL;
}

struct competitor *roster_find(const struct roster *roster, const char *name)
{
    struct member *member = crew_find(&roster->crew, name);
    return member ? &member->competitor : NULL;
}

/* --- money --- */

bool roster_watch_budgets(struct roster *roster,
                          void (*moved)(void *user, const struct budget *budget), void *user,
                          struct err *err)
{
    if (!need_hub(roster, err))
        return false;
    remote_hub_watch(roster->hub, moved, user);
    return true;
}

bool roster_restore_budget(struct roster *roster, const char *name, int64_t day, double usd,
                           struct err *err)
{
    struct budget *budget = need_hub(roster, err) ? remote_hub_budget(roster->hub, name) : NULL;
    if (!budget)
        return err_set(err, ERR_MEMORY, "out of memory");
    budget_restore(budget, day, usd, clock_wall_ms());
    return true;
}
