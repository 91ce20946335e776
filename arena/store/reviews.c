/* Appended rather than changed, so that it can be told who let what out. */
#include "store/reviews.h"

#include "store/audit.h"

bool reviews_add(struct db *tx, const struct review_record *record, struct err *err)
{
    if (!db_run(tx,
                "INSERT INTO reviews (battle, released, actor, at_ms)"
                " SELECT number, ?, ?, ? FROM battles WHERE id = ?",
                DB_VALUES(DB_INT(record->released), DB_STRING(record->actor), DB_INT(record->at_ms),
                          DB_STRING(record->battle)),
                err))
        return false;
    if (db_changes(tx) != 1)
        return err_set(err, ERR_NOT_FOUND, "there is no battle %.40s", record->battle);
    struct audit_record audit = {.at_ms = record->at_ms,
                                 .actor = record->actor,
                                 .act =
                                     record->released ? "release for export" : "refuse for export",
                                 .detail = record->battle};
    return audit_add(tx, &audit, err);
}
