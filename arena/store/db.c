/* A thin skin over SQLite. Binding takes an array of typed values, so that the compiler checks
 * them and no call counts parameters by hand. Prepared statements are found by the address of
 * their SQL in a small open-addressing table: a pointer compare instead of hashing text. A
 * statement that is already being stepped (a read inside a read of the same kind) gets a twin
 * that lives only as long as its rows. */
#include "store/db.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/limits.h"

struct cached {
    const char *sql;
    sqlite3_stmt *statement;
};

struct db {
    sqlite3 *handle;
    char *path;
    size_t used;
    struct cached cache[LIMIT_STATEMENTS];
};

/* --- errors --- */

struct failure {
    int result;
    enum err_code code;
    const char *what; /* with the path in it */
};
static const struct failure FAILURES[] = {
    {SQLITE_CONSTRAINT, ERR_CONFLICT, "%s breaks a rule of the records"},
    {SQLITE_NOMEM, ERR_MEMORY, "not enough memory for %s"},
    {SQLITE_FULL, ERR_STORE, "the disk that holds %s is full: free some space"},
    {SQLITE_IOERR, ERR_STORE, "reading or writing %s failed: see to its disk"},
    {SQLITE_CORRUPT, ERR_STORE, "%s is damaged: restore it from a copy"},
    {SQLITE_NOTADB, ERR_STORE, "%s is not a database"},
    {SQLITE_READONLY, ERR_STORE, "%s cannot be written: see to its permissions"},
    {SQLITE_PERM, ERR_STORE, "%s cannot be written: see to its permissions"},
    {SQLITE_CANTOPEN, ERR_STORE, "%s cannot be opened"},
    {SQLITE_BUSY, ERR_STORE, "%s is held by another process"},
    {SQLITE_TOOBIG, ERR_TOO_LARGE, "a value is too large for %s"},
};

bool db_fail(struct db *db, int result, const char *doing, struct err *err)
{
    struct failure known = {result, ERR_INTERNAL, "%s gave an error"};
    for (size_t i = 0; i < sizeof FAILURES / sizeof FAILURES[0]; i++)
        if (FAILURES[i].result == (result & 0xff))
            known = FAILURES[i];
    char what[ERR_MESSAGE_MAX];
    const char *mark = strstr(known.what, "%s");
    snprintf(what, sizeof what, "%.*s%s%s", (int)(mark - known.what), known.what, db->path,
             mark + 2);
    return err_set(err, known.code, "%s (%s: %s, %d)", what, doing, sqlite3_errmsg(db->handle),
                   result);
}

/* --- opening --- */

static int configure(sqlite3 *handle, enum db_mode mode)
{
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, 5000);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    int result = sqlite3_exec(handle, "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY",
                              NULL, NULL, NULL);
    if (result != SQLITE_OK)
        return result;
    if (mode == DB_READ)
        return sqlite3_exec(handle, "PRAGMA cache_size = -16000", NULL, NULL, NULL);
    /* The writer's cache (in KiB) holds what a large import changes at a time: spilled pages
     * would be written twice. */
    return sqlite3_exec(
        handle,
        "PRAGMA cache_size = -65536; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 33554432",
        NULL, NULL, NULL);
}

struct db *db_open(const char *path, enum db_mode mode, struct err *err)
{
    struct db *db = calloc(1, sizeof *db);
    if (db == NULL || (db->path = strdup(path)) == NULL) {
        free(db);
        err_set(err, ERR_MEMORY, "no memory to open %s", path);
        return NULL;
    }
    int flags =
        SQLITE_OPEN_NOMUTEX |
        (mode == DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    int result = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (result == SQLITE_OK)
        result = configure(db->handle, mode);
    if (result == SQLITE_OK)
        return db;
    db_fail(db, result, "opening the database", err);
    db_close(db);
    return NULL;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    for (size_t i = 0; i < LIMIT_STATEMENTS; i++)
        sqlite3_finalize(db->cache[i].statement);
    sqlite3_close_v2(db->handle);
    free(db->path);
    free(db);
}

bool db_in_transaction(const struct db *db)
{
    return sqlite3_get_autocommit(db->handle) == 0;
}

struct sqlite3 *db_handle(struct db *db)
{
    return db->handle;
}

/* --- values --- */

struct db_value db_value_known(int64_t value)
{
    return value < 0 ? DB_NULL : DB_INT(value);
}

struct db_value db_value_real(double value)
{
    return isnan(value) ? DB_NULL : (struct db_value){.kind = DB_KIND_REAL, .real = value};
}

struct db_value db_value_string(const char *string)
{
    return string == NULL ? DB_NULL : db_value_text(text_of(string));
}

struct db_value db_value_text(struct text text)
{
    return text.data == NULL ? DB_NULL : (struct db_value){.kind = DB_KIND_TEXT, .text = text};
}

struct db_value db_value_blob(const void *bytes, size_t length)
{
    return bytes == NULL ? DB_NULL
                         : (struct db_value){.kind = DB_KIND_BLOB, .text = {bytes, length}};
}

static int bind_one(sqlite3_stmt *statement, int place, const struct db_value *value)
{
    switch (value->kind) {
    case DB_KIND_INT:
        return sqlite3_bind_int64(statement, place, value->integer);
    case DB_KIND_REAL:
        return sqlite3_bind_double(statement, place, value->real);
    case DB_KIND_TEXT: /* static: the statement is reset and its bindings cleared before the
                          caller's text goes */
        return sqlite3_bind_text64(statement, place, value->text.data, value->text.length,
                                   SQLITE_STATIC, SQLITE_UTF8);
    case DB_KIND_BLOB:
        return sqlite3_bind_blob64(statement, place, value->text.data, value->text.length,
                                   SQLITE_STATIC);
    default:
        return sqlite3_bind_null(statement, place);
    }
}

/* --- statements --- */

static int prepare(struct db *db, const char *sql, unsigned flags, sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(db->handle, sql, -1, flags, out, NULL);
}

static struct cached *cache_slot(struct db *db, const char *sql)
{
    size_t at = (size_t)(((uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % LIMIT_STATEMENTS;
    while (db->cache[at].sql != NULL && db->cache[at].sql != sql)
        at = (at + 1) % LIMIT_STATEMENTS;
    return &db->cache[at];
}

/* Gives a statement that nobody is stepping; *owned when the caller must finalize it. */
static int find_statement(struct db *db, const char *sql, sqlite3_stmt **out, bool *owned)
{
    struct cached *slot = cache_slot(db, sql);
    *owned = slot->sql == NULL ? db->used + 1 >= LIMIT_STATEMENTS
                               : sqlite3_stmt_busy(slot->statement) != 0;
    if (*owned)
        return prepare(db, sql, 0, out);
    if (slot->sql == NULL) {
        int result = prepare(db, sql, SQLITE_PREPARE_PERSISTENT, &slot->statement);
        if (result != SQLITE_OK)
            return result;
        slot->sql = sql;
        db->used++;
    }
    *out = slot->statement;
    return SQLITE_OK;
}

static int start(struct db *db, const char *sql, const struct db_value *values, size_t count,
                 struct db_rows *rows)
{
    *rows = (struct db_rows){.db = db};
    int result = find_statement(db, sql, &rows->statement, &rows->owned);
    for (size_t i = 0; result == SQLITE_OK && i < count; i++)
        result = bind_one(rows->statement, (int)i + 1, &values[i]);
    return result;
}

static int finish(struct db_rows *rows)
{
    if (rows->statement == NULL)
        return SQLITE_OK;
    int result = rows->owned ? sqlite3_finalize(rows->statement) : sqlite3_reset(rows->statement);
    if (!rows->owned)
        sqlite3_clear_bindings(rows->statement);
    rows->statement = NULL;
    return result;
}

/* What failed, in a few words: the statement's own beginning. */
static bool fail_at(struct db *db, int result, const char *sql, struct err *err)
{
    char doing[40];
    snprintf(doing, sizeof doing, "%.32s", sql);
    for (char *c = doing; *c != '\0'; c++)
        if (*c == '\n')
            *c = ' ';
    return db_fail(db, result, doing, err);
}

bool db_run(struct db *db, const char *sql, const struct db_value *values, size_t count,
            struct err *err)
{
    struct db_rows rows;
    int result = start(db, sql, values, count, &rows);
    if (result == SQLITE_OK)
        result = sqlite3_step(rows.statement);
    bool done = result == SQLITE_DONE || result == SQLITE_ROW;
    if (!done)
        fail_at(db, result, sql, err); /* before reset, which would give the message anew */
    finish(&rows);
    return done;
}

int64_t db_changes(const struct db *db)
{
    return sqlite3_changes64(db->handle);
}

int64_t db_inserted(const struct db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

bool db_script(struct db *db, const char *sql, struct err *err)
{
    int result = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return result == SQLITE_OK || fail_at(db, result, sql, err);
}

/* --- rows --- */

bool db_select(struct db *db, struct db_rows *rows, const char *sql, const struct db_value *values,
               size_t count, struct err *err)
{
    int result = start(db, sql, values, count, rows);
    rows->sql = sql;
    rows->result = SQLITE_ROW;
    if (result == SQLITE_OK)
        return true;
    fail_at(db, result, sql, err);
    finish(rows);
    return false;
}

bool db_next(struct db_rows *rows)
{
    if (rows->result == SQLITE_ROW)
        rows->result = sqlite3_step(rows->statement);
    return rows->result == SQLITE_ROW;
}

bool db_end(struct db_rows *rows, struct err *err)
{
    bool good = rows->result == SQLITE_ROW || rows->result == SQLITE_DONE;
    if (!good)
        fail_at(rows->db, rows->result, rows->sql, err);
    finish(rows);
    return good;
}

bool db_is_null(const struct db_rows *rows, int column)
{
    return sqlite3_column_type(rows->statement, column) == SQLITE_NULL;
}

int64_t db_int(const struct db_rows *rows, int column)
{
    return sqlite3_column_int64(rows->statement, column);
}

int64_t db_int_or(const struct db_rows *rows, int column, int64_t otherwise)
{
    return db_is_null(rows, column) ? otherwise : db_int(rows, column);
}

double db_real(const struct db_rows *rows, int column)
{
    return db_is_null(rows, column) ? NAN : sqlite3_column_double(rows->statement, column);
}

struct text db_text(const struct db_rows *rows, int column)
{
    if (db_is_null(rows, column))
        return (struct text){NULL, 0};
    const char *bytes = sqlite3_column_blob(rows->statement, column);
    size_t length = (size_t)sqlite3_column_bytes(rows->statement, column);
    return (struct text){bytes != NULL ? bytes : "", length}; /* an empty blob comes as NULL */
}

const char *db_string(const struct db_rows *rows, int column)
{
    return (const char *)sqlite3_column_text(rows->statement, column);
}

void db_copy(const struct db_rows *rows, int column, char *out, size_t size)
{
    struct text text = db_text(rows, column);
    size_t length = text.length < size - 1 ? text.length : size - 1;
    memcpy(out, text.length > 0 ? text.data : "", length);
    out[length] = '\0';
}

bool db_bytes(const struct db_rows *rows, int column, void *out, size_t length)
{
    struct text bytes = db_text(rows, column);
    if (bytes.length != length || bytes.data == NULL)
        return false;
    memcpy(out, bytes.data, length);
    return true;
}

bool db_one_int(struct db *db, const char *sql, const struct db_value *values, size_t count,
                int64_t otherwise, int64_t *out, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, sql, values, count, err))
        return false;
    int64_t value = db_next(&rows) ? db_int_or(&rows, 0, otherwise) : otherwise;
    if (!db_end(&rows, err))
        return false;
    *out = value;
    return true;
}
