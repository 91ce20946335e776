/* Before a rival is added, the person who adds it is told who will receive the prompts and must
 * have said what it may cost: a flag, or an answer where there is a terminal to ask on. */
#include "command/models_change.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "command/command.h"
#include "command/keeper.h"
#include "command/owner.h"
#include "competitor/provider.h"
#include "competitor/transfer.h"
#include "loop/loop.h"
#include "store/audit.h"

/* --- asking the owner, or being it --- */

/* As api_roster.c writes it. */
static bool note(struct store *store, const json_t *result, struct err *err)
{
    const char *detail = json_string_value(json_object_get(result, "detail"));
    return audit_note(store, "change models", detail ? detail : "", err);
}

static bool change_alone(const json_t *wish, const char *config, const char *data, json_t **result,
                         struct err *err)
{
    struct store *store = store_open(data, NULL, err);
    struct loop *loop = store ? loop_new(err) : NULL;
    if (loop)
        *result = keeper_alone(loop, wish, config, data, err);
    loop_free(loop);
    bool ok = *result && note(store, *result, err);
    store_close(store);
    return ok;
}

static int change(json_t *wish, const char *config, const char *data)
{
    struct err err = ERR_INIT;
    json_t *result = NULL;
    if (!wish)
        err_set(&err, ERR_BAD_REQUEST, "what was said of the competitor is not UTF-8");
    enum owner_answer answer =
        wish ? owner_post(data, "/api/roster", wish, &result, &err) : OWNER_REFUSED;
    bool live = answer == OWNER_DONE;
    bool ok = answer == OWNER_ABSENT ? change_alone(wish, config, data, &result, &err) : live;
    const char *state = json_string_value(json_object_get(result, "state"));
    if (ok)
        printf("%s is %s%s (%s)\n", json_string_value(json_object_get(result, "name")),
               state ? state : "set", live ? ", in force now" : " when the arena is served",
               json_string_value(json_object_get(result, "config")));
    json_decref(result);
    json_decref(wish);
    return ok ? EXIT_OK : command_fail(&command_models, &err);
}

int models_set_state(const char *action, const char *name, const struct models_row *row,
                     const char *config, const char *data)
{
    return change(
        json_pack("{s:s, s:s, s:s*}", "action", action, "name", name, "reason", row->reason),
        config, data);
}

/* --- what is set --- */

/* A number, or "none", which takes it away. */
static bool set_number(json_t *row, const char *key, const char *said, bool whole, struct err *err)
{
    char *end;
    if (!said)
        return true;
    if (strcmp(said, "none") == 0)
        return json_object_set_new(row, key, json_null()) == 0;
    double value = strtod(said, &end);
    if (*end || !isfinite(value) || value < 0 || value > 1e6 ||
        (whole && (value < 1 || value != floor(value))))
        return err_set(err, ERR_BAD_REQUEST, "--%s is \"%.32s\"; expected %s, or none", key, said,
                       whole ? "a number from 1 on" : "USD a day");
    return json_object_set_new(row, key,
                               whole ? json_integer((json_int_t)value) : json_real(value)) == 0;
}

static bool set_code_name(json_t *row, const char *said, struct err *err)
{
    if (!said)
        return true;
    json_t *value = strcmp(said, "none") == 0 ? json_null() : json_string(said);
    return json_object_set_new(row, "code_name", value) == 0 ||
           err_set(err, ERR_BAD_REQUEST, "--code-name is not UTF-8");
}

static bool set_standing(json_t *row, const struct models_row *said, struct err *err)
{
    if (!isnan(said->weight))
        json_object_set_new(row, "weight", json_real(said->weight));
    return set_number(row, "budget", said->budget, false, err) &&
           set_number(row, "battles_a_day", said->battles_a_day, true, err) &&
           set_number(row, "votes_a_day", said->votes_a_day, true, err) &&
           set_number(row, "at_once", said->at_once, true, err) &&
           set_code_name(row, said->code_name, err) &&
           (json_object_size(row) > 1 ||
            err_set(err, ERR_BAD_REQUEST,
                    "say what to set: --weight, --budget, --battles-a-day, "
                    "--votes-a-day, --at-once or --code-name"));
}

int models_set(const char *name, const struct models_row *said, const char *config,
               const char *data)
{
    struct err err = ERR_INIT;
    json_t *row = json_pack("{s:s}", "name", name);
    if (row && set_standing(row, said, &err))
        return change(json_pack("{s:s, s:[o]}", "action", "set", "competitors", row), config, data);
    if (!row)
        err_set(&err, ERR_BAD_REQUEST, "the name is not UTF-8");
    json_decref(row);
    return command_fail(&command_models, &err);
}

/* --- the row --- */

/* A file as the command line names it: from here, not from the configuration's folder. */
static bool set_file(json_t *row, const char *key, const char *path, struct err *err)
{
    char real[PATH_MAX];
    if (!path)
        return true;
    if (!realpath(path, real))
        return err_set(err, ERR_CONFIG, "%s: there is no such file", path);
    return json_object_set_new(row, key, json_string(real)) == 0 ||
           err_set(err, ERR_BAD_REQUEST, "%s: the path is not UTF-8", path);
}

static bool set_texts(json_t *row, const struct models_row *said, struct err *err)
{
    const struct {
        const char *key, *value;
    } texts[] = {{"provider", said->path && !said->provider ? "engine" : said->provider},
                 {"model", said->model},
                 {"organisation", said->organisation},
                 {"licence", said->licence},
                 {"base_url", said->base_url},
                 {"dialect", said->dialect},
                 {"api_key_env", said->api_key_env}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].value &&
            json_object_set_new(row, texts[i].key, json_string(texts[i].value)) != 0)
            return err_set(err, ERR_BAD_REQUEST, "--%s is not UTF-8", texts[i].key);
    return set_file(row, "path", said->path, err) &&
           set_file(row, "api_key_file", said->api_key_file, err);
}

static bool set_price(json_t *row, const char *said, struct err *err)
{
    double input, output;
    char rest;
    if (!said)
        return true;
    if (sscanf(said, "%lf/%lf%c", &input, &output, &rest) != 2 || !(input >= 0) || !(output >= 0))
        return err_set(
            err, ERR_BAD_REQUEST,
            "--price is \"%.32s\"; expected INPUT/OUTPUT in USD per million tokens: 3/15", said);
    return json_object_set_new(row, "price",
                               json_pack("{s:f, s:f}", "input", input, "output", output)) == 0 ||
           err_set(err, ERR_MEMORY, "out of memory");
}

static bool set_rest(json_t *row, const char *said, struct err *err)
{
    json_t *more = said ? json_read(text_of(said), "--set", err) : NULL;
    bool ok = !said || (json_is_object(more) && json_object_update(row, more) == 0);
    json_decref(more);
    return ok || err_set(err, ERR_BAD_REQUEST, "--set: expected a JSON object");
}

/* --- a rival --- */

/* Who gets to read what voters write, as a person would name it. */
static void tell_recipient(const json_t *row, const char *organisation)
{
    const char *name = json_string_value(json_object_get(row, "provider")),
               *base_url = json_string_value(json_object_get(row, "base_url"));
    const struct provider *provider = name ? provider_find(name) : NULL;
    const char *url = base_url ? base_url : provider ? provider->base_url : NULL;
    char host[256] = "its endpoint";
    if (url)
        transfer_host(url, host, sizeof host);
    fprintf(stderr,
            "A rival: %s at %s will receive the prompts of this arena's voters, and the pages tell "
            "them so.\n",
            organisation ? organisation
            : name       ? name
                         : "it",
            host);
}

/* Reads one line from the terminal; "" when there is none. */
static void ask_budget(char *line, size_t size)
{
    fprintf(stderr, "Daily budget in USD (UTC day), or none: ");
    if (!fgets(line, (int)size, stdin))
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
}

static bool set_budget(json_t *row, const char *said, struct err *err)
{
    char line[64], *end;
    if (json_object_get(row, "budget") && !said)
        return true;
    if (!said && isatty(STDIN_FILENO)) {
        ask_budget(line, sizeof line);
        said = line;
    }
    if (!said || !*said)
        return err_set(err, ERR_BAD_REQUEST,
                       "say what it may cost a day: --budget USD, or --budget none");
    if (strcmp(said, "none") == 0)
        return true;
    double usd = strtod(said, &end);
    if (*end || !(usd >= 0) || usd > 1e6)
        return err_set(err, ERR_BAD_REQUEST, "--budget is \"%.32s\"; expected USD a day, or none",
                       said);
    return json_object_set_new(row, "budget", json_real(usd)) == 0 ||
           err_set(err, ERR_MEMORY, "out of memory");
}

static bool fill(json_t *row, const struct models_row *said, struct err *err)
{
    if (!set_texts(row, said, err) || !set_price(row, said->price, err) ||
        !set_rest(row, said->set, err))
        return false;
    if (!isnan(said->weight))
        json_object_set_new(row, "weight", json_real(said->weight));
    const char *provider = json_string_value(json_object_get(row, "provider"));
    if (!provider)
        return err_set(err, ERR_BAD_REQUEST,
                       "say where it answers: --path FILE, or --provider P --model ID");
    bool engine = strcmp(provider, "engine") == 0;
    if (said->in_house || engine)
        json_object_set_new(row, "in_house", json_true());
    if (engine || json_is_true(json_object_get(row, "in_house")))
        return true;
    tell_recipient(row, json_string_value(json_object_get(row, "organisation")));
    return set_budget(row, said->budget, err);
}

int models_add(const char *name, const struct models_row *said, const char *config,
               const char *data)
{
    struct err err = ERR_INIT;
    json_t *row = json_pack("{s:s}", "name", name);
    if (!row || !fill(row, said, &err)) {
        if (!row)
            err_set(&err, ERR_BAD_REQUEST, "the name is not UTF-8");
        json_decref(row);
        return command_fail(&command_models, &err);
    }
    return change(json_pack("{s:s, s:o}", "action", "add", "competitor", row), config, data);
}
