#include "store/spending.h"

bool spending_set(struct db *tx, int64_t day, const char *name, double usd, struct err *err)
{
    return db_run(tx,
                  "INSERT INTO spending (day, name, usd) VALUES (?, ?, ?)"
                  " ON CONFLICT (day, name) DO UPDATE SET usd = excluded.usd",
                  DB_VALUES(DB_INT(day), DB_STRING(name), DB_REAL(usd)), err);
}

bool spending_each(struct db *db, int64_t day,
                   bool (*each)(void *user, const char *name, double usd, struct err *err),
                   void *user, struct err *err)
{
    struct db_rows rows;
    bool good = true;
    if (!db_select(db, &rows, "SELECT name, usd FROM spending WHERE day = ?",
                   DB_VALUES(DB_INT(day)), err))
        return false;
    while (good && db_next(&rows))
        good = each(user, db_string(&rows, 0), db_real(&rows, 1), err);
    return db_end(&rows, good ? err : NULL) && good;
}
