/* Boards are appended and never changed. */
#include "store/boards.h"

bool boards_insert(struct db *tx, const struct board_record *record, int64_t *id, struct err *err)
{
    if (!db_run(tx,
                "INSERT INTO boards (filter, method, data_hash, last_seq, seed, json, created_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                DB_VALUES(DB_STRING(record->filter), DB_STRING(record->method),
                          DB_BLOB(record->data_hash, DIGEST_SIZE), DB_INT(record->last_seq),
                          DB_INT(record->seed), DB_TEXT(record->json), DB_INT(record->created_ms)),
                err))
        return false;
    *id = db_inserted(tx);
    return true;
}

bool boards_have(struct db *db, const struct board_record *record, bool *there, struct err *err)
{
    int64_t id;
    bool good = db_one_int(
        db,
        "SELECT max(id) FROM boards WHERE last_seq = ? AND filter = ? AND"
        " method = ?",
        DB_VALUES(DB_INT(record->last_seq), DB_STRING(record->filter), DB_STRING(record->method)),
        0, &id, err);
    *there = good && id;
    return good;
}

bool boards_each(struct db *db, int64_t limit,
                 bool (*each)(void *user, const struct board_record *record), void *user,
                 struct err *err)
{
    struct db_rows rows;
    if (!db_select(
            db, &rows,
            "SELECT id, filter, method, data_hash, last_seq, seed, json, created_ms FROM boards"
            " ORDER BY id DESC LIMIT ?",
            DB_VALUES(DB_INT(limit > 0 ? limit : -1)), err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct board_record record = {.id = db_int(&rows, 0),
                                      .filter = db_string(&rows, 1),
                                      .method = db_string(&rows, 2),
                                      .last_seq = db_int(&rows, 4),
                                      .seed = db_int(&rows, 5),
                                      .json = db_text(&rows, 6),
                                      .created_ms = db_int(&rows, 7)};
        db_bytes(&rows, 3, record.data_hash, DIGEST_SIZE);
        more = each(user, &record);
    }
    return db_end(&rows, err);
}
