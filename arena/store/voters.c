/* A human voter is found by id, a named one (a judge model, a voter of a file) by kind and name. */
#include "store/voters.h"

#include <string.h>

#include "base/clock.h"
#include "base/random.h"

static const char *const ROLE_WORDS[] = {
#define X(name, word) word,
    VOTER_ROLE_MAP(X)
#undef X
};

const char *voter_role_word(enum voter_role role)
{
    return ROLE_WORDS[role];
}

bool voter_role_from(const char *word, enum voter_role *role)
{
    for (size_t i = 0; i < sizeof ROLE_WORDS / sizeof ROLE_WORDS[0]; i++) {
        if (strcmp(word, ROLE_WORDS[i]) != 0)
            continue;
        *role = (enum voter_role)i;
        return true;
    }
    return false;
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

bool voters_insert(struct db *tx, const struct voter_record *record, struct err *err)
{
    return db_run(tx,
                  "INSERT INTO voters (id, kind, role, name, cohort, staff, created_ms) VALUES (?, "
                  "?, ?, ?, ?, ?, ?)",
                  DB_VALUES(DB_STRING(record->id), DB_INT(record->kind), DB_INT(record->role),
                            DB_STRING(or_null(record->name)), DB_STRING(or_null(record->cohort)),
                            DB_INT(record->staff), DB_INT(record->created_ms)),
                  err);
}

bool voters_change(struct db *tx, const struct voter_record *record, struct err *err)
{
    return db_run(tx, "UPDATE voters SET role = ?, cohort = ?, staff = ? WHERE id = ? AND kind = 0",
                  DB_VALUES(DB_INT(record->role), DB_STRING(or_null(record->cohort)),
                            DB_INT(record->staff), DB_STRING(record->id)),
                  err) &&
           (db_changes(tx) == 1 ||
            err_set(err, ERR_NOT_FOUND, "there is no voter %.40s", record->id));
}

#define VOTER_COLUMNS "v.number, v.id, v.kind, v.role, v.name, v.cohort, v.staff, v.created_ms"

static struct voter_record voter_from_row(const struct db_rows *rows, int first)
{
    struct voter_record record = {.number = db_int(rows, first),
                                  .kind = (enum voter_kind)db_int(rows, first + 2),
                                  .role = (enum voter_role)db_int(rows, first + 3),
                                  .staff = db_int(rows, first + 6) != 0,
                                  .created_ms = db_int(rows, first + 7)};
    db_copy(rows, first + 1, record.id, sizeof record.id);
    db_copy(rows, first + 4, record.name, sizeof record.name);
    db_copy(rows, first + 5, record.cohort, sizeof record.cohort);
    return record;
}

bool voters_find(struct db *db, const char *id, struct voter_record *out, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, "SELECT " VOTER_COLUMNS " FROM voters v WHERE v.id = ?",
                   DB_VALUES(DB_STRING(id)), err))
        return false;
    bool found = db_next(&rows);
    if (found)
        *out = voter_from_row(&rows, 0);
    if (!db_end(&rows, err))
        return false;
    return found || err_set(err, ERR_NOT_FOUND, "there is no voter %.40s", id);
}

bool voters_named(struct db *tx, enum voter_kind kind, struct text name, int64_t now_ms,
                  int64_t *number, struct err *err)
{
    struct db_value value = DB_TEXT(name);
    if (!db_one_int(tx, "SELECT number FROM voters WHERE kind = ? AND name = ? AND kind <> 0",
                    DB_VALUES(DB_INT(kind), value), 0, number, err))
        return false;
    if (*number != 0)
        return true;
    char id[STORE_ID_SIZE];
    random_id(id);
    if (!db_run(tx, "INSERT INTO voters (id, kind, role, name, created_ms) VALUES (?, ?, ?, ?, ?)",
                DB_VALUES(DB_STRING(id), DB_INT(kind), DB_INT(ROLE_VOTER), value, DB_INT(now_ms)),
                err))
        return false;
    *number = db_inserted(tx);
    return true;
}

/* --- sessions --- */

bool voter_sessions_insert(struct db *tx, const struct session_record *record, struct err *err)
{
    if (!db_run(tx,
                "INSERT INTO voter_sessions (token_hash, voter, created_ms, expires_ms)"
                " SELECT ?, number, ?, ? FROM voters WHERE id = ?",
                DB_VALUES(DB_BLOB(record->token_hash, DIGEST_SIZE), DB_INT(record->created_ms),
                          record->expires_ms > 0 ? DB_INT(record->expires_ms) : DB_NULL,
                          DB_STRING(record->voter.id)),
                err))
        return false;
    return db_changes(tx) == 1 ||
           err_set(err, ERR_NOT_FOUND, "there is no voter %.40s", record->voter.id);
}

bool voter_sessions_revoke(struct db *tx, const uint8_t token_hash[DIGEST_SIZE], struct err *err)
{
    return db_run(tx, "DELETE FROM voter_sessions WHERE token_hash = ?",
                  DB_VALUES(DB_BLOB(token_hash, DIGEST_SIZE)), err);
}

bool voter_sessions_revoke_all(struct db *tx, const char *voter, struct err *err)
{
    return db_run(
               tx,
               "DELETE FROM voter_sessions WHERE voter = (SELECT number FROM voters WHERE id = ?)",
               DB_VALUES(DB_STRING(voter)), err) &&
           db_run(tx,
                  "UPDATE invitations SET revoked_ms = ? WHERE used_ms IS NULL AND revoked_ms IS"
                  " NULL AND for_voter = (SELECT number FROM voters WHERE id = ?)",
                  DB_VALUES(DB_INT(clock_wall_ms()), DB_STRING(voter)), err);
}

bool voter_sessions_each(struct db *db, int64_t now_ms, int64_t limit,
                         void (*each)(void *user, const struct session_record *record), void *user,
                         struct err *err)
{
    struct db_rows rows;
    if (!db_select(
            db, &rows,
            "SELECT s.token_hash, s.created_ms, s.expires_ms, c.scope, c.notice, c.at_ms,"
            " c.in_house_only, " VOTER_COLUMNS " FROM voter_sessions s"
            " JOIN voters v ON v.number = s.voter"
            " LEFT JOIN consents c ON c.id = (SELECT max(id) FROM consents WHERE voter = v.number)"
            " WHERE s.expires_ms IS NULL OR s.expires_ms > ?"
            " ORDER BY s.created_ms DESC LIMIT ?",
            DB_VALUES(DB_INT(now_ms), DB_INT(limit)), err))
        return false;
    while (db_next(&rows)) {
        struct session_record record = {.created_ms = db_int(&rows, 1),
                                        .expires_ms = db_int(&rows, 2),
                                        .voter = voter_from_row(&rows, 7)};
        consent_read_row(&rows, 3, &record.consent);
        if (db_bytes(&rows, 0, record.token_hash, DIGEST_SIZE))
            each(user, &record);
    }
    return db_end(&rows, err);
}
