/* One join over everything that hangs on the voter's battles. */
#include "store/voter_history.h"

enum column {
    BATTLE,
    CREATED,
    STATE,
    MODE,
    PRIVATE,
    REVEALED,
    TURN,
    PROMPT,
    ANSWER_A,
    ANSWER_B,
    NAME_A,
    NAME_B,
    WINNER,
    COUNTED,
    VOTED,
    REASONS,
    COMMENT,
    RECOGNISED
};

static const char SELECT[] =
    "SELECT b.id, b.created_ms, b.state, b.mode, b.keep_private, b.revealed_ms, t.turn, t.prompt,"
    " coalesce(a.text, a.refusal), coalesce(c.text, c.refusal), coalesce(m.code_name,"
    " m.name), coalesce(n.code_name, n.name),"
    " v.winner, v.counted, v.at_ms, f.reasons, f.comment, f.recognised"
    " FROM battles b JOIN voters w ON w.number = b.voter JOIN turns t ON t.battle = b.number"
    " LEFT JOIN answers a ON a.id = t.answer_a LEFT JOIN answers c ON c.id = t.answer_b"
    " JOIN competitor_versions p ON p.id = b.version_a JOIN competitors m ON m.number = "
    "p.competitor"
    " JOIN competitor_versions q ON q.id = b.version_b JOIN competitors n ON n.number = "
    "q.competitor"
    " LEFT JOIN votes v ON v.battle = b.number AND v.voter = b.voter"
    " LEFT JOIN feedback f ON f.vote = v.seq"
    " WHERE w.id = ? AND b.source <> 2 ORDER BY b.number, t.turn";

static struct history_turn read_turn(const struct db_rows *rows)
{
    struct history_turn turn = {.battle = db_string(rows, BATTLE),
                                .created_ms = db_int(rows, CREATED),
                                .state = (enum battle_state)db_int(rows, STATE),
                                .mode = (enum battle_mode)db_int(rows, MODE),
                                .keep_private = db_int(rows, PRIVATE) != 0,
                                .revealed = !db_is_null(rows, REVEALED),
                                .turn = (int)db_int(rows, TURN),
                                .prompt = db_text(rows, PROMPT),
                                .answer_a = db_text(rows, ANSWER_A),
                                .answer_b = db_text(rows, ANSWER_B),
                                .voted = !db_is_null(rows, VOTED)};
    if (turn.revealed || turn.mode != BATTLE_BLIND) {
        turn.name_a = db_text(rows, NAME_A);
        turn.name_b = db_text(rows, NAME_B);
    }
    if (!turn.voted)
        return turn;
    turn.winner = (enum winner)db_int(rows, WINNER);
    turn.counted = (enum vote_counted)db_int(rows, COUNTED);
    turn.voted_ms = db_int(rows, VOTED);
    turn.reasons = db_text(rows, REASONS);
    turn.comment = db_text(rows, COMMENT);
    turn.recognised = db_text(rows, RECOGNISED);
    return turn;
}

bool voter_history_each(struct db *db, const char *voter,
                        bool (*each)(void *user, const struct history_turn *turn), void *user,
                        struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, SELECT, DB_VALUES(DB_STRING(voter)), err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct history_turn turn = read_turn(&rows);
        more = each(user, &turn);
    }
    return db_end(&rows, err);
}

bool voter_history_consents(struct db *db, const char *voter,
                            void (*each)(void *user, const char *scope, const char *notice,
                                         int64_t at_ms),
                            void *user, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT c.scope, c.notice, c.at_ms FROM consents c"
                   " JOIN voters v ON v.number = c.voter WHERE v.id = ? ORDER BY c.id",
                   DB_VALUES(DB_STRING(voter)), err))
        return false;
    while (db_next(&rows))
        each(user, db_string(&rows, 0), db_string(&rows, 1), db_int(&rows, 2));
    return db_end(&rows, err);
}
