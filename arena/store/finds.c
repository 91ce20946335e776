/* Which battles are still to be looked at is asked of the battles themselves, as they and their
 * voters' consents are now: nothing has to be told when a voter agrees later, makes a battle public
 * again or says more. */
#include "store/finds.h"

#include <stdio.h>

/* --- who looks --- */

bool finders_choose(struct db *tx, struct finder_record *record, int64_t now_ms, struct err *err)
{
    return db_run(tx,
                  "INSERT INTO finders (name, version, method, chosen, created_ms)"
                  " SELECT ?1, ?2, ?3, 1 + coalesce(max(chosen), 0), ?4 FROM finders WHERE true"
                  " ON CONFLICT (version, method) DO UPDATE SET name = excluded.name,"
                  " chosen = excluded.chosen",
                  DB_VALUES(DB_STRING(record->name), DB_STRING(record->version),
                            DB_STRING(record->method), DB_INT(now_ms)),
                  err) &&
           db_one_int(tx, "SELECT id FROM finders ORDER BY chosen DESC LIMIT 1", DB_NONE, 0,
                      &record->id, err);
}

bool finders_dismiss(struct db *tx, struct err *err)
{
    return db_run(tx, "UPDATE finders SET chosen = 0 WHERE chosen > 0", DB_NONE, err);
}

bool finders_current(struct db *db, struct finder_record *out, struct err *err)
{
    struct db_rows rows;
    *out = (struct finder_record){0};
    if (!db_select(db, &rows,
                   "SELECT id, name, version, method FROM finders WHERE chosen > 0"
                   " ORDER BY chosen DESC LIMIT 1",
                   DB_NONE, err))
        return false;
    if (db_next(&rows)) {
        out->id = db_int(&rows, 0);
        db_copy(&rows, 1, out->name, sizeof out->name);
        db_copy(&rows, 2, out->version, sizeof out->version);
        db_copy(&rows, 3, out->method, sizeof out->method);
    }
    return db_end(&rows, err);
}

/* --- searches --- */

static bool put_finds(struct db *tx, int64_t search, const struct search_record *record,
                      struct err *err)
{
    bool ok = db_run(tx, "DELETE FROM finds WHERE search = ?", DB_VALUES(DB_INT(search)), err);
    for (size_t i = 0; ok && i < record->count; i++) {
        const struct find_record *find = &record->finds[i];
        ok = db_run(tx, "INSERT OR IGNORE INTO finds VALUES (?, ?, ?, ?, ?, ?)",
                    DB_VALUES(DB_INT(search), DB_INT(find->turn), DB_INT(find->part),
                              DB_INT(find->start), DB_INT(find->length), DB_INT(find->kind)),
                    err);
    }
    return ok;
}

bool searches_put(struct db *tx, const struct search_record *record, struct err *err)
{
    int64_t search = 0;
    return db_run(tx,
                  "INSERT INTO searches (battle, finder, feedback, patterns, found, invented,"
                  " malformed, unread, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                  " ON CONFLICT (battle, finder) DO UPDATE SET feedback = excluded.feedback,"
                  " patterns = excluded.patterns, found = excluded.found,"
                  " invented = excluded.invented, malformed = excluded.malformed,"
                  " unread = excluded.unread, at_ms = excluded.at_ms",
                  DB_VALUES(DB_INT(record->battle), DB_INT(record->finder),
                            DB_INT(record->feedback_ms), DB_INT(record->patterns),
                            DB_INT((int64_t)record->count), DB_INT(record->invented),
                            DB_INT(record->malformed), DB_INT(record->unread),
                            DB_INT(record->at_ms)),
                  err) &&
           db_one_int(tx, "SELECT id FROM searches WHERE battle = ? AND finder = ?",
                      DB_VALUES(DB_INT(record->battle), DB_INT(record->finder)), 0, &search, err) &&
           put_finds(tx, search, record, err);
}

bool searches_missing(struct db *db, int64_t finder, int64_t after, bool own,
                      struct unsearched *out, struct err *err)
{
    struct db_rows rows;
    *out = (struct unsearched){0};
    if (!db_select(db, &rows,
                   "SELECT b.number, b.id, coalesce(f.at_ms, 0) AS feedback FROM battles b"
                   " LEFT JOIN votes v ON v.battle = b.number AND v.voter = b.voter"
                   " LEFT JOIN feedback f ON f.vote = v.seq"
                   " WHERE b.number > ?2 AND b.state >= 2 AND b.source <> 2 AND NOT b.keep_private"
                   " AND NOT EXISTS (SELECT 1 FROM searches s WHERE s.battle = b.number"
                   " AND s.finder = ?1 AND s.feedback = coalesce(f.at_ms, 0))"
                   " AND NOT EXISTS (SELECT 1 FROM reviews r WHERE r.battle = b.number)"
                   " AND coalesce((SELECT scope <> 'inside' FROM consents c WHERE c.voter = b.voter"
                   " ORDER BY c.id DESC LIMIT 1), ?3) ORDER BY b.number LIMIT 1",
                   DB_VALUES(DB_INT(finder), DB_INT(after), DB_INT(own)), err))
        return false;
    if (db_next(&rows)) {
        out->battle = db_int(&rows, 0);
        db_copy(&rows, 1, out->id, sizeof out->id);
        out->feedback_ms = db_int(&rows, 2);
    }
    return db_end(&rows, err);
}

bool finds_feedback(struct db *db, int64_t battle,
                    void (*tell)(void *user, struct text comment, struct text recognised),
                    void *user, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT f.comment, f.recognised FROM battles b JOIN votes v"
                   " ON v.battle = b.number AND v.voter = b.voter JOIN feedback f ON f.vote = v.seq"
                   " WHERE b.number = ?",
                   DB_VALUES(DB_INT(battle)), err))
        return false;
    if (db_next(&rows))
        tell(user, db_text(&rows, 0), db_text(&rows, 1));
    return db_end(&rows, err);
}

/* --- finds --- */

bool finds_each(struct db *db, int64_t battle, bool *looked,
                void (*each)(void *user, const struct find_record *find), void *user,
                struct err *err)
{
    struct db_rows rows;
    *looked = false;
    if (!db_select(db, &rows,
                   "SELECT d.turn, d.part, d.kind, d.start, d.length FROM searches s"
                   " LEFT JOIN finds d ON d.search = s.id WHERE s.battle = ? AND s.finder ="
                   " (SELECT id FROM finders WHERE chosen > 0 ORDER BY chosen DESC LIMIT 1)"
                   " ORDER BY d.turn, d.part, d.start",
                   DB_VALUES(DB_INT(battle)), err))
        return false;
    while (db_next(&rows)) {
        *looked = true;
        struct find_record find = {(int)db_int(&rows, 0), (int)db_int(&rows, 1),
                                   (int)db_int(&rows, 2), db_int(&rows, 3), db_int(&rows, 4)};
        if (!db_is_null(&rows, 0))
            each(user, &find);
    }
    return db_end(&rows, err);
}

bool finds_figures(struct db *db, int64_t finder, struct find_figures *out, struct err *err)
{
    struct db_rows rows;
    *out = (struct find_figures){0};
    if (!db_select(db, &rows,
                   "SELECT count(*), count(*) FILTER (WHERE found), count(*) FILTER (WHERE found"
                   " AND NOT patterns), sum(found), sum(invented), sum(malformed), sum(unread)"
                   " FROM searches WHERE finder = ?",
                   DB_VALUES(DB_INT(finder)), err))
        return false;
    if (db_next(&rows)) {
        int64_t *sums[] = {&out->searched, &out->battles,   &out->alone, &out->found,
                           &out->invented, &out->malformed, &out->unread};
        for (int i = 0; i < (int)(sizeof sums / sizeof *sums); i++)
            *sums[i] = db_int(&rows, i);
    }
    if (!db_end(&rows, err) ||
        !db_select(db, &rows,
                   "SELECT r.released, s.patterns = 0, count(*) FROM reviews r"
                   " JOIN searches s ON s.battle = r.battle AND s.finder = ? AND s.found > 0"
                   " WHERE r.id = (SELECT max(id) FROM reviews WHERE battle = r.battle)"
                   " GROUP BY 1, 2",
                   DB_VALUES(DB_INT(finder)), err))
        return false;
    while (db_next(&rows)) {
        bool released = db_int(&rows, 0) != 0, alone = db_int(&rows, 1) != 0;
        int64_t count = db_int(&rows, 2);
        *(released ? &out->released : &out->refused) += count;
        *(released ? &out->alone_released : &out->alone_refused) += alone ? count : 0;
    }
    return db_end(&rows, err);
}
