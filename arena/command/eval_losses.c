/* A file rather than a request, because the prompts may be many times as long as a request may be.
 */
#include "command/eval_losses.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/settings.h"
#include "eval/losses.h"
#include "store/store.h"

static bool is_configured(void *user, const char *name)
{
    return roster_find(user, name) != NULL;
}

static bool write_spec(const json_t *spec, char path[64], struct err *err)
{
    const char *folder = getenv("TMPDIR");
    if (snprintf(path, 64, "%s/arena-eval-XXXXXX", folder && *folder ? folder : "/tmp") >= 64)
        snprintf(path, 64, "/tmp/arena-eval-XXXXXX");
    int fd = mkstemp(path);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool ok = file && json_dumpf(spec, file, JSON_COMPACT) == 0;
    if (file && fclose(file) != 0)
        ok = false;
    if (!ok)
        err_sys(err, ERR_IO, errno, "cannot write %s", path);
    return ok;
}

bool eval_losses_write(const struct eval_losses *wish, char path[64], struct err *err)
{
    struct settings settings;
    struct roster_options options = {.unopened = true};
    struct losses_options losses = {.model = wish->model,
                                    .judge = wish->judge,
                                    .votes_of = wish->votes_of,
                                    .most = wish->most,
                                    .known = is_configured};
    bool ok = settings_load(&settings, wish->config, wish->data, err);
    struct loop *loop = ok ? loop_new(err) : NULL;
    struct roster *roster = loop ? settings_roster(&settings, loop, options, err) : NULL;
    struct db *db = roster ? store_read_open(wish->data, err) : NULL;
    losses.user = roster;
    json_t *spec = db ? losses_spec(db, &losses, err) : NULL;
    ok = spec && write_spec(spec, path, err);
    json_decref(spec);
    db_close(db);
    roster_free(roster);
    loop_free(loop);
    settings_done(&settings);
    return ok;
}
