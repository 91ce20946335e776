/* One after the other, each alone on its loop: what is measured is the competitor, not the
 * crowd. No retries: the first reason is the one to tell. */
#include "command/models_test.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "command/command.h"
#include "competitor/roster.h"
#include "loop/loop.h"

enum { TEST_TOKENS = 256 /* a reasoning model thinks before its sentence */ };
static const char PROMPT[] = "Say hello in one short sentence.";

struct trial {
    struct loop *loop;
    const char *name;
    int width; /* of the column of names */
    bool ended, good;
    int64_t last_ns;
};

const char *models_advice(enum chat_error_class class)
{
    static const char *const ADVICE[] = {
        [CHAT_AUTH] = "check the key: the variable of \"api_key_env\" or the file of "
                      "\"api_key_file\", and what it may do",
        [CHAT_BAD_REQUEST] = "check \"params\", \"dialect\" and \"base_url\"; arena chat --format "
                             "json shows what was sent",
        [CHAT_CONTEXT_LENGTH] =
            "the model takes less than this short prompt: check \"system\" and \"model\"",
        [CHAT_NOT_FOUND] = "check \"model\" and \"base_url\"; arena models discover PROVIDER lists "
                           "what the key reaches",
        [CHAT_RATE_LIMIT] = "wait a little, or ask the provider for a higher limit",
        [CHAT_QUOTA] = "the account's money or quota is spent: see the provider's billing page",
        [CHAT_OVERLOADED] = "the provider has no room just now: try again later",
        [CHAT_SERVER] = "the provider failed: try again; its status page may tell more",
        [CHAT_NETWORK] = "check \"base_url\", the network, https_proxy and the certificates",
        [CHAT_TIMEOUT] = "it is slow or silent: try again, or allow more with \"timeouts\"",
        [CHAT_PROTOCOL] =
            "what answered does not speak this dialect: check \"base_url\" and \"dialect\"",
    };
    const char *advice = (size_t) class < sizeof ADVICE / sizeof *ADVICE ? ADVICE[class] : NULL;
    return advice ? advice : "see arena chat NAME \"hello\" --format json";
}

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    (void)channel;
    (void)text;
    ((struct trial *)user)->last_ns = clock_mono_ns();
}

static void print_answer(const struct trial *trial, const struct chat_end *end)
{
    double seconds = (double)(end->total_ns - end->first_content_ns) / 1e9;
    printf("%-*s  %-14s  %8.0f ms  ", trial->width, trial->name, chat_finish_word(end->finish),
           (double)end->first_content_ns / 1e6);
    if (end->usage.output > 1 && seconds > 0.001)
        printf("%8.1f/s  ", (double)end->usage.output / seconds);
    else
        printf("%10s  ", "-"); /* it came in one piece, or was not counted */
    if (isnan(end->cost_usd))
        printf("%-10s", "unknown");
    else
        printf("$%-9.6f", end->cost_usd);
    printf("  %s\n", end->model ? end->model : "-");
}

static void print_failure(const struct trial *trial, const struct chat_end *end)
{
    enum chat_error_class class = end->error.class;
    if (class == CHAT_OK) {
        printf("%-*s  %s: the answer ended without saying why\n%*s  -> try again; is something "
               "between cutting it?\n",
               trial->width, trial->name, chat_finish_word(end->finish), trial->width, "");
        return;
    }
    printf("%-*s  %s: %s%s", trial->width, trial->name, chat_error_word(class), end->error.message,
           end->error.status ? "" : "\n");
    if (end->error.status)
        printf(" (HTTP %d)\n", end->error.status);
    printf("%*s  -> %s\n", trial->width, "", models_advice(class));
}

static void on_end(void *user, const struct chat_end *end)
{
    struct trial *trial = user;
    trial->ended = true;
    trial->good = !chat_finish_failed(end->finish);
    if (trial->good)
        print_answer(trial, end);
    else
        print_failure(trial, end);
    fflush(stdout);
    loop_stop(trial->loop);
}

static bool try_one(struct trial *trial, struct competitor *competitor, struct err *err)
{
    struct chat_message message = {CHAT_USER, TEXT(PROMPT)};
    struct chat_params params = CHAT_PARAMS_UNSET;
    struct chat_sink sink = {.delta = on_delta, .end = on_end, .user = trial};
    int64_t configured = competitor->config.params.max_tokens;
    trial->name = competitor->config.name;
    trial->ended = false;
    params.max_tokens = configured > 0 && configured < TEST_TOKENS ? configured : TEST_TOKENS;
    competitor->config.retries = 0;
    if (!competitor_chat(competitor, &message, 1, &params, &sink, err))
        return false;
    while (!trial->ended)
        loop_run(trial->loop);
    return true;
}

static int try_all(struct loop *loop, struct roster *roster, const char *name, struct err *err)
{
    struct trial trial = {.loop = loop, .width = 4};
    bool all_good = true;
    for (size_t i = 0; i < roster_count(roster); i++) {
        int width = snprintf(NULL, 0, "%s", roster_at(roster, i)->config.name);
        trial.width = width > trial.width ? width : trial.width;
    }
    printf("%-*s  %-14s  %11s  %10s  %-10s  %s\n", trial.width, "NAME", "FINISH", "FIRST TOKEN",
           "TOKENS", "COST", "MODEL");
    for (size_t i = 0; i < roster_count(roster); i++) {
        struct competitor *competitor = roster_at(roster, i);
        if (name && roster_find(roster, name) != competitor)
            continue;
        if (!try_one(&trial, competitor, err))
            return command_fail(&command_models, err);
        all_good = all_good && trial.good;
    }
    return all_good ? EXIT_OK : EXIT_NO;
}

int models_test(const struct settings *settings, const char *name)
{
    struct err err = ERR_INIT;
    struct roster_options options = {.only = name};
    struct loop *loop = loop_new(&err);
    struct roster *roster = loop ? settings_roster(settings, loop, options, &err) : NULL;
    int code = roster ? try_all(loop, roster, name, &err) : command_fail(&command_models, &err);
    roster_free(roster);
    loop_free(loop);
    return code;
}
