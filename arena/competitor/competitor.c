/* What is the same for every adapter: words, merging of settings, the system prompt in front. */
#include "competitor/competitor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

const char *chat_finish_word(enum chat_finish finish)
{
    static const char *const WORDS[] = {
#define X(name, word) [name] = word,
        CHAT_FINISH_MAP(X)
#undef X
    };
    return WORDS[finish];
}

bool chat_finish_failed(enum chat_finish finish)
{
    return finish == CHAT_ERROR || finish == CHAT_TRUNCATED;
}

static const struct {
    const char *word;
    bool retryable;
} ERRORS[] = {
#define X(name, word, retryable) [name] = {word, retryable},
    CHAT_ERROR_MAP(X)
#undef X
};

const char *chat_error_word(enum chat_error_class class)
{
    return ERRORS[class].word;
}

bool chat_error_retryable(enum chat_error_class class)
{
    return ERRORS[class].retryable;
}

const char *competitor_shown_name(const struct competitor_config *config)
{
    return config->code_name ? config->code_name : config->name;
}

static const char *const STATES[] = {"active", "paused", "retired"};

const char *competitor_state_word(enum competitor_state state)
{
    return STATES[state];
}

bool competitor_state_from(const char *word, enum competitor_state *state)
{
    for (int i = COMPETITOR_ACTIVE; i <= COMPETITOR_RETIRED; i++) {
        if (strcmp(word, STATES[i]) != 0)
            continue;
        *state = (enum competitor_state)i;
        return true;
    }
    return false;
}

void competitor_hold(struct competitor *competitor)
{
    if (competitor)
        competitor->holds++;
}

void competitor_release(struct competitor *competitor)
{
    if (competitor && --competitor->holds == 0 && competitor->unheld)
        competitor->unheld(competitor);
}

static double set_real(double wanted, double configured)
{
    return isnan(wanted) ? configured : wanted;
}

static int64_t set_int(int64_t wanted, int64_t configured)
{
    return wanted < 0 ? configured : wanted;
}

static struct chat_params merge(const struct chat_params *wanted,
                                const struct chat_params *configured)
{
    if (!wanted)
        return *configured;
    return (struct chat_params){
        .temperature = set_real(wanted->temperature, configured->temperature),
        .top_p = set_real(wanted->top_p, configured->top_p),
        .min_p = set_real(wanted->min_p, configured->min_p),
        .top_k = set_int(wanted->top_k, configured->top_k),
        .max_tokens = set_int(wanted->max_tokens, configured->max_tokens),
        .seed = set_int(wanted->seed, configured->seed),
        .reasoning = wanted->reasoning ? wanted->reasoning : configured->reasoning,
        .stop = wanted->stops ? wanted->stop : configured->stop,
        .stops = wanted->stops ? wanted->stops : configured->stops,
        .background = wanted->background,
        .schema = wanted->schema ? wanted->schema : configured->schema,
    };
}

struct chat *competitor_chat(struct competitor *competitor, const struct chat_message *messages,
                             size_t count, const struct chat_params *params,
                             const struct chat_sink *sink, struct err *err)
{
    struct chat_params merged = merge(params, &competitor->config.params);
    merged.detail = params && competitor->own_engine ? params->detail : NULL;
    bool brings_system = count && messages[0].role == CHAT_SYSTEM;
    if (!competitor->config.system || brings_system)
        return competitor->adapter->chat(competitor, messages, count, &merged, sink, err);
    struct chat_message *with_system = calloc(count + 1, sizeof *with_system);
    if (!with_system) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    with_system[0] = (struct chat_message){CHAT_SYSTEM, text_of(competitor->config.system)};
    for (size_t i = 0; i < count; i++)
        with_system[i + 1] = messages[i];
    struct chat *chat =
        competitor->adapter->chat(competitor, with_system, count + 1, &merged, sink, err);
    free(with_system);
    return chat;
}

void chat_cancel(struct competitor *competitor, struct chat *chat)
{
    competitor->adapter->cancel(chat);
}
