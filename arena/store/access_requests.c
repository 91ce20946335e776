/* A decision is an UPDATE that only an open request satisfies, so of two administrators one
 * comes too late; fetching the key likewise, so of two browsers one. */
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
    "decided_ms, requests_per_minute, tokens_per_day, key_expires_ms"                              \
    " FROM access_requests"

static struct access_request request_from_row(const struct db_rows *rows)
{
    struct access_request request = {.created_ms = db_int(rows, 9),
                                     .decided_ms = db_int(rows, 10),
                                     .requests_per_minute = db_int(rows, 11),
                                     .tokens_per_day = db_int(rows, 12),
                                     .key_expires_ms = db_int(rows, 13)};
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

bool access_requests_open(struct db *db, int64_t *count, struct err *err)
{
    return db_one_int(db,
                      "SELECT count(*) FROM access_requests WHERE state IN ('pending', 'waiting')",
                      DB_NONE, 0, count, err);
}

bool access_requests_place(struct db *db, const struct access_request *request, int64_t *place,
                           struct err *err)
{
    return db_one_int(
        db,
        "SELECT count(*) FROM access_requests WHERE state = ?1"
        " AND (created_ms, id) <= (?2, ?3)",
        DB_VALUES(DB_STRING(request->state), DB_INT(request->created_ms), DB_STRING(request->id)),
        0, place, err);
}

/* What an UPDATE that changed nothing met. */
static bool too_late(struct db *tx, const char *id, const char *why, struct err *err)
{
    int64_t known;
    if (!db_one_int(tx, "SELECT 1 FROM access_requests WHERE id = ?", DB_VALUES(DB_STRING(id)), 0,
                    &known, err))
        return false;
    return known != 0 ? err_set(err, ERR_WRONG_STATE, "%s", why)
                      : err_set(err, ERR_NOT_FOUND, "there is no request %.40s", id);
}

bool access_requests_decide(struct db *tx, const struct access_decision *decision, struct err *err)
{
    return db_run(tx,
                  "UPDATE access_requests SET state = ?1, reason = ?2, key = NULL, decided_ms = ?3,"
                  " requests_per_minute = ?4, tokens_per_day = ?5, key_expires_ms = nullif(?6, 0)"
                  " WHERE id = ?7 AND (state IN ('pending', 'waiting') OR (state = 'approved' AND"
                  " (key IS NULL OR (SELECT revoked_ms FROM api_keys k WHERE k.id = key)"
                  " IS NOT NULL)))",
                  DB_VALUES(DB_STRING(decision->state), DB_STRING(decision->reason),
                            DB_INT(decision->now_ms), DB_INT(decision->requests_per_minute),
                            DB_INT(decision->tokens_per_day), DB_INT(decision->key_expires_ms),
                            DB_STRING(decision->id)),
                  err) &&
           (db_changes(tx) == 1 ||
            too_late(tx, decision->id,
                     "this request is decided already; where its key stands, revoke that first",
                     err));
}

bool access_requests_fetch(struct db *tx, const char *id, const char *key, struct err *err)
{
    return db_run(tx,
                  "UPDATE access_requests SET key = ? WHERE id = ? AND state = 'approved' AND key"
                  " IS NULL",
                  DB_VALUES(DB_STRING(key), DB_STRING(id)), err) &&
           (db_changes(tx) == 1 || too_late(tx, id, "there is no key to be fetched here", err));
}

bool access_requests_each(struct db *db, const char *state, int64_t limit,
                          void (*each)(void *user, const struct access_request *request),
                          void *user, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   COLUMNS " WHERE ?1 IS NULL OR state = ?1 ORDER BY created_ms, id LIMIT ?2",
                   DB_VALUES(DB_STRING(state), DB_INT(limit)), err))
        return false;
    while (db_next(&rows)) {
        struct access_request request = request_from_row(&rows);
        each(user, &request);
    }
    return db_end(&rows, err);
}
