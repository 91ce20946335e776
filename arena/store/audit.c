/* A plain list. */
#include "store/audit.h"

#include "base/clock.h"

bool audit_add(struct db *tx, const struct audit_record *record, struct err *err)
{
    return db_run(tx, "INSERT INTO audit (at_ms, actor, act, detail) VALUES (?, ?, ?, ?)",
                  DB_VALUES(DB_INT(record->at_ms), DB_STRING(record->actor), DB_STRING(record->act),
                            DB_STRING(record->detail)),
                  err);
}

static bool apply(struct db *tx, void *data, struct err *err)
{
    return audit_add(tx, data, err);
}

bool audit_note(struct store *store, const char *act, const char *detail, struct err *err)
{
    struct audit_record record = {
        .at_ms = clock_wall_ms(), .actor = "command line", .act = act, .detail = detail};
    return store_apply(store, apply, &record, err);
}

bool audit_each(struct db *db, int64_t before, int64_t limit,
                void (*each)(void *user, const struct audit_record *record), void *user,
                struct err *err)
{
    struct db_rows rows;
    if (!db_select(
            db, &rows,
            "SELECT id, at_ms, actor, act, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?",
            DB_VALUES(DB_INT(before > 0 ? before : INT64_MAX), DB_INT(limit)), err))
        return false;
    while (db_next(&rows)) {
        struct audit_record record = {db_int(&rows, 0), db_int(&rows, 1), db_string(&rows, 2),
                                      db_string(&rows, 3), db_string(&rows, 4)};
        each(user, &record);
    }
    return db_end(&rows, err);
}
