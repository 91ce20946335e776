/* `arena models`: who is configured, and whether each answers. */
#include "command/command.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "command/models_change.h"
#include "command/models_discover.h"
#include "command/models_inspect.h"
#include "command/models_live.h"
#include "command/models_test.h"
#include "command/models_versions.h"
#include "command/owner.h"
#include "command/settings.h"
#include "competitor/endpoint.h"
#include "competitor/roster.h"

static const char *or_dash(const char *text)
{
    return text && *text ? text : "-";
}

static void print_price(const struct competitor_config *config)
{
    struct price_rates rates = price_at(&config->prices, clock_wall_ms(), -1);
    if (isnan(rates.input) && isnan(rates.output))
        printf("%-14s", config->in_house ? "in-house" : "unknown");
    else
        printf("%6.2f/%-7.2f", rates.input, rates.output);
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

/* Who is paused or retired is not asked whether it could be. */
static const char *word_of(const struct competitor_config *config, const char *ready)
{
    return config->state == COMPETITOR_ACTIVE ? ready : competitor_state_word(config->state);
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
        printf("  %-10s  %-13s  %-20s  %s\n", key, word_of(config, state),
               or_dash(config->organisation), or_dash(config->path ? config->path : config->model));
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

/* Everything that the command line may say. */
struct said {
    const char *action, *what; /* what: NULL, or the action's argument */
    const char *config, *data;
    int format;
    struct models_row row;
};

/* Whoever serves the directory knows more than the file: everybody's health. False: nobody does,
 * or another file was asked for. */
static bool list_live(const struct said *said, int *code)
{
    struct err err = ERR_INIT;
    json_t *roster = NULL;
    enum owner_answer answer =
        said->config ? OWNER_ABSENT : owner_get(said->data, "/api/roster", &roster, &err);
    *code = answer == OWNER_REFUSED ? command_fail(&command_models, &err) : EXIT_OK;
    if (answer == OWNER_DONE && said->format == 1)
        json_dumpf(roster, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    else if (answer == OWNER_DONE)
        models_live_print(roster);
    json_decref(roster);
    return answer != OWNER_ABSENT;
}

static int with_settings(const struct said *said)
{
    struct err err = ERR_INIT;
    struct settings settings;
    int code;
    if (strcmp(said->action, "list") == 0 && list_live(said, &code))
        return code;
    if (!settings_load(&settings, said->config, said->data, &err))
        return command_fail(&command_models, &err);
    if (strcmp(said->action, "test") == 0)
        code = models_test(&settings, said->what);
    else if (strcmp(said->action, "discover") == 0)
        code = models_discover(&settings, said->what);
    else
        code = run_list(&settings);
    settings_done(&settings);
    return code;
}

static int act(const struct said *said)
{
    if (strcmp(said->action, "inspect") == 0)
        return models_inspect(said->what, said->format == 1);
    if (strcmp(said->action, "add") == 0)
        return models_add(said->what, &said->row, said->config, said->data);
    if (strcmp(said->action, "pause") == 0 || strcmp(said->action, "resume") == 0 ||
        strcmp(said->action, "retire") == 0)
        return models_set_state(said->action, said->what, &said->row, said->config, said->data);
    if (strcmp(said->action, "set") == 0)
        return models_set(said->what, &said->row, said->config, said->data);
    if (strcmp(said->action, "versions") == 0)
        return models_versions(said->what, said->data, said->format == 1);
    return with_settings(said);
}

/* action, may it have an argument, must it? */
static const struct {
    const char *name;
    int least, most;
    const char *argument;
} ACTIONS[] = {{"list", 0, 0, ""},
               {"test", 0, 1, "NAME"},
               {"discover", 1, 1, "a provider or a competitor"},
               {"inspect", 1, 1, "a file"},
               {"add", 1, 1, "NAME"},
               {"set", 1, 1, "NAME"},
               {"versions", 1, 1, "NAME"},
               {"pause", 1, 1, "NAME"},
               {"resume", 1, 1, "NAME"},
               {"retire", 1, 1, "NAME"}};

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
    struct said said = {.data = "arena-data", .row = {.weight = NAN}};
    struct models_row *row = &said.row;
    int positional;
    const struct option_spec specs[] = {
        {"config", OPTION_TEXT, &said.config, NULL, 0, 0},
        {"data", OPTION_TEXT, &said.data, NULL, 0, 0},
        {"format", OPTION_CHOICE, &said.format, FORMATS, 0, 0},
        {"provider", OPTION_TEXT, &row->provider, NULL, 0, 0},
        {"model", OPTION_TEXT, &row->model, NULL, 0, 0},
        {"path", OPTION_TEXT, &row->path, NULL, 0, 0},
        {"organisation", OPTION_TEXT, &row->organisation, NULL, 0, 0},
        {"licence", OPTION_TEXT, &row->licence, NULL, 0, 0},
        {"base-url", OPTION_TEXT, &row->base_url, NULL, 0, 0},
        {"dialect", OPTION_TEXT, &row->dialect, NULL, 0, 0},
        {"api-key-env", OPTION_TEXT, &row->api_key_env, NULL, 0, 0},
        {"api-key-file", OPTION_TEXT, &row->api_key_file, NULL, 0, 0},
        {"price", OPTION_TEXT, &row->price, NULL, 0, 0},
        {"budget", OPTION_TEXT, &row->budget, NULL, 0, 0},
        {"set", OPTION_TEXT, &row->set, NULL, 0, 0},
        {"weight", OPTION_REAL, &row->weight, NULL, 0, 1000},
        {"battles-a-day", OPTION_TEXT, &row->battles_a_day, NULL, 0, 0},
        {"votes-a-day", OPTION_TEXT, &row->votes_a_day, NULL, 0, 0},
        {"at-once", OPTION_TEXT, &row->at_once, NULL, 0, 0},
        {"code-name", OPTION_TEXT, &row->code_name, NULL, 0, 0},
        {"reason", OPTION_TEXT, &row->reason, NULL, 0, 0},
        {"in-house", OPTION_FLAG, &row->in_house, NULL, 0, 0},
        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_models, argc, argv, specs, &positional, 2))
        return EXIT_USAGE;
    said.action = positional ? argv[1] : "list";
    said.what = positional > 1 ? argv[2] : NULL;
    return check_action(said.action, positional > 1) ? act(&said) : EXIT_USAGE;
}

const struct command command_models = {
    "models", "who is configured, whether each answers; add, set, pause and retire them",
    "Usage: arena models [list] [--config FILE] [--data DIR] [--format text|json]\n"
    "       arena models test [NAME] [--config FILE] [--data DIR]\n"
    "       arena models discover PROVIDER|NAME [--config FILE] [--data DIR]\n"
    "       arena models inspect FILE [--format text|json]\n"
    "       arena models add NAME --path FILE | --provider P --model ID [OPTIONS]\n"
    "       arena models set NAME [--weight W] [--budget USD|none] [--battles-a-day N|none]\n"
    "                [--votes-a-day N|none] [--at-once N|none] [--code-name WORD|none]\n"
    "       arena models pause NAME [--reason WHY] | resume NAME | retire NAME\n"
    "       arena models versions NAME [--data DIR] [--format text|json]\n\n"
    "list shows the configured competitors: provider, price in USD per million tokens, whether the "
    "key was found,\n"
    "whether they could be asked, organisation, model. While the arena is served it shows "
    "everybody's health: answers,\n"
    "latencies, cost, errors, counted when their battle is over. test makes one real short call to "
    "each (or to NAME):\n"
    "the time to the first token, tokens per second, cost; or why it failed and what to do, with "
    "exit code 1. discover\n"
    "lists the models that a provider's key can reach. inspect tells what a model file holds and "
    "what memory it needs.\n\n"
    "add, pause, resume and retire change the configuration, and an arena that is being served at "
    "once: no restart, and\n"
    "no battle ends. A paused competitor is drawn no more; a retired one is closed when its last "
    "battle is over, and\n"
    "resume brings either back. A rival's name, host and budget are said before it is added. set "
    "writes how often a\n"
    "competitor is drawn, its caps, and the code name that voters know it by until it is published "
    "(none). versions tells\n"
    "what each of its versions was, what changed, its battles and votes.\n\n"
    "  --config FILE   the configuration; DIR/arena.json by default, else the default in-house "
    "models. An arena that is\n"
    "                  being served changes its own\n"
    "  --data DIR      the data directory; ./arena-data by default\n"
    "  --format json   list (of a served arena), inspect: one JSON object\n"
    "  --provider P, --model ID, --base-url URL, --dialect D, --path FILE   where it answers\n"
    "  --api-key-env VARIABLE, --api-key-file FILE   where its key is; never the key itself\n"
    "  --organisation O, --licence L   shown after the vote; voters are told the organisation "
    "before\n"
    "  --price INPUT/OUTPUT            USD per million tokens\n"
    "  --budget USD|none               what a rival may cost a day (UTC); asked for on a terminal\n"
    "  --in-house                      ours, though it answers over the network\n"
    "  --weight W                      how often it is drawn, relative to 1\n"
    "  --set JSON                      further members of its row: '{\"params\": {\"max_tokens\": "
    "1024}}'\n",
    run};
