/* Two changes at once would have to be merged; a person makes one in a minute. So there is one, and
 * a second is told to come again. */
#include "command/keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "competitor/roster_file.h"
#include "loop/worker.h"
#include "store/competitors.h"

enum { ACTION_ADD, ACTION_PAUSE, ACTION_RESUME, ACTION_RETIRE, ACTION_RELOAD, ACTION_SET, ACTIONS };

/* What can be asked, and the state that it leads to. */
static const struct {
    const char *word;
    enum competitor_state state;
} WISHES[ACTIONS] = {
    [ACTION_ADD] = {"add", COMPETITOR_ACTIVE},
    [ACTION_PAUSE] = {"pause", COMPETITOR_PAUSED},
    [ACTION_RESUME] = {"resume", COMPETITOR_ACTIVE},
    [ACTION_RETIRE] = {"retire", COMPETITOR_RETIRED},
    [ACTION_RELOAD] = {"reload", COMPETITOR_ACTIVE},
    [ACTION_SET] = {"set", COMPETITOR_ACTIVE},
};

/* What of a row can be set while it is served. */
static const char *const SETTABLE[] = {"name",        "weight",  "budget",    "battles_a_day",
                                       "votes_a_day", "at_once", "code_name", NULL};

#define WHAT "the request"

struct change {
    struct keeper *keeper; /* NULL: nobody serves */
    struct roster *roster;
    int action;
    json_t *row;      /* of an add */
    json_t *edits;    /* rows with a name and the members to set, null to take away; else NULL */
    char *name;       /* NULL: a reload, or several */
    char detail[256]; /* for the audit log */
    char *path;       /* of the configuration */
    bool must_exist, exists;
    struct buf text; /* the configuration as it is to be */
    struct settings settings;
    struct roster_plan *plan;
    struct err err;
    roster_answer *done;
    void *asker;
};

struct keeper {
    struct keeper_options options;
    json_t *root; /* of the configuration in force; NULL: the defaults */
    bool busy, again;
};

static void change_free(struct change *change)
{
    roster_plan_free(change->plan);
    settings_done(&change->settings);
    json_decref(change->row);
    json_decref(change->edits);
    buf_done(&change->text);
    free(change->name);
    free(change->path);
    free(change);
}

/* --- what is asked --- */

static bool read_action(struct change *change, const json_t *wish, struct err *err)
{
    static const char *const KEYS[] = {"action",      "name",   "competitor",
                                       "competitors", "reason", NULL};
    const char *action;
    if (!json_is_object(wish))
        return err_set(err, ERR_BAD_REQUEST, WHAT ": expected an object");
    if (!json_only_keys(wish, KEYS, WHAT, err) ||
        !json_get_string(wish, "action", WHAT, &action, err))
        return false;
    while (change->action < ACTIONS && strcmp(action, WISHES[change->action].word) != 0)
        change->action++;
    return change->action < ACTIONS ||
           err_set(err, ERR_BAD_REQUEST,
                   WHAT ": \"action\" is \"%.32s\"; known: add, pause, resume, retire, set, reload",
                   action);
}

/* Which other members go with the action. */
static bool check_members(const struct change *change, const json_t *wish, struct err *err)
{
    bool adds = change->action == ACTION_ADD, sets = change->action == ACTION_SET;
    bool named = !adds && !sets && change->action != ACTION_RELOAD;
    const json_t *row = json_object_get(wish, "competitor"),
                 *rows = json_object_get(wish, "competitors");
    if (adds ? !json_is_object(row) : row != NULL)
        return err_set(err, ERR_BAD_REQUEST,
                       WHAT ": \"competitor\", a row as in the configuration, "
                            "comes with add and with nothing else");
    if (sets ? !json_is_array(rows) || !json_array_size(rows) : rows != NULL)
        return err_set(err, ERR_BAD_REQUEST,
                       WHAT ": \"competitors\", a list of rows with a name and what is to be "
                            "set, comes with set and with nothing else");
    if (named != (json_object_get(wish, "name") != NULL))
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"name\" comes with pause, resume and retire");
    return change->action == ACTION_PAUSE || !json_object_get(wish, "reason") ||
           err_set(err, ERR_BAD_REQUEST, WHAT ": \"reason\" comes with pause");
}

static bool check_edits(const json_t *edits, struct err *err)
{
    const json_t *row;
    const char *name;
    size_t i;
    if (json_array_size(edits) > LIMIT_COMPETITORS)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": at most %d competitors", LIMIT_COMPETITORS);
    json_array_foreach(edits, i, row)
    {
        if (!json_is_object(row))
            return err_set(err, ERR_BAD_REQUEST, WHAT ": \"competitors\" is a list of objects");
        if (!json_only_keys(row, SETTABLE, WHAT, err) ||
            !json_get_string(row, "name", WHAT, &name, err))
            return false;
    }
    return true;
}

static json_t *state_edit(const struct change *change, const char *name, const char *reason)
{
    char since[32];
    struct tm parts;
    time_t now = clock_wall_ms() / 1000;
    bool pauses = change->action == ACTION_PAUSE;
    strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    json_t *row = json_pack("{s:s, s:s, s:n, s:n}", "name", name, "state",
                            competitor_state_word(WISHES[change->action].state), "paused_reason",
                            "paused_since");
    if (pauses && reason && *reason)
        json_object_set_new(row, "paused_reason", json_string(reason));
    if (pauses)
        json_object_set_new(row, "paused_since", json_string(since));
    return row ? json_pack("[o]", row) : NULL;
}

static bool take_edits(struct change *change, const json_t *wish, struct err *err)
{
    const char *name = NULL, *reason = NULL;
    if (!json_get_string_or(wish, "name", WHAT, &name, err) ||
        !json_get_string_or(wish, "reason", WHAT, &reason, err))
        return false;
    if (reason && (strlen(reason) > LIMIT_REASON_BYTES || strpbrk(reason, "\r\n")))
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"reason\" is one line of at most %d bytes",
                       LIMIT_REASON_BYTES);
    if (change->action == ACTION_SET)
        change->edits = json_deep_copy(json_object_get(wish, "competitors"));
    else if (name)
        change->edits = state_edit(change, name, reason);
    else
        return true;
    if (!change->edits)
        return err_set(err, ERR_MEMORY, "out of memory");
    return change->action != ACTION_SET || check_edits(change->edits, err);
}

static bool take_name(struct change *change, struct err *err)
{
    const char *name = NULL;
    if (change->row && !json_get_string(change->row, "name", WHAT, &name, err))
        return false;
    if (json_array_size(change->edits) == 1)
        name = json_string_value(json_object_get(json_array_get(change->edits, 0), "name"));
    change->name = name ? strdup(name) : NULL;
    return (change->name || !name) || err_set(err, ERR_MEMORY, "out of memory");
}

/* "set left: weight 2, code_name maple" */
static void write_detail(struct change *change)
{
    struct buf out;
    const json_t *row;
    const char *key;
    json_t *value;
    size_t i;
    buf_init(&out, LIMIT_CONFIG_BYTES);
    buf_printf(&out, "%s%s%s", WISHES[change->action].word, change->name ? " " : "",
               change->name ? change->name : "");
    json_array_foreach(change->edits, i, row)
    {
        bool first = true;
        if (!change->name)
            buf_printf(&out, "%s %s", i ? ";" : "",
                       json_string_value(json_object_get(row, "name")));
        json_object_foreach((json_t *)(uintptr_t)row, key, value)
        {
            bool told = change->action == ACTION_SET
                            ? strcmp(key, "name") != 0
                            : strcmp(key, "paused_reason") == 0 && json_is_string(value);
            char *text = told ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) : NULL;
            if (text)
                buf_printf(&out, "%s%s %s", first ? ": " : ", ",
                           change->action == ACTION_SET ? key : "reason", text);
            first &= !text;
            free(text);
        }
    }
    snprintf(change->detail, sizeof change->detail, "%s", out.data ? out.data : "");
    buf_done(&out);
}

static bool read_wish(struct change *change, const json_t *wish, struct err *err)
{
    if (!read_action(change, wish, err) || !check_members(change, wish, err))
        return false;
    if (change->action == ACTION_ADD)
        change->row = json_deep_copy(json_object_get(wish, "competitor"));
    if (!take_edits(change, wish, err) || !take_name(change, err))
        return false;
    write_detail(change);
    return true;
}

static struct change *change_new(const json_t *wish, const char *config, const char *data,
                                 struct err *err)
{
    struct change *change = calloc(1, sizeof *change);
    if (!change) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    buf_init(&change->text, LIMIT_CONFIG_BYTES);
    change->must_exist = config != NULL;
    change->path = settings_path(config, data);
    if (!change->path)
        err_set(err, ERR_MEMORY, "out of memory");
    else if (read_wish(change, wish, err))
        return change;
    change_free(change);
    return NULL;
}

/* --- preparing it: blocks --- */

/* No file: the defaults, written out, so that what is added stands beside them. */
static bool write_defaults(struct buf *text, struct err *err)
{
    json_t *rows = roster_default_rows(err),
           *root = rows ? json_pack("{s:o}", "competitors", rows) : NULL;
    char *dump = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : NULL;
    bool ok = dump && buf_add_string(text, dump) && buf_add_char(text, '\n');
    free(dump);
    json_decref(root);
    return ok || err_set(err, ERR_MEMORY, "out of memory");
}

static bool read_file(struct change *change, struct buf *text, struct err *err)
{
    change->exists = access(change->path, F_OK) == 0;
    if (change->exists || change->must_exist)
        return file_read(change->path, text, err);
    return write_defaults(text, err);
}

/* The place of the row with this name; -1: there is none. */
static int64_t place_of(const json_t *root, const char *name)
{
    size_t i;
    const json_t *row, *rows = json_object_get(root, "competitors");
    json_array_foreach(rows, i, row)
    {
        const char *its = json_string_value(json_object_get(row, "name"));
        if (its && strcmp(its, name) == 0)
            return (int64_t)i;
    }
    return -1;
}

static bool add_row(struct change *change, const json_t *root, struct text text, struct err *err)
{
    if (place_of(root, change->name) >= 0)
        return err_set(err, ERR_CONFLICT,
                       "a competitor is named \"%.128s\" already: resume it, or take another name",
                       change->name);
    char *row = json_dumps(change->row, JSON_REAL_PRECISION(15));
    bool ok = row ? roster_file_add(text, text_of(row), &change->text, err)
                  : err_set(err, ERR_MEMORY, "out of memory");
    free(row);
    return ok;
}

/* One member of one row: `text` is the file before and after. */
static bool set_member(struct buf *text, size_t place, const char *key, const json_t *value,
                       struct err *err)
{
    struct buf after;
    char *dump =
        json_is_null(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    if (!dump && !json_is_null(value))
        return err_set(err, ERR_MEMORY, "out of memory");
    buf_init(&after, LIMIT_CONFIG_BYTES);
    bool ok = roster_file_set(buf_text(text), place, key, dump, &after, err);
    free(dump);
    buf_done(text);
    *text = after;
    return ok;
}

static bool is_paused(const json_t *root, size_t place)
{
    const json_t *row = json_array_get(json_object_get(root, "competitors"), place);
    const char *state = json_string_value(json_object_get(row, "state"));
    return state && strcmp(state, "paused") == 0 && json_object_get(row, "paused_since");
}

static bool edit_row(struct change *change, const json_t *root, json_t *row, struct err *err)
{
    const char *name = json_string_value(json_object_get(row, "name")), *key;
    int64_t place = place_of(root, name);
    json_t *value;
    if (place < 0)
        return err_set(err, ERR_NOT_FOUND,
                       "no competitor is named \"%.128s\": arena models lists them", name);
    if (change->action == ACTION_PAUSE && is_paused(root, (size_t)place))
        json_object_del(row, "paused_since"); /* only its reason is news */
    json_object_foreach(row, key, value)
    {
        if (strcmp(key, "name") != 0 && !set_member(&change->text, (size_t)place, key, value, err))
            return false;
    }
    return true;
}

static bool edit(struct change *change, struct text text, struct err *err)
{
    json_t *root = json_read(text, change->path, err), *row;
    bool ok = root && (change->action == ACTION_ADD ? add_row(change, root, text, err)
                                                    : buf_add_text(&change->text, text));
    size_t i;
    json_array_foreach(change->edits, i, row) ok = ok && edit_row(change, root, row, err);
    json_decref(root);
    return ok;
}

/* A weight of none for all is a mistake; pausing all but one is not. */
static bool can_draw(const struct change *change, struct err *err)
{
    bool weighs = false;
    const json_t *row;
    size_t i;
    json_array_foreach(change->edits, i, row) weighs |= json_object_get(row, "weight") != NULL;
    return !weighs || roster_plan_drawable(change->plan) >= 2 ||
           err_set(err, ERR_BAD_REQUEST,
                   "no battle could be drawn any more: at least two active models need a weight "
                   "above 0");
}

static bool plan(struct change *change, struct err *err)
{
    struct roster_options options = settings_options(&change->settings);
    if (!change->keeper && change->action == ACTION_ADD)
        options.only = change->name; /* the others are not opened for this */
    change->plan = roster_plan_new(change->roster, change->settings.competitors, &options, err);
    bool opens = change->keeper || change->action == ACTION_ADD;
    return change->plan && can_draw(change, err) && (!opens || roster_plan_load(change->plan, err));
}

static bool prepare(struct change *change, struct err *err)
{
    struct buf text;
    buf_init(&text, LIMIT_CONFIG_BYTES);
    bool untouched = change->action == ACTION_RELOAD && !change->must_exist &&
                     access(change->path, F_OK) != 0; /* still no file: still the defaults */
    bool ok = untouched ||
              (read_file(change, &text, err) && edit(change, buf_text(&text), err) &&
               settings_parse(&change->settings, buf_text(&change->text), change->path, err));
    buf_done(&text);
    return ok && plan(change, err);
}

static bool write_file(struct change *change, struct err *err)
{
    struct stat info;
    unsigned mode = stat(change->path, &info) == 0 ? info.st_mode & 0777 : 0600;
    return file_write(change->path, buf_text(&change->text), mode, err);
}

/* --- what came of it --- */

/* Who gets the prompts now; NULL for our own. */
static json_t *result_of(const struct change *change)
{
    size_t count = json_array_size(change->settings.competitors);
    bool sets = change->action == ACTION_SET;
    const char *state = competitor_state_word(WISHES[change->action].state);
    return json_pack("{s:s, s:s*, s:s*, s:s, s:I, s:s}", "action", WISHES[change->action].word,
                     "name", change->name, "state", sets ? NULL : state, "config", change->path,
                     "competitors", (json_int_t)count, "detail", change->detail);
}

static void tell(struct change *change)
{
    json_t *result = change->err.code == ERR_NONE ? result_of(change) : NULL;
    if (change->done)
        change->done(change->asker, result, &change->err);
    json_decref(result);
}

/* --- while it is served --- */

static void start(struct keeper *keeper, struct change *change);

static void finish(struct change *change)
{
    struct keeper *keeper = change->keeper;
    bool again = keeper->again;
    tell(change);
    change_free(change);
    keeper->busy = keeper->again = false;
    if (again)
        keeper_reload(keeper);
    if (!keeper->busy && keeper->options.idle)
        keeper->options.idle(keeper->options.user);
}

/* The store's own list of names: for boards and exports. Copies, for the writer's thread. */
struct registering {
    struct change *change;
    size_t count;
    struct {
        char *name, *organisation, *licence, *effective, *code_name;
        char digest[DIGEST_HEX + 1];
        bool in_house, may_train;
        enum competitor_state state;
    } list[];
};

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

static bool apply_registering(struct db *tx, void *data, struct err *err)
{
    const struct registering *registering = data;
    int64_t version;
    for (size_t i = 0; i < registering->count; i++) {
        struct version_record record = {.name = registering->list[i].name,
                                        .digest = registering->list[i].digest,
                                        .effective = registering->list[i].effective,
                                        .organisation = registering->list[i].organisation,
                                        .licence = registering->list[i].licence,
                                        .in_house = registering->list[i].in_house,
                                        .outputs_may_train = registering->list[i].may_train};
        if ((registering->list[i].state != COMPETITOR_RETIRED &&
             !competitors_register(tx, &record, clock_wall_ms(), &version, err)))
            return false;
        if (!competitors_set_code_name(tx, record.name, registering->list[i].code_name, err))
            return false;
        struct err unknown = ERR_INIT; /* one that was never met has no row: fine */
        competitors_set_state(tx, record.name, competitor_state_word(registering->list[i].state),
                              &unknown);
    }
    return true;
}

static void registered(void *data, const struct err *err)
{
    struct registering *registering = data;
    if (err->code != ERR_NONE)
        log_warning("roster", "the new roster is in force, but not yet in the store: %s",
                    err->message);
    for (size_t i = 0; i < registering->count; i++) {
        free(registering->list[i].code_name);
        free(registering->list[i].name);
        free(registering->list[i].organisation);
        free(registering->list[i].licence);
        free(registering->list[i].effective);
    }
    struct change *change = registering->change;
    free(registering);
    for (size_t i = 0; i < 2; i++)
        if (change->keeper->options.boards[i])
            live_renamed(change->keeper->options.boards[i]);
    finish(change);
}

static void register_all(struct change *change)
{
    const struct keeper *keeper = change->keeper;
    const struct roster *roster = keeper->options.roster;
    size_t count = roster_count(roster);
    struct err err = {ERR_MEMORY, "out of memory"};
    struct registering *registering =
        calloc(1, sizeof *registering + count * sizeof registering->list[0]);
    if (!registering) {
        finish(change);
        return;
    }
    registering->change = change;
    for (size_t i = 0; i < count; i++) {
        const struct competitor *competitor = roster_at(roster, i);
        char *name = copy(competitor->config.name), *effective = copy(competitor->effective);
        char *code_name = copy(competitor->config.code_name);
        if (!name || !effective || (competitor->config.code_name && !code_name)) {
            free(name);
            free(effective);
            free(code_name);
            continue;
        }
        size_t k = registering->count++;
        registering->list[k].name = name;
        registering->list[k].effective = effective;
        registering->list[k].code_name = code_name;
        registering->list[k].organisation = copy(competitor->config.organisation);
        registering->list[k].licence = copy(competitor->config.licence);
        registering->list[k].in_house = competitor->config.in_house;
        registering->list[k].may_train = competitor->config.outputs_may_train;
        registering->list[k].state = competitor->availability;
        memcpy(registering->list[k].digest, competitor->version, sizeof competitor->version);
    }
    struct store_job job = {apply_registering, registered, registering};
    if (!store_submit(keeper->options.store, &job, &err))
        registered(registering, &err);
}

/* What of the file takes a restart to change. */
static void warn_of_rest(const struct keeper *keeper, const json_t *root)
{
    static const char *const KEYS[] = {"auth", "limits", "sampling", "tagging", "personal_data"};
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        const json_t *old = json_object_get(keeper->root, KEYS[i]),
                     *new = json_object_get(root, KEYS[i]);
        if (old != new && !json_equal(old, new))
            log_warning("roster", "\"%s\" has changed in the configuration: that takes a restart",
                        KEYS[i]);
    }
}

static void commit(struct change *change)
{
    struct keeper *keeper = change->keeper;
    roster_plan_commit(change->plan);
    warn_of_rest(keeper, change->settings.root);
    json_decref(keeper->root);
    keeper->root = json_incref(change->settings.root);
    log_note("roster", "%s%s%s: %zu competitors", WISHES[change->action].word,
             change->name ? " " : "", change->name ? change->name : "",
             roster_count(keeper->options.roster));
    register_all(change);
}

static void work_prepare(void *data)
{
    struct change *change = data;
    prepare(change, &change->err);
}

static void work_write(void *data)
{
    struct change *change = data;
    write_file(change, &change->err);
}

/* False when the change is over: it failed, or the house closes. */
static bool goes_on(struct change *change, bool cancelled)
{
    if (cancelled) {
        err_set(&change->err, ERR_BUSY, "the arena is shutting down: try again when it is back");
        change->keeper->again = false;
    }
    if (change->err.code == ERR_NONE)
        return true;
    finish(change);
    return false;
}

static void written(void *data, bool cancelled)
{
    if (goes_on(data, cancelled))
        commit(data);
}

static void prepared(void *data, bool cancelled)
{
    struct change *change = data;
    if (!goes_on(change, cancelled))
        return;
    if (!roster_plan_attach(change->plan, &change->err))
        finish(change);
    else if (change->action == ACTION_RELOAD)
        commit(change);
    else if (!workers_submit(change->keeper->options.workers, work_write, written, change,
                             &change->err))
        finish(change);
}

static void start(struct keeper *keeper, struct change *change)
{
    keeper->busy = true;
    change->keeper = keeper;
    change->roster = keeper->options.roster;
    if (!workers_submit(keeper->options.workers, work_prepare, prepared, change, &change->err))
        finish(change);
}

void keeper_ask(void *user, const json_t *wish, roster_answer *done, void *asker)
{
    struct keeper *keeper = user;
    struct err err = ERR_INIT;
    struct change *change = NULL;
    if (keeper->busy)
        err_set(&err, ERR_BUSY, "another change of the roster is under way: try again in a moment");
    else
        change = change_new(wish, keeper->options.config, keeper->options.data, &err);
    if (!change) {
        done(asker, NULL, &err);
        return;
    }
    change->done = done;
    change->asker = asker;
    start(keeper, change);
}

static void reloaded(void *asker, const json_t *result, const struct err *err)
{
    (void)asker;
    if (!result)
        log_error("roster", "the roster stays as it was: %s", err->message);
}

void keeper_reload(struct keeper *keeper)
{
    json_t *wish = json_pack("{s:s}", "action", "reload");
    if (keeper->busy)
        keeper->again = true;
    else
        keeper_ask(keeper, wish, reloaded, NULL);
    json_decref(wish);
}

struct keeper *keeper_new(const struct keeper_options *options, struct err *err)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    *keeper = (struct keeper){.options = *options, .root = json_incref(options->settings->root)};
    return keeper;
}

bool keeper_busy(const struct keeper *keeper)
{
    return keeper->busy;
}

void keeper_free(struct keeper *keeper)
{
    if (keeper)
        json_decref(keeper->root);
    free(keeper);
}

/* --- while nobody serves --- */

json_t *keeper_alone(struct loop *loop, const json_t *wish, const char *config, const char *data,
                     struct err *err)
{
    json_t *nobody =
        json_pack("[{s:s, s:s, s:s}]", "name", "-", "provider", "openai", "model", "-");
    struct roster_options options = {.unopened = true};
    struct change *change = change_new(wish, config, data, err);
    json_t *result = NULL;
    if (change)
        change->roster = roster_open(loop, nobody, &options, err);
    bool adds = change && change->action == ACTION_ADD;
    if (change && change->roster && prepare(change, err) &&
        (!adds || roster_plan_attach(change->plan, err)) && write_file(change, err))
        result = result_of(change);
    struct roster *roster = change ? change->roster : NULL;
    if (change)
        change_free(change);
    roster_free(roster);
    json_decref(nobody);
    return result;
}
