/* The configuration's "auth": who is let in, by which name, over what, and through which proxy.
 *
 * Texts are borrowed from the configuration, except the two paths. */
#ifndef ARENA_COMMAND_SETTINGS_AUTH_H
#define ARENA_COMMAND_SETTINGS_AUTH_H

#include <stdbool.h>

#include <jansson.h>

#include "base/err.h"
#include "people/voters.h"

#define SETTINGS_NAMES 64 /* of each list below */

/* Lists are NULL-terminated. */
struct settings_auth {
    enum auth_mode mode;
    bool open_v1;                            /* /v1 needs no key on loopback; local mode only */
    bool https;                              /* TLS, ours or the proxy's */
    const char *hosts[SETTINGS_NAMES + 1];   /* names that the arena is known by */
    const char *proxies[SETTINGS_NAMES + 1]; /* addresses whose word is believed */
    const char *identity;                    /* proxy mode: the header that names who asks */
    const char *administrators[SETTINGS_NAMES + 1]; /* proxy mode: identities */
    const char *analysts[SETTINGS_NAMES + 1];
    char *certificate, *key; /* PEM files of our own TLS; NULL: none */
};

/* `auth` NULL: local mode. `folder`: where relative paths start. Errors name the key; the caller
 * adds the file. After a failure too, call settings_auth_done. */
bool settings_auth_read(struct settings_auth *out, const json_t *auth, const char *folder,
                        struct err *err);
void settings_auth_done(struct settings_auth *auth);

#endif
