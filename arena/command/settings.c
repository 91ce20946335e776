#include "command/settings.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "board/tagger.h"

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

static bool read_tagging(struct settings *settings, const char *path, struct err *err)
{
    static const char *const KEYS[] = {"model", "quiet_seconds", NULL};
    const json_t *tagging = json_object_get(settings->root, "tagging");
    if (!tagging)
        return true;
    if (!json_only_keys(tagging, KEYS, "\"tagging\"", err) ||
        !json_get_string_or(tagging, "model", "\"tagging\"", &settings->tagger, err) ||
        !json_get_int_or(tagging, "quiet_seconds", "\"tagging\"", 0, 86400,
                         &settings->tagging_quiet, err))
        return err_prefix(err, "%s", path);
    return !settings->tagger || strcmp(settings->tagger, TAGGER_OFF) == 0 ||
           has_competitor(settings, settings->tagger) ||
           err_set(err, ERR_CONFIG,
                   "%s: \"tagging\": the model \"%.64s\" is none of the competitors, nor \"off\"",
                   path, settings->tagger);
}

static bool read_root(struct settings *settings, const char *path, struct err *err)
{
    static const char *const KEYS[] = {"competitors", "auth",   "limits", "sampling",
                                       "tagging",     "budget", NULL};
    struct buf text;
    buf_init(&text, LIMIT_CONFIG_BYTES);
    bool ok = file_read(path, &text, err);
    if (ok)
        settings->root = json_read(buf_text(&text), path, err);
    buf_done(&text);
    if (!settings->root)
        return false;
    if (!json_only_keys(settings->root, KEYS, path, err))
        return false;
    settings->competitors = json_object_get(settings->root, "competitors");
    if (!json_get_number_or(settings->root, "budget", path, 0.000001, 1e6, &settings->budget_usd,
                            err))
        return false;
    return read_auth(settings, path, err) && read_limits(settings, path, err) &&
           read_sampling(settings, path, err) && read_tagging(settings, path, err);
}

static char *folder_of(const char *path)
{
    char *copy = strdup(path), *folder = copy ? strdup(dirname(copy)) : NULL;
    free(copy);
    return folder;
}

bool settings_load(struct settings *settings, const char *path, const char *data_dir,
                   struct err *err)
{
    *settings =
        (struct settings){.min_votes = SETTINGS_MIN_VOTES, .tagging_quiet = TAGGER_QUIET_SECONDS};
    char *own = path ? NULL : file_join(data_dir, "arena.json");
    const char *chosen = path ? path : own;
    bool ok = true;
    if (!chosen)
        ok = err_set(err, ERR_MEMORY, "out of memory");
    else if (path || access(chosen, F_OK) == 0) {
        settings->path = strdup(chosen);
        settings->folder = folder_of(chosen);
        ok = settings->path && settings->folder ? read_root(settings, chosen, err)
                                                : err_set(err, ERR_MEMORY, "out of memory");
    }
    free(own);
    if (!ok && err && err->code != ERR_MEMORY)
        err->code = ERR_CONFIG;
    if (!ok)
        settings_done(settings);
    return ok;
}

void settings_done(struct settings *settings)
{
    json_decref(settings->root);
    free(settings->path);
    free(settings->folder);
    settings_auth_done(&settings->auth);
    *settings = (struct settings){0};
}

struct roster *settings_roster(const struct settings *settings, struct loop *loop,
                               struct roster_options options, struct err *err)
{
    options.folder = settings->folder;
    options.budget_usd = settings->budget_usd;
    struct roster *roster = roster_open(loop, settings->competitors, &options, err);
    if (!roster && settings->path)
        err_prefix(err, "%s", settings->path);
    return roster;
}
