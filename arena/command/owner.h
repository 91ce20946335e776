/* Asks the process that owns a data directory, over the socket inside it: what writes goes through
 * the one owner. Whoever may open that socket is the administrator. Blocks; for commands. */
#ifndef ARENA_COMMAND_OWNER_H
#define ARENA_COMMAND_OWNER_H

#include <jansson.h>

#include "base/err.h"

enum owner_answer {
    OWNER_ABSENT,  /* nobody owns the directory: become the owner */
    OWNER_DONE,    /* *reply is its JSON, a new reference */
    OWNER_REFUSED, /* `err` says why */
};

enum owner_answer owner_post(const char *data, const char *path, const json_t *body, json_t **reply,
                             struct err *err);
enum owner_answer owner_get(const char *data, const char *path, json_t **reply, struct err *err);

#endif
