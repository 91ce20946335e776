/* A thin skin over SQLite. Binding takes an array of typed values, so that the compiler checks
 * them and no call counts parameters by hand. Prepared statements are found by the address of
 * their SQL in a small open-addressing table: a pointer compare instead of hashing text. A
 * statement that is already being stepped (a read inside a read of the same kind) gets a twin
 * that lives only as long as its rows. Rows from memory are a virtual table without a name in any
 * schema, so that one INSERT … SELECT takes them all. */
#include "store/db.h"

#include <math.h>
#include <pthread.h>
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
    bool cut_log;               /* as soon as possible */
    const struct db_feed *feed; /* while db_run_feed runs */
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

/* --- rows from memory --- */

struct feed_table {
    sqlite3_vtab base;
    struct db *db;
};
struct feed_cursor {
    sqlite3_vtab_cursor base;
    const struct db_feed *feed;
    size_t row;
    struct db_value values[DB_FEED_COLUMNS];
};

static int feed_connect(sqlite3 *handle, void *db, int count, const char *const *words,
                        sqlite3_vtab **out, char **message)
{
    (void)count, (void)words, (void)message;
    char sql[16 + 5 * DB_FEED_COLUMNS];
    int length = snprintf(sql, sizeof sql, "CREATE TABLE x(v0");
    for (int k = 1; k < DB_FEED_COLUMNS; k++)
        length += snprintf(sql + length, sizeof sql - (size_t)length, ",v%d", k);
    snprintf(sql + length, sizeof sql - (size_t)length, ")");
    int result = sqlite3_declare_vtab(handle, sql);
    struct feed_table *table = result == SQLITE_OK ? calloc(1, sizeof *table) : NULL;
    if (result == SQLITE_OK && table == NULL)
        result = SQLITE_NOMEM;
    if (table != NULL)
        table->db = db;
    *out = (sqlite3_vtab *)table;
    return result;
}

static int feed_disconnect(sqlite3_vtab *table)
{
    free(table);
    return SQLITE_OK;
}

static int feed_plan(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedCost = 1;
    return SQLITE_OK;
}

static int feed_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    (void)table;
    *out = calloc(1, sizeof(struct feed_cursor));
    return *out != NULL ? SQLITE_OK : SQLITE_NOMEM;
}

static int feed_close(sqlite3_vtab_cursor *cursor)
{
    free(cursor);
    return SQLITE_OK;
}

static int feed_end(sqlite3_vtab_cursor *base)
{
    const struct feed_cursor *cursor = (const struct feed_cursor *)base;
    return cursor->feed == NULL || cursor->row >= cursor->feed->rows;
}

static int feed_take(struct feed_cursor *cursor, size_t row)
{
    cursor->row = row;
    if (!feed_end(&cursor->base))
        cursor->feed->row(cursor->feed->user, row, cursor->values);
    return SQLITE_OK;
}

static int feed_first(sqlite3_vtab_cursor *base, int plan, const char *words, int count,
                      sqlite3_value **values)
{
    (void)plan, (void)words, (void)count, (void)values;
    struct feed_cursor *cursor = (struct feed_cursor *)base;
    cursor->feed = ((struct feed_table *)base->pVtab)->db->feed;
    return feed_take(cursor, 0);
}

static int feed_next(sqlite3_vtab_cursor *base)
{
    struct feed_cursor *cursor = (struct feed_cursor *)base;
    return feed_take(cursor, cursor->row + 1);
}

static int feed_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *row)
{
    *row = (sqlite3_int64)((struct feed_cursor *)base)->row;
    return SQLITE_OK;
}

/* What is given stays until the next row, and longer nobody looks. */
static int feed_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    const struct db_value *value = &((struct feed_cursor *)base)->values[column];
    switch (value->kind) {
    case DB_KIND_INT:
        sqlite3_result_int64(context, value->integer);
        break;
    case DB_KIND_REAL:
        sqlite3_result_double(context, value->real);
        break;
    case DB_KIND_TEXT:
        sqlite3_result_text64(context, value->text.data, value->text.length, SQLITE_STATIC,
                              SQLITE_UTF8);
        break;
    case DB_KIND_BLOB:
        sqlite3_result_blob64(context, value->text.data, value->text.length, SQLITE_STATIC);
        break;
    default:
        sqlite3_result_null(context);
    }
    return SQLITE_OK;
}

static const sqlite3_module FEED = {.xConnect = feed_connect,
                                    .xBestIndex = feed_plan,
                                    .xDisconnect = feed_disconnect,
                                    .xOpen = feed_open,
                                    .xClose = feed_close,
                                    .xFilter = feed_first,
                                    .xNext = feed_next,
                                    .xEof = feed_end,
                                    .xColumn = feed_column,
                                    .xRowid = feed_rowid};

/* --- opening --- */

/* For the whole process, before SQLite starts: no count of its memory, which would cost a lock an
 * allocation; and what a savepoint may have to bring back stays in memory. (3.40 can fail when it
 * moves that into a file: it takes a write of no bytes for a full disk.) */
static void set_up(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1);
}

static int configure(sqlite3 *handle, enum db_mode mode)
{
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, 5000);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    if (mode == DB_READ)
        return sqlite3_exec(
            handle,
            "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000",
            NULL, NULL, NULL);
    /* The writer's cache (in KiB) holds what a large import changes at a time, for spilled pages
     * are written twice; its sorts take as much again, then files: an index over millions of votes
     * is built in little memory. */
    return sqlite3_exec(
        handle,
        "PRAGMA cell_size_check = ON; PRAGMA cache_size = -16000; PRAGMA threads = 1;"
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
        "PRAGMA journal_size_limit = 33554432; PRAGMA secure_delete = ON", /* text goes for good */
        NULL, NULL, NULL);
}

struct db *db_open(const char *path, enum db_mode mode, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up);
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
    if (result == SQLITE_OK && mode == DB_WRITE)
        result = sqlite3_create_module_v2(db->handle, "feed", &FEED, db, NULL);
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

bool db_cut_log(struct db *tx)
{
    return tx->cut_log = true;
}

bool db_log_is_to_be_cut(const struct db *db)
{
    return db->cut_log;
}

void db_log_was_cut(struct db *db)
{
    db->cut_log = false;
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

bool db_run_feed(struct db *db, const char *sql, const struct db_feed *feed, struct err *err)
{
    db->feed = feed;
    bool done = feed->rows == 0 || db_run(db, sql, DB_NONE, err);
    db->feed = NULL;
    return done;
}

void db_check_references(struct db *db, bool check)
{
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_FKEY, check ? 1 : 0, NULL);
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
