/* One SQLite connection and its prepared statements: the only place that talks to SQLite.
 *
 * A `struct db` belongs to one thread at a time. Statements are prepared once per connection and
 * found again by the address of their SQL, so `sql` must be a string literal (or live as long as
 * the connection and never change). Rows are read between db_select and db_end; keep that short,
 * for an open read keeps the write-ahead log from being cut. All text and blobs given as values
 * must live until db_run returns or until db_end; those of a row until its next step.
 *
 *     struct db_rows rows;
 *     if (!db_select(db, &rows, "SELECT id, name FROM t WHERE kind = ?",
 *         DB_VALUES(DB_INT(kind)), err))
 *         return false;
 *     while (db_next(&rows))
 *         use(db_int(&rows, 0), db_text(&rows, 1));
 *     return db_end(&rows, err);
 *
 * Errors: a broken constraint is ERR_CONFLICT; whatever is the disk's, the memory's or the
 * file's fault is ERR_STORE. */
#ifndef ARENA_STORE_DB_H
#define ARENA_STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct db;
struct sqlite3_stmt;

enum db_mode { DB_WRITE, DB_READ };

/* Opens the file. DB_WRITE creates it where missing and sets WAL and synchronous=FULL; DB_READ
 * never writes. */
struct db *db_open(const char *path, enum db_mode mode, struct err *err);
void db_close(struct db *db); /* NULL is allowed */

/* --- values of a statement's parameters, in order --- */
enum db_kind { DB_KIND_NULL, DB_KIND_INT, DB_KIND_REAL, DB_KIND_TEXT, DB_KIND_BLOB };
struct db_value {
    enum db_kind kind;
    int64_t integer;
    double real;
    struct text text;
};
#define DB_NULL ((struct db_value){.kind = DB_KIND_NULL})
#define DB_INT(value) ((struct db_value){.kind = DB_KIND_INT, .integer = (value)})
struct db_value db_value_known(int64_t value);                   /* NULL where negative */
struct db_value db_value_real(double value);                     /* NULL where not a number */
struct db_value db_value_string(const char *string);             /* NULL where NULL */
struct db_value db_value_text(struct text text);                 /* NULL where its data is NULL */
struct db_value db_value_blob(const void *bytes, size_t length); /* NULL where bytes is NULL */
#define DB_REAL(value) db_value_real(value)
#define DB_KNOWN(value) db_value_known(value)
#define DB_STRING(string) db_value_string(string)
#define DB_TEXT(text) db_value_text(text)
#define DB_BLOB(bytes, length) db_value_blob(bytes, length)
#define DB_VALUES(...)                                                                             \
    (const struct db_value[]){__VA_ARGS__},                                                        \
        sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value)
#define DB_NONE NULL, 0

/* A statement that returns no rows. */
bool db_run(struct db *db, const char *sql, const struct db_value *values, size_t count,
            struct err *err);
int64_t db_changes(const struct db *db);  /* rows that the last db_run changed */
int64_t db_inserted(const struct db *db); /* rowid of the last insert */

/* Rows from memory for an INSERT … SELECT v0, v1, … FROM feed: what a statement costs to begin and
 * to end is paid once for all of them. For DB_WRITE. */
#define DB_FEED_COLUMNS 24
struct db_feed {
    size_t rows;
    /* Gives row `row` (from 0, in order); texts must live until the next. */
    void (*row)(void *user, size_t row, struct db_value values[DB_FEED_COLUMNS]);
    void *user;
};
bool db_run_feed(struct db *db, const char *sql, const struct db_feed *feed, struct err *err);

/* For whoever writes many rows and has just made all that they point at: whether foreign keys are
 * checked. They are, until somebody says no; who does says yes again in the same job. */
void db_check_references(struct db *db, bool check);

/* Several statements without parameters, separated by ";" (migrations, pragmas). */
bool db_script(struct db *db, const char *sql, struct err *err);

/* --- rows --- */
struct db_rows {
    struct db *db;
    struct sqlite3_stmt *statement;
    const char *sql;
    int result;
    bool owned; /* the statement is this read's alone */
};
bool db_select(struct db *db, struct db_rows *rows, const char *sql, const struct db_value *values,
               size_t count, struct err *err);
bool db_next(struct db_rows *rows); /* false: no more rows, or an error that db_end tells */
bool db_end(struct db_rows *rows, struct err *err); /* always call it; resets the statement */
bool db_is_null(const struct db_rows *rows, int column);
int64_t db_int(const struct db_rows *rows, int column); /* 0 where NULL */
int64_t db_int_or(const struct db_rows *rows, int column, int64_t otherwise);
double db_real(const struct db_rows *rows, int column); /* NaN where NULL */
struct text db_text(const struct db_rows *rows,
                    int column); /* data NULL where NULL; text or blob */
const char *db_string(const struct db_rows *rows, int column); /* NUL-terminated; NULL where NULL */
void db_copy(const struct db_rows *rows, int column, char *out,
             size_t size); /* cut to size - 1 and a NUL */
bool db_bytes(const struct db_rows *rows, int column, void *out,
              size_t length); /* false unless exactly that long */

/* One integer, or `otherwise` when there is no row or it is NULL. */
bool db_one_int(struct db *db, const char *sql, const struct db_value *values, size_t count,
                int64_t otherwise, int64_t *out, struct err *err);

/* Text was let go in this transaction: once it is committed, the write-ahead log, which still has
 * it, is to be moved into the database and emptied as soon as no reader needs it. Gives true. */
bool db_cut_log(struct db *tx);
bool db_log_is_to_be_cut(const struct db *db);
void db_log_was_cut(struct db *db);

/* For store.c: the writer's transaction and checkpoints. */
bool db_in_transaction(const struct db *db);
struct sqlite3 *db_handle(struct db *db);
bool db_fail(struct db *db, int result, const char *doing,
             struct err *err); /* turns a result code into an error */

#endif
