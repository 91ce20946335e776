/* POST /api/sampling: which pairs the matchmaker would draw next, and how likely, under weights and
 * a target that are only tried. Changes nothing. What the votes say is a worker's; the chances are
 * then the matchmaker's own, over copies of the competitors with the weights that were given. */
#include "http/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "battle/matchmaker.h"
#include "board/live.h"
#include "board/published.h"
#include "competitor/roster.h"
#include "http/errand.h"

#define WHAT "the request"

enum { REPLY_BYTES = 16 << 20, PAIRS = LIMIT_COMPETITORS * (LIMIT_COMPETITORS - 1) / 2 };

struct simulation {
    struct sampling_options options;
    char target[LIMIT_NAME_BYTES + 1];
    struct competitor models[LIMIT_COMPETITORS]; /* copies; their texts are the roster's */
    struct competitor *list[LIMIT_COMPETITORS];
    struct sampling *sampling;
    struct matchmaker_informed informed;
    double chance[PAIRS];
};

static void simulation_done(struct errand *errand)
{
    struct simulation *simulation = errand->data;
    sampling_free(simulation->sampling);
    free(simulation);
}

/* --- what is tried --- */

static bool read_options(const json_t *body, struct simulation *simulation,
                         const struct roster *roster, struct err *err)
{
    const char *rule = NULL, *target = simulation->options.target;
    if (!json_get_string_or(body, "rule", WHAT, &rule, err) ||
        !json_get_string_or(body, "target", WHAT, &target, err))
        return false;
    if (rule && strcmp(rule, "uniform") != 0 && strcmp(rule, "informative") != 0)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"rule\" must be informative or uniform");
    if (rule)
        simulation->options.rule =
            strcmp(rule, "uniform") == 0 ? SAMPLING_UNIFORM : SAMPLING_INFORMATIVE;
    if (target && *target && !roster_find(roster, target))
        return err_set(err, ERR_BAD_REQUEST, WHAT ": the target is none of the competitors");
    simulation->options.target = NULL;
    if (target && *target && simulation->options.rule == SAMPLING_INFORMATIVE)
        simulation->options.target = simulation->target;
    snprintf(simulation->target, sizeof simulation->target, "%s", target ? target : "");
    return true;
}

static bool read_weight(const json_t *weights, struct competitor *model, struct err *err)
{
    double weight = model->config.weight;
    if (weights && !json_get_number_or(weights, model->config.name, WHAT ": \"weights\"", 0, 1000,
                                       &weight, err))
        return false;
    model->config.weight = weight;
    return true;
}

static bool read_models(const json_t *body, struct simulation *simulation,
                        const struct roster *roster, struct err *err)
{
    const json_t *weights = json_object_get(body, "weights");
    if (weights && !json_is_object(weights))
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"weights\" is an object of numbers by name");
    for (size_t i = 0; i < roster_count(roster); i++) {
        simulation->models[i] = *roster_at(roster, i);
        simulation->list[i] = &simulation->models[i];
        if (!read_weight(weights, &simulation->models[i], err))
            return false;
    }
    return true;
}

static bool read_wish(const struct http_request *request, struct simulation *simulation,
                      struct err *err)
{
    static const char *const KEYS[] = {"rule", "target", "weights", NULL};
    const struct http_context *context = request->context;
    if (!context->roster || !context->live)
        return err_set(err, ERR_BUSY, "nothing is drawn here");
    if (!request->json)
        return err_set(err, ERR_BAD_REQUEST, "the request has no body");
    simulation->options = *live_sampling_options(context->live);
    return json_only_keys(request->json, KEYS, WHAT, err) &&
           read_options(request->json, simulation, context->roster, err) &&
           read_models(request->json, simulation, context->roster, err);
}

/* --- what follows --- */

static bool read_votes(struct errand *errand, struct db *db, struct err *err)
{
    struct simulation *simulation = errand->data;
    struct published published = {.category = "overall"};
    struct stored_filter filter;
    if (simulation->options.rule == SAMPLING_UNIFORM)
        return true;
    if (!stored_judge(db, NULL, &published.judge, err))
        return false;
    published_filter(&published, &filter);
    filter.marks = STORED_MARKS_NOW;
    struct stored_votes *votes = stored_votes_load(db, &filter, err);
    if (votes)
        simulation->sampling = sampling_of_votes(&simulation->options, votes, db, err);
    stored_votes_free(votes);
    return simulation->sampling != NULL;
}

/* How often a model comes up: half of each pair's chance is each one's. */
static double share_of(const struct simulation *simulation, size_t count, size_t model)
{
    double share = 0;
    for (size_t other = 0; other < count; other++) {
        size_t low = other < model ? other : model, high = other < model ? model : other;
        if (other != model)
            share += simulation->chance[high * (high - 1) / 2 + low];
    }
    return share;
}

static void put_models(struct json_out *out, const struct simulation *simulation, size_t count)
{
    json_put_open(out, "models", '[');
    for (size_t i = 0; i < count; i++) {
        const struct competitor *model = &simulation->models[i];
        json_put_open(out, NULL, '{');
        json_put_cstring(out, "name", model->config.name);
        json_put_cstring(out, "state", competitor_state_word(model->availability));
        json_put_real(out, "weight", model->config.weight);
        json_put_fixed(out, "share", share_of(simulation, count, i), 6);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

static void put_pairs(struct json_out *out, const struct simulation *simulation, size_t count)
{
    json_put_open(out, "pairs", '[');
    for (size_t j = 1; j < count; j++)
        for (size_t i = 0; i < j; i++) {
            double chance = simulation->chance[j * (j - 1) / 2 + i];
            if (chance <= 0)
                continue;
            json_put_open(out, NULL, '{');
            json_put_cstring(out, "a", simulation->models[i].config.name);
            json_put_cstring(out, "b", simulation->models[j].config.name);
            json_put_fixed(out, "probability", chance, 6);
            json_put_close(out, '}');
        }
    json_put_close(out, ']');
}

/* The roster may have been changed meanwhile: then its texts may be gone. */
static bool is_current(const struct simulation *simulation, const struct roster *roster,
                       size_t *count)
{
    *count = 0;
    while (*count < LIMIT_COMPETITORS && simulation->list[*count])
        (*count)++;
    if (*count != roster_count(roster))
        return false;
    for (size_t i = 0; i < *count; i++)
        if (simulation->models[i].config.name != roster_at(roster, i)->config.name)
            return false;
    return true;
}

static bool tell(struct errand *errand, struct err *err)
{
    struct simulation *simulation = errand->data;
    size_t count;
    if (!is_current(simulation, errand->request->context->roster, &count))
        return err_set(err, ERR_BUSY, "the models were changed just now: try again");
    struct matchmaker_rule rule =
        matchmaker_inform(&simulation->informed, simulation->sampling, simulation->list, count);
    bool meets = matchmaker_chances(simulation->chance, simulation->list, count, &rule);
    bool uniform = simulation->options.rule == SAMPLING_UNIFORM;
    struct json_out out = json_out_to(&errand->out);
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "rule", uniform ? "uniform" : "informative");
    json_put_cstring(&out, "target", simulation->options.target);
    json_put_bool(&out, "meets", meets);
    json_put_bool(&out, "informed", rule.user != NULL);
    put_models(&out, simulation, count);
    put_pairs(&out, simulation, count);
    json_put_close(&out, '}');
    return true;
}

void api_sampling(struct http_request *request)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct errand *errand = errand_new(request, REPLY_BYTES);
    if (!errand)
        return;
    errand->data = calloc(1, sizeof(struct simulation));
    errand->done = simulation_done;
    errand->read = read_votes;
    errand->then = tell;
    if (errand->data && read_wish(request, errand->data, &err))
        errand_send(errand);
    else
        errand_refuse(errand, &err);
}
