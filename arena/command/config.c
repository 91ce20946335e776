#include "command/config.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"

static bool read_auth(struct config *config, const char *path, struct err *err)
{
    static const char *const KEYS[] = {"mode", NULL};
    const json_t *auth = json_object_get(config->root, "auth");
    const char *mode = "local";
    if (!auth)
        return true;
    if (!json_only_keys(auth, KEYS, "\"auth\"", err) || !json_get_string_or(auth, "mode", "\"auth\"", &mode, err))
        return err_prefix(err, "%s", path);
    return auth_mode_from(mode, &config->auth) ||
           err_set(err, ERR_CONFIG, "%s: \"auth\": \"mode\" is \"%.32s\"; known: local, invite, proxy", path, mode);
}

static bool read_limits(struct config *config, const char *path, struct err *err)
{
    static const char *const KEYS[] = {"min_votes", NULL};
    const json_t *limits = json_object_get(config->root, "limits");
    if (!limits)
        return true;
    return (json_only_keys(limits, KEYS, "\"limits\"", err) &&
            json_get_int_or(limits, "min_votes", "\"limits\"", 0, 1000000, &config->min_votes, err)) ||
           err_prefix(err, "%s", path);
}

static bool read_root(struct config *config, const char *path, struct err *err)
{
    static const char *const KEYS[] = {"competitors", "auth", "limits", NULL};
    struct buf text;
    buf_init(&text, LIMIT_CONFIG_BYTES);
    bool ok = file_read(path, &text, err);
    if (ok)
        config->root = json_read(buf_text(&text), path, err);
    buf_done(&text);
    if (!config->root)
        return false;
    if (!json_only_keys(config->root, KEYS, path, err))
        return false;
    config->competitors = json_object_get(config->root, "competitors");
    return read_auth(config, path, err) && read_limits(config, path, err);
}

static char *folder_of(const char *path)
{
    char *copy = strdup(path), *folder = copy ? strdup(dirname(copy)) : NULL;
    free(copy);
    return folder;
}

bool config_load(struct config *config, const char *path, const char *data_dir, struct err *err)
{
    *config = (struct config){.auth = AUTH_LOCAL, .min_votes = CONFIG_MIN_VOTES};
    char *own = path ? NULL : file_join(data_dir, "arena.json");
    const char *chosen = path ? path : own;
    bool ok = true;
    if (!chosen)
        ok = err_set(err, ERR_MEMORY, "out of memory");
    else if (path || access(chosen, F_OK) == 0) {
        config->folder = folder_of(chosen);
        ok = config->folder ? read_root(config, chosen, err) : err_set(err, ERR_MEMORY, "out of memory");
    }
    free(own);
    if (!ok && err && err->code != ERR_MEMORY)
        err->code = ERR_CONFIG;
    if (!ok)
        config_done(config);
    return ok;
}

void config_done(struct config *config)
{
    json_decref(config->root);
    free(config->folder);
    *config = (struct config){0};
}
