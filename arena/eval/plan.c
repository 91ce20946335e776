/* What follows from the spec alone is still stored pair by pair: the plan of a stored run must not
 * change when the code that makes plans does. */
#include "eval/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/random.h"
#include "eval/waves.h"
#include "store/competitors.h"

/* --- numbering --- */

size_t eval_plan_conversations(const struct eval_plan *plan)
{
    return plan->prompts.count * plan->samples * plan->spec.competitor_count;
}

size_t eval_conversation(const struct eval_plan *plan, size_t prompt, size_t sample, size_t side)
{
    return (prompt * plan->samples + sample) * plan->spec.competitor_count + side;
}

size_t eval_pair_conversation(const struct eval_plan *plan, const struct eval_pair *pair, int which)
{
    size_t sample = pair->sample + (which == 1 && pair->side[0] == pair->side[1]);
    return eval_conversation(plan, pair->prompt, sample, pair->side[which]);
}

size_t eval_plan_most_pairs(const struct eval_plan *plan)
{
    size_t sides = plan->spec.competitor_count;
    return plan->prompts.count * (size_t)plan->spec.samples * (sides * (sides - 1) / 2);
}

/* --- pairs --- */

bool eval_plan_add_pair(struct eval_plan *plan, uint32_t prompt, uint16_t sample, size_t a,
                        size_t b, struct err *err)
{
    if (plan->pair_count == plan->pair_room) {
        size_t room = plan->pair_room ? 2 * plan->pair_room : 256;
        struct eval_pair *pairs = realloc(plan->pairs, room * sizeof *pairs);
        if (!pairs)
            return err_set(err, ERR_MEMORY, "no memory for the pairs");
        plan->pairs = pairs;
        plan->pair_room = room;
    }
    uint32_t *first = &plan->first_pair[prompt * plan->samples + sample];
    plan->pairs[plan->pair_count] =
        (struct eval_pair){prompt, sample, {(uint8_t)a, (uint8_t)b}, *first};
    *first = (uint32_t)plan->pair_count++;
    return true;
}

static bool pair_prompt(struct eval_plan *plan, size_t prompt, size_t sample, struct err *err)
{
    const struct eval_spec *spec = &plan->spec;
    for (size_t a = 0; a < spec->competitor_count; a++)
        for (size_t b = a + 1; b < spec->competitor_count; b++)
            if ((spec->pairing == EVAL_ALL || a == spec->baseline || b == spec->baseline) &&
                !eval_plan_add_pair(plan, (uint32_t)prompt, (uint16_t)sample, a, b, err))
                return false;
    return true;
}

/* Pairs of one model with itself, spread over prompts and sides. */
static bool pair_same(struct eval_plan *plan, struct err *err)
{
    size_t wanted = (size_t)llround(plan->spec.same_model * (double)plan->pair_count),
           sides = plan->spec.competitor_count, most = plan->prompts.count * sides;
    wanted = wanted < most ? wanted : most;
    for (size_t k = 0; k < wanted; k++) {
        size_t at = k * most / wanted, side = (at + k) % sides;
        if (!eval_plan_add_pair(plan, (uint32_t)(at / sides), 0, side, side, err))
            return false;
    }
    return true;
}

static bool check_size(const struct eval_plan *plan, struct err *err)
{
    size_t conversations = eval_plan_conversations(plan), pairs = eval_plan_most_pairs(plan);
    if (conversations > LIMIT_EVAL_PAIRS)
        return err_set(err, ERR_TOO_LARGE,
                       "%zu prompts, samples and competitors make %zu answers; %d are possible",
                       plan->prompts.count, conversations, LIMIT_EVAL_PAIRS);
    if (plan->spec.pairing == EVAL_BASELINE)
        pairs = conversations;
    if (plan->spec.pairing == EVAL_ADAPTIVE && (size_t)plan->spec.adaptive_pairs < pairs)
        pairs = (size_t)plan->spec.adaptive_pairs;
    return pairs <= LIMIT_EVAL_PAIRS ||
           err_set(err, ERR_TOO_LARGE, "%zu pairs; %d are possible: compare with a baseline", pairs,
                   LIMIT_EVAL_PAIRS);
}

static bool make_pairs(struct eval_plan *plan, struct err *err)
{
    const struct eval_spec *spec = &plan->spec;
    if (spec->pairing == EVAL_ADAPTIVE)
        return waves_first(plan, err) && pair_same(plan, err);
    for (size_t prompt = 0; prompt < plan->prompts.count; prompt++)
        for (size_t sample = 0; sample < (size_t)spec->samples; sample++)
            if (!pair_prompt(plan, prompt, sample, err))
                return false;
    return pair_same(plan, err);
}

static bool name_sides(struct eval_plan *plan, struct err *err)
{
    for (size_t k = 0; k < plan->spec.competitor_count; k++)
        if (!(plan->sides[k].name = strdup(plan->spec.competitors[k])))
            return err_set(err, ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < plan->spec.judge_count; k++)
        if (!(plan->judges[k].name = strdup(plan->spec.judges[k])))
            return err_set(err, ERR_MEMORY, "out of memory");
    return true;
}

static bool open_pairs(struct eval_plan *plan, struct err *err)
{
    plan->samples = (size_t)plan->spec.samples;
    if (plan->spec.same_model > 0 && plan->samples < 2)
        plan->samples = 2;
    size_t count = plan->prompts.count * plan->samples;
    plan->first_pair = malloc((count + 1) * sizeof *plan->first_pair);
    if (!plan->first_pair)
        return err_set(err, ERR_MEMORY, "no memory for the pairs");
    for (size_t k = 0; k < count; k++)
        plan->first_pair[k] = EVAL_NONE;
    return true;
}

bool eval_plan_make(struct eval_plan *plan, const json_t *spec, const char *folder, struct err *err)
{
    *plan = (struct eval_plan){0};
    return eval_spec_read(&plan->spec, spec, false, err) &&
           eval_prompts_read(&plan->prompts, &plan->spec, folder, err) && open_pairs(plan, err) &&
           check_size(plan, err) && make_pairs(plan, err) && name_sides(plan, err);
}

static void side_done(struct eval_side *side)
{
    free(side->name);
    free(side->effective);
    free(side->organisation);
    free(side->licence);
}

void eval_plan_done(struct eval_plan *plan)
{
    for (size_t k = 0; k < LIMIT_EVAL_SIDES; k++)
        side_done(&plan->sides[k]);
    for (size_t k = 0; k < LIMIT_EVAL_JUDGES; k++)
        side_done(&plan->judges[k]);
    free(plan->pairs);
    free(plan->first_pair);
    eval_prompts_done(&plan->prompts);
    eval_spec_done(&plan->spec);
    *plan = (struct eval_plan){0};
}

/* --- into the store --- */

static bool store_side(struct db *tx, int64_t run, bool judge, size_t place, struct eval_side *side,
                       int64_t now_ms, struct err *err)
{
    struct version_record version = {.name = side->name,
                                     .digest = side->digest,
                                     .effective = side->effective,
                                     .organisation = side->organisation,
                                     .licence = side->licence,
                                     .in_house = side->in_house,
                                     .outputs_may_train = side->outputs_may_train};
    if (!competitors_register(tx, &version, now_ms, &side->version, err))
        return false;
    struct eval_side_record record = {judge, (int64_t)place, side->version};
    return eval_sides_insert(tx, run, &record, err);
}

static bool store_sides(struct db *tx, struct eval_plan *plan, int64_t now_ms, struct err *err)
{
    for (size_t k = 0; k < plan->spec.competitor_count; k++)
        if (!store_side(tx, plan->number, false, k, &plan->sides[k], now_ms, err))
            return false;
    for (size_t k = 0; k < plan->spec.judge_count; k++)
        if (!store_side(tx, plan->number, true, k, &plan->judges[k], now_ms, err))
            return false;
    return true;
}

static bool store_prompt(struct db *tx, const struct eval_plan *plan, size_t k, struct err *err)
{
    const struct eval_prompt *prompt = &plan->prompts.list[k];
    char *turns = json_dumps(prompt->turns, JSON_COMPACT),
         *reference = prompt->reference ? json_dumps(prompt->reference, JSON_COMPACT) : NULL;
    struct text none = {NULL, 0};
    struct eval_prompt_record record = {.prompt = (int64_t)k,
                                        .source = prompt->source ? text_of(prompt->source) : none,
                                        .category =
                                            prompt->category ? text_of(prompt->category) : none,
                                        .system = prompt->system ? text_of(prompt->system) : none,
                                        .turns = text_of(turns),
                                        .reference = reference ? text_of(reference) : none,
                                        .chosen = prompt->chosen};
    bool ok = turns ? eval_prompts_insert(tx, plan->number, &record, err)
                    : err_set(err, ERR_MEMORY, "out of memory");
    free(turns);
    free(reference);
    return ok;
}

static bool store_pair(struct db *tx, const struct eval_plan *plan, size_t k, struct err *err)
{
    const struct eval_pair *pair = &plan->pairs[k];
    struct eval_pair_record record = {(int64_t)k, pair->prompt, pair->sample, pair->side[0],
                                      pair->side[1]};
    return eval_pairs_insert(tx, plan->number, &record, err);
}

/* The spec as stored: the prompts stand beside it, so a list of them is not kept twice. */
static char *write_spec(const struct eval_plan *plan)
{
    json_t *copy = json_copy(plan->spec.root);
    if (copy && plan->spec.prompts)
        json_object_set_new(copy, "prompts", json_string("given in the specification"));
    char *text = copy ? json_dumps(copy, JSON_COMPACT) : NULL;
    json_decref(copy);
    return text;
}

bool eval_plan_store(struct db *tx, struct eval_plan *plan, int64_t now_ms, struct err *err)
{
    char *spec = write_spec(plan);
    struct eval_run_record record = {
        .name = plan->spec.name, .spec = spec, .state = EVAL_RUNNING, .created_ms = now_ms};
    memcpy(record.id, plan->id, sizeof record.id);
    memcpy(record.campaign, plan->campaign, sizeof record.campaign);
    bool ok = spec ? eval_runs_insert(tx, &record, &plan->number, err)
                   : err_set(err, ERR_MEMORY, "out of memory");
    free(spec);
    ok = ok && store_sides(tx, plan, now_ms, err);
    for (size_t k = 0; ok && k < plan->prompts.count; k++)
        ok = store_prompt(tx, plan, k, err);
    for (size_t k = 0; ok && k < plan->pair_count; k++)
        ok = store_pair(tx, plan, k, err);
    return ok;
}

/* --- out of the store --- */

struct loading {
    struct eval_plan *plan;
    struct versions versions;
    struct err *err;
    bool ok;
};

static void take_run(void *user, const struct eval_run_record *record)
{
    struct loading *loading = user;
    struct eval_plan *plan = loading->plan;
    plan->number = record->number;
    memcpy(plan->id, record->id, sizeof plan->id);
    memcpy(plan->campaign, record->campaign, sizeof plan->campaign);
    json_t *root = json_read(text_of(record->spec), "the stored specification", loading->err);
    loading->ok = root && eval_spec_read(&plan->spec, root, true, loading->err);
    json_decref(root);
}

static bool take_prompt(void *user, const struct eval_prompt_record *record)
{
    struct loading *loading = user;
    return loading->ok = eval_prompts_take(&loading->plan->prompts, record, loading->err);
}

static char *copy_or_null(const char *string)
{
    return string ? strdup(string) : NULL;
}

static bool take_side(void *user, const struct eval_side_record *record)
{
    struct loading *loading = user;
    const struct version_record *version = versions_find(&loading->versions, record->version);
    size_t most = record->judge ? LIMIT_EVAL_JUDGES : LIMIT_EVAL_SIDES;
    if (!version || (size_t)record->place >= most)
        return loading->ok = err_set(loading->err, ERR_STORE, "a side of the run is not known");
    struct eval_side *side = record->judge ? &loading->plan->judges[record->place]
                                           : &loading->plan->sides[record->place];
    *side = (struct eval_side){.name = strdup(version->name),
                               .effective = strdup(version->effective),
                               .organisation = copy_or_null(version->organisation),
                               .licence = copy_or_null(version->licence),
                               .version = record->version,
                               .in_house = version->in_house,
                               .outputs_may_train = version->outputs_may_train};
    memcpy(side->digest, version->digest, sizeof side->digest);
    return loading->ok = (side->name && side->effective) ||
                         err_set(loading->err, ERR_MEMORY, "out of memory");
}

static bool take_pair(void *user, const struct eval_pair_record *record)
{
    struct loading *loading = user;
    struct eval_plan *plan = loading->plan;
    size_t sides = plan->spec.competitor_count;
    if ((size_t)record->prompt >= plan->prompts.count || (size_t)record->sample >= plan->samples ||
        (size_t)record->side_a >= sides || (size_t)record->side_b >= sides)
        return loading->ok = err_set(loading->err, ERR_STORE, "a pair of the run makes no sense");
    return loading->ok =
               eval_plan_add_pair(plan, (uint32_t)record->prompt, (uint16_t)record->sample,
                                  (size_t)record->side_a, (size_t)record->side_b, loading->err);
}

bool eval_plan_load(struct eval_plan *plan, struct db *db, const char *id, struct err *err)
{
    struct loading loading = {.plan = plan, .err = err, .ok = true};
    *plan = (struct eval_plan){0};
    bool ok = eval_runs_find(db, id, take_run, &loading, err) && loading.ok &&
              versions_load(db, &loading.versions, err) &&
              eval_sides_each(db, plan->number, take_side, &loading, err) && loading.ok &&
              eval_prompts_each(db, plan->number, take_prompt, &loading, err) && loading.ok &&
              open_pairs(plan, err) &&
              eval_pairs_each(db, plan->number, take_pair, &loading, err) && loading.ok;
    versions_done(&loading.versions);
    return ok;
}
