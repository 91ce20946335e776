#include "command/models_discover.h"

#include <stdio.h>
#include <string.h>

#include "command/command.h"
#include "command/models_test.h"
#include "competitor/catalogue.h"
#include "competitor/roster.h"
#include "loop/loop.h"

/* Whose row to ask with: the competitor of that name, else the first one of that provider. NULL:
 * nobody's. */
static const struct competitor_config *row_for(const struct roster *roster, const char *who)
{
    const struct competitor *named = roster ? roster_find(roster, who) : NULL;
    if (named)
        return &named->config;
    for (size_t i = 0; roster && i < roster_count(roster); i++)
        if (strcmp(roster_at(roster, i)->config.provider, who) == 0)
            return &roster_at(roster, i)->config;
    return NULL;
}

static bool is_configured(const struct roster *roster, const char *model)
{
    for (size_t i = 0; roster && i < roster_count(roster); i++) {
        const char *configured = roster_at(roster, i)->config.model;
        if (configured && strcmp(configured, model) == 0)
            return true;
    }
    return false;
}

static int print(const struct catalogue *catalogue, const struct roster *roster, const char *who)
{
    if (catalogue->error.class != CHAT_OK) {
        fprintf(stderr, "arena models: %s: %s: %s\n  -> %s\n", who,
                chat_error_word(catalogue->error.class), catalogue->error.message,
                models_advice(catalogue->error.class));
        return EXIT_NO;
    }
    for (size_t i = 0; i < catalogue->count; i++)
        printf("%s%s\n", catalogue->models[i],
               is_configured(roster, catalogue->models[i]) ? "  (configured)" : "");
    fprintf(stderr, "%zu models\n", catalogue->count);
    return EXIT_OK;
}

static int discover(const struct settings *settings, const struct roster *roster, const char *who,
                    struct err *err)
{
    struct competitor_config plain = {.provider = (char *)who, .model = (char *)""};
    const struct competitor_config *config = row_for(roster, who);
    config = config ? config : &plain;
    if (!provider_find(config->provider)) {
        err_set(err, ERR_CONFIG,
                "\"%.64s\" is neither a configured rival nor a provider; known: openai, anthropic, "
                "google, mistral, "
                "deepseek, xai, azure, openai-compatible",
                who);
        return command_fail(&command_models, err);
    }
    struct endpoint endpoint = {0};
    struct catalogue catalogue = {0};
    struct loop *loop = loop_new(err);
    int code;
    if (loop && endpoint_open(&endpoint, config, settings->folder, err)) {
        catalogue_fetch(&catalogue, loop, &endpoint, config->allow_http);
        code = print(&catalogue, roster, who);
    } else {
        code = command_fail(&command_models, err);
    }
    catalogue_done(&catalogue);
    endpoint_done(&endpoint);
    loop_free(loop);
    return code;
}

int models_discover(const struct settings *settings, const char *who)
{
    struct err err = ERR_INIT;
    struct roster_options options = {.unopened = true};
    struct roster *roster =
        settings->competitors ? settings_roster(settings, NULL, options, &err) : NULL;
    if (settings->competitors && !roster)
        return command_fail(&command_models, &err);
    int code = discover(settings, roster, who, &err);
    roster_free(roster);
    return code;
}
