/* `arena models`: who is configured, and whether each answers. */
#include "command/command.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "command/settings.h"
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

static int list(const struct roster *roster)
{
    int width = width_of_names(roster);
    printf("%-*s  %-18s  %-14s  %-20s  %s\n", width, "NAME", "PROVIDER", "PRICE in/out", "ORGANISATION", "MODEL");
    for (size_t i = 0; i < roster_count(roster); i++) {
        const struct competitor_config *config = &roster_at(roster, i)->config;
        printf("%-*s  %-18s  ", width, config->name, config->provider);
        print_price(config);
        printf("  %-20s  %s\n", or_dash(config->organisation), or_dash(config->path ? config->path : config->model));
    }
    return EXIT_OK;
}

static int run(int argc, char **argv)
{
    struct err err = ERR_INIT;
    const char *config_path = NULL, *data = "arena-data";
    int positional;
    const struct option_spec specs[] = {{"config", OPTION_TEXT, &config_path, NULL, 0, 0},
                                        {"data", OPTION_TEXT, &data, NULL, 0, 0},
                                        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_models, argc, argv, specs, &positional, 1))
        return EXIT_USAGE;
    if (positional && strcmp(argv[1], "list") != 0) {
        fprintf(stderr, "arena models: unknown action \"%s\"\nTry: arena help models\n", argv[1]);
        return EXIT_USAGE;
    }
    struct settings config;
    if (!settings_load(&config, config_path, data, &err))
        return command_fail(&command_models, &err);
    struct roster *roster = settings_roster(&config, NULL, (struct roster_options){.unopened = true}, &err);
    int code = roster ? list(roster) : command_fail(&command_models, &err);
    roster_free(roster);
    settings_done(&config);
    return code;
}

const struct command command_models = {
    "models", "who is configured",
    "Usage: arena models [list] [--config FILE] [--data DIR]\n\n"
    "Lists the configured competitors: provider, price in USD per million tokens, organisation, model.\n\n"
    "  --config FILE   the configuration; DIR/arena.json by default, else the default in-house models\n"
    "  --data DIR      where arena.json is looked for; ./arena-data by default\n",
    run};
