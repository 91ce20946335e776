#include "command/settings.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"

static bool read_auth(struct settings *settings, const char *path, struct err *err)
{
    static const char *const KEYS[] = {"mode", "open_v1", NULL};
    const json_t *auth = json_object_get(settings->root, "auth");
    const char *mode = "local";
    if (!auth)
        return true;
    if (!json_only_keys(auth, KEYS, "\"auth\"", err) || !json_get_string_or(auth, "mode", "\"auth\"", &mode, err) ||
        !json_get_bool_or(auth, "open_v1", "\"auth\"", &settings->open_v1, err))
        return err_prefix(err, "%s", path);
    if (!auth_mode_from(mode, &settings->auth))
        return err_set(err, ERR_CONFIG, "%s: \"auth\": \"mode\" is \"%.32s\"; known: local, invite, proxy", path,
                       mode);
    return !settings->open_v1 || settings->auth == AUTH_LOCAL ||
           err_set(err, ERR_CONFIG,
                   "%s: \"auth\": \"open_v1\" needs \"mode\": \"local\": behind a proxy everybody comes from "
                   "loopback",
                   path);
}

static bool read_limits(struct settings *settings, const char *path, struct err *err)
{
    static const char *const KEYS[] = {"min_votes", NULL};
    const json_t *limits = json_object_get(settings->root, "limits");
    if (!limits)
        return true;
    return (json_only_keys(limits, KEYS, "\"limits\"", err) &&
            json_get_int_or(limits, "min_votes", "\"limits\"", 0, 1000000, &settings->min_votes, err)) ||
           err_prefix(err, "%s", path);
}

static bool read_root(struct settings *settings, const char *path, struct err *err)
{
    static const char *const KEYS[] = {"competitors", "auth", "limits", NULL};
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
    return read_auth(settings, path, err) && read_limits(settings, path, err);
}

static char *folder_of(const char *path)
{
    char *copy = strdup(path), *folder = copy ? strdup(dirname(copy)) : NULL;
    free(copy);
    return folder;
}

bool settings_load(struct settings *settings, const char *path, const char *data_dir, struct err *err)
{
    *settings = (struct settings){.auth = AUTH_LOCAL, .min_votes = SETTINGS_MIN_VOTES};
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
    *settings = (struct settings){0};
}

struct roster *settings_roster(const struct settings *settings, struct loop *loop, struct roster_options options,
                               struct err *err)
{
    options.folder = settings->folder;
    struct roster *roster = roster_open(loop, settings->competitors, &options, err);
    if (!roster && settings->path)
        err_prefix(err, "%s", settings->path);
    return roster;
}
