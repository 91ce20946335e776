/* The reply is kept with the digest of the request it answered, so that a key used for something
 * else is refused instead of answered wrongly. */
#include "store/idempotency.h"

#include <string.h>

static bool take_reply(const struct db_rows *rows, const struct idempotency_key *key, int *status,
                       struct buf *reply, struct err *err)
{
    uint8_t request[DIGEST_SIZE];
    if (!db_bytes(rows, 0, request, DIGEST_SIZE) || memcmp(request, key->request, DIGEST_SIZE) != 0)
        return err_set(err, ERR_CONFLICT,
                       "this Idempotency-Key was used for another request: choose a new one");
    *status = (int)db_int(rows, 1);
    return buf_add_text(reply, db_text(rows, 2)) ||
           err_set(err, ERR_MEMORY, "no memory for the stored reply");
}

bool idempotency_find(struct db *db, const struct idempotency_key *key, bool *found, int *status,
                      struct buf *reply, struct err *err)
{
    struct db_rows rows;
    *found = false;
    if (!db_select(db, &rows,
                   "SELECT request, status, reply FROM idempotency WHERE voter = ? AND route = ? "
                   "AND key = ?",
                   DB_VALUES(DB_STRING(key->voter), DB_STRING(key->route), DB_TEXT(key->key)), err))
        return false;
    bool there = db_next(&rows);
    bool good = !there || take_reply(&rows, key, status, reply, err);
    if (!db_end(&rows, good ? err : NULL) || !good)
        return false;
    *found = there;
    return true;
}

bool idempotency_store(struct db *tx, const struct idempotency_key *key, int status,
                       struct text reply, int64_t now_ms, struct err *err)
{
    return db_run(tx,
                  "INSERT INTO idempotency (voter, route, key, request, status, reply, created_ms)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?)",
                  DB_VALUES(DB_STRING(key->voter), DB_STRING(key->route), DB_TEXT(key->key),
                            DB_BLOB(key->request, DIGEST_SIZE), DB_INT(status), DB_TEXT(reply),
                            DB_INT(now_ms)),
                  err);
}

bool idempotency_finish(struct db *tx, const struct idempotency_key *key, int status,
                        struct text reply, struct err *err)
{
    return db_run(tx,
                  "UPDATE idempotency SET status = ?, reply = ? WHERE voter = ? AND route = ? AND"
                  " key = ?",
                  DB_VALUES(DB_INT(status), DB_TEXT(reply), DB_STRING(key->voter),
                            DB_STRING(key->route), DB_TEXT(key->key)),
                  err);
}

bool idempotency_drop(struct db *tx, const struct idempotency_key *key, struct err *err)
{
    return db_run(tx, "DELETE FROM idempotency WHERE voter = ? AND route = ? AND key = ?",
                  DB_VALUES(DB_STRING(key->voter), DB_STRING(key->route), DB_TEXT(key->key)), err);
}

bool idempotency_sweep(struct db *tx, int64_t now_ms, struct err *err)
{
    int64_t oldest = now_ms - IDEMPOTENCY_HOURS * INT64_C(3600000);
    return db_run(tx, "DELETE FROM idempotency WHERE created_ms < ?", DB_VALUES(DB_INT(oldest)),
                  err);
}
