/* Usage is a row a day and key, added to in place. */
#include "store/api_keys.h"

int64_t api_day(int64_t wall_ms)
{
    return wall_ms / 86400000;
}

bool api_keys_insert(struct db *tx, const struct api_key_record *r, struct err *err)
{
    return db_run(tx,
                  "INSERT INTO api_keys (id, token_hash, name, organisation, contact, "
                  "requests_per_minute, tokens_per_day,"
                  " created_ms, expires_ms) VALUES (?, ?, ?, nullif(?, ''), nullif(?, ''), ?, ?, "
                  "?, nullif(?, 0))",
                  DB_VALUES(DB_STRING(r->id), DB_BLOB(r->token_hash, DIGEST_SIZE),
                            DB_STRING(r->name), DB_STRING(r->organisation), DB_STRING(r->contact),
                            DB_INT(r->requests_per_minute), DB_INT(r->tokens_per_day),
                            DB_INT(r->created_ms), DB_INT(r->expires_ms)),
                  err);
}

bool api_keys_revoke(struct db *tx, const char *id, int64_t now_ms, struct err *err)
{
    if (!db_run(tx, "UPDATE api_keys SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL",
                DB_VALUES(DB_INT(now_ms), DB_STRING(id)), err))
        return false;
    return db_changes(tx) == 1 || err_set(err, ERR_NOT_FOUND, "there is no open key %.40s", id);
}

bool api_keys_each(struct db *db, int64_t day,
                   void (*each)(void *user, const struct api_key_record *record,
                                const struct api_usage *today),
                   void *user, struct err *err)
{
    struct db_rows rows;
    if (!db_select(
            db, &rows,
            "SELECT k.id, token_hash, name, organisation, contact, requests_per_minute, "
            "tokens_per_day, created_ms,"
            " expires_ms, revoked_ms, requests, input_tokens, output_tokens FROM api_keys k"
            " LEFT JOIN api_usage u ON u.key = k.id AND u.day = ? ORDER BY created_ms DESC, k.id",
            DB_VALUES(DB_INT(day)), err))
        return false;
    while (db_next(&rows)) {
        struct api_key_record record = {.requests_per_minute = db_int(&rows, 5),
                                        .tokens_per_day = db_int(&rows, 6),
                                        .created_ms = db_int(&rows, 7),
                                        .expires_ms = db_int(&rows, 8),
                                        .revoked_ms = db_int(&rows, 9)};
        struct api_usage usage = {db_int(&rows, 10), db_int(&rows, 11), db_int(&rows, 12)};
        db_copy(&rows, 0, record.id, sizeof record.id);
        db_bytes(&rows, 1, record.token_hash, DIGEST_SIZE);
        db_copy(&rows, 2, record.name, sizeof record.name);
        db_copy(&rows, 3, record.organisation, sizeof record.organisation);
        db_copy(&rows, 4, record.contact, sizeof record.contact);
        each(user, &record, &usage);
    }
    return db_end(&rows, err);
}

bool api_keys_since(struct db *db, const char *id, int64_t day, struct api_usage *usage,
                    int64_t *last, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT sum(requests), sum(input_tokens), sum(output_tokens), max(day)"
                   " FROM api_usage WHERE key = ? AND day >= ?",
                   DB_VALUES(DB_STRING(id), DB_INT(day)), err))
        return false;
    *usage = (struct api_usage){0};
    *last = 0;
    if (db_next(&rows)) {
        *usage = (struct api_usage){db_int(&rows, 0), db_int(&rows, 1), db_int(&rows, 2)};
        *last = db_int(&rows, 3);
    }
    return db_end(&rows, err);
}

bool api_keys_count(struct db *tx, const char *id, int64_t day, const struct api_usage *usage,
                    struct err *err)
{
    return db_run(tx,
                  "INSERT INTO api_usage (key, day, requests, input_tokens, output_tokens) VALUES "
                  "(?, ?, ?, ?, ?)"
                  " ON CONFLICT (key, day) DO UPDATE SET requests = requests + excluded.requests,"
                  " input_tokens = input_tokens + excluded.input_tokens,"
                  " output_tokens = output_tokens + excluded.output_tokens",
                  DB_VALUES(DB_STRING(id), DB_INT(day), DB_INT(usage->requests),
                            DB_INT(usage->input_tokens), DB_INT(usage->output_tokens)),
                  err);
}
