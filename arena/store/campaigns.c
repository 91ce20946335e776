/* The rules that make a campaign worth something are triggers (schema/004_campaigns.sql): no code
 * can forget them. */
#include "store/campaigns.h"

bool campaigns_insert(struct db *tx, const struct campaign_record *r, struct err *err)
{
    return db_run(tx,
                  "INSERT INTO campaigns (id, title, question, cohort, same_model_rate, gold_rate, "
                  "created_ms, spec) VALUES (?, ?, ?, nullif(?, ''), ?, ?, ?, ?)",
                  DB_VALUES(DB_STRING(r->id), DB_STRING(r->title), DB_TEXT(r->question),
                            DB_STRING(r->cohort), DB_REAL(r->same_model_rate),
                            DB_REAL(r->gold_rate), DB_INT(r->created_ms), DB_TEXT(r->spec)),
                  err);
}

#define COLUMNS                                                                                    \
    "SELECT number, id, title, cohort, question, same_model_rate, gold_rate, state, reason, "      \
    "report, signature, public_key, created_ms, ended_ms FROM campaigns"

static struct campaign_record record_from_row(const struct db_rows *rows)
{
    struct campaign_record record = {.number = db_int(rows, 0),
                                     .question = db_text(rows, 4),
                                     .same_model_rate = db_real(rows, 5),
                                     .gold_rate = db_real(rows, 6),
                                     .ended = db_int(rows, 7) != 0,
                                     .reason = db_text(rows, 8),
                                     .report = db_text(rows, 9),
                                     .created_ms = db_int(rows, 12),
                                     .ended_ms = db_int(rows, 13)};
    db_copy(rows, 1, record.id, sizeof record.id);
    db_copy(rows, 2, record.title, sizeof record.title);
    db_copy(rows, 3, record.cohort, sizeof record.cohort);
    db_bytes(rows, 10, record.signature, sizeof record.signature);
    db_bytes(rows, 11, record.public_key, sizeof record.public_key);
    return record;
}

bool campaigns_each(struct db *db, bool (*each)(void *user, const struct campaign_record *record),
                    void *user, struct err *err)
{
    struct db_rows rows;
    bool more = true;
    if (!db_select(db, &rows, COLUMNS " ORDER BY number", DB_NONE, err))
        return false;
    while (more && db_next(&rows)) {
        struct campaign_record record = record_from_row(&rows);
        more = each(user, &record);
    }
    return db_end(&rows, err);
}

static bool not_found(const char *id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "there is no campaign %.40s: arena campaign list names them",
                   id);
}

bool campaigns_find(struct db *db, const char *id,
                    void (*found)(void *user, const struct campaign_record *record), void *user,
                    struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, COLUMNS " WHERE id = ?", DB_VALUES(DB_STRING(id)), err))
        return false;
    bool there = db_next(&rows);
    if (there) {
        struct campaign_record record = record_from_row(&rows);
        found(user, &record);
    }
    return db_end(&rows, err) && (there || not_found(id, err));
}

bool campaigns_unbegun(struct db *db, void (*each)(void *user, const char *id, struct text spec),
                       void *user, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT c.id, c.spec FROM campaigns c WHERE c.state = 0 AND c.spec IS NOT NULL"
                   " AND NOT EXISTS (SELECT 1 FROM eval_runs r WHERE r.campaign = c.id)",
                   DB_NONE, err))
        return false;
    while (db_next(&rows))
        each(user, db_string(&rows, 0), db_text(&rows, 1));
    return db_end(&rows, err);
}

bool campaigns_end(struct db *tx, const struct campaign_record *r, struct err *err)
{
    int64_t known;
    if (!db_run(tx,
                "UPDATE campaigns SET state = 1, reason = ?, report = ?, signature = ?, "
                "public_key = ?, ended_ms = ? WHERE id = ? AND state = 0",
                DB_VALUES(DB_TEXT(r->reason), DB_TEXT(r->report),
                          DB_BLOB(r->signature, sizeof r->signature),
                          DB_BLOB(r->public_key, sizeof r->public_key), DB_INT(r->ended_ms),
                          DB_STRING(r->id)),
                err))
        return false;
    if (db_changes(tx) == 1)
        return true;
    if (!db_one_int(tx, "SELECT count(*) FROM campaigns WHERE id = ?", DB_VALUES(DB_STRING(r->id)),
                    0, &known, err))
        return false;
    return known ? err_set(err, ERR_WRONG_STATE, "this campaign has ended already")
                 : not_found(r->id, err);
}

static bool count_votes(struct db *db, const char *id, int64_t up_to, struct campaign_progress *out,
                        struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT count(*) FILTER (WHERE s.counted = 0), count(*) FILTER (WHERE s.counted"
                   " = 5), count(*), count(DISTINCT s.voter), count(*) FILTER (WHERE b.source = 0)"
                   " FROM battles b JOIN votes s ON s.battle = b.number"
                   " WHERE b.campaign = ?1 AND s.judge = 0 AND (?2 = 0 OR s.seq <= ?2)",
                   DB_VALUES(DB_STRING(id), DB_INT(up_to)), err))
        return false;
    if (db_next(&rows)) {
        out->votes = db_int(&rows, 0);
        out->controls = db_int(&rows, 1);
        out->others = db_int(&rows, 2) - out->votes - out->controls;
        out->voters = db_int(&rows, 3);
        out->live = db_int(&rows, 4);
    }
    return db_end(&rows, err);
}

bool campaigns_progress(struct db *db, const char *id, int64_t up_to, struct campaign_progress *out,
                        struct err *err)
{
    struct db_rows rows;
    *out = (struct campaign_progress){.votes = 0};
    if (!count_votes(db, id, up_to, out, err) ||
        !db_select(db, &rows,
                   "SELECT count(*), total(overlap), total(taken) FROM queue_items"
                   " WHERE campaign = ? AND kind = 0",
                   DB_VALUES(DB_STRING(id)), err))
        return false;
    if (db_next(&rows)) {
        out->items = db_int(&rows, 0);
        out->wanted = (int64_t)db_real(&rows, 1);
        out->taken = (int64_t)db_real(&rows, 2);
    }
    return db_end(&rows, err);
}
