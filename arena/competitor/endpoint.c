/* What a model refuses is learned from its own words, not from a list of model names: those move
 * too fast. */
#include "competitor/endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "competitor/transfer.h"

static bool find_key(struct endpoint *endpoint, const struct competitor_config *config,
                     const char *folder, struct err *err)
{
    const char *variable = config->api_key_env ? config->api_key_env : endpoint->provider->key_env;
    if (config->api_key_file) {
        char *path = file_join(folder ? folder : ".", config->api_key_file);
        endpoint->key = path ? file_read_secret(path, err) : NULL;
        free(path);
        return endpoint->key != NULL;
    }
    const char *value = variable ? getenv(variable) : NULL;
    secret_guard();
    if (value && *value)
        return (endpoint->key = strdup(value)) != NULL || err_set(err, ERR_MEMORY, "out of memory");
    if (variable)
        snprintf(
            endpoint->key_error, sizeof endpoint->key_error,
            "no key: the environment variable %s is not set (or name another with \"api_key_env\")",
            variable);
    return true;
}

static bool check_url(const char *url, const struct competitor_config *config, struct err *err)
{
    if (!url)
        return err_set(err, ERR_CONFIG, "provider \"%s\" needs \"base_url\"", config->provider);
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
        return err_set(err, ERR_CONFIG,
                       "\"base_url\" must begin with https:// (or http:// for a loopback address)");
    if (strncmp(url, "http://", 7) == 0 && !transfer_is_loopback(url) && !config->allow_http)
        return err_set(err, ERR_CONFIG,
                       "\"base_url\" is plain http: use https, or say \"allow_http\": true");
    return true;
}

bool endpoint_open(struct endpoint *endpoint, const struct competitor_config *config,
                   const char *folder, struct err *err)
{
    const struct provider *provider = provider_find(config->provider);
    const char *base_url = config->base_url ? config->base_url : provider->base_url;
    *endpoint = (struct endpoint){.provider = provider, .quirks = provider->quirks};
    if (!check_url(base_url, config, err))
        return false;
    endpoint->dialect = dialect_find(config->dialect ? config->dialect : provider->dialect);
    endpoint->quirks.system_role = provider_system_role(provider, config->model);
    endpoint->base_url = strdup(base_url);
    if (!endpoint->base_url)
        return err_set(err, ERR_MEMORY, "out of memory");
    return find_key(endpoint, config, folder, err);
}

void endpoint_done(struct endpoint *endpoint)
{
    if (endpoint->key)
        secret_wipe(endpoint->key, strlen(endpoint->key));
    free(endpoint->key);
    free(endpoint->base_url);
    *endpoint = (struct endpoint){0};
}

bool endpoint_url(const struct endpoint *endpoint, const char *path, struct buf *url)
{
    const char *base = endpoint->base_url, *query = strchr(base, '?');
    size_t length = query ? (size_t)(query - base) : strlen(base);
    while (length && base[length - 1] == '/')
        length--;
    bool ok = buf_add(url, base, length) && buf_add_string(url, path);
    return ok && (!query || (buf_add_char(url, strchr(path, '?') ? '&' : '?') &&
                             buf_add_string(url, query + 1)));
}

void endpoint_host(const struct endpoint *endpoint, char *out, size_t size)
{
    if (!transfer_host(endpoint->base_url, out, size))
        snprintf(out, size, "%s", "");
}

void endpoint_headers(const struct endpoint *endpoint, struct buf *key, const char **headers)
{
    if (endpoint->dialect->version)
        *headers++ = endpoint->dialect->version;
    if (endpoint->key && buf_add_string(key, provider_auth_header(endpoint->provider->auth)) &&
        buf_add_string(key, endpoint->key))
        *headers++ = key->data;
    *headers = NULL;
}

void endpoint_mask(const struct endpoint *endpoint, char *message)
{
    const char *key = endpoint->key;
    enum { LEAST = 8 };
    size_t length = key ? strlen(key) : 0;
    for (size_t i = 0; message[i] && length >= LEAST; i++)
        for (size_t from = 0; from + LEAST <= length; from++) {
            size_t same = 0;
            while (message[i + same] && key[from + same] && message[i + same] == key[from + same])
                same++;
            if (same >= LEAST)
                memset(message + i, '*', same);
        }
}

/* --- what was refused --- */

/* The words that stand for a member in errors; the dialects name them differently. */
static const struct {
    enum dialect_member member;
    const char *words[5];
} NAMES[] = {
    {MEMBER_TEMPERATURE, {"temperature"}},
    {MEMBER_TOP_P, {"top_p", "topP"}},
    {MEMBER_TOP_K, {"top_k", "topK"}},
    {MEMBER_MIN_P, {"min_p"}},
    {MEMBER_SEED, {"seed"}},
    {MEMBER_STOP, {"stop"}},
    {MEMBER_STREAM_OPTIONS, {"stream_options"}},
    {MEMBER_REASONING, {"reasoning", "thinking", "hinkingConfig", "output_config", "effort"}},
    {MEMBER_CAP, {"max_tokens"}},
};

static bool speaks_of_refusal(const char *message)
{
    static const char *const SIGNS[] = {
        "nsupported",  "not support",  "not permitted",
        "nrecognized", "nknown name",  "deprecated",
        "not allowed", "nknown field", "only works in thinking mode",
        "not enabled", "nexpected"};
    for (size_t i = 0; i < sizeof SIGNS / sizeof *SIGNS; i++)
        if (strstr(message, SIGNS[i]))
            return true;
    return false;
}

static bool is_named(const struct reply *reply, const char *word)
{
    return strstr(reply->error.parameter, word) || strstr(reply->error.message, word);
}

/* OpenAI's two names of the cap, and its two names of the system prompt's author. */
static bool say_otherwise(struct endpoint *endpoint, const struct reply *reply)
{
    struct dialect_quirks *quirks = &endpoint->quirks;
    if (is_named(reply, quirks->cap_key) && !endpoint->swapped_cap) {
        quirks->cap_key =
            strcmp(quirks->cap_key, "max_tokens") == 0 ? "max_completion_tokens" : "max_tokens";
        return endpoint->swapped_cap = true;
    }
    if (is_named(reply, "messages[0].role") && !endpoint->swapped_role) {
        quirks->system_role = strcmp(quirks->system_role, "system") == 0 ? "developer" : "system";
        return endpoint->swapped_role = true;
    }
    return false;
}

bool endpoint_learn(struct endpoint *endpoint, const struct reply *reply)
{
    if (reply->error.class != CHAT_BAD_REQUEST || !speaks_of_refusal(reply->error.message))
        return false;
    if (say_otherwise(endpoint, reply))
        return true;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        for (size_t k = 0; k < 5 && NAMES[i].words[k]; k++)
            if (is_named(reply, NAMES[i].words[k]) &&
                !(endpoint->dropped & 1u << NAMES[i].member)) {
                endpoint->dropped |= 1u << NAMES[i].member;
                return true;
            }
    return false;
}
