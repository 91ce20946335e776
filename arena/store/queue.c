/* One condition says what is free for a voter; picking is one walk over a partial index of what
 * has places left. Items are taken in an order shuffled by the draw (a multiplication by an odd
 * number), so that nobody can tell from the order what belongs together. */
#include "store/queue.h"

#include <string.h>

#include "store/turns.h"

/* ?1 voter's number, ?2 cohort */
#define FREE                                                                                       \
    " FROM queue_items i LEFT JOIN campaigns c ON c.id = i.campaign"                               \
    " WHERE i.taken < i.overlap AND (i.campaign IS NULL OR (c.state = 0 AND (c.cohort IS NULL OR " \
    "c.cohort = ?2))) AND NOT EXISTS (SELECT 1 FROM battles b WHERE b.item = i.id AND b.voter = "  \
    "?1)"

static bool voter_number(struct db *db, const char *voter, int64_t *number, struct err *err)
{
    return db_one_int(db, "SELECT number FROM voters WHERE id = ?", DB_VALUES(DB_STRING(voter)), 0,
                      number, err);
}

bool queue_open(struct db *db, const char *voter, char battle[STORE_ID_SIZE], struct err *err)
{
    struct db_rows rows;
    battle[0] = '\0';
    if (!db_select(
            db, &rows,
            "SELECT b.id FROM battles b WHERE b.voter = (SELECT number FROM voters WHERE "
            "id = ?) AND b.source <> 2 AND b.source = 1 AND b.state = 1 ORDER BY b.number LIMIT 1",
            DB_VALUES(DB_STRING(voter)), err))
        return false;
    if (db_next(&rows))
        db_copy(&rows, 0, battle, STORE_ID_SIZE);
    return db_end(&rows, err);
}

struct stage {
    int64_t voter;
    struct db_value campaign; /* whose turn it is; null: an evaluation's */
    char campaign_id[STORE_ID_SIZE];
    double same_model, gold; /* its rates */
    bool any;                /* there is something */
};

/* The oldest campaign or evaluation that has a pair of models left for this voter. */
static bool choose_stage(struct db *tx, const struct queue_wish *wish, struct stage *stage,
                         struct err *err)
{
    struct db_rows rows;
    if (!db_select(tx, &rows,
                   "SELECT i.campaign, c.same_model_rate, c.gold_rate" FREE
                   " AND i.kind = 0 ORDER BY i.id LIMIT 1",
                   DB_VALUES(DB_INT(stage->voter), DB_STRING(wish->cohort)), err))
        return false;
    stage->any = db_next(&rows);
    if (stage->any) {
        db_copy(&rows, 0, stage->campaign_id, sizeof stage->campaign_id);
        stage->same_model = db_is_null(&rows, 1) ? 0 : db_real(&rows, 1);
        stage->gold = db_is_null(&rows, 2) ? 0 : db_real(&rows, 2);
    }
    stage->campaign = stage->campaign_id[0] ? DB_STRING(stage->campaign_id) : DB_NULL;
    return db_end(&rows, err);
}

static bool pick_kind(struct db *tx, const struct queue_wish *wish, const struct stage *stage,
                      enum queue_kind kind, struct queue_pick *out, struct err *err)
{
    struct db_rows rows;
    if (!db_select(tx, &rows,
                   "SELECT i.id, i.version_a, i.version_b" FREE
                   " AND i.kind = ?3 AND i.campaign IS ?4"
                   " ORDER BY (i.id * ?5) & 4294967295 LIMIT 1",
                   DB_VALUES(DB_INT(stage->voter), DB_STRING(wish->cohort), DB_INT(kind),
                             stage->campaign, DB_INT((int64_t)(wish->place & INT32_MAX) | 1)),
                   err))
        return false;
    if (db_next(&rows)) {
        out->item = db_int(&rows, 0);
        out->kind = kind;
        out->version_a = db_int(&rows, 1);
        out->version_b = db_int(&rows, 2);
    }
    return db_end(&rows, err);
}

/* The share of free items whose models are these two. */
static bool find_probability(struct db *tx, const struct queue_wish *wish,
                             const struct stage *stage, struct queue_pick *out, struct err *err)
{
    struct db_rows rows;
    if (!db_select(tx, &rows,
                   "SELECT avg(min(i.version_a, i.version_b) = min(?5, ?6) AND"
                   " max(i.version_a, i.version_b) = max(?5, ?6))" FREE
                   " AND i.kind = ?3 AND i.campaign IS ?4",
                   DB_VALUES(DB_INT(stage->voter), DB_STRING(wish->cohort), DB_INT(out->kind),
                             stage->campaign, DB_INT(out->version_a), DB_INT(out->version_b)),
                   err))
        return false;
    if (db_next(&rows))
        out->probability = db_real(&rows, 0);
    return db_end(&rows, err);
}

bool queue_pick(struct db *tx, const struct queue_wish *wish, struct queue_pick *out,
                struct err *err)
{
    struct stage stage = {.any = false};
    *out = (struct queue_pick){.item = 0};
    if (!voter_number(tx, wish->voter, &stage.voter, err) || !choose_stage(tx, wish, &stage, err))
        return false;
    if (!stage.any)
        return true;
    enum queue_kind kind = wish->kind < stage.same_model                ? QUEUE_SAME_MODEL
                           : wish->kind < stage.same_model + stage.gold ? QUEUE_GOLD
                                                                        : QUEUE_PAIR;
    if (!pick_kind(tx, wish, &stage, kind, out, err))
        return false;
    if (!out->item && kind != QUEUE_PAIR && !pick_kind(tx, wish, &stage, QUEUE_PAIR, out, err))
        return false;
    memcpy(out->campaign, stage.campaign_id, sizeof out->campaign);
    return find_probability(tx, wish, &stage, out, err);
}

bool queue_copy_turns(struct db *tx, int64_t item, const char *battle, bool swapped, int64_t now_ms,
                      struct err *err)
{
    static const struct turn_timing UNTIMED = {-1, -1, -1, -1, -1, -1};
    struct db_rows rows;
    bool good = true;
    if (!db_select(tx, &rows,
                   "SELECT turn, prompt, answer_a, answer_b FROM queue_turns WHERE item = ?"
                   " ORDER BY turn",
                   DB_VALUES(DB_INT(item)), err))
        return false;
    while (good && db_next(&rows)) {
        int turn = (int)db_int(&rows, 0);
        good = turns_insert(tx, battle, turn, db_text(&rows, 1), now_ms, err) &&
               turns_answer(tx, battle, turn, db_int(&rows, swapped ? 3 : 2),
                            db_int(&rows, swapped ? 2 : 3), &UNTIMED, now_ms, err);
    }
    return db_end(&rows, good ? err : NULL) && good;
}

bool queue_category(struct db *db, const char *battle, char *category, size_t size, struct err *err)
{
    struct db_rows rows;
    category[0] = '\0';
    if (!db_select(db, &rows,
                   "SELECT p.category FROM battles b JOIN queue_items i ON i.id = b.item"
                   " JOIN eval_pairs e ON e.run = i.run AND e.pair = i.pair"
                   " JOIN eval_prompts p ON p.run = e.run AND p.prompt = e.prompt WHERE b.id = ?",
                   DB_VALUES(DB_STRING(battle)), err))
        return false;
    if (db_next(&rows))
        db_copy(&rows, 0, category, size);
    return db_end(&rows, err);
}

bool queue_kind_of(struct db *db, const char *battle, enum queue_kind *kind, struct err *err)
{
    int64_t found;
    bool good = db_one_int(db,
                           "SELECT i.kind FROM battles b JOIN queue_items i ON i.id = b.item"
                           " WHERE b.id = ?",
                           DB_VALUES(DB_STRING(battle)), QUEUE_PAIR, &found, err);
    *kind = good ? (enum queue_kind)found : QUEUE_PAIR;
    return good;
}

static bool count_given(struct db *db, int64_t voter, int64_t now_ms, struct queue_progress *out,
                        struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT count(*), count(*) FILTER (WHERE s.at_ms > ?) FROM votes s JOIN battles "
                   "b ON b.number = s.battle WHERE s.voter = ? AND b.source = 1",
                   DB_VALUES(DB_INT(now_ms - INT64_C(86400000)), DB_INT(voter)), err))
        return false;
    if (db_next(&rows)) {
        out->given = db_int(&rows, 0);
        out->today = db_int(&rows, 1);
    }
    return db_end(&rows, err);
}

bool queue_progress(struct db *db, const char *voter, const char *cohort, int64_t now_ms,
                    struct queue_progress *out, struct err *err)
{
    int64_t number, running;
    *out = (struct queue_progress){.given = 0};
    if (!voter_number(db, voter, &number, err) || !count_given(db, number, now_ms, out, err) ||
        !db_one_int(db, "SELECT count(*)" FREE " AND i.kind = 0",
                    DB_VALUES(DB_INT(number), DB_STRING(cohort)), 0, &out->left, err) ||
        !db_one_int(db,
                    "SELECT EXISTS (SELECT 1 FROM eval_runs r LEFT JOIN campaigns c ON c.id = "
                    "r.campaign WHERE r.state = 0 AND (r.campaign IS NULL OR (c.state = 0 "
                    "AND (c.cohort IS NULL OR c.cohort = ?))))",
                    DB_VALUES(DB_STRING(cohort)), 0, &running, err))
        return false;
    out->preparing = running != 0;
    return true;
}

void queue_progress_write(struct json_out *out, const char *key,
                          const struct queue_progress *progress)
{
    json_put_open(out, key, '{');
    json_put_int(out, "given", progress->given);
    json_put_int(out, "today", progress->today);
    json_put_int(out, "left", progress->left);
    json_put_bool(out, "preparing", progress->preparing);
    json_put_bool(out, "paused", progress->paused);
    json_put_close(out, '}');
}
