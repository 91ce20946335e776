/* Which battles are meant is put into a temporary table first; the steps then are the same for a
 * person and for retention. An answer is emptied only when no battle outside the table and no
 * pair of the queue shows it.
 * What was written before stands in the write-ahead log, too, until that is cut.
 * The prompt's value is a digest of the prompt, so it goes too, unless others asked the same:
 * then it is a fresh random value, equal for what was equal. */
#include "store/erasure.h"

#include "base/random.h"

static const char TABLES[] =
    "CREATE TEMP TABLE IF NOT EXISTS erased (battle INTEGER PRIMARY KEY);"
    "CREATE TEMP TABLE IF NOT EXISTS fresh (old INTEGER PRIMARY KEY, value INTEGER);"
    "DELETE FROM temp.erased; DELETE FROM temp.fresh";

static bool count_changes(struct db *tx, bool ran, int64_t *count)
{
    if (ran && count != NULL)
        *count = db_changes(tx);
    return ran;
}

static bool empty_answers(struct db *tx, int64_t *count, struct err *err)
{
    bool ran = db_run(
        tx,
        "UPDATE answers SET text = NULL, reasoning = NULL, refusal = NULL, request_id = NULL, sent "
        "= NULL"
        " WHERE id IN (SELECT answer_a FROM turns WHERE battle IN temp.erased"
        " UNION SELECT answer_b FROM turns WHERE battle IN temp.erased)"
        " AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.answer_a = answers.id AND t.battle NOT IN"
        " temp.erased)"
        " AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.answer_b = answers.id AND t.battle NOT IN"
        " temp.erased)"
        " AND NOT EXISTS (SELECT 1 FROM queue_turns q WHERE q.answer_a = answers.id)"
        " AND NOT EXISTS (SELECT 1 FROM queue_turns q WHERE q.answer_b = answers.id)",
        DB_NONE, err);
    return count_changes(tx, ran, count);
}

/* Values that only erased battles have (CROSS: those first, not every battle). Battles that were
 * imported have no index by prompt: they are read through, where there are any. */
static bool choose_values(struct db *tx, struct err *err)
{
    int64_t imported;
    return db_run(tx,
                  "INSERT INTO temp.fresh SELECT e.prompt_value, random() FROM temp.erased x CROSS"
                  " JOIN battles e ON e.number = x.battle WHERE e.prompt_value NOTNULL"
                  " AND NOT EXISTS (SELECT 1 FROM battles o WHERE o.prompt_value = e.prompt_value"
                  " AND o.source = 0 AND o.number NOT IN temp.erased) GROUP BY e.prompt_value",
                  DB_NONE, err) &&
           db_run(tx,
                  "DELETE FROM temp.fresh WHERE old IN (SELECT prompt_value FROM battles"
                  " WHERE item IS NOT NULL AND number NOT IN temp.erased)",
                  DB_NONE, err) &&
           db_one_int(tx, "SELECT EXISTS (SELECT 1 FROM battles WHERE import_key IS NOT NULL)",
                      DB_NONE, 0, &imported, err) &&
           (!imported ||
            db_run(tx,
                   "DELETE FROM temp.fresh WHERE old IN (SELECT prompt_value FROM battles"
                   " WHERE source = 2 AND prompt_value IN (SELECT old FROM temp.fresh))",
                   DB_NONE, err));
}

/* Equal prompts of the erased battles stay equal to each other; what others asked as well stays
 * as it is. */
static bool hide_prompts(struct db *tx, struct err *err)
{
    return db_run(tx, "UPDATE turns SET prompt = NULL WHERE battle IN temp.erased", DB_NONE, err) &&
           choose_values(tx, err) &&
           db_run(tx,
                  "UPDATE battles SET prompt_value = (SELECT value FROM temp.fresh f WHERE f.old = "
                  "prompt_value)"
                  " WHERE number IN temp.erased AND prompt_value IN (SELECT old FROM temp.fresh)",
                  DB_NONE, err) &&
           db_run(tx, "DELETE FROM temp.fresh", DB_NONE, err);
}

static bool forget_salts(struct db *tx, int64_t *count, struct err *err)
{
    bool ran = db_run(tx, "UPDATE votes SET salt = NULL WHERE battle IN temp.erased", DB_NONE, err);
    return count_changes(tx, ran, count) &&
           db_run(tx,
                  "DELETE FROM feedback WHERE vote IN (SELECT seq FROM votes WHERE battle IN "
                  "temp.erased)"
                  " AND recognised IS NULL",
                  DB_NONE, err) &&
           db_run(tx,
                  "UPDATE feedback SET reasons = NULL, comment = NULL, recognised = 'true'"
                  " WHERE vote IN (SELECT seq FROM votes WHERE battle IN temp.erased)",
                  DB_NONE, err);
}

static bool empty_battles(struct db *tx, struct erasure_report *out, struct err *err)
{
    return empty_answers(tx, &out->answers, err) && hide_prompts(tx, err) &&
           forget_salts(tx, &out->votes, err) &&
           db_run(tx,
                  "DELETE FROM finds WHERE search IN"
                  " (SELECT id FROM searches WHERE battle IN temp.erased)",
                  DB_NONE, err) &&
           db_run(tx, "DELETE FROM temp.erased", DB_NONE, err) && db_cut_log(tx);
}

static bool choose_of_voter(struct db *tx, int64_t voter, int64_t now_ms, int64_t *battles,
                            struct err *err)
{
    bool ran =
        db_script(tx, TABLES, err) &&
        db_run(tx, "UPDATE battles SET state = 3, ended_ms = ? WHERE voter = ? AND state < 2",
               DB_VALUES(DB_INT(now_ms), DB_INT(voter)), err) &&
        db_run(tx,
               "INSERT INTO temp.erased SELECT number FROM battles WHERE voter = ? AND source <> 2",
               DB_VALUES(DB_INT(voter)), err);
    return count_changes(tx, ran, battles);
}

static bool unname(struct db *tx, int64_t voter, const char *id, int64_t now_ms, struct err *err)
{
    char fresh[STORE_ID_SIZE];
    random_id(fresh);
    return db_run(tx, "DELETE FROM voter_sessions WHERE voter = ?", DB_VALUES(DB_INT(voter)),
                  err) &&
           db_run(tx, "DELETE FROM consents WHERE voter = ?", DB_VALUES(DB_INT(voter)), err) &&
           db_run(tx, "DELETE FROM appeals WHERE voter = ?", DB_VALUES(DB_INT(voter)), err) &&
           db_run(tx, /* without its voter it would make a new one, with the same role */
                  "UPDATE invitations SET revoked_ms = ? WHERE for_voter = ? AND used_ms IS NULL"
                  " AND revoked_ms IS NULL",
                  DB_VALUES(DB_INT(now_ms), DB_INT(voter)), err) &&
           db_run(tx,
                  "UPDATE invitations SET used_by = NULL, for_voter = NULL, note = NULL"
                  " WHERE used_by = ?1 OR for_voter = ?1",
                  DB_VALUES(DB_INT(voter)), err) &&
           db_run(tx, "DELETE FROM idempotency WHERE voter = ?", DB_VALUES(DB_STRING(id)), err) &&
           db_run(tx,
                  "UPDATE voters SET id = ?, name = NULL, cohort = NULL, password = NULL, role = 0 "
                  "WHERE number = ?",
                  DB_VALUES(DB_STRING(fresh), DB_INT(voter)), err);
}

bool erasure_voter(struct db *tx, const char *voter, int64_t now_ms, struct erasure_report *out,
                   struct err *err)
{
    int64_t number;
    *out = (struct erasure_report){0};
    if (!db_one_int(tx, "SELECT number FROM voters WHERE id = ? AND kind = 0",
                    DB_VALUES(DB_STRING(voter)), 0, &number, err))
        return false;
    if (number == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no voter %.40s", voter);
    return choose_of_voter(tx, number, now_ms, &out->battles, err) && empty_battles(tx, out, err) &&
           unname(tx, number, voter, now_ms, err);
}

bool erasure_before(struct db *tx, int64_t *from_ms, int64_t before_ms, struct erasure_report *out,
                    struct err *err)
{
    int64_t last = before_ms;
    *out = (struct erasure_report){0};
    bool ran = db_script(tx, TABLES, err) &&
               db_run(tx,
                      "INSERT INTO temp.erased SELECT number FROM battles b WHERE ended_ms >= ?"
                      " AND ended_ms < ? AND source <> 2"
                      " AND EXISTS (SELECT 1 FROM turns WHERE battle = b.number AND prompt NOTNULL)"
                      " ORDER BY ended_ms LIMIT ?",
                      DB_VALUES(DB_INT(*from_ms), DB_INT(before_ms), DB_INT(ERASURE_BATCH)), err);
    if (!count_changes(tx, ran, &out->battles) ||
        (out->battles == ERASURE_BATCH &&
         !db_one_int(
             tx, "SELECT max(ended_ms) FROM temp.erased e JOIN battles b ON b.number = e.battle",
             DB_NONE, before_ms, &last, err)) ||
        (out->battles && !empty_battles(tx, out, err)))
        return false;
    *from_ms = last;
    return true;
}
