/* Defaults are written into the object first and everything is read from it after, so that what
 * is stored and what is used cannot differ. */
#include "eval/spec.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "eval/judge.h"

#define WHAT "the specification"

static const char *const KEYS[] = {"name",    "prompts", "limit",  "categories", "competitors",
                                   "pairs",   "samples", "params", "judge",      "overlap",
                                   "judging", "budget",  "seed",   "same_model", NULL};
static const char *const PARAM_KEYS[] = {"temperature", "top_p",     "min_p", "top_k", "max_tokens",
                                         "seed",        "reasoning", "stop",  NULL};

/* --- lists of names --- */

/* Names of a list, or one name alone; each once. */
static bool read_names(const json_t *list, const char *key, const char **out, size_t *count,
                       size_t most, struct err *err)
{
    size_t length = json_is_string(list) ? 1 : json_array_size(list);
    if (!json_is_string(list) && !json_is_array(list))
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"%s\" must be a list of names", key);
    if (length > most)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"%s\" has %zu names; %zu are possible", key,
                       length, most);
    for (size_t i = 0; i < length; i++) {
        const char *name = json_string_value(json_is_string(list) ? list : json_array_get(list, i));
        if (!name || !*name)
            return err_set(err, ERR_BAD_REQUEST, WHAT ": \"%s\" must be a list of names", key);
        for (size_t j = 0; j < *count; j++)
            if (strcmp(out[j], name) == 0)
                return err_set(err, ERR_BAD_REQUEST, WHAT ": \"%s\" names %.64s twice", key, name);
        out[(*count)++] = name;
    }
    return true;
}

static bool read_competitors(struct eval_spec *spec, struct err *err)
{
    if (!read_names(json_object_get(spec->root, "competitors"), "competitors", spec->competitors,
                    &spec->competitor_count, LIMIT_EVAL_SIDES, err))
        return false;
    return spec->competitor_count >= 2 ||
           err_set(err, ERR_BAD_REQUEST, WHAT ": \"competitors\" must name two or more");
}

/* "human" is no model's name here: it stands for people. */
static bool read_judges(struct eval_spec *spec, struct err *err)
{
    const char *names[LIMIT_EVAL_JUDGES + 1];
    size_t count = 0;
    if (!read_names(json_object_get(spec->root, "judge"), "judge", names, &count,
                    LIMIT_EVAL_JUDGES + 1, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], "human") == 0)
            spec->people = true;
        else if (spec->judge_count < LIMIT_EVAL_JUDGES)
            spec->judges[spec->judge_count++] = names[i];
        else
            return err_set(err, ERR_BAD_REQUEST, WHAT ": \"judge\" names more than %d models",
                           LIMIT_EVAL_JUDGES);
    return true;
}

/* --- settings --- */

static bool read_stop(const json_t *list, const char **stops, struct chat_params *params,
                      const char *what, struct err *err)
{
    size_t count = json_array_size(list);
    if (!list)
        return true;
    if (!json_is_array(list) || count > EVAL_STOPS)
        return err_set(err, ERR_BAD_REQUEST, "%s: \"stop\" must be a list of at most %d strings",
                       what, EVAL_STOPS);
    for (size_t i = 0; i < count; i++) {
        stops[i] = json_string_value(json_array_get(list, i));
        if (!stops[i] || !*stops[i])
            return err_set(err, ERR_BAD_REQUEST, "%s: \"stop\" holds what is no text", what);
    }
    params->stop = stops;
    params->stops = count;
    return true;
}

static bool read_params(const json_t *object, const char *what, struct chat_params *params,
                        const char **stops, struct err *err)
{
    *params = CHAT_PARAMS_UNSET;
    params->background = true;
    return json_only_keys(object, PARAM_KEYS, what, err) &&
           json_get_number_or(object, "temperature", what, 0, 10, &params->temperature, err) &&
           json_get_number_or(object, "top_p", what, 0, 1, &params->top_p, err) &&
           json_get_number_or(object, "min_p", what, 0, 1, &params->min_p, err) &&
           json_get_int_or(object, "top_k", what, 0, 1 << 20, &params->top_k, err) &&
           json_get_int_or(object, "max_tokens", what, 1, 1 << 20, &params->max_tokens, err) &&
           json_get_int_or(object, "seed", what, 0, INT64_MAX, &params->seed, err) &&
           json_get_string_or(object, "reasoning", what, &params->reasoning, err) &&
           read_stop(json_object_get(object, "stop"), stops, params, what, err);
}

bool eval_params_write(const struct chat_params *params, struct buf *out)
{
    struct json_out json = json_out_to(out);
    const struct {
        const char *key;
        double value;
    } REALS[] = {
        {"temperature", params->temperature}, {"top_p", params->top_p}, {"min_p", params->min_p}};
    const struct {
        const char *key;
        int64_t value;
    } WHOLES[] = {
        {"top_k", params->top_k}, {"max_tokens", params->max_tokens}, {"seed", params->seed}};
    json_put_open(&json, NULL, '{');
    for (int i = 0; i < 3; i++)
        if (!isnan(REALS[i].value))
            json_put_real(&json, REALS[i].key, REALS[i].value);
    for (int i = 0; i < 3; i++)
        if (WHOLES[i].value >= 0)
            json_put_int(&json, WHOLES[i].key, WHOLES[i].value);
    if (params->reasoning)
        json_put_cstring(&json, "reasoning", params->reasoning);
    if (params->stops) {
        json_put_open(&json, "stop", '[');
        for (size_t i = 0; i < params->stops; i++)
            json_put_cstring(&json, NULL, params->stop[i]);
        json_put_close(&json, ']');
    }
    json_put_close(&json, '}');
    return !out->failed;
}

/* --- the rest --- */

static bool read_prompts(struct eval_spec *spec, struct err *err)
{
    const json_t *prompts = json_object_get(spec->root, "prompts");
    spec->categories = json_object_get(spec->root, "categories");
    if (json_is_string(prompts) && json_string_length(prompts) > 0)
        spec->prompts_file = json_string_value(prompts);
    else if (json_is_array(prompts) && json_array_size(prompts) > 0)
        spec->prompts = prompts;
    else
        return err_set(err, ERR_BAD_REQUEST,
                       WHAT ": \"prompts\" must be the name of a JSONL file, or a list of prompts");
    if (spec->categories && !json_is_array(spec->categories))
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"categories\" must be a list");
    return json_get_int_or(spec->root, "limit", WHAT, 1, LIMIT_EVAL_PROMPTS, &spec->most, err);
}

static bool read_pairs(struct eval_spec *spec, struct err *err)
{
    static const char *const PAIR_KEYS[] = {"baseline", "adaptive", NULL};
    const json_t *pairs = json_object_get(spec->root, "pairs");
    const char *word = json_string_value(pairs), *baseline = NULL;
    if (word && strcmp(word, "all") == 0)
        return true;
    if (!json_is_object(pairs) || json_object_size(pairs) != 1)
        return err_set(err, ERR_BAD_REQUEST,
                       WHAT ": \"pairs\" must be \"all\", {\"baseline\": NAME} or "
                            "{\"adaptive\": NUMBER OF PAIRS}");
    if (!json_only_keys(pairs, PAIR_KEYS, WHAT ": \"pairs\"", err) ||
        !json_get_string_or(pairs, "baseline", WHAT ": \"pairs\"", &baseline, err) ||
        !json_get_int_or(pairs, "adaptive", WHAT ": \"pairs\"", 1, LIMIT_EVAL_PAIRS,
                         &spec->adaptive_pairs, err))
        return false;
    spec->pairing = baseline ? EVAL_BASELINE : EVAL_ADAPTIVE;
    int place = baseline ? eval_spec_place(spec, baseline) : 0;
    if (place < 0)
        return err_set(err, ERR_BAD_REQUEST,
                       WHAT ": the baseline \"%.64s\" is none of the competitors", baseline);
    spec->baseline = (size_t)place;
    return baseline || spec->judge_count ||
           err_set(err, ERR_BAD_REQUEST,
                   WHAT ": adaptive pairs follow the votes of judges: name a model as judge");
}

static bool read_judging(struct eval_spec *spec, struct err *err)
{
    static const char *const JUDGING_KEYS[] = {"system",          "prompt", "prompt_with_reference",
                                               "on_disagreement", "params", NULL};
    const char *what = WHAT ": \"judging\"", *disagreement = "tie";
    const json_t *object = json_object_get(spec->root, "judging");
    struct eval_judging *judging = &spec->judging;
    if (!json_only_keys(object, JUDGING_KEYS, what, err) ||
        !json_get_string(object, "system", what, &judging->system, err) ||
        !json_get_string(object, "prompt", what, &judging->prompt, err) ||
        !json_get_string(object, "prompt_with_reference", what, &judging->prompt_with_reference,
                         err) ||
        !json_get_string(object, "on_disagreement", what, &disagreement, err))
        return false;
    judging->disagreement_is_tie = strcmp(disagreement, "tie") == 0;
    if (!judging->disagreement_is_tie && strcmp(disagreement, "none") != 0)
        return err_set(err, ERR_BAD_REQUEST,
                       WHAT ": \"on_disagreement\" is \"%.32s\"; known: tie, none", disagreement);
    return judge_prompt_check(judging->prompt, "prompt", err) &&
           judge_prompt_check(judging->prompt_with_reference, "prompt_with_reference", err) &&
           read_params(json_object_get(object, "params"), WHAT ": the judges' \"params\"",
                       &judging->params, spec->stops[1], err);
}

static bool read_budget(struct eval_spec *spec, struct err *err)
{
    static const char *const BUDGET_KEYS[] = {"usd", "calls", "seconds", NULL};
    const char *what = WHAT ": \"budget\"";
    const json_t *object = json_object_get(spec->root, "budget");
    spec->budget = (struct eval_budget){NAN, NAN, -1};
    return json_only_keys(object, BUDGET_KEYS, what, err) &&
           json_get_number_or(object, "usd", what, 0, 1e9, &spec->budget.usd, err) &&
           json_get_number_or(object, "seconds", what, 0, 1e9, &spec->budget.seconds, err) &&
           json_get_int_or(object, "calls", what, 0, INT64_MAX, &spec->budget.calls, err);
}

/* --- defaults --- */

static bool set_default(json_t *object, const char *key, json_t *value)
{
    if (json_object_get(object, key)) {
        json_decref(value);
        return true;
    }
    return json_object_set_new(object, key, value) == 0;
}

static bool check_objects(const json_t *root, struct err *err)
{
    static const char *const OBJECTS[] = {"params", "judging", "budget"};
    if (!json_is_object(root))
        return err_set(err, ERR_BAD_REQUEST, WHAT " must be a JSON object");
    for (int i = 0; i < 3; i++) {
        const json_t *object = json_object_get(root, OBJECTS[i]);
        if (object && !json_is_object(object))
            return err_set(err, ERR_BAD_REQUEST, WHAT ": \"%s\" must be an object", OBJECTS[i]);
    }
    return json_only_keys(root, KEYS, WHAT, err);
}

static bool set_defaults(json_t *root, struct err *err)
{
    bool ok =
        set_default(root, "name", json_string("evaluation")) &&
        set_default(root, "pairs", json_string("all")) &&
        set_default(root, "samples", json_integer(1)) &&
        set_default(root, "params", json_object()) && set_default(root, "judge", json_array()) &&
        set_default(root, "overlap", json_integer(1)) &&
        set_default(root, "same_model", json_real(0)) &&
        set_default(root, "budget", json_object()) && set_default(root, "seed", json_integer(1)) &&
        set_default(root, "judging", json_object());
    json_t *judging = json_object_get(root, "judging");
    ok = ok && set_default(judging, "system", json_string(JUDGE_SYSTEM)) &&
         set_default(judging, "prompt", json_string(JUDGE_PROMPT)) &&
         set_default(judging, "prompt_with_reference", json_string(JUDGE_PROMPT_WITH_REFERENCE)) &&
         set_default(judging, "on_disagreement", json_string("tie")) &&
         set_default(judging, "params",
                     json_pack("{s:f, s:i}", "temperature", 0.0, "max_tokens", JUDGE_MAX_TOKENS));
    return ok || err_set(err, ERR_MEMORY, "out of memory");
}

/* It is shown in terminals; control characters would be obeyed there. */
static bool read_name(struct eval_spec *spec, bool stored, struct err *err)
{
    if (!json_get_string(spec->root, "name", WHAT, &spec->name, err) || stored)
        return spec->name != NULL;
    for (const char *at = spec->name; *at; at++)
        if (iscntrl((unsigned char)*at))
            return err_set(err, ERR_BAD_REQUEST, WHAT ": \"name\" holds a control character");
    return true;
}

bool eval_spec_read(struct eval_spec *spec, const json_t *root, bool stored, struct err *err)
{
    *spec = (struct eval_spec){.root = json_deep_copy(root)};
    if (!spec->root)
        return err_set(err, ERR_MEMORY, "out of memory");
    return check_objects(spec->root, err) && set_defaults(spec->root, err) &&
           read_name(spec, stored, err) && read_competitors(spec, err) && read_judges(spec, err) &&
           read_pairs(spec, err) && (stored || read_prompts(spec, err)) &&
           json_get_int_or(spec->root, "samples", WHAT, 1, LIMIT_EVAL_SAMPLES, &spec->samples,
                           err) &&
           json_get_int_or(spec->root, "overlap", WHAT, 1, 1000, &spec->overlap, err) &&
           json_get_int_or(spec->root, "seed", WHAT, 0, INT64_MAX, &spec->seed, err) &&
           json_get_number_or(spec->root, "same_model", WHAT, 0, 1, &spec->same_model, err) &&
           read_params(json_object_get(spec->root, "params"), WHAT ": \"params\"", &spec->params,
                       spec->stops[0], err) &&
           read_judging(spec, err) && read_budget(spec, err);
}

void eval_spec_done(struct eval_spec *spec)
{
    json_decref(spec->root);
    *spec = (struct eval_spec){0};
}

int eval_spec_place(const struct eval_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->competitor_count; i++)
        if (strcmp(spec->competitors[i], name) == 0)
            return (int)i;
    return -1;
}
