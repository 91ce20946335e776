/* Lets go of texts after a time: once an hour, and at the start, the prompts and answers of battles
 * that ended more than so many days ago are emptied (store/erasure.h). Their votes stay.
 * Loop's thread; the work is the writer's. */
#ifndef ARENA_COMMAND_RETENTION_H
#define ARENA_COMMAND_RETENTION_H

#include <stdint.h>

#include "base/err.h"

struct retention;
struct loop;
struct store;

/* Both are borrowed. `days` is above 0. */
struct retention *retention_new(struct loop *loop, struct store *store, int64_t days,
                                struct err *err);
void retention_stop(struct retention *retention); /* nothing is begun from now on */
void retention_free(struct retention *retention); /* after the store; NULL is allowed, as above */

#endif
