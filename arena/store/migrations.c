/* The assembler includes the SQL files as they are; migrations.inc, written by CMake, lists them
 * in order. */
#include "store/migrations.h"

#include <stdio.h>
#include <stdlib.h>

enum { APPLICATION_ID = 0x4172656e }; /* "Aren" */

struct migration {
    int number;
    const char *sql;
};

/* clang-format off */
#define MIGRATION(number, path) \
    __asm__(".pushsection .rodata\n" \
            "arena_migration_" #number ":\n" \
            ".incbin \"" path "\"\n" \
            ".byte 0\n" \
            ".popsection\n"); \
    extern const char arena_migration_##number[] __attribute__((visibility("hidden")));
#include "migrations.inc"
#undef MIGRATION

static const struct migration MIGRATIONS[] = {
#define MIGRATION(number, path) {number, arena_migration_##number},
#include "migrations.inc"
#undef MIGRATION
};
/* clang-format on */

int migrations_newest(void)
{
    return MIGRATIONS[sizeof MIGRATIONS / sizeof MIGRATIONS[0] - 1].number;
}

static bool read_pragmas(struct db *db, int64_t *version, int64_t *application, int64_t *tables,
                         struct err *err)
{
    return db_one_int(db, "PRAGMA user_version", DB_NONE, 0, version, err) &&
           db_one_int(db, "PRAGMA application_id", DB_NONE, 0, application, err) &&
           db_one_int(db, "SELECT count(*) FROM sqlite_schema", DB_NONE, 0, tables, err);
}

/* Gives the version, 0 for an empty file. */
static bool look(struct db *db, const char *path, int64_t *version, struct err *err)
{
    int64_t application, tables;
    if (!read_pragmas(db, version, &application, &tables, err))
        return err_prefix(err, "%s", path);
    if (application != APPLICATION_ID && (tables != 0 || *version != 0))
        return err_set(err, ERR_FORMAT,
                       "%s is a database, but not arena's: choose another directory with --data",
                       path);
    if (*version > migrations_newest())
        return err_set(err, ERR_UNSUPPORTED,
                       "%s was made by a newer arena (its schema is %lld, this one knows up to "
                       "%d): use that version",
                       path, (long long)*version, migrations_newest());
    return true;
}

static bool apply_one(struct db *db, const struct migration *migration, struct err *err)
{
    char pragmas[128];
    snprintf(pragmas, sizeof pragmas,
             "PRAGMA user_version = %d; PRAGMA application_id = %d; COMMIT", migration->number,
             APPLICATION_ID);
    struct err ignored;
    if (db_script(db, "BEGIN IMMEDIATE", err) && db_script(db, migration->sql, err) &&
        db_script(db, pragmas, err))
        return true;
    if (db_in_transaction(db))
        db_script(db, "ROLLBACK", &ignored);
    return err_prefix(err, "bringing the database to schema %d", migration->number);
}

bool migrations_apply_to(struct db *db, const char *path, int last, struct err *err)
{
    int64_t version;
    if (!look(db, path, &version, err))
        return false;
    for (size_t i = 0; i < sizeof MIGRATIONS / sizeof MIGRATIONS[0]; i++)
        if (MIGRATIONS[i].number > version && MIGRATIONS[i].number <= last &&
            !apply_one(db, &MIGRATIONS[i], err))
            return false;
    return true;
}

bool migrations_apply(struct db *db, const char *path, struct err *err)
{
    return migrations_apply_to(db, path, migrations_newest(), err);
}

bool migrations_check(struct db *db, const char *path, struct err *err)
{
    int64_t version;
    if (!look(db, path, &version, err))
        return false;
    if (version == migrations_newest())
        return true;
    return err_set(err, ERR_UNSUPPORTED,
                   "%s has schema %lld, this arena reads %d: start `arena serve` on it once, which "
                   "brings it up to date",
                   path, (long long)version, migrations_newest());
}
