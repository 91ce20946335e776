/* Using one up is an UPDATE that only an open invitation satisfies, so of two who come at once
 * one is refused. */
#include "store/invitations.h"

#include <string.h>

bool invitations_insert(struct db *tx, const struct invitation_record *r, struct err *err)
{
    return db_run(tx,
                  "INSERT INTO invitations (token_hash, role, cohort, staff, note, for_voter, "
                  "created_ms, expires_ms)"
                  " VALUES (?, ?, nullif(?, ''), ?, nullif(?, ''), (SELECT number FROM voters "
                  "WHERE id = ?), ?,"
                  " nullif(?, 0))",
                  DB_VALUES(DB_BLOB(r->token_hash, DIGEST_SIZE), DB_INT(r->role),
                            DB_STRING(r->cohort), DB_INT(r->staff), DB_STRING(r->note),
                            DB_STRING(r->for_voter), DB_INT(r->created_ms), DB_INT(r->expires_ms)),
                  err);
}

#define COLUMNS                                                                                    \
    "SELECT i.token_hash, i.role, i.cohort, i.staff, i.note, f.id, i.created_ms, i.expires_ms, "   \
    "i.used_ms, u.id,"                                                                             \
    " i.revoked_ms FROM invitations i LEFT JOIN voters f ON f.number = i.for_voter"                \
    " LEFT JOIN voters u ON u.number = i.used_by"

static struct invitation_record record_from_row(const struct db_rows *rows)
{
    struct invitation_record record = {.role = (enum voter_role)db_int(rows, 1),
                                       .staff = db_int(rows, 3) != 0,
                                       .created_ms = db_int(rows, 6),
                                       .expires_ms = db_int(rows, 7),
                                       .used_ms = db_int(rows, 8),
                                       .revoked_ms = db_int(rows, 10)};
    db_bytes(rows, 0, record.token_hash, DIGEST_SIZE);
    db_copy(rows, 2, record.cohort, sizeof record.cohort);
    db_copy(rows, 4, record.note, sizeof record.note);
    db_copy(rows, 5, record.for_voter, sizeof record.for_voter);
    db_copy(rows, 9, record.used_by, sizeof record.used_by);
    return record;
}

static bool find(struct db *db, const uint8_t token_hash[DIGEST_SIZE],
                 struct invitation_record *out, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, COLUMNS " WHERE i.token_hash = ?",
                   DB_VALUES(DB_BLOB(token_hash, DIGEST_SIZE)), err))
        return false;
    bool found = db_next(&rows);
    if (found)
        *out = record_from_row(&rows);
    if (!db_end(&rows, err))
        return false;
    return found ||
           err_set(err, ERR_NOT_FOUND, "this invitation is not known: ask for another link");
}

bool invitations_use(struct db *tx, const uint8_t token_hash[DIGEST_SIZE], int64_t now_ms,
                     struct invitation_record *out, struct err *err)
{
    if (!find(tx, token_hash, out, err))
        return false;
    if (!db_run(tx,
                "UPDATE invitations SET used_ms = ?1 WHERE token_hash = ?2 AND used_ms IS NULL AND "
                "revoked_ms IS NULL"
                " AND (expires_ms IS NULL OR expires_ms > ?1)",
                DB_VALUES(DB_INT(now_ms), DB_BLOB(token_hash, DIGEST_SIZE)), err))
        return false;
    if (db_changes(tx) == 1)
        return true;
    const char *why = out->revoked_ms != 0 ? "was withdrawn"
                      : out->used_ms != 0  ? "was used already"
                                           : "has expired";
    return err_set(err, ERR_FORBIDDEN, "this invitation %s: ask for another link", why);
}

bool invitations_used_by(struct db *tx, const uint8_t token_hash[DIGEST_SIZE], const char *voter,
                         struct err *err)
{
    return db_run(tx,
                  "UPDATE invitations SET used_by = (SELECT number FROM voters WHERE id = ?) WHERE "
                  "token_hash = ?",
                  DB_VALUES(DB_STRING(voter), DB_BLOB(token_hash, DIGEST_SIZE)), err);
}

bool invitations_revoke(struct db *tx, const char *id, int64_t now_ms, struct err *err)
{
    if (!db_run(
            tx,
            "UPDATE invitations SET revoked_ms = ? WHERE lower(hex(substr(token_hash, 1, 6))) = ?"
            " AND used_ms IS NULL AND revoked_ms IS NULL",
            DB_VALUES(DB_INT(now_ms), DB_STRING(id)), err))
        return false;
    return db_changes(tx) == 1 ||
           err_set(err, ERR_NOT_FOUND, "there is no open invitation %.40s", id);
}

bool invitations_each(struct db *db,
                      void (*each)(void *user, const struct invitation_record *record), void *user,
                      struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, COLUMNS " ORDER BY i.created_ms DESC, i.token_hash", DB_NONE, err))
        return false;
    while (db_next(&rows)) {
        struct invitation_record record = record_from_row(&rows);
        each(user, &record);
    }
    return db_end(&rows, err);
}
