/* One walk down the battles; who agreed to nothing is left out by the join itself. */
#include "store/moderation.h"

enum column {
    NUMBER,
    ID,
    CREATED,
    STATE,
    MODE,
    IDENTIFIED,
    VOTER,
    COHORT,
    NAME_A,
    NAME_B,
    WINNER,
    COUNTED,
    REASONS,
    COMMENT,
    RECOGNISED
};

static const char SELECT[] =
    "SELECT b.number, b.id, b.created_ms, b.state, b.mode, b.self_identified, w.id, w.cohort,"
    " m.name, n.name, v.winner, v.counted, f.reasons, f.comment, f.recognised"
    " FROM battles b JOIN voters w ON w.number = b.voter"
    " JOIN competitor_versions p ON p.id = b.version_a JOIN competitors m"
    " ON m.number = p.competitor"
    " JOIN competitor_versions q ON q.id = b.version_b JOIN competitors n"
    " ON n.number = q.competitor"
    " LEFT JOIN votes v ON v.battle = b.number AND v.voter = b.voter"
    " LEFT JOIN feedback f ON f.vote = v.seq"
    " WHERE b.number < ?1 AND b.source <> 2 AND b.state >= 2 AND NOT b.keep_private"
    " AND (?3 OR b.self_identified OR coalesce(v.counted, 0) <> 0 OR f.comment NOTNULL)"
    " AND (?5 IS NULL OR b.id = ?5)"
    " AND (?4 OR EXISTS (SELECT 1 FROM consents WHERE voter = w.number))"
    " ORDER BY b.number DESC LIMIT ?2";

static struct moderation_battle read_battle(const struct db_rows *rows)
{
    struct moderation_battle found = {.battle = {.number = db_int(rows, NUMBER),
                                                 .state = (enum battle_state)db_int(rows, STATE),
                                                 .mode = (enum battle_mode)db_int(rows, MODE),
                                                 .self_identified = db_int(rows, IDENTIFIED) != 0,
                                                 .created_ms = db_int(rows, CREATED)},
                                      .cohort = db_string(rows, COHORT),
                                      .name_a = db_string(rows, NAME_A),
                                      .name_b = db_string(rows, NAME_B),
                                      .voted = !db_is_null(rows, WINNER),
                                      .winner = (enum winner)db_int(rows, WINNER),
                                      .counted = (enum vote_counted)db_int(rows, COUNTED),
                                      .reasons = db_text(rows, REASONS),
                                      .comment = db_text(rows, COMMENT),
                                      .recognised = db_text(rows, RECOGNISED)};
    db_copy(rows, ID, found.battle.id, sizeof found.battle.id);
    db_copy(rows, VOTER, found.battle.voter, sizeof found.battle.voter);
    return found;
}

bool moderation_each(struct db *db, const struct moderation_query *query,
                     void (*each)(void *user, const struct moderation_battle *battle), void *user,
                     struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, SELECT,
                   DB_VALUES(DB_INT(query->before > 0 ? query->before : INT64_MAX),
                             DB_INT(query->limit), DB_INT(query->all), DB_INT(query->at_home),
                             DB_STRING(query->battle)),
                   err))
        return false;
    while (db_next(&rows)) {
        struct moderation_battle battle = read_battle(&rows);
        each(user, &battle);
    }
    return db_end(&rows, err);
}
