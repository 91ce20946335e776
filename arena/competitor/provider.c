#include "competitor/provider.h"

#include <string.h>

static const struct provider PROVIDERS[] = {
    {"openai",
     "https://api.openai.com/v1",
     "openai-chat",
     "OPENAI_API_KEY",
     AUTH_BEARER,
     {"system", "max_completion_tokens", .seed_key = "seed", .no_store = true}},
    {"anthropic",
     "https://api.anthropic.com",
     "anthropic",
     "ANTHROPIC_API_KEY",
     AUTH_X_API_KEY,
     {"system", "max_tokens", .seed_key = "seed"}},
    {"google",
     "https://generativelanguage.googleapis.com",
     "gemini",
     "GEMINI_API_KEY",
     AUTH_X_GOOG_API_KEY,
     {"system", "max_tokens", .seed_key = "seed"}},
    {"mistral",
     "https://api.mistral.ai/v1",
     "openai-chat",
     "MISTRAL_API_KEY",
     AUTH_BEARER,
     {"system", "max_tokens", .seed_key = "random_seed", .no_stream_options = true}},
    {"deepseek",
     "https://api.deepseek.com",
     "openai-chat",
     "DEEPSEEK_API_KEY",
     AUTH_BEARER,
     {"system", "max_tokens", .seed_key = "seed", .thinking_switch = true}},
    {"xai",
     "https://api.x.ai/v1",
     "openai-chat",
     "XAI_API_KEY",
     AUTH_BEARER,
     {"system", "max_tokens", .seed_key = "seed"}},
    {"azure",
     NULL,
     "openai-chat",
     "AZURE_OPENAI_API_KEY",
     AUTH_API_KEY,
     {"system", "max_completion_tokens", .seed_key = "seed"}},
    {"openai-compatible",
     NULL,
     "openai-chat",
     NULL,
     AUTH_BEARER,
     {"system", "max_tokens", .seed_key = "seed"}},
};

const struct provider *provider_find(const char *name)
{
    for (size_t i = 0; i < sizeof PROVIDERS / sizeof *PROVIDERS; i++)
        if (strcmp(PROVIDERS[i].name, name) == 0)
            return &PROVIDERS[i];
    return NULL;
}

const char *provider_auth_header(enum provider_auth auth)
{
    static const char *const HEADERS[] = {"Authorization: Bearer ",
                                          "x-api-key: ", "x-goog-api-key: ", "api-key: "};
    return HEADERS[auth];
}

const char *provider_system_role(const struct provider *provider, const char *model)
{
    static const char *const REASONING[] = {"o1", "o3", "o4", "gpt-5"};
    if (strcmp(provider->name, "openai") != 0)
        return provider->quirks.system_role;
    for (size_t i = 0; i < sizeof REASONING / sizeof *REASONING; i++)
        if (strncmp(model, REASONING[i], strlen(REASONING[i])) == 0)
            return "developer";
    return provider->quirks.system_role;
}
