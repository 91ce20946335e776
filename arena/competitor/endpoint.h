/* One competitor's way to its provider: where it is, in which dialect, with which key, and what the
 * model there refused.
 *
 * Embedded by the remote client; loop's thread only. It owns its copies of the URL and the key; the
 * key is wiped at the end and never written anywhere but into the header that carries it. */
#ifndef ARENA_COMPETITOR_ENDPOINT_H
#define ARENA_COMPETITOR_ENDPOINT_H

#include "competitor/provider.h"

struct endpoint {
    const struct provider *provider;
    const struct dialect *dialect;
    struct dialect_quirks quirks;
    unsigned dropped; /* what the model refused, as bits of enum dialect_member */
    bool swapped_cap, swapped_role;
    char *base_url;
    char *key;           /* NULL: none */
    char key_error[256]; /* why there is none although one is needed */
};

/* Fills it from a configuration that was checked; a key file is relative to `folder`. A key that
 * is missing is no error here: key_error then says which variable is not set. endpoint_done
 * frees it, also after a failure. */
bool endpoint_open(struct endpoint *endpoint, const struct competitor_config *config,
                   const char *folder, struct err *err);
void endpoint_done(struct endpoint *endpoint);

/* The base URL with `path` behind it; both may have a query of their own. */
bool endpoint_url(const struct endpoint *endpoint, const char *path, struct buf *url);

/* The host that requests go to, for people to read; "" where the URL has none. */
void endpoint_host(const struct endpoint *endpoint, char *out, size_t size);

/* The headers of every request: the API's version and the key, whose bytes stand in `key`, for the
 * caller to wipe. Fills `headers` (room for 3) up to a NULL. */
void endpoint_headers(const struct endpoint *endpoint, struct buf *key, const char **headers);

/* Stars over every piece of the key that a provider repeats. */
void endpoint_mask(const struct endpoint *endpoint, char *message);

/* The model refused one of the settings (the error names it, as a parameter or in words): it is
 * left out, or said in another way, from now on. False: that is not what happened, or nothing
 * can be changed. */
bool endpoint_learn(struct endpoint *endpoint, const struct reply *reply);

#endif
