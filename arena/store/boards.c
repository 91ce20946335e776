/* Boards are appended and never changed. */
#include "store/boards.h"

#include <inttypes.h>
#include <stdlib.h>

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

#define COLUMNS "id, filter, method, data_hash, last_seq, seed, json, created_ms"

/* Hands out the rows; `*more` is false when it was told to stop. */
static bool read_rows(struct db_rows *rows,
                      bool (*each)(void *user, const struct board_record *record), void *user,
                      bool *more, struct err *err)
{
    while (*more && db_next(rows)) {
        struct board_record record = {.id = db_int(rows, 0),
                                      .filter = db_string(rows, 1),
                                      .method = db_string(rows, 2),
                                      .last_seq = db_int(rows, 4),
                                      .seed = db_int(rows, 5),
                                      .json = db_text(rows, 6),
                                      .created_ms = db_int(rows, 7)};
        db_bytes(rows, 3, record.data_hash, DIGEST_SIZE);
        *more = each(user, &record);
    }
    return db_end(rows, err);
}

bool boards_each(struct db *db, int64_t limit,
                 bool (*each)(void *user, const struct board_record *record), void *user,
                 struct err *err)
{
    struct db_rows rows;
    bool more = true;
    return db_select(db, &rows, "SELECT " COLUMNS " FROM boards ORDER BY id DESC LIMIT ?",
                     DB_VALUES(DB_INT(limit > 0 ? limit : -1)), err) &&
           read_rows(&rows, each, user, &more, err);
}

/* The ids alone are sorted: boards are long. What a filter says of how far its lists were read is
 * no part of what it is of. Returns new (free), NULL with `err`. */
static int64_t *sorted_ids(struct db *db, int64_t *count, struct err *err)
{
    struct db_rows rows;
    int64_t room;
    *count = 0;
    if (!db_one_int(db, "SELECT count(*) FROM boards", DB_NONE, 0, &room, err))
        return NULL;
    int64_t *ids = calloc((size_t)room + 1, sizeof *ids);
    if (!ids) {
        err_set(err, ERR_MEMORY, "no memory for %" PRId64 " boards", room);
        return NULL;
    }
    bool good = db_select(db, &rows,
                          "SELECT id FROM boards ORDER BY method, CASE WHEN json_valid(filter) THEN"
                          " json_remove(filter, '$.versions', '$.exclusions', '$.tagger', '$.tags',"
                          " '$.losses') ELSE filter END, last_seq, id",
                          DB_NONE, err);
    while (good && *count < room && db_next(&rows))
        ids[(*count)++] = db_int(&rows, 0);
    if (good && db_end(&rows, err))
        return ids;
    free(ids);
    return NULL;
}

bool boards_each_alike(struct db *db, bool (*each)(void *user, const struct board_record *record),
                       void *user, struct err *err)
{
    struct db_rows rows;
    int64_t count;
    int64_t *ids = sorted_ids(db, &count, err);
    bool good = ids != NULL, more = true;
    for (int64_t k = 0; good && more && k < count; k++)
        good = db_select(db, &rows, "SELECT " COLUMNS " FROM boards WHERE id = ?",
                         DB_VALUES(DB_INT(ids[k])), err) &&
               read_rows(&rows, each, user, &more, err);
    free(ids);
    return good;
}
