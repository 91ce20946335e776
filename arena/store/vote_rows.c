/* One statement with every filter in it, so that it is prepared once; a filter that is off costs a
 * comparison. seq has no gaps, so a piece is a range of it. */
#include "store/vote_rows.h"

#include "base/limits.h"

#define COLUMNS                                                                                    \
    "SELECT s.seq, s.at_ms, b.version_a, b.version_b, s.winner, s.counted, s.judge, b.source, "    \
    "s.voter,"                                                                                     \
    " b.prompt_value, s.turns, w.staff, iif(f.recognised <> '\"no\"', f.at_ms, 0), s.delay_ms, "   \
    "s.read_ms, "                                                                                  \
    "b.probability, b.tokens_a,"                                                                   \
    " b.headers_a, b.lists_a, b.bold_a, b.tokens_b, b.headers_b, b.lists_b, b.bold_b"
enum { TAGS = 24, IDS = 25 };
/* The rules' tags and the model's, which are members of their category_tag. */
#define ALL_TAGS                                                                                   \
    ", CASE WHEN m.tags IS NULL THEN b.tags ELSE json_patch(coalesce(b.tags, '{}'),"               \
    " json_object('category_tag', json(m.tags))) END"
#define OWN_TAGS ", b.tags"
#define ALL_IDS                                                                                    \
    ", b.id, w.id, b.campaign, w.cohort, f.reasons, f.comment, f.recognised, b.import_key"
#define MODEL_TAGS                                                                                 \
    " LEFT JOIN battle_tags m ON m.battle = b.number AND m.tagger = ?10 AND m.id <= ?11"
#define VOTES_FROM                                                                                 \
    " FROM votes s JOIN battles b ON b.number = s.battle LEFT JOIN voters w ON w.number = s.voter" \
    " LEFT JOIN feedback f ON f.vote = s.seq"
#define VOTES_WHERE                                                                                \
    " WHERE s.seq > ?1 AND s.seq <= ?2 AND s.at_ms >= ?3 "                                         \
    "AND s.at_ms < ?4"                                                                             \
    " AND (?5 = 0 OR s.counted = 0) AND (?6 < 0 OR s.judge = ?6) AND (?7 < 0 OR b.source = ?7)"    \
    " AND (?8 IS NULL OR b.campaign = ?8) AND (?9 IS NULL OR w.id = ?9) ORDER BY s.seq"

static const char *statement_for(const struct vote_filter *filter)
{
    bool model = filter->tags > 0;
    if (filter->with_ids)
        return model ? COLUMNS ALL_TAGS ALL_IDS VOTES_FROM MODEL_TAGS VOTES_WHERE
                     : COLUMNS OWN_TAGS ALL_IDS VOTES_FROM VOTES_WHERE;
    if (filter->with_tags)
        return model ? COLUMNS ALL_TAGS VOTES_FROM MODEL_TAGS VOTES_WHERE
                     : COLUMNS OWN_TAGS VOTES_FROM VOTES_WHERE;
    return COLUMNS VOTES_FROM VOTES_WHERE;
}

static struct style_counts style_from_row(const struct db_rows *rows, int first)
{
    return (struct style_counts){db_int_or(rows, first, -1), db_int_or(rows, first + 1, -1),
                                 db_int_or(rows, first + 2, -1), db_int_or(rows, first + 3, -1)};
}

static struct vote_row row_from(const struct db_rows *rows, const struct vote_filter *filter)
{
    struct vote_row row = {.seq = db_int(rows, 0),
                           .at_ms = db_int(rows, 1),
                           .version_a = db_int(rows, 2),
                           .version_b = db_int(rows, 3),
                           .winner = (enum winner)db_int(rows, 4),
                           .counted = (enum vote_counted)db_int(rows, 5),
                           .judge = (enum judge_kind)db_int(rows, 6),
                           .source = (enum battle_source)db_int(rows, 7),
                           .voter = db_int(rows, 8),
                           .prompt = (uint64_t)db_int(rows, 9),
                           .turns = (int)db_int(rows, 10),
                           .staff = db_int(rows, 11) != 0,
                           .recognised_ms = db_int(rows, 12),
                           .delay_ms = db_int_or(rows, 13, -1),
                           .read_ms = db_int_or(rows, 14, -1),
                           .probability = db_real(rows, 15),
                           .style_a = style_from_row(rows, 16),
                           .style_b = style_from_row(rows, 20)};
    if (filter->with_tags || filter->with_ids)
        row.tags = db_text(rows, TAGS);
    struct text *ids[] = {&row.battle_id, &row.voter_id, &row.campaign,        &row.cohort,
                          &row.reasons,   &row.comment,  &row.recognised_text, &row.import_key};
    for (int i = 0; filter->with_ids && i < (int)(sizeof ids / sizeof ids[0]); i++)
        *ids[i] = db_text(rows, IDS + i);
    return row;
}

struct piece {
    int64_t after, upto;
    bool more; /* nobody asked to stop */
};

static bool read_piece(struct db *db, const struct vote_filter *filter, struct piece *piece,
                       bool (*each)(void *user, const struct vote_row *row), void *user,
                       struct err *err)
{
    struct db_rows rows;
    const struct db_value values[] = {DB_INT(piece->after),
                                      DB_INT(piece->upto),
                                      DB_INT(filter->from_ms > 0 ? filter->from_ms : INT64_MIN),
                                      DB_INT(filter->to_ms > 0 ? filter->to_ms : INT64_MAX),
                                      DB_INT(filter->counted_only),
                                      DB_INT(filter->judge),
                                      DB_INT(filter->source),
                                      DB_STRING(filter->campaign),
                                      DB_STRING(filter->voter),
                                      DB_INT(filter->tagger),
                                      DB_INT(filter->tags)};
    size_t count = sizeof values / sizeof *values;
    if (filter->tags == 0 || (!filter->with_tags && !filter->with_ids))
        count -= 2; /* nothing asks for the tagger */
    if (!db_select(db, &rows, statement_for(filter), values, count, err))
        return false;
    while (piece->more && db_next(&rows)) {
        struct vote_row row = row_from(&rows, filter);
        piece->more = each(user, &row);
    }
    return db_end(&rows, err);
}

bool votes_each(struct db *db, const struct vote_filter *filter,
                bool (*each)(void *user, const struct vote_row *row), void *user, struct err *err)
{
    int64_t last;
    uint8_t head[DIGEST_SIZE];
    if (!votes_last(db, &last, head, err))
        return false;
    struct piece piece = {.more = true};
    for (piece.after = filter->after; piece.more && piece.after < last; piece.after = piece.upto) {
        piece.upto = last - piece.after > LIMIT_READ_ROWS ? piece.after + LIMIT_READ_ROWS : last;
        if (!read_piece(db, filter, &piece, each, user, err))
            return false;
    }
    return true;
}

/* --- failures as losses --- */

#define LOSSES                                                                                     \
    "SELECT i.closed, i.at_ms, CASE i.side WHEN 0 THEN i.version ELSE i.against END,"              \
    " CASE i.side WHEN 0 THEN i.against ELSE i.version END, i.side, b.source, b.voter,"            \
    " b.prompt_value, b.turns, w.staff, b.probability" ALL_TAGS                                    \
    " FROM incidents i JOIN battles b ON b.number = i.battle"                                      \
    " LEFT JOIN voters w ON w.number = b.voter" MODEL_TAGS                                         \
    " WHERE i.closed > ?1 AND i.closed <= ?2 AND i.kind < 2 AND i.against IS NOT NULL AND"         \
    " b.mode = 0 ORDER BY i.closed, i.id"

static struct vote_row loss_from(const struct db_rows *rows)
{
    struct style_counts unknown = {-1, -1, -1, -1};
    return (struct vote_row){.seq = db_int(rows, 0),
                             .at_ms = db_int(rows, 1),
                             .version_a = db_int(rows, 2),
                             .version_b = db_int(rows, 3),
                             .winner = db_int(rows, 4) ? WINNER_A : WINNER_B,
                             .source = (enum battle_source)db_int(rows, 5),
                             .voter = db_int(rows, 6),
                             .prompt = (uint64_t)db_int(rows, 7),
                             .turns = (int)db_int(rows, 8),
                             .staff = db_int(rows, 9) != 0,
                             .delay_ms = -1,
                             .read_ms = -1,
                             .probability = db_real(rows, 10),
                             .style_a = unknown,
                             .style_b = unknown,
                             .tags = db_text(rows, 11)};
}

bool losses_each(struct db *db, const struct loss_filter *filter,
                 bool (*each)(void *user, const struct vote_row *row), void *user, struct err *err)
{
    struct db_rows rows;
    bool more = true;
    if (!db_select(db, &rows, LOSSES,
                   DB_VALUES(DB_INT(filter->after), DB_INT(filter->up_to), DB_NULL, DB_NULL,
                             DB_NULL, DB_NULL, DB_NULL, DB_NULL, DB_NULL, DB_INT(filter->tagger),
                             DB_INT(filter->tags)),
                   err))
        return false;
    while (more && db_next(&rows)) {
        struct vote_row row = loss_from(&rows);
        more = each(user, &row);
    }
    return db_end(&rows, err);
}

bool losses_last(struct db *db, int64_t *closed, struct err *err)
{
    return db_one_int(db, "SELECT max(closed) FROM incidents WHERE closed IS NOT NULL", DB_NONE, 0,
                      closed, err);
}
