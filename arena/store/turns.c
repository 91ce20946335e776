/* A turn is stored twice: its prompt when it starts, its answers when both lanes have ended. The
 * battle's row counts the turns, so a turn out of order is refused by one UPDATE. */
#include "store/turns.h"

#include "store/answers_row.h"
#include "store/votes.h"

static bool refuse_turn(struct db *tx, const char *battle, int turn, struct err *err)
{
    struct battle_record record;
    if (!battles_find(tx, battle, &record, err))
        return false;
    return err_set(err, ERR_WRONG_STATE, "turn %d cannot start: the battle has %d and is %s", turn,
                   record.turns, battle_state_word(record.state));
}

static bool count_turn(struct db *tx, const char *battle, int turn, struct text prompt,
                       struct err *err)
{
    struct db_value value = turn == 1 ? DB_INT((int64_t)votes_prompt_value(prompt)) : DB_NULL;
    if (!db_run(tx,
                "UPDATE battles SET turns = turns + 1, prompt_value = coalesce(prompt_value, ?) "
                "WHERE id = ? AND"
                " turns = ? AND state < 2",
                DB_VALUES(value, DB_STRING(battle), DB_INT(turn - 1)), err))
        return false;
    return db_changes(tx) == 1 || refuse_turn(tx, battle, turn, err);
}

bool turns_insert(struct db *tx, const char *battle, int turn, struct text prompt, int64_t now_ms,
                  struct err *err)
{
    return count_turn(tx, battle, turn, prompt, err) &&
           db_run(tx,
                  "INSERT INTO turns (battle, turn, prompt, created_ms) SELECT number, ?, ?, ? "
                  "FROM battles WHERE id = ?",
                  DB_VALUES(DB_INT(turn), DB_TEXT(prompt), DB_INT(now_ms), DB_STRING(battle)), err);
}

/* Nothing shows it any more, so nothing would find it when its text is to go. */
static bool forget_answer(struct db *tx, int64_t answer, struct err *err)
{
    return !answer || db_run(tx,
                             "UPDATE answers SET text = NULL, reasoning = NULL, refusal = NULL,"
                             " request_id = NULL, sent = NULL WHERE id = ?1"
                             " AND NOT EXISTS (SELECT 1 FROM turns WHERE answer_a = ?1)"
                             " AND NOT EXISTS (SELECT 1 FROM turns WHERE answer_b = ?1)"
                             " AND NOT EXISTS (SELECT 1 FROM queue_turns WHERE answer_a = ?1)"
                             " AND NOT EXISTS (SELECT 1 FROM queue_turns WHERE answer_b = ?1)"
                             " AND NOT EXISTS (SELECT 1 FROM eval_calls WHERE answer = ?1)",
                             DB_VALUES(DB_INT(answer)), err);
}

static bool find_answers(struct db *tx, const char *battle, int turn, int64_t answers[2],
                         struct err *err)
{
    struct db_rows rows;
    answers[0] = answers[1] = 0;
    if (!db_select(tx, &rows,
                   "SELECT answer_a, answer_b FROM turns WHERE turn = ? AND battle ="
                   " (SELECT number FROM battles WHERE id = ? AND state < 2)",
                   DB_VALUES(DB_INT(turn), DB_STRING(battle)), err))
        return false;
    if (db_next(&rows)) {
        answers[0] = db_int(&rows, 0);
        answers[1] = db_int(&rows, 1);
    }
    return db_end(&rows, err);
}

bool turns_answer(struct db *tx, const char *battle, int turn, int64_t answer_a, int64_t answer_b,
                  const struct turn_timing *timing, int64_t now_ms, struct err *err)
{
    int64_t before[2];
    if (!find_answers(tx, battle, turn, before, err))
        return false;
    if (!db_run(
            tx,
            "UPDATE turns SET answer_a = ?, answer_b = ?, first_ms_a = ?, first_ms_b = ?, "
            "ended_ms_a = ?,"
            " ended_ms_b = ?, released_ms = ?, shown_ms = ?, answered_ms = ?"
            " WHERE turn = ? AND battle = (SELECT number FROM battles WHERE id = ? AND state < 2)",
            DB_VALUES(DB_INT(answer_a), DB_INT(answer_b), DB_KNOWN(timing->first_ms_a),
                      DB_KNOWN(timing->first_ms_b), DB_KNOWN(timing->ended_ms_a),
                      DB_KNOWN(timing->ended_ms_b), DB_KNOWN(timing->released_ms),
                      DB_KNOWN(timing->shown_ms), DB_INT(now_ms), DB_INT(turn), DB_STRING(battle)),
            err))
        return false;
    if (db_changes(tx) != 1)
        return refuse_turn(tx, battle, turn, err);
    return forget_answer(tx, before[0], err) && forget_answer(tx, before[1], err);
}

static struct turn_record turn_from_row(const struct db_rows *rows)
{
    struct turn_record turn = {.turn = (int)db_int(rows, 0),
                               .prompt = db_text(rows, 1),
                               .answered = !db_is_null(rows, 2),
                               .timing = {db_int_or(rows, 3, -1), db_int_or(rows, 4, -1),
                                          db_int_or(rows, 5, -1), db_int_or(rows, 6, -1),
                                          db_int_or(rows, 7, -1), db_int_or(rows, 8, -1)}};
    if (turn.answered) {
        turn.a = answer_from_row(rows, 9);
        turn.b = answer_from_row(rows, 9 + ANSWER_COLUMN_COUNT);
    }
    return turn;
}

bool turns_each(struct db *db, const char *battle,
                bool (*each)(void *user, const struct turn_record *turn), void *user,
                struct err *err)
{
    struct db_rows rows;
    if (!db_select(
            db, &rows,
            "SELECT t.turn, t.prompt, t.answered_ms, t.first_ms_a, t.first_ms_b, t.ended_ms_a, "
            "t.ended_ms_b,"
            " t.released_ms, t.shown_ms, " ANSWER_COLUMNS("a") ", " ANSWER_COLUMNS(
                "b") " FROM turns t"
                     " JOIN battles g ON g.number = t.battle LEFT JOIN answers a ON a.id = "
                     "t.answer_a"
                     " LEFT JOIN answers b ON b.id = t.answer_b WHERE g.id = ? ORDER BY t.turn",
            DB_VALUES(DB_STRING(battle)), err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct turn_record turn = turn_from_row(&rows);
        more = each(user, &turn);
    }
    return db_end(&rows, err);
}
