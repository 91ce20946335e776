/* What is left to do is asked of the votes in their order, so that a restart needs no list of its
 * own: whatever has a vote and no tags is still to be tagged. */
#include "store/battle_tags.h"

bool taggers_choose(struct db *tx, const struct tagger_record *record, int64_t now_ms, int64_t *id,
                    struct err *err)
{
    return db_run(tx,
                  "INSERT INTO taggers (name, version, method, chosen, created_ms)"
                  " SELECT ?1, ?2, ?3, 1 + coalesce(max(chosen), 0), ?4 FROM taggers WHERE true"
                  " ON CONFLICT (version, method) DO UPDATE SET name = excluded.name,"
                  " chosen = excluded.chosen",
                  DB_VALUES(DB_STRING(record->name), DB_STRING(record->version),
                            DB_STRING(record->method), DB_INT(now_ms)),
                  err) &&
           db_one_int(tx, "SELECT id FROM taggers ORDER BY chosen DESC LIMIT 1", DB_NONE, 0, id,
                      err);
}

bool taggers_measured(struct db *tx, int64_t id, struct text agreement, struct err *err)
{
    return db_run(tx, "UPDATE taggers SET agreement = ? WHERE id = ?",
                  DB_VALUES(DB_TEXT(agreement), DB_INT(id)), err);
}

bool taggers_current(struct db *db, void (*tell)(void *user, const struct tagger_record *record),
                     void *user, struct err *err)
{
    struct db_rows rows;
    struct tagger_record record = {.id = 0};
    if (!db_select(db, &rows,
                   "SELECT id, name, version, method, agreement FROM taggers"
                   " ORDER BY chosen DESC LIMIT 1",
                   DB_NONE, err))
        return false;
    if (db_next(&rows)) {
        record.id = db_int(&rows, 0);
        db_copy(&rows, 1, record.name, sizeof record.name);
        db_copy(&rows, 2, record.version, sizeof record.version);
        db_copy(&rows, 3, record.method, sizeof record.method);
        record.agreement = db_text(&rows, 4);
    }
    tell(user, &record);
    return db_end(&rows, err);
}

bool battle_tags_add(struct db *tx, const struct battle_tags_record *record, struct err *err)
{
    return db_run(tx,
                  "INSERT INTO battle_tags (battle, tagger, tags, malformed, at_ms)"
                  " VALUES (?, ?, ?, ?, ?) ON CONFLICT (battle, tagger) DO NOTHING",
                  DB_VALUES(DB_INT(record->battle), DB_INT(record->tagger), DB_TEXT(record->tags),
                            DB_INT(record->malformed), DB_INT(record->at_ms)),
                  err);
}

bool battle_tags_last(struct db *db, int64_t *id, struct err *err)
{
    return db_one_int(db, "SELECT max(id) FROM battle_tags", DB_NONE, 0, id, err);
}

bool battle_tags_count(struct db *db, int64_t tagger, struct battle_tags_count *out,
                       struct err *err)
{
    struct db_rows rows;
    *out = (struct battle_tags_count){0};
    if (!db_select(db, &rows,
                   "SELECT count(tags), sum(malformed) FROM battle_tags"
                   " WHERE tagger = ?",
                   DB_VALUES(DB_INT(tagger)), err))
        return false;
    if (db_next(&rows))
        *out = (struct battle_tags_count){db_int(&rows, 0), db_int(&rows, 1)};
    return db_end(&rows, err);
}

bool battle_tags_missing(struct db *db, int64_t tagger, int64_t after, bool open_only, int limit,
                         bool (*each)(void *user, const struct untagged_battle *battle), void *user,
                         struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT s.seq, b.number, (SELECT group_concat(prompt, char(10, 10)) FROM"
                   " (SELECT prompt FROM turns WHERE battle = b.number ORDER BY turn)) AS said"
                   " FROM votes s JOIN battles b ON b.number = s.battle WHERE s.seq > ?2"
                   " AND b.source <> 2 AND (NOT ?3 OR (b.keep_private = 0 AND b.in_house_only = "
                   "0)) AND said IS NOT NULL"
                   " AND NOT EXISTS (SELECT 1 FROM battle_tags t WHERE t.battle = b.number"
                   " AND t.tagger = ?1) ORDER BY s.seq LIMIT ?4",
                   DB_VALUES(DB_INT(tagger), DB_INT(after), DB_INT(open_only), DB_INT(limit)), err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct untagged_battle battle = {db_int(&rows, 0), db_int(&rows, 1), db_text(&rows, 2)};
        more = each(user, &battle);
    }
    return db_end(&rows, err);
}
