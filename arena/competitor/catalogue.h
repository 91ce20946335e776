/* The models that a key can reach, as its provider lists them.
 *
 * For a command that has the loop to itself: catalogue_fetch turns it until the answer stands, at
 * most a minute. At most LIMIT_CATALOGUE models are kept. */
#ifndef ARENA_COMPETITOR_CATALOGUE_H
#define ARENA_COMPETITOR_CATALOGUE_H

#include "competitor/endpoint.h"
#include "loop/loop.h"

struct catalogue {
    char **models; /* sorted by name */
    size_t count;
    struct {
        enum chat_error_class class; /* CHAT_OK: none */
        char message[512];
    } error;
};

/* Fills it; catalogue_done frees it, also after an error. `allow_http` as in the configuration. */
void catalogue_fetch(struct catalogue *catalogue, struct loop *loop,
                     const struct endpoint *endpoint, bool allow_http);
void catalogue_done(struct catalogue *catalogue);

/* Reads one response of any dialect; pure. */
void catalogue_read(struct catalogue *catalogue, int status, struct text body);

#endif
