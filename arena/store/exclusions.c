/* Appended rather than changed, so that yesterday's board can be told apart from today's. */
#include "store/exclusions.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "store/audit.h"

static bool tell_audit(struct db *tx, const struct exclusion_record *record, struct err *err)
{
    char detail[64], from[32] = "";
    time_t seconds = record->from_ms / 1000;
    struct tm parts;
    if (record->from_ms > 0 && gmtime_r(&seconds, &parts))
        strftime(from, sizeof from, " from %Y-%m-%d", &parts);
    snprintf(detail, sizeof detail, "voter %" PRId64 "%s", record->voter, from);
    bool back = record->from_ms == EXCLUSION_TAKEN_BACK;
    struct audit_record audit = {.at_ms = record->at_ms,
                                 .actor = record->actor,
                                 .act = back ? "count votes again" : "leave out votes",
                                 .detail = detail};
    return audit_add(tx, &audit, err);
}

bool exclusions_add(struct db *tx, struct exclusion_record *record, struct err *err)
{
    if (!record->note || !*record->note)
        return err_set(err, ERR_BAD_REQUEST, "say why with a note: it stands in the record");
    if (!record->voter && !exclusions_voter(tx, record->voter_id, &record->voter, err))
        return false;
    if (!db_run(tx,
                "INSERT INTO exclusions (voter, from_ms, note, actor, at_ms, told)"
                " SELECT number, ?2, ?3, ?4, ?5, ?6 FROM voters WHERE number = ?1",
                DB_VALUES(DB_INT(record->voter), DB_KNOWN(record->from_ms), DB_STRING(record->note),
                          DB_STRING(record->actor), DB_INT(record->at_ms), DB_INT(record->told)),
                err))
        return false;
    if (db_changes(tx) != 1)
        return err_set(err, ERR_NOT_FOUND,
                       "there is no voter %" PRId64 ": arena leaderboard --voters names them",
                       record->voter);
    record->id = db_inserted(tx);
    return tell_audit(tx, record, err);
}

bool exclusions_voter(struct db *db, const char *voter, int64_t *number, struct err *err)
{
    return db_one_int(db, "SELECT number FROM voters WHERE id = ?", DB_VALUES(DB_STRING(voter)), 0,
                      number, err) &&
           (*number || err_set(err, ERR_NOT_FOUND, "there is no voter %.40s", voter));
}

bool exclusions_told(struct db *db, const char *voter, struct exclusion_record *record, bool *found,
                     struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT e.id, e.voter, e.from_ms, e.at_ms FROM exclusions e JOIN voters w"
                   " ON w.number = e.voter WHERE w.id = ? AND e.told AND e.from_ms NOTNULL AND"
                   " e.id = (SELECT max(id) FROM exclusions WHERE voter = e.voter)",
                   DB_VALUES(DB_STRING(voter)), err))
        return false;
    *found = db_next(&rows);
    if (*found)
        *record = (struct exclusion_record){.id = db_int(&rows, 0),
                                            .voter = db_int(&rows, 1),
                                            .from_ms = db_int(&rows, 2),
                                            .at_ms = db_int(&rows, 3),
                                            .told = true};
    return db_end(&rows, err);
}

bool exclusions_last(struct db *db, int64_t *id, struct err *err)
{
    return db_one_int(db, "SELECT max(id) FROM exclusions", DB_NONE, 0, id, err);
}

bool exclusions_each(struct db *db, int64_t up_to,
                     bool (*each)(void *user, const struct exclusion_record *record), void *user,
                     struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT e.id, e.voter, w.id, e.from_ms, e.note, e.actor, e.at_ms, e.told FROM "
                   "exclusions"
                   " e JOIN voters w ON w.number = e.voter WHERE e.from_ms IS NOT NULL AND e.id ="
                   " (SELECT max(id) FROM exclusions WHERE voter = e.voter AND id <= ?)"
                   " ORDER BY e.voter",
                   DB_VALUES(DB_INT(up_to)), err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct exclusion_record record = {.id = db_int(&rows, 0),
                                          .voter = db_int(&rows, 1),
                                          .from_ms = db_int(&rows, 3),
                                          .note = db_string(&rows, 4),
                                          .actor = db_string(&rows, 5),
                                          .at_ms = db_int(&rows, 6),
                                          .told = db_int(&rows, 7) != 0};
        db_copy(&rows, 2, record.voter_id, sizeof record.voter_id);
        more = each(user, &record);
    }
    return db_end(&rows, err);
}
