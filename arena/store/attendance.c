/* Every figure is a look-up in an index of the voter's, so a page of a hundred people costs some
 * hundred look-ups and their own votes, however many others there are. */
#include "store/attendance.h"

static const char SELECT[] =
    "SELECT v.number, v.id, v.role, v.name, v.cohort, v.staff, v.created_ms, v.password NOTNULL,"
    " (SELECT count(*) FROM votes WHERE voter = v.number),"
    " (SELECT count(*) FROM votes WHERE voter = v.number AND counted = 0),"
    " (SELECT count(*) FROM voter_sessions WHERE voter = v.number"
    " AND (expires_ms IS NULL OR expires_ms > ?3)),"
    " max(v.created_ms,"
    " coalesce((SELECT max(at_ms) FROM votes WHERE voter = v.number), 0),"
    " coalesce((SELECT max(created_ms) FROM voter_sessions WHERE voter = v.number), 0),"
    " coalesce((SELECT created_ms FROM battles WHERE voter = v.number AND source <> 2"
    " ORDER BY number DESC LIMIT 1), 0))"
    " FROM voters v WHERE v.kind = 0 AND v.number < ?1 ORDER BY v.number DESC LIMIT ?2";

bool attendance_each(struct db *db, int64_t before, int64_t limit, int64_t now_ms,
                     void (*each)(void *user, const struct attendance *person), void *user,
                     struct err *err)
{
    struct db_rows rows;
    if (!db_select(
            db, &rows, SELECT,
            DB_VALUES(DB_INT(before > 0 ? before : INT64_MAX), DB_INT(limit), DB_INT(now_ms)), err))
        return false;
    while (db_next(&rows)) {
        struct attendance person = {.voter = {.number = db_int(&rows, 0),
                                              .role = (enum voter_role)db_int(&rows, 2),
                                              .staff = db_int(&rows, 5) != 0,
                                              .created_ms = db_int(&rows, 6)},
                                    .password = db_int(&rows, 7) != 0,
                                    .votes = db_int(&rows, 8),
                                    .counted = db_int(&rows, 9),
                                    .sessions = db_int(&rows, 10),
                                    .last_ms = db_int(&rows, 11)};
        db_copy(&rows, 1, person.voter.id, sizeof person.voter.id);
        db_copy(&rows, 3, person.voter.name, sizeof person.voter.name);
        db_copy(&rows, 4, person.voter.cohort, sizeof person.voter.cohort);
        each(user, &person);
    }
    return db_end(&rows, err);
}

bool attendance_count(struct db *db, int64_t *count, struct err *err)
{
    return db_one_int(db, "SELECT count(*) FROM voters WHERE kind = 0", DB_NONE, 0, count, err);
}
