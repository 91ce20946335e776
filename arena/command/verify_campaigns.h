/* Are the campaigns' reports what was signed, of the questions that were registered, and of these
 * votes? */
#ifndef ARENA_COMMAND_VERIFY_CAMPAIGNS_H
#define ARENA_COMMAND_VERIFY_CAMPAIGNS_H

#include "store/db.h"

/* Calls `problem` with a line for each thing that is wrong; gives how many reports were checked. */
bool verify_campaigns(struct db *db, const char *dir, void (*problem)(void *user, const char *line),
                      void *user, int64_t *reports, struct err *err);

/* A report on its own: FILE, FILE.sig, and the public key that DIR/arena.pub (or a file of another
 * name) holds. ERR_CONFLICT when the signature is not that key's. */
bool verify_report(const char *report, const char *dir, struct err *err);

#endif
