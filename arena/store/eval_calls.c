/* Append-only, but for `forgiven`. */
#include "store/eval_calls.h"

#include "store/votes.h"

bool eval_calls_insert(struct db *tx, const struct eval_call_record *r, struct err *err)
{
    return db_run(tx,
                  "INSERT INTO eval_calls (run, judge, place, key, answer, error_class,"
                  " error_message, cost_usd, charged_usd, attempts, total_ns, forgiven, at_ms)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  DB_VALUES(DB_INT(r->run), DB_INT(r->judge), DB_INT(r->place),
                            DB_BLOB(r->key, DIGEST_SIZE), r->answer ? DB_INT(r->answer) : DB_NULL,
                            DB_STRING(r->error_class), DB_STRING(r->error_message),
                            DB_REAL(r->cost_usd), DB_REAL(r->charged_usd), DB_INT(r->attempts),
                            DB_INT(r->total_ns), DB_INT(r->forgiven), DB_INT(r->at_ms)),
                  err);
}

bool eval_calls_each(struct db *db, int64_t run,
                     bool (*each)(void *user, const struct eval_call_record *record), void *user,
                     struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT judge, place, key, answer, error_class, error_message, cost_usd,"
                   " charged_usd, attempts, total_ns, forgiven, at_ms FROM eval_calls"
                   " WHERE run = ? ORDER BY id",
                   DB_VALUES(DB_INT(run)), err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct eval_call_record record = {.run = run,
                                          .judge = db_int(&rows, 0) != 0,
                                          .place = db_int(&rows, 1),
                                          .answer = db_int(&rows, 3),
                                          .error_class = db_string(&rows, 4),
                                          .error_message = db_string(&rows, 5),
                                          .cost_usd = db_real(&rows, 6),
                                          .charged_usd = db_real(&rows, 7),
                                          .attempts = (int)db_int(&rows, 8),
                                          .total_ns = db_int(&rows, 9),
                                          .forgiven = db_int(&rows, 10) != 0,
                                          .at_ms = db_int(&rows, 11)};
        db_bytes(&rows, 2, record.key, DIGEST_SIZE);
        more = each(user, &record);
    }
    return db_end(&rows, err);
}

bool eval_calls_total(struct db *db, int64_t run, struct eval_calls_total *out, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, "SELECT count(*), total(charged_usd) FROM eval_calls WHERE run = ?",
                   DB_VALUES(DB_INT(run)), err))
        return false;
    *out = (struct eval_calls_total){0, 0};
    if (db_next(&rows))
        *out = (struct eval_calls_total){db_int(&rows, 0), db_real(&rows, 1)};
    return db_end(&rows, err);
}

bool eval_calls_forgive(struct db *tx, int64_t run, struct err *err)
{
    return db_run(tx, "UPDATE eval_calls SET forgiven = 1 WHERE run = ? AND answer IS NULL",
                  DB_VALUES(DB_INT(run)), err);
}

bool eval_votes_find(struct db *db, const uint8_t key[DIGEST_SIZE], bool *there, struct err *err)
{
    int64_t found;
    bool ok = db_one_int(db, "SELECT 1 FROM eval_votes WHERE key = ?",
                         DB_VALUES(DB_BLOB(key, DIGEST_SIZE)), 0, &found, err);
    *there = ok && found;
    return ok;
}

bool eval_votes_insert(struct db *tx, const uint8_t key[DIGEST_SIZE], const char *battle,
                       struct err *err)
{
    return db_run(tx,
                  "INSERT INTO eval_votes (key, battle) SELECT ?, number FROM battles WHERE id = ?",
                  DB_VALUES(DB_BLOB(key, DIGEST_SIZE), DB_STRING(battle)), err);
}

/* The side that a person saw left may be the pair's second: then the winner is turned round. */
static int turned(int winner, bool mirrored)
{
    static const int MIRROR[] = {WINNER_B, WINNER_A, WINNER_TIE, WINNER_BOTH_BAD};
    return mirrored ? MIRROR[winner] : winner;
}

bool eval_votes_of_people(struct db *db, int64_t run,
                          bool (*each)(void *user, const struct eval_person_vote *vote), void *user,
                          struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT q.pair, v.voter, v.winner, b.version_a <> q.version_a, f.reasons,"
                   " f.comment FROM queue_items q JOIN battles b ON b.item = q.id"
                   " JOIN votes v ON v.battle = b.number LEFT JOIN feedback f ON f.vote = v.seq"
                   " WHERE q.run = ? AND v.judge = 0 AND v.counted = 0 ORDER BY v.seq",
                   DB_VALUES(DB_INT(run)), err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct eval_person_vote vote = {.pair = db_int(&rows, 0),
                                        .voter = db_int(&rows, 1),
                                        .winner =
                                            turned((int)db_int(&rows, 2), db_int(&rows, 3) != 0),
                                        .turned = db_int(&rows, 3) != 0,
                                        .reasons = db_text(&rows, 4),
                                        .comment = db_text(&rows, 5)};
        more = each(user, &vote);
    }
    return db_end(&rows, err);
}

bool eval_people_progress(struct db *db, int64_t run, struct eval_people *out, struct err *err)
{
    struct db_rows rows;
    *out = (struct eval_people){0};
    if (!db_select(db, &rows,
                   "SELECT count(*), sum(overlap), sum((SELECT count(*) FROM battles b JOIN votes v"
                   " ON v.battle = b.number WHERE b.item = q.id AND v.judge = 0)),"
                   " (SELECT count(DISTINCT v.voter) FROM queue_items i JOIN battles b"
                   " ON b.item = i.id JOIN votes v ON v.battle = b.number WHERE i.run = ?1"
                   " AND v.judge = 0) FROM queue_items q WHERE run = ?1 AND overlap > 0",
                   DB_VALUES(DB_INT(run)), err))
        return false;
    if (db_next(&rows))
        *out = (struct eval_people){db_int(&rows, 0), db_int(&rows, 1), db_int(&rows, 2),
                                    db_int(&rows, 3)};
    return db_end(&rows, err);
}
