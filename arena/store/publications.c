/* The act and its trace are one transaction. */
#include "store/publications.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/audit.h"

#define COLUMNS                                                                                    \
    "at_ms, actor, note, seq, hash, versions, judge, exclusions, tagger, tags, losses,"            \
    " reliability, tagger_said, asked, named_right, named_wrong, unnamed"

static bool tell_audit(struct db *tx, const struct publication_record *record, struct err *err)
{
    char detail[PUBLICATION_NOTE_MAX + 96];
    snprintf(detail, sizeof detail, "publication %" PRId64 ", up to vote %" PRId64 "%s%s",
             record->id, record->seq, *record->note ? ": " : "", record->note);
    struct audit_record audit = {.at_ms = record->at_ms,
                                 .actor = record->actor,
                                 .act = "publish leaderboards",
                                 .detail = detail};
    return audit_add(tx, &audit, err);
}

bool publications_insert(struct db *tx, struct publication_record *record, struct err *err)
{
    if (strlen(record->note) > PUBLICATION_NOTE_MAX)
        return err_set(err, ERR_BAD_REQUEST, "a note has at most %d bytes", PUBLICATION_NOTE_MAX);
    if (!db_run(
            tx, "INSERT INTO publications (" COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            DB_VALUES(DB_INT(record->at_ms), DB_STRING(record->actor), DB_STRING(record->note),
                      DB_INT(record->seq), DB_BLOB(record->hash, DIGEST_SIZE),
                      DB_INT(record->versions), DB_INT(record->judge), DB_INT(record->exclusions),
                      DB_INT(record->tagger), DB_INT(record->tags), DB_INT(record->losses),
                      DB_TEXT(record->reliability), DB_TEXT(record->tagger_said),
                      DB_INT(record->asked), DB_INT(record->named_right),
                      DB_INT(record->named_wrong), DB_INT(record->unnamed)),
            err))
        return false;
    record->id = db_inserted(tx);
    return tell_audit(tx, record, err);
}

bool publications_each(struct db *db, int64_t limit,
                       void (*each)(void *user, const struct publication_record *record),
                       void *user, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, "SELECT id, " COLUMNS " FROM publications ORDER BY id DESC LIMIT ?",
                   DB_VALUES(DB_INT(limit)), err))
        return false;
    while (db_next(&rows)) {
        struct publication_record record = {.id = db_int(&rows, 0),
                                            .at_ms = db_int(&rows, 1),
                                            .actor = db_string(&rows, 2),
                                            .note = db_string(&rows, 3),
                                            .seq = db_int(&rows, 4),
                                            .versions = db_int(&rows, 6),
                                            .judge = db_int(&rows, 7),
                                            .exclusions = db_int(&rows, 8),
                                            .tagger = db_int(&rows, 9),
                                            .tags = db_int(&rows, 10),
                                            .losses = db_int(&rows, 11),
                                            .reliability = db_text(&rows, 12),
                                            .tagger_said = db_text(&rows, 13),
                                            .asked = db_int(&rows, 14),
                                            .named_right = db_int(&rows, 15),
                                            .named_wrong = db_int(&rows, 16),
                                            .unnamed = db_int(&rows, 17)};
        db_bytes(&rows, 5, record.hash, DIGEST_SIZE);
        each(user, &record);
    }
    return db_end(&rows, err);
}
