/* What competitors cost a day, as stored: so that a budget holds over a restart. */
#ifndef ARENA_STORE_SPENDING_H
#define ARENA_STORE_SPENDING_H

#include "store/store.h"

/* Sets the sum of a day (Unix days, UTC); `name` "" is all competitors together. */
bool spending_set(struct db *tx, int64_t day, const char *name, double usd, struct err *err);

/* Every sum of a day; the name is borrowed for the call. */
bool spending_each(struct db *db, int64_t day,
                   bool (*each)(void *user, const char *name, double usd, struct err *err),
                   void *user, struct err *err);

#endif
