/* Whoever was not told has nothing to appeal against: that it is refused tells no more. */
#include "store/appeals.h"

#include "store/exclusions.h"

bool appeals_add(struct db *tx, const char *voter, const struct appeal *appeal, struct err *err)
{
    struct exclusion_record exclusion;
    bool told;
    if (!exclusions_told(tx, voter, &exclusion, &told, err))
        return false;
    if (!told)
        return err_set(err, ERR_WRONG_STATE, "there is nothing to appeal against");
    return db_run(
        tx, "INSERT OR REPLACE INTO appeals (voter, text, at_ms) VALUES (?, ?, ?)",
        DB_VALUES(DB_INT(exclusion.voter), DB_STRING(appeal->text), DB_INT(appeal->at_ms)), err);
}

bool appeals_newest(struct db *db, int64_t voter, struct appeal *out, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, "SELECT at_ms, text FROM appeals WHERE voter = ?",
                   DB_VALUES(DB_INT(voter)), err))
        return false;
    *out = (struct appeal){0};
    if (db_next(&rows)) {
        out->at_ms = db_int(&rows, 0);
        db_copy(&rows, 1, out->text, sizeof out->text);
    }
    return db_end(&rows, err);
}
