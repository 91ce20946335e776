/* Three short reads: who stood where, what was said, what its voters made of it. */
#include "eval/why.h"

#include "store/turns.h"
#include "store/votes.h"

static void put_json(struct json_out *out, const char *key, struct text json)
{
    if (json.data)
        json_put_raw(out, key, json);
    else
        json_put_null(out, key);
}

/* --- who --- */

static void put_side(struct json_out *out, const char *key, const struct db_rows *rows, int column)
{
    json_put_open(out, key, '{');
    json_put_string(out, "model", db_text(rows, column));
    json_put_string(out, "version", db_text(rows, column + 1));
    json_put_raw(out, "settings", db_text(rows, column + 2));
    json_put_bool(out, "in_house", db_int(rows, column + 3) != 0);
    json_put_close(out, '}');
}

static bool put_sides(struct json_out *out, struct db *db, const char *battle, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT ca.name, substr(va.digest, 1, 8), va.effective, ca.in_house, cb.name,"
                   " substr(vb.digest, 1, 8), vb.effective, cb.in_house, b.created_ms"
                   " FROM battles b JOIN competitor_versions va ON va.id = b.version_a"
                   " JOIN competitors ca ON ca.number = va.competitor"
                   " JOIN competitor_versions vb ON vb.id = b.version_b"
                   " JOIN competitors cb ON cb.number = vb.competitor WHERE b.id = ?1"
                   " AND NOT b.keep_private AND EXISTS (SELECT 1 FROM votes"
                   " WHERE battle = b.number)",
                   DB_VALUES(DB_STRING(battle)), err))
        return false;
    bool there = db_next(&rows);
    if (there) {
        json_put_int(out, "created_ms", db_int(&rows, 8));
        put_side(out, "a", &rows, 0);
        put_side(out, "b", &rows, 4);
    }
    return db_end(&rows, err) &&
           (there || err_set(err, ERR_NOT_FOUND, "there is no battle %.40s to be read", battle));
}

/* --- what was said --- */

static void put_answer(struct json_out *out, const char *key, const struct answer_record *answer)
{
    json_put_open(out, key, '{');
    json_put_string(out, "text", answer->text.length ? answer->text : answer->refusal);
    json_put_cstring(out, "finish", answer->finish);
    json_put_bool(out, "refusal", answer->refusal.length > 0);
    json_put_close(out, '}');
}

static bool put_turn(void *user, const struct turn_record *turn)
{
    struct json_out *out = user;
    json_put_open(out, NULL, '{');
    if (turn->prompt.data)
        json_put_string(out, "prompt", turn->prompt);
    else
        json_put_null(out, "prompt");
    if (turn->answered) {
        put_answer(out, "a", &turn->a);
        put_answer(out, "b", &turn->b);
    }
    json_put_close(out, '}');
    return true;
}

/* --- what its voters made of it --- */

static bool put_votes(struct json_out *out, struct db *db, const char *battle, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT v.judge, v.winner, v.counted, v.at_ms, f.reasons, f.recognised,"
                   " f.comment, iif(v.judge, w.name, NULL) FROM votes v"
                   " JOIN battles b ON b.number = v.battle LEFT JOIN feedback f ON f.vote = v.seq"
                   " LEFT JOIN voters w ON w.number = v.voter WHERE b.id = ?1 ORDER BY v.seq",
                   DB_VALUES(DB_STRING(battle)), err))
        return false;
    json_put_open(out, "votes", '[');
    while (db_next(&rows)) {
        json_put_open(out, NULL, '{');
        json_put_cstring(out, "judge", judge_kind_word((enum judge_kind)db_int(&rows, 0)));
        json_put_cstring(out, "name", db_string(&rows, 7));
        json_put_cstring(out, "winner", winner_word((enum winner)db_int(&rows, 1)));
        json_put_cstring(out, "counted", vote_counted_word((enum vote_counted)db_int(&rows, 2)));
        json_put_int(out, "at_ms", db_int(&rows, 3));
        put_json(out, "reasons", db_text(&rows, 4));
        put_json(out, "recognised", db_text(&rows, 5));
        json_put_cstring(out, "comment", db_string(&rows, 6));
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
    return db_end(&rows, err);
}

bool why_battle(struct json_out *out, struct db *db, const char *battle, struct err *err)
{
    if (!put_sides(out, db, battle, err))
        return false;
    json_put_open(out, "turns", '[');
    bool ok = turns_each(db, battle, put_turn, out, err);
    json_put_close(out, ']');
    return ok && put_votes(out, db, battle, err);
}
