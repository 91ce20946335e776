/* The columns stand in one list, ANSWER_COLUMNS, which turns.c's join uses too, so that an
 * answer is read in one place. */
#include "store/answers.h"

#include <string.h>

#include "store/answers_row.h"

void answers_key(const char *version_digest, struct text conversation, struct text sample,
                 uint8_t key[DIGEST_SIZE])
{
    uint8_t parts[3][DIGEST_SIZE]; /* digests of digests: fields cannot run into each other, and
                                      nothing is allocated */
    digest_of(version_digest, strlen(version_digest), parts[0]);
    digest_of(conversation.data, conversation.length, parts[1]);
    digest_of(sample.data, sample.length, parts[2]);
    digest_of(parts, sizeof parts, key);
}

bool answers_insert(struct db *tx, const struct answer_record *r, int64_t *id, struct err *err)
{
    struct db_value key = DB_BLOB(r->key, DIGEST_SIZE);
    return db_run(tx,
                  "INSERT INTO answers (key, version, text, reasoning, refusal, finish, "
                  "error_class, error_message,"
                  " input_tokens, output_tokens, reasoning_tokens, cached_tokens, "
                  "cache_write_tokens, cost_usd, model,"
                  " request_id, sent, attempts, first_content_ns, total_ns, created_ms)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON "
                  "CONFLICT (key) DO NOTHING",
                  DB_VALUES(key, DB_INT(r->version), DB_TEXT(r->text), DB_TEXT(r->reasoning),
                            DB_TEXT(r->refusal), DB_STRING(r->finish), DB_STRING(r->error_class),
                            DB_STRING(r->error_message), DB_KNOWN(r->input_tokens),
                            DB_KNOWN(r->output_tokens), DB_KNOWN(r->reasoning_tokens),
                            DB_KNOWN(r->cached_tokens), DB_KNOWN(r->cache_write_tokens),
                            DB_REAL(r->cost_usd), DB_STRING(r->model), DB_STRING(r->request_id),
                            DB_STRING(r->sent), DB_INT(r->attempts), DB_INT(r->first_content_ns),
                            DB_INT(r->total_ns), DB_INT(r->created_ms)),
                  err) &&
           db_one_int(tx, "SELECT id FROM answers WHERE key = ?", &key, 1, 0, id, err);
}

struct answer_record answer_from_row(const struct db_rows *rows, int first)
{
    struct answer_record record = {.id = db_int(rows, first),
                                   .version = db_int(rows, first + 2),
                                   .text = db_text(rows, first + 3),
                                   .reasoning = db_text(rows, first + 4),
                                   .refusal = db_text(rows, first + 5),
                                   .finish = db_string(rows, first + 6),
                                   .error_class = db_string(rows, first + 7),
                                   .error_message = db_string(rows, first + 8),
                                   .input_tokens = db_int_or(rows, first + 9, -1),
                                   .output_tokens = db_int_or(rows, first + 10, -1),
                                   .reasoning_tokens = db_int_or(rows, first + 11, -1),
                                   .cached_tokens = db_int_or(rows, first + 12, -1),
                                   .cache_write_tokens = db_int_or(rows, first + 13, -1),
                                   .cost_usd = db_real(rows, first + 14),
                                   .model = db_string(rows, first + 15),
                                   .request_id = db_string(rows, first + 16),
                                   .sent = db_string(rows, first + 17),
                                   .attempts = (int)db_int(rows, first + 18),
                                   .first_content_ns = db_int(rows, first + 19),
                                   .total_ns = db_int(rows, first + 20),
                                   .created_ms = db_int(rows, first + 21)};
    db_bytes(rows, first + 1, record.key, DIGEST_SIZE);
    return record;
}

bool answers_find(struct db *db, const uint8_t key[DIGEST_SIZE],
                  void (*found)(void *user, const struct answer_record *record), void *user,
                  struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, "SELECT " ANSWER_COLUMNS("a") " FROM answers a WHERE key = ?",
                   DB_VALUES(DB_BLOB(key, DIGEST_SIZE)), err))
        return false;
    if (db_next(&rows)) {
        struct answer_record record = answer_from_row(&rows, 0);
        found(user, &record);
    }
    return db_end(&rows, err);
}

bool answers_get(struct db *db, int64_t id,
                 void (*found)(void *user, const struct answer_record *record), void *user,
                 struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, "SELECT " ANSWER_COLUMNS("a") " FROM answers a WHERE id = ?",
                   DB_VALUES(DB_INT(id)), err))
        return false;
    bool there = db_next(&rows);
    if (there) {
        struct answer_record record = answer_from_row(&rows, 0);
        found(user, &record);
    }
    return db_end(&rows, err) &&
           (there || err_set(err, ERR_NOT_FOUND, "there is no answer %lld", (long long)id));
}

bool answers_timings(struct db *db, int64_t most,
                     void (*each)(void *user, const struct answer_timing *timing), void *user,
                     struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT c.name, v.digest, length(a.text), a.first_content_ns, a.total_ns"
                   " FROM (SELECT * FROM answers ORDER BY id DESC LIMIT ?) a"
                   " JOIN competitor_versions v ON v.id = a.version"
                   " JOIN competitors c ON c.number = v.competitor"
                   " WHERE length(a.text) > 0 AND a.first_content_ns > 0 ORDER BY a.id",
                   DB_VALUES(DB_INT(most)), err))
        return false;
    while (db_next(&rows)) {
        struct answer_timing timing = {.name = db_string(&rows, 0),
                                       .digest = db_string(&rows, 1),
                                       .characters = db_int(&rows, 2),
                                       .first_content_ns = db_int(&rows, 3),
                                       .total_ns = db_int(&rows, 4)};
        each(user, &timing);
    }
    return db_end(&rows, err);
}
