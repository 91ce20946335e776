/* Appended, so that it can be shown what somebody had agreed to when. */
#include "store/consents.h"

#include <string.h>

static const char *const WORDS[] = {"none", "inside", "export", "publish"};

const char *consent_scope_word(enum consent_scope scope)
{
    return WORDS[scope];
}

bool consent_scope_from(const char *word, enum consent_scope *scope)
{
    for (int i = CONSENT_INSIDE; i <= CONSENT_PUBLISH; i++) {
        if (strcmp(word, WORDS[i]) != 0)
            continue;
        *scope = (enum consent_scope)i;
        return true;
    }
    return false;
}

bool consents_add(struct db *tx, const char *voter, const struct consent *consent, struct err *err)
{
    if (!db_run(tx,
                "INSERT INTO consents (voter, notice, scope, at_ms, in_house_only)"
                " SELECT number, ?, ?, ?, ? FROM "
                "voters WHERE id = ?",
                DB_VALUES(DB_STRING(consent->notice), DB_STRING(WORDS[consent->scope]),
                          DB_INT(consent->at_ms), DB_INT(consent->in_house_only), DB_STRING(voter)),
                err))
        return false;
    return db_changes(tx) == 1 || err_set(err, ERR_NOT_FOUND, "there is no voter %.40s", voter);
}

void consent_read_row(const struct db_rows *rows, int column, struct consent *out)
{
    *out = (struct consent){.scope = CONSENT_NONE};
    if (db_is_null(rows, column))
        return;
    consent_scope_from(db_string(rows, column), &out->scope);
    db_copy(rows, column + 1, out->notice, sizeof out->notice);
    out->at_ms = db_int(rows, column + 2);
    out->in_house_only = db_int(rows, column + 3) != 0;
}

bool consents_find(struct db *db, const char *voter, struct consent *out, struct err *err)
{
    struct db_rows rows;
    *out = (struct consent){.scope = CONSENT_NONE};
    if (!db_select(db, &rows,
                   "SELECT c.scope, c.notice, c.at_ms, c.in_house_only FROM consents c JOIN voters "
                   "v ON v.number = c.voter"
                   " WHERE v.id = ? ORDER BY c.id DESC LIMIT 1",
                   DB_VALUES(DB_STRING(voter)), err))
        return false;
    if (db_next(&rows))
        consent_read_row(&rows, 0, out);
    return db_end(&rows, err);
}
