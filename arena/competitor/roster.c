/* Reading comes before opening, so that a mistake in the last row is told before minutes of
 * loading. Models are kept in a list by file and load options: two presets of one checkpoint
 * share its weights, its cache and its batch. */
#include "competitor/roster.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "competitor/config.h"
#include "competitor/fingerprint.h"
#include "competitor/inhouse.h"
#include "competitor/remote.h"
#include "engine/engine.h"

struct loaded {
    char *path;     /* real */
    char *weights;  /* as configured, or NULL */
    char *template; /* likewise */
    int context;
    char fingerprint[DIGEST_HEX + 1];
    struct engine_model *model;
};

struct roster {
    struct loop *loop;
    struct roster_options options;
    struct competitor *competitors;
    size_t count;
    bool preset;            /* the default pair, with no configuration */
    struct engine *engine;  /* NULL until the first model */
    struct remote_hub *hub; /* NULL until the first remote competitor */
    struct loaded *loaded;
    size_t loaded_count;
};

#define DEFAULT_MODEL "SmolLM2-135M-Instruct.Q4_1.gguf"

/* The default pair: one checkpoint under two settings that really differ, as a lab compares
 * presets. The aliases are what the model calls itself and its maker. */
static const char DEFAULT_COMPETITORS[] =
    "[{\"name\":\"smollm2-precise\",\"provider\":\"engine\",\"path\":\"" DEFAULT_MODEL
    "\",\"in_house\":true,"
    "\"organisation\":\"Hugging "
    "Face\",\"licence\":\"Apache-2.0\",\"aliases\":[\"SmolLM\",\"SmolLM2\"],"
    "\"outputs_may_train\":true,\"params\":{\"temperature\":0.2,\"top_p\":0.9,\"max_tokens\":256}},"
    "{\"name\":\"smollm2-creative\",\"provider\":\"engine\",\"path\":\"" DEFAULT_MODEL
    "\",\"in_house\":true,"
    "\"organisation\":\"Hugging "
    "Face\",\"licence\":\"Apache-2.0\",\"aliases\":[\"SmolLM\",\"SmolLM2\"],"
    "\"outputs_may_train\":true,\"params\":{\"temperature\":1.0,\"min_p\":0.05,\"max_tokens\":256},"
    "\"system\":\"You are a lively, imaginative assistant. Answer with vivid examples, in plain "
    "and friendly words.\"}]";

const char *roster_default_folder(char *out, size_t size)
{
    const char *models = getenv("ARENA_MODELS"), *home = getenv("HOME");
    if (models && *models)
        return models;
    snprintf(out, size, "%s/.cache/arena", home ? home : "");
    return out;
}

static bool read_rows(struct roster *roster, const json_t *rows, struct err *err)
{
    size_t count = json_array_size(rows);
    if (!json_is_array(rows) || !count)
        return err_set(err, ERR_CONFIG,
                       "\"competitors\" must be a list with at least one competitor");
    if (count > LIMIT_COMPETITORS)
        return err_set(err, ERR_CONFIG, "\"competitors\" has %zu rows, at most %d", count,
                       LIMIT_COMPETITORS);
    roster->competitors = calloc(count, sizeof *roster->competitors);
    if (!roster->competitors)
        return err_set(err, ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        struct competitor *competitor = &roster->competitors[roster->count++];
        if (!competitor_config_read(&competitor->config, json_array_get(rows, i), i, err))
            return false;
        if (roster_find(roster, competitor->config.name) != competitor)
            return err_set(err, ERR_CONFIG, "two competitors are named \"%s\"",
                           competitor->config.name);
    }
    return true;
}

static bool start_engine(struct roster *roster, struct err *err)
{
    struct engine_options options = {.device = roster->options.device,
                                     .threads = roster->options.engine_threads};
    struct engine_error error = {ENGINE_OK, ""};
    roster->engine = engine_new(&options, &error);
    return roster->engine || err_set(err, ERR_UNSUPPORTED, "engine: %s", error.message);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static char *copy_or_null(const char *text)
{
    return text ? strdup(text) : NULL;
}

/* The model of `config`, loaded if this is the first competitor that asks for it. NULL with
 * `err`. */
static const struct loaded *load(struct roster *roster, const struct competitor_config *config,
                                 struct err *err)
{
    char *path = file_join(roster->options.folder, config->path), real[PATH_MAX];
    if (!path || !realpath(path, real)) {
        err_sys(err, ERR_CONFIG, errno, "%s: cannot find the model%s", path ? path : config->path,
                roster->preset ? " (./run fetches it; ARENA_MODELS names another folder)" : "");
        free(path);
        return NULL;
    }
    free(path);
    for (size_t i = 0; i < roster->loaded_count; i++) {
        const struct loaded *have = &roster->loaded[i];
        if (strcmp(have->path, real) == 0 && same_text(have->weights, config->weights) &&
            same_text(have->template, config->chat_template) && have->context == config->context)
            return have;
    }
    if (!roster->engine && !start_engine(roster, err))
        return NULL;
    struct loaded *loaded = &roster->loaded[roster->loaded_count];
    struct engine_load_options options = {config->context, config->chat_template, config->weights};
    struct engine_error error = {ENGINE_OK, ""};
    *loaded = (struct loaded){.context = config->context,
                              .model = engine_load(roster->engine, real, &options, &error)};
    if (!loaded->model) {
        err_set(err, error.code == ENGINE_MEMORY ? ERR_MEMORY : ERR_CONFIG, "%s", error.message);
        return NULL;
    }
    if (!fingerprint_file(real, loaded->fingerprint, err))
        return NULL;
    loaded->path = strdup(real);
    loaded->weights = copy_or_null(config->weights);
    loaded->template = copy_or_null(config->chat_template);
    roster->loaded_count++;
    return loaded->path ? loaded : NULL;
}

static bool set_version(struct competitor *competitor, const char *weights, struct err *err)
{
    struct buf description;
    uint8_t digest[DIGEST_SIZE];
    buf_init(&description, 1 << 20);
    if (!competitor_config_describe(&competitor->config, weights, &description)) {
        buf_done(&description);
        return err_set(err, ERR_MEMORY, "out of memory");
    }
    digest_of(description.data, description.length, digest);
    hex_encode(digest, DIGEST_SIZE, competitor->version);
    competitor->effective = buf_take(&description, NULL);
    return true;
}

static bool open_one(struct roster *roster, struct competitor *competitor, struct err *err)
{
    const char *weights = NULL;
    bool ok;
    if (strcmp(competitor->config.provider, "engine") == 0) {
        const struct loaded *loaded = load(roster, &competitor->config, err);
        ok = loaded && inhouse_attach(competitor, roster->engine, loaded->model, roster->loop, err);
        weights = loaded ? loaded->fingerprint : NULL;
    } else {
        if (!roster->hub)
            roster->hub = remote_hub_new(
                roster->loop, roster->options.budget_usd > 0 ? roster->options.budget_usd : NAN,
                err);
        ok = roster->hub && remote_attach(competitor, roster->hub, roster->options.folder, err);
        if (ok && !roster->options.only &&
            remote_lacks(competitor)) /* who asks it alone is told by its answer */
            log_warning("roster", "competitor \"%s\": %s", competitor->config.name,
                        remote_lacks(competitor));
    }
    ok = ok && set_version(competitor, weights, err);
    return ok || err_prefix(err, "competitor \"%s\"", competitor->config.name);
}

static bool nobody_called(const struct roster *roster, const char *name, struct err *err)
{
    char names[256] = "";
    for (size_t i = 0; i < roster->count; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                 roster->competitors[i].config.name);
    }
    return err_set(err, ERR_CONFIG, "no competitor is named \"%.128s\"; configured: %s", name,
                   names);
}

static bool open_all(struct roster *roster, struct err *err)
{
    roster->loaded = calloc(roster->count, sizeof *roster->loaded);
    if (!roster->loaded)
        return err_set(err, ERR_MEMORY, "out of memory");
    const char *only = roster->options.only;
    if (only && !roster_find(roster, only))
        return nobody_called(roster, only, err);
    for (size_t i = 0; i < roster->count; i++) {
        struct competitor *competitor = &roster->competitors[i];
        if ((!only || strcmp(competitor->config.name, only) == 0) &&
            !open_one(roster, competitor, err))
            return false;
    }
    return true;
}

struct roster *roster_open(struct loop *loop, const json_t *competitors,
                           const struct roster_options *options, struct err *err)
{
    char folder[PATH_MAX];
    struct roster *roster = calloc(1, sizeof *roster);
    json_t *defaults = NULL;
    if (!roster) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    *roster = (struct roster){.loop = loop, .options = *options};
    if (!competitors) {
        competitors = defaults = json_read(TEXT(DEFAULT_COMPETITORS), "default competitors", err);
        roster->options.folder = roster_default_folder(folder, sizeof folder);
        roster->preset = true;
    }
    bool ok = competitors && read_rows(roster, competitors, err) &&
              (options->unopened || open_all(roster, err));
    json_decref(defaults);
    if (ok)
        return roster;
    roster_free(roster);
    return NULL;
}

void roster_free(struct roster *roster)
{
    if (!roster)
        return;
    engine_free(roster->engine); /* ends every request; the ends reach the loop as messages */
    for (size_t i = 0; i < roster->count; i++) {
        struct competitor *competitor = &roster->competitors[i];
        if (competitor->adapter)
            competitor->adapter->close(competitor);
        free(competitor->effective);
        competitor_config_done(&competitor->config);
    }
    remote_hub_free(roster->hub);
    for (size_t i = 0; i < roster->loaded_count; i++) {
        free(roster->loaded[i].path);
        free(roster->loaded[i].weights);
        free(roster->loaded[i].template);
    }
    free(roster->loaded);
    free(roster->competitors);
    free(roster);
}

size_t roster_count(const struct roster *roster)
{
    return roster->count;
}

struct competitor *roster_at(const struct roster *roster, size_t index)
{
    return &roster->competitors[index];
}

struct competitor *roster_find(const struct roster *roster, const char *name)
{
    for (size_t i = 0; i < roster->count; i++)
        if (strcmp(roster->competitors[i].config.name, name) == 0)
            return &roster->competitors[i];
    return NULL;
}
