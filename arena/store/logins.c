/* A name is taken only by a voter with a password: a name alone opens nothing. */
#include "store/logins.h"

#include <string.h>

static bool find_hash(struct db *db, struct login *out, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, "SELECT password FROM voters WHERE id = ?",
                   DB_VALUES(DB_STRING(out->voter.id)), err))
        return false;
    out->hash[0] = '\0';
    if (db_next(&rows) && !db_is_null(&rows, 0))
        db_copy(&rows, 0, out->hash, sizeof out->hash);
    return db_end(&rows, err);
}

bool logins_by_voter(struct db *db, const char *voter, struct login *out, struct err *err)
{
    return voters_find(db, voter, &out->voter, err) && find_hash(db, out, err);
}

bool logins_by_name(struct db *db, const char *name, struct login *out, bool *found,
                    struct err *err)
{
    char id[STORE_ID_SIZE] = "";
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT id FROM voters WHERE kind = 0 AND name = ? AND password NOTNULL",
                   DB_VALUES(DB_STRING(name)), err))
        return false;
    *found = db_next(&rows);
    if (*found)
        db_copy(&rows, 0, id, sizeof id);
    return db_end(&rows, err) && (!*found || logins_by_voter(db, id, out, err));
}

bool logins_set(struct db *tx, const char *voter, const char *name, const char *hash,
                struct err *err)
{
    struct login other;
    bool found;
    if (!logins_by_name(tx, name, &other, &found, err))
        return false;
    if (found && strcmp(other.voter.id, voter) != 0)
        return err_set(err, ERR_CONFLICT, "this name is taken: choose another one");
    return db_run(tx, "UPDATE voters SET name = ?, password = ? WHERE id = ? AND kind = 0",
                  DB_VALUES(DB_STRING(name), DB_STRING(hash), DB_STRING(voter)), err) &&
           (db_changes(tx) == 1 || err_set(err, ERR_NOT_FOUND, "there is no voter %.40s", voter));
}
