/* What administrators did: appended, in the same job as the act, and never changed. */
#ifndef ARENA_STORE_AUDIT_H
#define ARENA_STORE_AUDIT_H

#include "store/store.h"

struct audit_record {
    int64_t id, at_ms;
    const char *actor;  /* a voter's id, or "command line" */
    const char *act;    /* "invite", "revoke key", … */
    const char *detail; /* NULL: none; never a secret */
};

bool audit_add(struct db *tx, const struct audit_record *record,
               struct err *err); /* `id` is not read */

/* A row of its own, now: for commands that own the data directory. Blocks. */
bool audit_note(struct store *store, const char *act, const char *detail, struct err *err);

/* Newest first, below `before` (0: from the newest), at most `limit`; borrowed for the call. */
bool audit_each(struct db *db, int64_t before, int64_t limit,
                void (*each)(void *user, const struct audit_record *record), void *user,
                struct err *err);

#endif
