/* A decision is an UPDATE that only an open request satisfies, so of two administrators one
 * comes too late. / */
#include "store/access_requests.h"

bool access_requests_insert(struct db *tx, const struct access_request *r, struct err *err)
{
    return db_run(tx,
                  "INSERT INTO access_requests (id, token_hash, name, email, organisation, "
                  "purpose, created_ms)"
                  " VALUES (?, ?, ?, ?, nullif(?, ''), ?, ?)",
                  DB_VALUES(DB_STRING(r->id), DB_BLOB(r->token_hash, DIGEST_SIZE),
                            DB_STRING(r->name), DB_STRING(r->email), DB_STRING(r->organisation),
                            DB_STRING(r->purpose), DB_INT(r->created_ms)),
                  err);
}

#define COLUMNS                                                                                    \
    "SELECT id, token_hash, name, email, organisation, purpose, state, reason, key, created_ms, "  \
    "decided_ms"                                                                                   \
    " FROM access_requests"

static struct access_request request_from_row(const struct db_rows *rows)
{
    struct access_request request = {.created_ms = db_int(rows, 9), .decided_ms = db_int(rows, 10)};
    db_copy(rows, 0, request.id, sizeof request.id);
    db_bytes(rows, 1, request.token_hash, DIGEST_SIZE);
    db_copy(rows, 2, request.name, sizeof request.name);
    db_copy(rows, 3, request.email, sizeof request.email);
    db_copy(rows, 4, request.organisation, sizeof request.organisation);
    db_copy(rows, 5, request.purpose, sizeof request.purpose);
    db_copy(rows, 6, request.state, sizeof request.state);
    db_copy(rows, 7, request.reason, sizeof request.reason);
    db_copy(rows, 8, request.key, sizeof request.key);
    return request;
}

bool access_requests_find(struct db *db, const uint8_t token_hash[DIGEST_SIZE],
                          struct access_request *out, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, COLUMNS " WHERE token_hash = ?",
                   DB_VALUES(DB_BLOB(token_hash, DIGEST_SIZE)), err))
        return false;
    bool found = db_next(&rows);
    if (found)
        *out = request_from_row(&rows);
    if (!db_end(&rows, err))
        return false;
    return found || err_set(err, ERR_NOT_FOUND, "this request is not known");
}

bool access_requests_decide(struct db *tx, const char *id, const char *state, const char *reason,
                            const char *key, int64_t now_ms, struct err *err)
{
    int64_t known;
    if (!db_run(tx,
                "UPDATE access_requests SET state = ?, reason = ?, key = ?, decided_ms = ?"
                " WHERE id = ? AND state IN ('pending', 'waiting')",
                DB_VALUES(DB_STRING(state), DB_STRING(reason), DB_STRING(key), DB_INT(now_ms),
                          DB_STRING(id)),
                err))
        return false;
    if (db_changes(tx) == 1)
        return true;
    if (!db_one_int(tx, "SELECT 1 FROM access_requests WHERE id = ?", DB_VALUES(DB_STRING(id)), 0,
                    &known, err))
        return false;
    return known != 0 ? err_set(err, ERR_WRONG_STATE, "this request is decided already")
                      : err_set(err, ERR_NOT_FOUND, "there is no request %.40s", id);
}

bool access_requests_each(struct db *db, const char *state,
                          void (*each)(void *user, const struct access_request *request),
                          void *user, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, COLUMNS " WHERE ?1 IS NULL OR state = ?1 ORDER BY created_ms, id",
                   DB_VALUES(DB_STRING(state)), err))
        return false;
    while (db_next(&rows)) {
        struct access_request request = request_from_row(&rows);
        each(user, &request);
    }
    return db_end(&rows, err);
}
