#include "command/settings.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "board/tagger.h"
#include "eval/finder.h"

static bool read_auth(struct settings *settings, const char *path, struct err *err)
{
    return settings_auth_read(&settings->auth, json_object_get(settings->root, "auth"),
                              settings->folder, err) ||
           err_prefix(err, "%s", path);
}

static bool read_limits(struct settings *settings, const char *path, struct err *err)
{
    static const char *const KEYS[] = {"min_votes", "daily_votes", "same_prompt_votes", NULL};
    const json_t *limits = json_object_get(settings->root, "limits");
    settings->same_prompt_votes =
        settings->auth.mode == AUTH_LOCAL ? 0 : SETTINGS_SAME_PROMPT_VOTES;
    if (!limits)
        return true;
    return (json_only_keys(limits, KEYS, "\"limits\"", err) &&
            json_get_int_or(limits, "min_votes", "\"limits\"", 0, 1000000, &settings->min_votes,
                            err) &&
            json_get_int_or(limits, "daily_votes", "\"limits\"", 0, 1000000, &settings->daily_votes,
                            err) &&
            json_get_int_or(limits, "same_prompt_votes", "\"limits\"", 0, 1000000,
                            &settings->same_prompt_votes, err)) ||
           err_prefix(err, "%s", path);
}

static bool has_competitor(const struct settings *settings, const char *name)
{
    size_t i;
    const json_t *row;
    json_array_foreach(settings->competitors, i, row)
    {
        const char *its = json_string_value(json_object_get(row, "name"));
        if (its && strcmp(its, name) == 0)
            return true;
    }
    return !settings->competitors; /* the default ones are named elsewhere */
}

static bool read_sampling(struct settings *settings, const char *path, struct err *err)
{
    static const char *const KEYS[] = {"rule", "target", NULL};
    const json_t *sampling = json_object_get(settings->root, "sampling");
    const char *rule = "informative", **target = &settings->sampling.target;
    if (!sampling)
        return true;
    if (!json_only_keys(sampling, KEYS, "\"sampling\"", err) ||
        !json_get_string_or(sampling, "rule", "\"sampling\"", &rule, err) ||
        !json_get_string_or(sampling, "target", "\"sampling\"", target, err))
        return err_prefix(err, "%s", path);
    bool uniform = strcmp(rule, "uniform") == 0;
    settings->sampling.rule = uniform ? SAMPLING_UNIFORM : SAMPLING_INFORMATIVE;
    if (!uniform && strcmp(rule, "informative") != 0)
        return err_set(err, ERR_CONFIG,
                       "%s: \"sampling\": \"rule\" is \"%.32s\"; known: informative, uniform", path,
                       rule);
    if (*target && uniform)
        return err_set(err, ERR_CONFIG, "%s: \"sampling\": a target needs the rule informative",
                       path);
    return !*target || has_competitor(settings, *target) ||
           err_set(err, ERR_CONFIG,
                   "%s: \"sampling\": the target \"%.64s\" is none of the competitors", path,
                   *target);
}

/* "tagging", "personal_data": who is asked in the background, and after how much quiet. */
static bool read_guest(struct settings *settings, const char *key, const char **model,
                       int64_t *quiet, const char *path, struct err *err)
{
    static const char *const KEYS[] = {"model", "quiet_seconds", NULL};
    const json_t *guest = json_object_get(settings->root, key);
    char what[32];
    snprintf(what, sizeof what, "\"%s\"", key);
    if (!guest)
        return true;
    if (!json_only_keys(guest, KEYS, what, err) ||
        !json_get_string_or(guest, "model", what, model, err) ||
        !json_get_int_or(guest, "quiet_seconds", what, 0, 86400, quiet, err))
        return err_prefix(err, "%s", path);
    return !*model || strcmp(*model, TAGGER_OFF) == 0 || has_competitor(settings, *model) ||
           err_set(err, ERR_CONFIG,
                   "%s: %s: the model \"%.64s\" is none of the competitors, nor \"off\"", path,
                   what, *model);
}

static bool read_retention(struct settings *settings, const char *path, struct err *err)
{
    static const char *const KEYS[] = {"text_days", NULL};
    const json_t *retention = json_object_get(settings->root, "retention");
    return !retention ||
           (json_only_keys(retention, KEYS, "\"retention\"", err) &&
            json_get_int_or(retention, "text_days", "\"retention\"", 1, 36500, &settings->text_days,
                            err)) ||
           err_prefix(err, "%s", path);
}

/* "prices": a file with what models cost, for the rows that do not say. */
static bool read_prices(struct settings *settings, const char *path, struct err *err)
{
    const char *name = NULL;
    if (!json_get_string_or(settings->root, "prices", path, &name, err))
        return false;
    char *file = name ? file_join(settings->folder, name) : NULL;
    struct buf text;
    buf_init(&text, LIMIT_CONFIG_BYTES);
    bool ok = !name || (file && file_read(file, &text, err) &&
                        (settings->prices = json_read(buf_text(&text), file, err)));
    const char *key;
    json_t *value;
    struct price_list prices = {0};
    if (ok && name && !json_is_object(settings->prices))
        ok = err_set(err, ERR_CONFIG, "%s: expected an object of prices by \"PROVIDER/MODEL\"",
                     file);
    json_object_foreach(settings->prices, key, value)
    {
        ok = ok && (price_read(&prices, value, key, err) || err_prefix(err, "%s", file));
        price_done(&prices);
    }
    buf_done(&text);
    free(file);
    return ok;
}

static bool read_root(struct settings *settings, struct text text, const char *path,
                      struct err *err)
{
    static const char *const KEYS[] = {"competitors",  "auth",      "limits",        "sampling",
                                       "tagging",      "budget",    "prices",        "device",
                                       "early_access", "retention", "personal_data", NULL};
    settings->root = json_read(text, path, err);
    if (!settings->root || !json_only_keys(settings->root, KEYS, path, err))
        return false;
    settings->competitors = json_object_get(settings->root, "competitors");
    if (!json_get_number_or(settings->root, "budget", path, 0.000001, 1e6, &settings->budget_usd,
                            err) ||
        !json_get_string_or(settings->root, "device", path, &settings->device, err) ||
        !json_get_bool_or(settings->root, "early_access", path, &settings->early_access, err))
        return false;
    return read_auth(settings, path, err) && read_limits(settings, path, err) &&
           read_sampling(settings, path, err) &&
           read_guest(settings, "tagging", &settings->tagger, &settings->tagging_quiet, path,
                      err) &&
           read_guest(settings, "personal_data", &settings->finder, &settings->finder_quiet, path,
                      err) &&
           read_retention(settings, path, err) && read_prices(settings, path, err);
}

static char *folder_of(const char *path)
{
    char *copy = strdup(path), *folder = copy ? strdup(dirname(copy)) : NULL;
    free(copy);
    return folder;
}

static struct settings defaults(void)
{
    return (struct settings){.min_votes = SETTINGS_MIN_VOTES,
                             .tagging_quiet = TAGGER_QUIET_SECONDS,
                             .finder_quiet = FINDER_QUIET_SECONDS};
}

bool settings_parse(struct settings *settings, struct text text, const char *path, struct err *err)
{
    *settings = defaults();
    settings->path = strdup(path);
    settings->folder = folder_of(path);
    bool ok = settings->path && settings->folder ? read_root(settings, text, path, err)
                                                 : err_set(err, ERR_MEMORY, "out of memory");
    if (!ok && err && err->code != ERR_MEMORY)
        err->code = ERR_CONFIG;
    if (!ok)
        settings_done(settings);
    return ok;
}

char *settings_path(const char *path, const char *data_dir)
{
    return path ? strdup(path) : file_join(data_dir, "arena.json");
}

bool settings_load(struct settings *settings, const char *path, const char *data_dir,
                   struct err *err)
{
    *settings = defaults();
    char *chosen = settings_path(path, data_dir);
    bool ok = chosen || err_set(err, ERR_MEMORY, "out of memory");
    struct buf text;
    buf_init(&text, LIMIT_CONFIG_BYTES);
    if (ok && (path || access(chosen, F_OK) == 0)) {
        ok = file_read(chosen, &text, err);
        if (!ok && err && err->code != ERR_MEMORY)
            err->code = ERR_CONFIG;
        ok = ok && settings_parse(settings, buf_text(&text), chosen, err);
    }
    buf_done(&text);
    free(chosen);
    return ok;
}

void settings_done(struct settings *settings)
{
    json_decref(settings->root);
    json_decref(settings->prices);
    free(settings->path);
    free(settings->folder);
    settings_auth_done(&settings->auth);
    *settings = (struct settings){0};
}

struct roster_options settings_options(const struct settings *settings)
{
    return (struct roster_options){.folder = settings->folder,
                                   .prices = settings->prices,
                                   .budget_usd = settings->budget_usd,
                                   .device = settings->device};
}

struct roster *settings_roster(const struct settings *settings, struct loop *loop,
                               struct roster_options more, struct err *err)
{
    struct roster_options options = settings_options(settings);
    options.only = more.only;
    options.unopened = more.unopened;
    struct roster *roster = roster_open(loop, settings->competitors, &options, err);
    if (!roster && settings->path)
        err_prefix(err, "%s", settings->path);
    return roster;
}
