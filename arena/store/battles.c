/* A state is changed by an UPDATE that names the state it must be in, so the check and the step
 * are one; only when it changed nothing is the battle read to say why. */
#include "store/battles.h"

#include <string.h>

#include "base/limits.h"
#include "store/battles_row.h"

const char *battle_state_word(enum battle_state state)
{
    static const char *const WORDS[] = {
#define X(name, word) word,
        BATTLE_STATE_MAP(X)
#undef X
    };
    return WORDS[state];
}

const char *battle_source_word(enum battle_source source)
{
    static const char *const WORDS[] = {
#define X(name, word) word,
        BATTLE_SOURCE_MAP(X)
#undef X
    };
    return WORDS[source];
}

static const char *const MODES[] = {
#define X(name, word) word,
    BATTLE_MODE_MAP(X)
#undef X
};

const char *battle_mode_word(enum battle_mode mode)
{
    return MODES[mode];
}

bool battle_mode_from(const char *word, enum battle_mode *mode)
{
    for (size_t i = 0; i < sizeof MODES / sizeof MODES[0]; i++) {
        if (strcmp(word, MODES[i]) != 0)
            continue;
        *mode = (enum battle_mode)i;
        return true;
    }
    return false;
}

static bool not_found(const char *id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "there is no battle %.40s", id);
}

bool battles_insert(struct db *tx, const struct battle_record *record, struct err *err)
{
    const char *campaign = record->campaign[0] != '\0' ? record->campaign : NULL;
    if (!db_run(
            tx,
            "INSERT INTO battles (id, voter, campaign, state, source, mode, version_a, "
            "version_b, probability,"
            " side_probability, nonce, self_identified, keep_private, in_house_only, created_ms, "
            "item)"
            " SELECT ?, number, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM voters WHERE id = ?",
            DB_VALUES(DB_STRING(record->id), DB_STRING(campaign), DB_INT(record->state),
                      DB_INT(record->source), DB_INT(record->mode), DB_INT(record->version_a),
                      DB_INT(record->version_b), DB_REAL(record->probability),
                      DB_REAL(record->side_probability), DB_BLOB(record->nonce, BATTLE_NONCE_SIZE),
                      DB_INT(record->self_identified), DB_INT(record->keep_private),
                      DB_INT(record->in_house_only), DB_INT(record->created_ms),
                      record->item ? DB_INT(record->item) : DB_NULL, DB_STRING(record->voter)),
            err))
        return false;
    return db_changes(tx) == 1 ||
           err_set(err, ERR_NOT_FOUND, "there is no voter %.40s", record->voter);
}

struct battle_record battle_from_row(const struct db_rows *rows, int first)
{
    struct battle_record record = {.number = db_int(rows, first),
                                   .state = (enum battle_state)db_int(rows, first + 4),
                                   .source = (enum battle_source)db_int(rows, first + 5),
                                   .mode = (enum battle_mode)db_int(rows, first + 6),
                                   .version_a = db_int(rows, first + 7),
                                   .version_b = db_int(rows, first + 8),
                                   .probability = db_real(rows, first + 9),
                                   .side_probability = db_real(rows, first + 10),
                                   .turns = (int)db_int(rows, first + 12),
                                   .self_identified = db_int(rows, first + 13) != 0,
                                   .keep_private = db_int(rows, first + 14) != 0,
                                   .revealed = !db_is_null(rows, first + 15),
                                   .created_ms = db_int(rows, first + 17),
                                   .ended_ms = db_int(rows, first + 18),
                                   .item = db_int(rows, first + 19)};
    db_copy(rows, first + 1, record.id, sizeof record.id);
    db_copy(rows, first + 2, record.voter, sizeof record.voter);
    db_copy(rows, first + 3, record.campaign, sizeof record.campaign);
    db_bytes(rows, first + 11, record.nonce, BATTLE_NONCE_SIZE);
    db_copy(rows, first + 16, record.void_code, sizeof record.void_code);
    return record;
}

bool battles_find(struct db *db, const char *id, struct battle_record *out, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, "SELECT " BATTLE_COLUMNS " FROM " BATTLE_TABLES " WHERE b.id = ?",
                   DB_VALUES(DB_STRING(id)), err))
        return false;
    bool found = db_next(&rows);
    if (found)
        *out = battle_from_row(&rows, 0);
    if (!db_end(&rows, err))
        return false;
    return found || not_found(id, err);
}

static bool explain_state(struct db *tx, const char *id, enum battle_state wanted, struct err *err)
{
    struct battle_record record;
    if (!battles_find(tx, id, &record, err))
        return false;
    return err_set(err, ERR_WRONG_STATE, "the battle is %s, not %s",
                   battle_state_word(record.state), battle_state_word(wanted));
}

bool battles_change(struct db *tx, const char *id, enum battle_state from, enum battle_state to,
                    const char *code, int64_t now_ms, struct err *err)
{
    if (to == BATTLE_VOTED)
        return err_set(err, ERR_INTERNAL, "only a vote makes a battle voted");
    struct db_value ended = to >= BATTLE_VOTED ? DB_INT(now_ms) : DB_NULL;
    if (!db_run(
            tx,
            "UPDATE battles SET state = ?, void_code = ?, ended_ms = ? WHERE id = ? AND state = ?",
            DB_VALUES(DB_INT(to), DB_STRING(code), ended, DB_STRING(id), DB_INT(from)), err))
        return false;
    return db_changes(tx) == 1 || explain_state(tx, id, from, err);
}

/* Ends a single-row UPDATE: the battle must have been there. */
static bool changed_one(struct db *tx, bool ran, const char *id, struct err *err)
{
    return ran && (db_changes(tx) == 1 || not_found(id, err));
}

bool battles_swap(struct db *tx, const char *id, char side, int64_t version, struct err *err)
{
    const char *sql = side == 'a' ? "UPDATE battles SET version_a = ? WHERE id = ? AND state = 0"
                                  : "UPDATE battles SET version_b = ? WHERE id = ? AND state = 0";
    if (!db_run(tx, sql, DB_VALUES(DB_INT(version), DB_STRING(id)), err))
        return false;
    return db_changes(tx) == 1 || explain_state(tx, id, BATTLE_STREAMING, err);
}

bool battles_flag_self_identified(struct db *tx, const char *id, struct err *err)
{
    return changed_one(tx,
                       db_run(tx, "UPDATE battles SET self_identified = 1 WHERE id = ?",
                              DB_VALUES(DB_STRING(id)), err),
                       id, err);
}

bool battles_set_private(struct db *tx, const char *id, bool keep_private, struct err *err)
{
    return changed_one(tx,
                       db_run(tx, "UPDATE battles SET keep_private = ? WHERE id = ?",
                              DB_VALUES(DB_INT(keep_private), DB_STRING(id)), err),
                       id, err);
}

bool battles_set_revealed(struct db *tx, const char *id, int64_t now_ms, struct err *err)
{
    return changed_one(
        tx,
        db_run(tx, "UPDATE battles SET revealed_ms = coalesce(revealed_ms, ?) WHERE id = ?",
               DB_VALUES(DB_INT(now_ms), DB_STRING(id)), err),
        id, err);
}

bool battles_set_tags(struct db *tx, const char *id, struct text tags, struct err *err)
{
    return changed_one(tx,
                       db_run(tx, "UPDATE battles SET tags = ? WHERE id = ?",
                              DB_VALUES(DB_TEXT(tags), DB_STRING(id)), err),
                       id, err);
}

bool battles_set_style(struct db *tx, const char *id, const struct style_counts *a,
                       const struct style_counts *b, struct err *err)
{
    bool ran = db_run(
        tx,
        "UPDATE battles SET tokens_a = ?, headers_a = ?, lists_a = ?, bold_a = ?, tokens_b = ?,"
        " headers_b = ?, lists_b = ?, bold_b = ? WHERE id = ?",
        DB_VALUES(DB_KNOWN(a->tokens), DB_KNOWN(a->headers), DB_KNOWN(a->lists), DB_KNOWN(a->bold),
                  DB_KNOWN(b->tokens), DB_KNOWN(b->headers), DB_KNOWN(b->lists), DB_KNOWN(b->bold),
                  DB_STRING(id)),
        err);
    return changed_one(tx, ran, id, err);
}

/* --- lists and sweeps --- */

static const char *vote_word(const struct db_rows *rows, int column)
{
    static const char *const WORDS[] = {"model_a", "model_b", "tie", "both_bad"};
    int64_t winner = db_int_or(rows, column, -1);
    return winner >= 0 && winner < 4 ? WORDS[winner] : NULL;
}

bool battles_of_voter(struct db *db, const char *voter, int64_t before, int limit,
                      bool (*each)(void *user, const struct battle_summary *summary), void *user,
                      struct err *err)
{
    struct db_rows rows;
    if (!db_select(
            db, &rows,
            "SELECT " BATTLE_COLUMNS ", t.prompt, s.winner, s.counted FROM " BATTLE_TABLES
            " LEFT JOIN turns t ON t.battle = b.number AND t.turn = 1"
            " LEFT JOIN votes s ON s.battle = b.number AND s.voter = b.voter"
            " WHERE b.voter = (SELECT number FROM voters WHERE id = ?) AND b.source <> 2 AND "
            "b.number < ?"
            " ORDER BY b.number DESC LIMIT ?",
            DB_VALUES(DB_STRING(voter), DB_INT(before > 0 ? before : INT64_MAX), DB_INT(limit)),
            err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct battle_summary summary = {.battle = battle_from_row(&rows, 0),
                                         .prompt = db_text(&rows, BATTLE_COLUMN_COUNT),
                                         .winner = vote_word(&rows, BATTLE_COLUMN_COUNT + 1)};
        summary.counted = (int)db_int(&rows, BATTLE_COLUMN_COUNT + 2);
        more = each(user, &summary);
    }
    return db_end(&rows, err);
}

bool battles_restart(struct db *tx, int64_t now_ms, int64_t *voided, struct err *err)
{
    if (!db_run(tx,
                "UPDATE battles SET state = 4, void_code = 'restart', ended_ms = ? WHERE state < 2 "
                "AND state = 0",
                DB_VALUES(DB_INT(now_ms)), err))
        return false;
    *voided = db_changes(tx);
    return true;
}

bool battles_expire(struct db *tx, int64_t now_ms, int64_t *expired, struct err *err)
{
    int64_t oldest = now_ms - LIMIT_BATTLE_HOURS * INT64_C(3600000),
            reserved = now_ms - LIMIT_RESERVATION_MINUTES * INT64_C(60000);
    if (!db_run(tx,
                "UPDATE battles SET state = 5, ended_ms = ? WHERE state < 2 AND state = 1 AND"
                " created_ms <= iif(source = 1, ?, ?)",
                DB_VALUES(DB_INT(now_ms), DB_INT(reserved), DB_INT(oldest)), err))
        return false;
    *expired = db_changes(tx);
    return true;
}

bool battles_count(struct db *db, int64_t counts[BATTLE_EXPIRED + 1], struct err *err)
{
    memset(counts, 0, (BATTLE_EXPIRED + 1) * sizeof counts[0]);
    struct db_rows rows;
    if (!db_select(db, &rows, "SELECT state, count(*) FROM battles GROUP BY state", DB_NONE, err))
        return false;
    while (db_next(&rows))
        counts[db_int(&rows, 0)] = db_int(&rows, 1);
    return db_end(&rows, err);
}
