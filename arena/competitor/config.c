/* A table says where each text, number and flag of a row goes; what depends on several keys is
 * checked after. */
#include "competitor/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "engine/schema.h"

static const char *const PROVIDERS[] = {
    "engine", "openai", "anthropic",         "google", "mistral", "deepseek",
    "xai",    "azure",  "openai-compatible", NULL};
static const char *const DIALECTS[] = {"openai-chat", "openai-responses", "anthropic", "gemini",
                                       NULL};

#define FIELD(member) offsetof(struct competitor_config, member)

static const struct {
    const char *key;
    size_t place;
} TEXTS[] = {
    {"name", FIELD(name)},
    {"provider", FIELD(provider)},
    {"model", FIELD(model)},
    {"path", FIELD(path)},
    {"organisation", FIELD(organisation)},
    {"licence", FIELD(licence)},
    {"base_url", FIELD(base_url)},
    {"dialect", FIELD(dialect)},
    {"api_key_env", FIELD(api_key_env)},
    {"api_key_file", FIELD(api_key_file)},
    {"system", FIELD(system)},
    {"chat_template", FIELD(chat_template)},
    {"weights", FIELD(weights)},
    {"kv", FIELD(kv)},
    {"code_name", FIELD(code_name)},
    {"paused_reason", FIELD(paused_reason)},
    {"paused_since", FIELD(paused_since)},
};

static const struct {
    const char *key;
    size_t place;
} FLAGS[] = {
    {"in_house", FIELD(in_house)},
    {"stream", FIELD(stream)},
    {"allow_http", FIELD(allow_http)},
    {"outputs_may_train", FIELD(outputs_may_train)},
};

static const char *const KEYS[] = {"kv",
                                   "name",
                                   "provider",
                                   "model",
                                   "path",
                                   "organisation",
                                   "licence",
                                   "base_url",
                                   "dialect",
                                   "api_key_env",
                                   "api_key_file",
                                   "system",
                                   "weights",
                                   "in_house",
                                   "stream",
                                   "params",
                                   "allow_http",
                                   "outputs_may_train",
                                   "aliases",
                                   "retries",
                                   "price",
                                   "weight",
                                   "context",
                                   "chat_template",
                                   "timeouts",
                                   "budget",
                                   "state",
                                   "code_name",
                                   "paused_reason",
                                   "paused_since",
                                   "battles_a_day",
                                   "votes_a_day",
                                   "at_once",
                                   NULL};
static const char *const PARAM_KEYS[] = {"temperature", "top_p", "min_p", "top_k",
                                         "max_tokens",  "seed",  "stop",  "reasoning",
                                         "json_schema", NULL};
static const char *const TIMEOUT_KEYS[] = {"first_byte", "first_content", "idle", "total", NULL};

static bool copy_text(char **out, const char *value, const char *what, struct err *err)
{
    *out = strdup(value);
    return *out || err_set(err, ERR_MEMORY, "%s: out of memory", what);
}

static bool is_one_of(const char *value, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(value, *words) == 0)
            return true;
    return false;
}

static bool read_texts(struct competitor_config *config, const json_t *row, const char *what,
                       struct err *err)
{
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        const char *value = NULL;
        if (!json_get_string_or(row, TEXTS[i].key, what, &value, err))
            return false;
        if (value && !copy_text((char **)((char *)config + TEXTS[i].place), value, what, err))
            return false;
    }
    return true;
}

static bool read_list(const json_t *object, const char *key, const char *what, char ***out,
                      size_t *count, struct err *err)
{
    const json_t *list = json_object_get(object, key);
    if (!list)
        return true;
    size_t length = json_array_size(list);
    if (!json_is_array(list) || length > 64)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" must be a list of at most 64 strings", what,
                       key);
    *out = calloc(length + 1, sizeof **out);
    if (!*out)
        return err_set(err, ERR_MEMORY, "%s: out of memory", what);
    for (size_t i = 0; i < length; i++) {
        const char *value = json_string_value(json_array_get(list, i));
        if (!value || !*value)
            return err_set(err, ERR_CONFIG, "%s: \"%s\"[%zu] must be a string with text in it",
                           what, key, i);
        if (!copy_text(&(*out)[i], value, what, err))
            return false;
        *count = i + 1;
    }
    return true;
}

/* The schema of every answer, for judges and taggers: what only our own engine can promise. */
static bool read_schema(struct competitor_config *config, const json_t *params, const char *what,
                        struct err *err)
{
    const json_t *schema = json_object_get(params, "json_schema");
    struct engine_error error = {ENGINE_OK, ""};
    if (!schema)
        return true;
    if (!config->provider || strcmp(config->provider, "engine") != 0)
        return err_set(err, ERR_CONFIG, "%s: \"json_schema\" is for provider \"engine\" only",
                       what);
    config->params.schema = json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!config->params.schema)
        return err_set(err, ERR_MEMORY, "out of memory");
    struct grammar *grammar =
        schema_compile(config->params.schema, strlen(config->params.schema), &error);
    grammar_free(grammar);
    return grammar || err_set(err, ERR_CONFIG, "%s: %s", what, error.message);
}

static bool read_params(struct competitor_config *config, const json_t *row, const char *what,
                        struct err *err)
{
    struct chat_params *params = &config->params;
    const json_t *object = json_object_get(row, "params");
    const char *reasoning = NULL;
    char **stop = NULL;
    char place[LIMIT_NAME_BYTES + 64];
    *params = CHAT_PARAMS_UNSET;
    if (!object)
        return true;
    snprintf(place, sizeof place, "%s: params", what);
    bool ok = json_only_keys(object, PARAM_KEYS, place, err) &&
              json_get_number_or(object, "temperature", place, 0, 10, &params->temperature, err) &&
              json_get_number_or(object, "top_p", place, 0, 1, &params->top_p, err) &&
              json_get_number_or(object, "min_p", place, 0, 1, &params->min_p, err) &&
              json_get_int_or(object, "top_k", place, 0, 1 << 20, &params->top_k, err) &&
              json_get_int_or(object, "max_tokens", place, 1, 1 << 20, &params->max_tokens, err) &&
              json_get_int_or(object, "seed", place, 0, INT64_MAX, &params->seed, err) &&
              json_get_string_or(object, "reasoning", place, &reasoning, err) &&
              read_list(object, "stop", place, &stop, &params->stops, err);
    params->stop = (const char *const *)stop;
    char *copy = NULL;
    if (ok && reasoning)
        ok = copy_text(&copy, reasoning, place, err);
    params->reasoning = copy;
    return ok && read_schema(config, object, place, err);
}

static bool read_price(struct competitor_config *config, const json_t *row, const char *what,
                       struct err *err)
{
    char place[LIMIT_NAME_BYTES + 64];
    snprintf(place, sizeof place, "%s: price", what);
    return price_read(&config->prices, json_object_get(row, "price"), place, err);
}

static bool read_state(struct competitor_config *config, const json_t *row, const char *what,
                       struct err *err)
{
    const char *state = "active";
    return json_get_string_or(row, "state", what, &state, err) &&
           (competitor_state_from(state, &config->state) ||
            err_set(err, ERR_CONFIG, "%s: \"state\" is \"%.32s\"; known: active, paused, retired",
                    what, state));
}

/* A key in the file is the mistake that must not be answered with a list of keys. */
static bool check_keys(const json_t *row, const char *what, struct err *err)
{
    static const char *const SECRETS[] = {"api_key", "key", "apiKey", "token"};
    for (size_t i = 0; i < sizeof SECRETS / sizeof *SECRETS; i++)
        if (json_object_get(row, SECRETS[i]))
            return err_set(err, ERR_CONFIG,
                           "%s: unknown key \"%s\": a key never stands in the configuration; "
                           "name the environment variable that holds it with \"api_key_env\", "
                           "or a file of mode 0600 with \"api_key_file\"",
                           what, SECRETS[i]);
    return json_only_keys(row, KEYS, what, err);
}

static bool read_timeouts(struct competitor_config *config, const json_t *row, const char *what,
                          struct err *err)
{
    const json_t *object = json_object_get(row, "timeouts");
    char place[LIMIT_NAME_BYTES + 64];
    config->first_byte_s = config->first_content_s = config->idle_s = config->total_s = NAN;
    if (!object)
        return true;
    snprintf(place, sizeof place, "%s: timeouts", what);
    return json_only_keys(object, TIMEOUT_KEYS, place, err) &&
           json_get_number_or(object, "first_byte", place, 0.01, 86400, &config->first_byte_s,
                              err) &&
           json_get_number_or(object, "first_content", place, 0.01, 86400, &config->first_content_s,
                              err) &&
           json_get_number_or(object, "idle", place, 0.01, 86400, &config->idle_s, err) &&
           json_get_number_or(object, "total", place, 0.01, 86400, &config->total_s, err);
}

static bool read_numbers(struct competitor_config *config, const json_t *row, const char *what,
                         struct err *err)
{
    int64_t retries = -1, context = 0, at_once = -1;
    config->weight = 1;
    config->battles_a_day = config->votes_a_day = -1;
    config->budget_usd = NAN;
    config->stream = true;
    for (size_t i = 0; i < sizeof FLAGS / sizeof *FLAGS; i++)
        if (!json_get_bool_or(row, FLAGS[i].key, what, (bool *)((char *)config + FLAGS[i].place),
                              err))
            return false;
    if (!json_get_int_or(row, "retries", what, 0, 20, &retries, err) ||
        !json_get_int_or(row, "context", what, 64, 1 << 24, &context, err) ||
        !json_get_int_or(row, "battles_a_day", what, 1, LIMIT_CAP, &config->battles_a_day, err) ||
        !json_get_int_or(row, "votes_a_day", what, 1, LIMIT_CAP, &config->votes_a_day, err) ||
        !json_get_int_or(row, "at_once", what, 1, LIMIT_CAP, &at_once, err) ||
        !json_get_number_or(row, "budget", what, 0, 1e6, &config->budget_usd, err) ||
        !json_get_number_or(row, "weight", what, 0, 1000, &config->weight, err))
        return false;
    config->retries = (int)retries;
    config->context = (int)context;
    config->at_once = (int)at_once;
    return true;
}

/* Names are shown, logged and typed in a shell: no control characters, no white space at the
 * ends. */
static bool check_name(const char *name, const char *key, const char *what, struct err *err)
{
    size_t length = strlen(name);
    if (!length || length > LIMIT_NAME_BYTES)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" must have 1 to %d bytes", what, key,
                       LIMIT_NAME_BYTES);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return err_set(err, ERR_CONFIG, "%s: \"%s\" holds a control character", what, key);
    if (name[0] == ' ' || name[length - 1] == ' ')
        return err_set(err, ERR_CONFIG, "%s: \"%s\" begins or ends with a space", what, key);
    return true;
}

static bool check(const struct competitor_config *config, const char *what, struct err *err)
{
    if (!config->provider)
        return err_set(err, ERR_CONFIG, "%s: \"provider\" is missing", what);
    if (!is_one_of(config->provider, PROVIDERS))
        return err_set(err, ERR_CONFIG,
                       "%s: \"provider\" is \"%.64s\"; known: engine, openai, anthropic, google, "
                       "mistral, deepseek, "
                       "xai, azure, openai-compatible",
                       what, config->provider);
    if (config->dialect && !is_one_of(config->dialect, DIALECTS))
        return err_set(
            err, ERR_CONFIG,
            "%s: \"dialect\" is \"%.64s\"; known: openai-chat, openai-responses, anthropic, gemini",
            what, config->dialect);
    if (config->code_name && !check_name(config->code_name, "code_name", what, err))
        return false;
    bool engine = strcmp(config->provider, "engine") == 0;
    if (engine && (!config->path || !*config->path))
        return err_set(err, ERR_CONFIG, "%s: \"path\" is missing (the model's file)", what);
    if (engine && !isnan(config->budget_usd))
        return err_set(
            err, ERR_CONFIG,
            "%s: \"budget\" is for remote competitors: our own engine costs nothing a call", what);
    if (!engine && (!config->model || !*config->model))
        return err_set(err, ERR_CONFIG, "%s: \"model\" is missing (the provider's model id)", what);
    return true;
}

bool competitor_config_read(struct competitor_config *config, const json_t *row, size_t index,
                            struct err *err)
{
    char what[LIMIT_NAME_BYTES + 32];
    *config = (struct competitor_config){.params = CHAT_PARAMS_UNSET};
    snprintf(what, sizeof what, "competitors[%zu]", index);
    if (!json_is_object(row))
        return err_set(err, ERR_CONFIG, "%s: must be a JSON object", what);
    const char *name = NULL;
    if (!json_get_string(row, "name", what, &name, err) || !check_name(name, "name", what, err))
        return false;
    snprintf(what, sizeof what, "competitor \"%s\"", name);
    bool ok = check_keys(row, what, err) && read_state(config, row, what, err) &&
              read_texts(config, row, what, err) && read_numbers(config, row, what, err) &&
              read_params(config, row, what, err) && read_price(config, row, what, err) &&
              read_timeouts(config, row, what, err) &&
              read_list(row, "aliases", what, &config->aliases, &config->alias_count, err) &&
              check(config, what, err);
    if (!ok && err)
        err->code = err->code == ERR_MEMORY ? ERR_MEMORY : ERR_CONFIG;
    return ok;
}

void competitor_config_done(struct competitor_config *config)
{
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        free(*(char **)((char *)config + TEXTS[i].place));
    for (size_t i = 0; i < config->alias_count; i++)
        free(config->aliases[i]);
    free(config->aliases);
    price_done(&config->prices);
    for (size_t i = 0; i < config->params.stops; i++)
        free((char *)config->params.stop[i]);
    free((char **)config->params.stop);
    free((char *)config->params.reasoning);
    free((char *)config->params.schema);
    *config = (struct competitor_config){.params = CHAT_PARAMS_UNSET};
}

static void describe_params(const struct chat_params *params, struct json_out *out)
{
    json_put_open(out, "params", '{');
    json_put_real(out, "temperature", params->temperature);
    json_put_real(out, "top_p", params->top_p);
    json_put_real(out, "min_p", params->min_p);
    if (params->top_k >= 0)
        json_put_int(out, "top_k", params->top_k);
    if (params->max_tokens >= 0)
        json_put_int(out, "max_tokens", params->max_tokens);
    if (params->seed >= 0)
        json_put_int(out, "seed", params->seed);
    json_put_cstring(out, "reasoning", params->reasoning);
    json_put_open(out, "stop", '[');
    for (size_t i = 0; i < params->stops; i++)
        json_put_cstring(out, NULL, params->stop[i]);
    json_put_close(out, ']');
    if (params->schema)
        json_put_cstring(out, "json_schema", params->schema);
    json_put_close(out, '}');
}

bool competitor_config_describe(const struct competitor_config *config, const char *weights,
                                struct buf *buf)
{
    struct json_out out = json_out_to(buf);
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "provider", config->provider);
    json_put_cstring(&out, "model", config->model);
    json_put_cstring(&out, "weights", weights);
    json_put_cstring(&out, "quantised_at_load", config->weights);
    if (config->kv)
        json_put_cstring(&out, "kv", config->kv);
    json_put_int(&out, "context", config->context);
    json_put_cstring(&out, "base_url", config->base_url);
    json_put_cstring(&out, "dialect", config->dialect);
    json_put_bool(&out, "stream", config->stream);
    json_put_cstring(&out, "chat_template", config->chat_template);
    json_put_cstring(&out, "system", config->system);
    describe_params(&config->params, &out);
    json_put_close(&out, '}');
    return !buf->failed;
}
