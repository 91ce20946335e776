/* The providers: endpoint, dialect, key and quirks of each, a row of data. Every one of these
 * can be overridden in the configuration. */
#ifndef ARENA_COMPETITOR_PROVIDER_H
#define ARENA_COMPETITOR_PROVIDER_H

#include "competitor/dialect.h"

enum provider_auth { AUTH_BEARER, AUTH_X_API_KEY, AUTH_X_GOOG_API_KEY, AUTH_API_KEY };

struct provider {
    const char *name, *base_url;   /* base_url NULL: must be configured */
    const char *dialect, *key_env; /* key_env NULL: no key unless one is configured */
    enum provider_auth auth;
    struct dialect_quirks quirks;
};

const struct provider *provider_find(const char *name); /* NULL: unknown */

/* The header that carries the key, without its value: "Authorization: Bearer ". */
const char *provider_auth_header(enum provider_auth auth);

/* OpenAI's reasoning models take the system prompt as "developer". */
const char *provider_system_role(const struct provider *provider, const char *model);

#endif
