/* The database's versions: schema/NNN_*.sql, built into the program, applied in order, each in
 * its own transaction. SQLite's user_version holds the number of the last one. Writer's thread
 * or start-up. */
#ifndef ARENA_STORE_MIGRATIONS_H
#define ARENA_STORE_MIGRATIONS_H

#include "store/db.h"

int migrations_newest(void);

/* Brings a database (an empty one too) to the newest version. Refuses one that is not arena's or
 * is newer. */
bool migrations_apply(struct db *db, const char *path, struct err *err);

/* The same, but only up to schema `last`: how tests make a database of an older arena. */
bool migrations_apply_to(struct db *db, const char *path, int last, struct err *err);

/* The same look without changing anything: what a reader checks. */
bool migrations_check(struct db *db, const char *path, struct err *err);

#endif
