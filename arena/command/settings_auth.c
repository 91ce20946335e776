/* What would let somebody in by accident is refused here: a mode that trusts a header without
 * saying whose, names for an arena that listens to nobody else, half a certificate. */
#include "command/settings_auth.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

#define WHAT "\"auth\""
#define IDENTITY_HEADER "X-Forwarded-User"

static bool is_host(const char *name)
{
    return *name &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
               strlen(name);
}

static bool is_address(const char *text)
{
    struct in6_addr address;
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_identity(const char *text)
{
    return *text && strlen(text) < VOTER_NAME_SIZE;
}

static bool is_header(const char *name)
{
    return *name && strlen(name) <= 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
               strlen(name);
}

static bool read_list(const json_t *auth, const char *key, bool (*fits)(const char *text),
                      const char *example, const char **out, struct err *err)
{
    const json_t *list = json_object_get(auth, key);
    size_t count = json_array_size(list);
    if (list && (!json_is_array(list) || count > SETTINGS_NAMES))
        return err_set(err, ERR_CONFIG, WHAT ": \"%s\" is not a list of at most %d", key,
                       SETTINGS_NAMES);
    for (size_t i = 0; i < count; i++) {
        out[i] = json_string_value(json_array_get(list, i));
        if (!out[i] || !fits(out[i]))
            return err_set(err, ERR_CONFIG, WHAT ": \"%s\": expected entries such as %s", key,
                           example);
    }
    return true;
}

static bool read_path(const json_t *tls, const char *key, const char *folder, char **out,
                      struct err *err)
{
    const char *path = NULL;
    if (!json_get_string(tls, key, WHAT ": \"tls\"", &path, err))
        return false;
    *out = file_join(folder, path);
    return *out || err_set(err, ERR_MEMORY, "out of memory");
}

static bool read_tls(struct settings_auth *out, const json_t *auth, const char *folder,
                     struct err *err)
{
    static const char *const KEYS[] = {"certificate", "key", NULL};
    const json_t *tls = json_object_get(auth, "tls");
    if (!tls)
        return true;
    if (out->https)
        return err_set(err, ERR_CONFIG,
                       WHAT ": \"https\" is for a proxy that speaks TLS, \"tls\" for the arena "
                            "itself: set one of the two");
    out->https = true;
    return json_only_keys(tls, KEYS, WHAT ": \"tls\"", err) &&
           read_path(tls, "certificate", folder, &out->certificate, err) &&
           read_path(tls, "key", folder, &out->key, err);
}

static bool read_mode(struct settings_auth *out, const json_t *auth, struct err *err)
{
    const char *mode = "local";
    if (!json_get_string_or(auth, "mode", WHAT, &mode, err))
        return false;
    return auth_mode_from(mode, &out->mode) ||
           err_set(err, ERR_CONFIG, WHAT ": \"mode\" is \"%.32s\"; known: local, invite, proxy",
                   mode);
}

static bool read_lists(struct settings_auth *out, const json_t *auth, struct err *err)
{
    return read_list(auth, "hosts", is_host, "arena.example.org", out->hosts, err) &&
           read_list(auth, "proxies", is_address, "127.0.0.1", out->proxies, err) &&
           read_list(auth, "administrators", is_identity, "lead@example.org", out->administrators,
                     err) &&
           read_list(auth, "analysts", is_identity, "lead@example.org", out->analysts, err);
}

/* What only makes sense together. */
static bool check(const struct settings_auth *auth, bool names_header, struct err *err)
{
    bool known = auth->identity || auth->administrators[0] || auth->analysts[0];
    if (auth->mode == AUTH_LOCAL && (auth->https || auth->hosts[0] || auth->proxies[0]))
        return err_set(err, ERR_CONFIG,
                       WHAT ": \"hosts\", \"https\", \"tls\" and \"proxies\" open the arena to "
                            "others: set \"mode\" to \"invite\" or \"proxy\"");
    if (auth->mode != AUTH_LOCAL && auth->open_v1)
        return err_set(err, ERR_CONFIG,
                       WHAT ": \"open_v1\" needs \"mode\": \"local\": behind a proxy everybody "
                            "comes from loopback");
    if (auth->https && !auth->hosts[0])
        return err_set(err, ERR_CONFIG, WHAT ": TLS needs \"hosts\": the arena's names");
    if (auth->mode == AUTH_PROXY && !auth->proxies[0])
        return err_set(err, ERR_CONFIG,
                       WHAT ": \"mode\" \"proxy\" needs \"proxies\": the addresses whose identity "
                            "header is believed");
    if (auth->mode != AUTH_PROXY && (names_header || known))
        return err_set(err, ERR_CONFIG,
                       WHAT ": \"identity_header\", \"administrators\" and \"analysts\" need "
                            "\"mode\": \"proxy\"");
    return true;
}

bool settings_auth_read(struct settings_auth *out, const json_t *auth, const char *folder,
                        struct err *err)
{
    static const char *const KEYS[] = {
        "mode",           "hosts",    "https", "open_v1", "proxies", "identity_header",
        "administrators", "analysts", "tls",   NULL};
    const char *header = NULL;
    *out = (struct settings_auth){.mode = AUTH_LOCAL};
    if (!auth)
        return true;
    if (!json_only_keys(auth, KEYS, WHAT, err) || !read_mode(out, auth, err) ||
        !json_get_bool_or(auth, "open_v1", WHAT, &out->open_v1, err) ||
        !json_get_bool_or(auth, "https", WHAT, &out->https, err) ||
        !json_get_string_or(auth, "identity_header", WHAT, &header, err) ||
        !read_lists(out, auth, err) || !read_tls(out, auth, folder, err))
        return false;
    if (header && !is_header(header))
        return err_set(err, ERR_CONFIG, WHAT ": \"identity_header\" is not a header's name");
    if (!check(out, header != NULL, err))
        return false;
    if (out->mode == AUTH_PROXY)
        out->identity = header ? header : IDENTITY_HEADER;
    return true;
}

void settings_auth_done(struct settings_auth *auth)
{
    free(auth->certificate);
    free(auth->key);
    *auth = (struct settings_auth){.mode = AUTH_LOCAL};
}
