/* Plain rows: what they mean together is the eval room's business. */
#include "store/eval_runs.h"

#include <string.h>

const char *eval_state_word(enum eval_state state)
{
    static const char *const WORDS[] = {
#define X(name, word) word,
        EVAL_STATE_MAP(X)
#undef X
    };
    return WORDS[state];
}

/* --- runs --- */

#define RUN_COLUMNS                                                                                \
    "number, id, name, spec, campaign, state, reason, progress, active_ms, created_ms, ended_ms"

bool eval_runs_insert(struct db *tx, const struct eval_run_record *record, int64_t *number,
                      struct err *err)
{
    const char *campaign = record->campaign[0] != '\0' ? record->campaign : NULL;
    if (!db_run(tx,
                "INSERT INTO eval_runs (id, name, spec, campaign, state, reason, created_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                DB_VALUES(DB_STRING(record->id), DB_STRING(record->name), DB_STRING(record->spec),
                          DB_STRING(campaign), DB_INT(record->state), DB_STRING(record->reason),
                          DB_INT(record->created_ms)),
                err))
        return false;
    *number = db_inserted(tx);
    return true;
}

bool eval_runs_update(struct db *tx, int64_t number, enum eval_state state, const char *reason,
                      const char *progress, int64_t active_ms, int64_t now_ms, struct err *err)
{
    return db_run(tx,
                  "UPDATE eval_runs SET state = ?, reason = ?, progress = coalesce(?, progress),"
                  " active_ms = ?, ended_ms = ? WHERE number = ?",
                  DB_VALUES(DB_INT(state), DB_STRING(reason), DB_STRING(progress),
                            DB_INT(active_ms), state == EVAL_RUNNING ? DB_NULL : DB_INT(now_ms),
                            DB_INT(number)),
                  err);
}

static struct eval_run_record run_from_row(const struct db_rows *rows)
{
    struct eval_run_record record = {.number = db_int(rows, 0),
                                     .name = db_string(rows, 2),
                                     .spec = db_string(rows, 3),
                                     .state = (enum eval_state)db_int(rows, 5),
                                     .reason = db_string(rows, 6),
                                     .progress = db_string(rows, 7),
                                     .active_ms = db_int(rows, 8),
                                     .created_ms = db_int(rows, 9),
                                     .ended_ms = db_int(rows, 10)};
    db_copy(rows, 1, record.id, sizeof record.id);
    db_copy(rows, 4, record.campaign, sizeof record.campaign);
    return record;
}

/* How many runs' ids begin so. */
static bool count_alike(struct db *db, const char *id, int64_t *count, struct err *err)
{
    return db_one_int(db, "SELECT count(*) FROM eval_runs WHERE substr(id, 1, length(?1)) = ?1",
                      DB_VALUES(DB_STRING(id)), 0, count, err);
}

bool eval_runs_find(struct db *db, const char *id,
                    void (*found)(void *user, const struct eval_run_record *record), void *user,
                    struct err *err)
{
    struct db_rows rows;
    int64_t alike = 1;
    if (id && !count_alike(db, id, &alike, err))
        return false;
    if (alike > 1)
        return err_set(err, ERR_BAD_REQUEST, "%lld runs begin with %.40s: write more of the id",
                       (long long)alike, id);
    if (!db_select(db, &rows,
                   "SELECT " RUN_COLUMNS " FROM eval_runs"
                   " WHERE ?1 IS NULL OR substr(id, 1, length(?1)) = ?1"
                   " ORDER BY number DESC LIMIT 1",
                   DB_VALUES(DB_STRING(id)), err))
        return false;
    bool there = db_next(&rows);
    if (there) {
        struct eval_run_record record = run_from_row(&rows);
        found(user, &record);
    }
    return db_end(&rows, err) &&
           (there || (id ? err_set(err, ERR_NOT_FOUND, "there is no evaluation %.40s", id)
                         : err_set(err, ERR_NOT_FOUND, "no evaluation was run here yet")));
}

bool eval_runs_each(struct db *db, int64_t limit,
                    bool (*each)(void *user, const struct eval_run_record *record), void *user,
                    struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, "SELECT " RUN_COLUMNS " FROM eval_runs ORDER BY number DESC LIMIT ?",
                   DB_VALUES(DB_INT(limit)), err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct eval_run_record record = run_from_row(&rows);
        more = each(user, &record);
    }
    return db_end(&rows, err);
}

/* --- the plan --- */

bool eval_prompts_insert(struct db *tx, int64_t run, const struct eval_prompt_record *record,
                         struct err *err)
{
    return db_run(tx,
                  "INSERT INTO eval_prompts (run, prompt, source, category, system, turns,"
                  " reference, chosen) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                  DB_VALUES(DB_INT(run), DB_INT(record->prompt), DB_TEXT(record->source),
                            DB_TEXT(record->category), DB_TEXT(record->system),
                            DB_TEXT(record->turns), DB_TEXT(record->reference),
                            DB_INT(record->chosen)),
                  err);
}

bool eval_prompts_each(struct db *db, int64_t run,
                       bool (*each)(void *user, const struct eval_prompt_record *record),
                       void *user, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT prompt, source, category, system, turns, reference, chosen"
                   " FROM eval_prompts WHERE run = ? ORDER BY prompt",
                   DB_VALUES(DB_INT(run)), err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct eval_prompt_record record = {.prompt = db_int(&rows, 0),
                                            .source = db_text(&rows, 1),
                                            .category = db_text(&rows, 2),
                                            .system = db_text(&rows, 3),
                                            .turns = db_text(&rows, 4),
                                            .reference = db_text(&rows, 5),
                                            .chosen = (enum eval_chosen)db_int(&rows, 6)};
        more = each(user, &record);
    }
    return db_end(&rows, err);
}

bool eval_sides_insert(struct db *tx, int64_t run, const struct eval_side_record *record,
                       struct err *err)
{
    return db_run(tx, "INSERT INTO eval_sides (run, judge, place, version) VALUES (?, ?, ?, ?)",
                  DB_VALUES(DB_INT(run), DB_INT(record->judge), DB_INT(record->place),
                            DB_INT(record->version)),
                  err);
}

bool eval_sides_each(struct db *db, int64_t run,
                     bool (*each)(void *user, const struct eval_side_record *record), void *user,
                     struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT judge, place, version FROM eval_sides WHERE run = ?"
                   " ORDER BY judge, place",
                   DB_VALUES(DB_INT(run)), err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct eval_side_record record = {db_int(&rows, 0) != 0, db_int(&rows, 1),
                                          db_int(&rows, 2)};
        more = each(user, &record);
    }
    return db_end(&rows, err);
}

bool eval_pairs_insert(struct db *tx, int64_t run, const struct eval_pair_record *record,
                       struct err *err)
{
    return db_run(tx,
                  "INSERT INTO eval_pairs (run, pair, prompt, sample, side_a, side_b)"
                  " VALUES (?, ?, ?, ?, ?, ?)",
                  DB_VALUES(DB_INT(run), DB_INT(record->pair), DB_INT(record->prompt),
                            DB_INT(record->sample), DB_INT(record->side_a), DB_INT(record->side_b)),
                  err);
}

bool eval_pairs_each(struct db *db, int64_t run,
                     bool (*each)(void *user, const struct eval_pair_record *record), void *user,
                     struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT pair, prompt, sample, side_a, side_b FROM eval_pairs WHERE run = ?"
                   " ORDER BY pair",
                   DB_VALUES(DB_INT(run)), err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct eval_pair_record record = {db_int(&rows, 0), db_int(&rows, 1), db_int(&rows, 2),
                                          db_int(&rows, 3), db_int(&rows, 4)};
        more = each(user, &record);
    }
    return db_end(&rows, err);
}
