/* Opening is a row of steps, each with its own plain error: lock, file, version, check, writer.
 * The database file is made by us before SQLite sees it, so that it (and with it the log) is
 * readable by its owner only. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "store/directory.h"
#include "store/migrations.h"
#include "store/writer.h"

#define DATABASE_FILE "arena.db"

struct store {
    char *dir;
    int lock;
    struct writer *writer;
};

static bool make_file(const char *path, struct err *err)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return err_sys(err, ERR_STORE, errno, "the database %s cannot be written", path);
    close(file);
    return true;
}

/* Reads the whole database once, unless it is so large that the start would be slow; `arena
 * verify` reads any. */
static bool quick_check(struct db *db, const char *path, struct err *err)
{
    struct stat status;
    if (stat(path, &status) == 0 && status.st_size > LIMIT_QUICK_CHECK_BYTES)
        return true;
    struct db_rows rows;
    if (!db_select(db, &rows, "PRAGMA quick_check(1)", DB_NONE, err))
        return err_prefix(err, "checking %s", path);
    char found[200] = "";
    if (db_next(&rows))
        db_copy(&rows, 0, found, sizeof found);
    if (!db_end(&rows, err))
        return err_prefix(err, "checking %s", path);
    return strcmp(found, "ok") == 0 ||
           err_set(err, ERR_STORE, "the database %s is damaged (%s): restore it from a copy", path,
                   found);
}

static struct db *open_database(const char *path, struct err *err)
{
    if (!make_file(path, err))
        return NULL;
    struct db *db = db_open(path, DB_WRITE, err);
    if (db != NULL && migrations_apply(db, path, err) && quick_check(db, path, err))
        return db;
    db_close(db);
    return NULL;
}

static bool open_parts(struct store *store, struct loop *loop, struct err *err)
{
    store->lock = directory_take(store->dir, err);
    if (store->lock < 0 || !directory_announce(store->lock, "", err))
        return false;
    char *path = file_join(store->dir, DATABASE_FILE);
    if (path == NULL)
        return err_set(err, ERR_MEMORY, "no memory for the store");
    struct db *db = open_database(path, err);
    free(path);
    store->writer = db != NULL ? writer_new(db, loop, err) : NULL;
    return store->writer != NULL;
}

struct store *store_open(const char *dir, struct loop *loop, struct err *err)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL || (store->dir = strdup(dir)) == NULL) {
        free(store);
        err_set(err, ERR_MEMORY, "no memory for the store");
        return NULL;
    }
    store->lock = -1;
    if (open_parts(store, loop, err))
        return store;
    store_close(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    writer_free(store->writer);
    if (store->lock >= 0)
        close(store->lock);
    free(store->dir);
    free(store);
}

const char *store_dir(const struct store *store)
{
    return store->dir;
}

bool store_announce(struct store *store, const char *address, struct err *err)
{
    return directory_announce(store->lock, address, err);
}

bool store_submit(struct store *store, const struct store_job *job, struct err *err)
{
    return writer_submit(store->writer, job, err);
}

bool store_apply(struct store *store, bool (*apply)(struct db *tx, void *data, struct err *err),
                 void *data, struct err *err)
{
    return writer_apply(store->writer, &(struct store_job){.apply = apply, .data = data}, false,
                        err);
}

bool store_apply_alone(struct store *store,
                       bool (*apply)(struct db *tx, void *data, struct err *err), void *data,
                       struct err *err)
{
    return writer_apply(store->writer, &(struct store_job){.apply = apply, .data = data}, true,
                        err);
}

void store_stats(const struct store *store, struct store_stats *out)
{
    writer_stats(store->writer, out);
}

/* --- readers --- */

struct db *store_read_open(const char *dir, struct err *err)
{
    char *path = file_join(dir, DATABASE_FILE);
    if (path == NULL) {
        err_set(err, ERR_MEMORY, "no memory to open %s", dir);
        return NULL;
    }
    struct db *db = NULL;
    if (access(path, F_OK) != 0)
        err_set(
            err, ERR_IO,
            "there is no arena in %s (no %s): start `arena serve` or `arena import`, or use --data",
            dir, DATABASE_FILE);
    else
        db = db_open(path, DB_READ, err);
    if (db != NULL && !migrations_check(db, path, err)) {
        db_close(db);
        db = NULL;
    }
    free(path);
    return db;
}

bool store_read_begin(struct db *db, struct err *err)
{
    return db_run(db, "BEGIN", DB_NONE, err);
}

void store_read_end(struct db *db)
{
    struct err ignored;
    if (db_in_transaction(db))
        db_run(db, "ROLLBACK", DB_NONE, &ignored);
}
