/* `arena models`: who is configured, and whether each answers. */
#include "command/command.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "command/models_discover.h"
#include "command/models_inspect.h"
#include "command/models_test.h"
#include "command/settings.h"
#include "competitor/endpoint.h"
#include "competitor/roster.h"

static const char *or_dash(const char *text)
{
    return text && *text ? text : "-";
}

static void print_price(const struct competitor_config *config)
{
    if (isnan(config->price_input) && isnan(config->price_output))
        printf("%-14s", config->in_house ? "in-house" : "unknown");
    else
        printf("%6.2f/%-7.2f", config->price_input, config->price_output);
}

static int width_of_names(const struct roster *roster)
{
    int widest = 4;
    for (size_t i = 0; i < roster_count(roster); i++) {
        int width = (int)strlen(roster_at(roster, i)->config.name);
        widest = width > widest ? width : widest;
    }
    return widest;
}

/* Could it be asked? An endpoint that is complete has its key, or needs none; a model must be
 * there. */
static const char *state_of(const struct competitor_config *config, const char *folder,
                            const char **key)
{
    struct endpoint endpoint = {0};
    struct err err = ERR_INIT;
    *key = "-";
    if (strcmp(config->provider, "engine") == 0) {
        char *path = file_join(folder ? folder : ".", config->path);
        bool there = path && access(path, R_OK) == 0;
        free(path);
        return there ? "ready" : "no model file";
    }
    bool ok = endpoint_open(&endpoint, config, folder, &err);
    bool has_key = endpoint.key != NULL, lacks_key = endpoint.key_error[0] != '\0';
    endpoint_done(&endpoint);
    *key = has_key                                      ? "found"
           : lacks_key || (!ok && config->api_key_file) ? "not found"
                                                        : "not needed";
    return !ok ? "misconfigured" : lacks_key ? "no key" : "ready";
}

static int list(const struct roster *roster, const char *folder)
{
    int width = width_of_names(roster);
    printf("%-*s  %-18s  %-14s  %-10s  %-13s  %-20s  %s\n", width, "NAME", "PROVIDER",
           "PRICE in/out", "KEY", "STATE", "ORGANISATION", "MODEL");
    for (size_t i = 0; i < roster_count(roster); i++) {
        const struct competitor_config *config = &roster_at(roster, i)->config;
        const char *key, *state = state_of(config, folder, &key);
        printf("%-*s  %-18s  ", width, config->name, config->provider);
        print_price(config);
        printf("  %-10s  %-13s  %-20s  %s\n", key, state, or_dash(config->organisation),
               or_dash(config->path ? config->path : config->model));
    }
    return EXIT_OK;
}

static int run_list(const struct settings *settings)
{
    struct err err = ERR_INIT;
    struct roster_options options = {.unopened = true};
    struct roster *roster = settings_roster(settings, NULL, options, &err);
    char folder[4096];
    const char *start =
        settings->competitors ? settings->folder : roster_default_folder(folder, sizeof folder);
    int code = roster ? list(roster, start) : command_fail(&command_models, &err);
    roster_free(roster);
    return code;
}

static int act(const char *action, const char *what, const struct settings *settings)
{
    if (strcmp(action, "test") == 0)
        return models_test(settings, what);
    if (strcmp(action, "discover") == 0)
        return models_discover(settings, what);
    return run_list(settings);
}

/* action, may it have an argument, must it? */
static const struct {
    const char *name;
    int least, most;
    const char *argument;
} ACTIONS[] = {{"list", 0, 0, ""},
               {"test", 0, 1, "NAME"},
               {"discover", 1, 1, "a provider or a competitor"},
               {"inspect", 1, 1, "a file"}};

static bool check_action(const char *action, int arguments)
{
    for (size_t i = 0; i < sizeof ACTIONS / sizeof *ACTIONS; i++) {
        if (strcmp(action, ACTIONS[i].name) != 0)
            continue;
        if (arguments >= ACTIONS[i].least && arguments <= ACTIONS[i].most)
            return true;
        fprintf(stderr, "arena models %s: %s %s\nTry: arena help models\n", action,
                arguments ? "takes no further argument but" : "needs", ACTIONS[i].argument);
        return false;
    }
    fprintf(stderr, "arena models: unknown action \"%s\"\nTry: arena help models\n", action);
    return false;
}

static int run(int argc, char **argv)
{
    static const char *const FORMATS[] = {"text", "json", NULL};
    struct err err = ERR_INIT;
    const char *config_path = NULL, *data = "arena-data";
    int positional, format = 0;
    const struct option_spec specs[] = {{"config", OPTION_TEXT, &config_path, NULL, 0, 0},
                                        {"data", OPTION_TEXT, &data, NULL, 0, 0},
                                        {"format", OPTION_CHOICE, &format, FORMATS, 0, 0},
                                        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_models, argc, argv, specs, &positional, 2))
        return EXIT_USAGE;
    const char *action = positional ? argv[1] : "list", *what = positional > 1 ? argv[2] : NULL;
    if (!check_action(action, positional > 1))
        return EXIT_USAGE;
    if (strcmp(action, "inspect") == 0)
        return models_inspect(what, format == 1);
    struct settings config;
    if (!settings_load(&config, config_path, data, &err))
        return command_fail(&command_models, &err);
    int code = act(action, what, &config);
    settings_done(&config);
    return code;
}

const struct command command_models = {
    "models", "who is configured, and whether each answers",
    "Usage: arena models [list] [--config FILE] [--data DIR]\n"
    "       arena models test [NAME] [--config FILE] [--data DIR]\n"
    "       arena models discover PROVIDER|NAME [--config FILE] [--data DIR]\n"
    "       arena models inspect FILE [--format text|json]\n\n"
    "list shows the configured competitors: provider, price in USD per million tokens, whether the "
    "key was found,\n"
    "whether they could be asked, organisation, model. test makes one real short call to each (or "
    "to NAME): the time to\n"
    "the first token, tokens per second, cost; or why it failed and what to do, with exit code 1. "
    "discover lists the\n"
    "models that a provider's key can reach, with the endpoint and the key of the configured "
    "competitor where there is\n"
    "one. inspect tells what a model file (GGUF, safetensors) holds and what memory it needs.\n\n"
    "  --config FILE   the configuration; DIR/arena.json by default, else the default in-house "
    "models\n"
    "  --data DIR      where arena.json is looked for; ./arena-data by default\n"
    "  --format json   inspect: one JSON object\n",
    run};
