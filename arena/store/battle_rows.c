/* One statement with every filter in it, as in vote_rows.c; the newest consent of a voter is what
 * counts. */
#include "store/battle_rows.h"

#define SELECT_BATTLES                                                                             \
    "SELECT b.number, b.id, b.campaign, CASE WHEN m.tags IS NULL THEN b.tags ELSE"                 \
    " json_patch(coalesce(b.tags, '{}'), json_object('category_tag', json(m.tags))) END,"          \
    " b.void_code, b.state, b.source, b.mode, "                                                    \
    "b.version_a, b.version_b,"                                                                    \
    " b.created_ms, b.probability, b.side_probability, b.turns, b.self_identified, "               \
    "b.keep_private, b.tokens_a,"                                                                  \
    " b.headers_a, b.lists_a, b.bold_a, b.tokens_b, b.headers_b, b.lists_b, b.bold_b,"             \
    " (SELECT scope FROM consents c WHERE c.voter = b.voter ORDER BY c.id DESC LIMIT 1),"          \
    " s.seq, s.winner, s.judge, s.counted, s.voter, s.at_ms, s.delay_ms, s.read_ms, w.cohort, "    \
    "f.reasons,"                                                                                   \
    " f.comment, f.recognised, (SELECT 1 + released FROM reviews v WHERE v.battle = b.number"      \
    " ORDER BY v.id DESC LIMIT 1) FROM battles b LEFT JOIN votes s ON s.battle = b.number"         \
    " LEFT JOIN voters w ON w.number = s.voter LEFT JOIN feedback f ON f.vote = s.seq"             \
    " LEFT JOIN battle_tags m ON m.battle = b.number AND m.tagger = ?6 AND m.id <= ?7"             \
    " WHERE b.created_ms >= ?1 AND b.created_ms < ?2 AND (?3 < 0 OR s.judge = ?3)"                 \
    " AND (?4 IS NULL OR b.campaign = ?4) AND (?5 = 0 OR s.counted = 0) AND b.number > ?8"         \
    " AND (?9 < 0 OR b.source <> ?9) ORDER BY b.number, s.seq"

static struct style_counts style_from_row(const struct db_rows *rows, int first)
{
    return (struct style_counts){db_int_or(rows, first, -1), db_int_or(rows, first + 1, -1),
                                 db_int_or(rows, first + 2, -1), db_int_or(rows, first + 3, -1)};
}

static enum consent_scope consent_from_row(const struct db_rows *rows, int column)
{
    enum consent_scope scope = CONSENT_NONE;
    const char *word = db_string(rows, column);
    return word && consent_scope_from(word, &scope) ? scope : CONSENT_NONE;
}

static struct battle_row battle_from(const struct db_rows *rows)
{
    return (struct battle_row){.number = db_int(rows, 0),
                               .id = db_text(rows, 1),
                               .campaign = db_text(rows, 2),
                               .tags = db_text(rows, 3),
                               .void_code = db_text(rows, 4),
                               .state = (enum battle_state)db_int(rows, 5),
                               .source = (enum battle_source)db_int(rows, 6),
                               .mode = (enum battle_mode)db_int(rows, 7),
                               .version_a = db_int(rows, 8),
                               .version_b = db_int(rows, 9),
                               .created_ms = db_int(rows, 10),
                               .probability = db_real(rows, 11),
                               .side_probability = db_real(rows, 12),
                               .turns = (int)db_int(rows, 13),
                               .self_identified = db_int(rows, 14) != 0,
                               .keep_private = db_int(rows, 15) != 0,
                               .style_a = style_from_row(rows, 16),
                               .style_b = style_from_row(rows, 20),
                               .consent = consent_from_row(rows, 24),
                               .seq = db_int(rows, 25),
                               .winner = (enum winner)db_int(rows, 26),
                               .judge = (enum judge_kind)db_int(rows, 27),
                               .counted = (enum vote_counted)db_int(rows, 28),
                               .voter = db_int(rows, 29),
                               .at_ms = db_int(rows, 30),
                               .delay_ms = db_int_or(rows, 31, -1),
                               .read_ms = db_int_or(rows, 32, -1),
                               .cohort = db_text(rows, 33),
                               .reasons = db_text(rows, 34),
                               .comment = db_text(rows, 35),
                               .recognised = db_text(rows, 36),
                               .review = (enum battle_review)db_int_or(rows, 37, REVIEW_NONE)};
}

bool battles_each(struct db *db, const struct battle_filter *filter,
                  bool (*each)(void *user, const struct battle_row *row), void *user,
                  struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, SELECT_BATTLES,
                   DB_VALUES(DB_INT(filter->from_ms > 0 ? filter->from_ms : INT64_MIN),
                             DB_INT(filter->to_ms > 0 ? filter->to_ms : INT64_MAX),
                             DB_INT(filter->judge), DB_STRING(filter->campaign),
                             DB_INT(filter->voted_only), DB_INT(filter->tagger),
                             DB_INT(filter->tags), DB_INT(filter->after),
                             DB_INT(filter->fought_here ? BATTLE_IMPORT : -1)),
                   err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct battle_row row = battle_from(&rows);
        more = each(user, &row);
    }
    return db_end(&rows, err);
}

bool battles_are_own(struct db *db, bool *own, struct err *err)
{
    int64_t asked;
    bool ok = db_one_int(
        db, "SELECT EXISTS (SELECT 1 FROM invitations) OR EXISTS (SELECT 1 FROM consents)", DB_NONE,
        0, &asked, err);
    *own = ok && !asked;
    return ok;
}
