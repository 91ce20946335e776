/* One query a table. A battle is looked at from the model's own side: `side` is 0 where it stood
 * first. */
#include "eval/why.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "board/leaderboard.h"
#include "board/render_html.h"
#include "board/stored.h"
#include "store/turns.h"

enum { LOST_SHOWN = 50, PAGES_SHOWN = 30, OPENING = 80 };

/* Every counted vote on a battle of the model ?1, judge kind ?2 (negative: any). */
#define FROM_VOTES                                                                                 \
    " FROM (SELECT v.seq AS seq, v.winner AS winner, v.judge AS judge, b.number AS battle,"        \
    " b.id AS id, b.tags AS tags, b.turns AS turns, iif(ca.name = ?1, 0, 1) AS side,"              \
    " iif(ca.name = ?1, cb.name, ca.name) AS rival,"                                               \
    " iif(ca.name = ?1, va.digest, vb.digest) AS own, iif(ca.name = ?1, vb.digest, va.digest)"     \
    " AS theirs FROM votes v JOIN battles b ON b.number = v.battle"                                \
    " JOIN competitor_versions va ON va.id = b.version_a"                                          \
    " JOIN competitors ca ON ca.number = va.competitor"                                            \
    " JOIN competitor_versions vb ON vb.id = b.version_b"                                          \
    " JOIN competitors cb ON cb.number = vb.competitor"                                            \
    " WHERE v.counted = 0 AND (?2 < 0 OR v.judge = ?2) AND (ca.name = ?1 OR cb.name = ?1)"         \
    " AND va.id <> vb.id) m"

#define RECORD                                                                                     \
    " count(*), sum(winner = side), sum(winner = 1 - side), sum(winner > 1),"                      \
    " (sum(winner = side) + sum(winner > 1) / 2.0) / count(*)"

struct asking {
    struct db *db;
    const struct why_options *options;
    struct err *err;
};

static bool select_rows(const struct asking *asking, struct db_rows *rows, const char *sql)
{
    return db_select(asking->db, rows, sql,
                     DB_VALUES(DB_STRING(asking->options->model), DB_INT(asking->options->judge)),
                     asking->err);
}

/* Five cells: votes, won, lost, tied, win rate; from the row's column `first`. */
static void add_record(struct sheet *sheet, const struct db_rows *rows, int first)
{
    for (int k = 0; k < 4; k++)
        sheet_add(sheet, "%" PRId64, db_int(rows, first + k));
    sheet_add(sheet, "%.1f %%", 100 * db_real(rows, first + 4));
}

/* --- where it stands --- */

static bool is_version_of(const char *label, const char *model)
{
    size_t length = strlen(model);
    return strncmp(label, model, length) == 0 && (label[length] == '\0' || label[length] == '@');
}

static void add_standing(const struct leaderboard *board, const char *model, struct sheet *sheet)
{
    for (size_t k = 0; k < board->model_count; k++) {
        const struct leaderboard_model *row = &board->models[k];
        bool own = is_version_of(row->name, model);
        sheet_add(sheet, "%s%s", own ? "> " : "", row->name);
        sheet_add(sheet, "%u", row->rank);
        sheet_add(sheet, "%u–%u", row->rank_lower, row->rank_upper);
        sheet_add(sheet, "%.1f", row->rating);
        sheet_add(sheet, "%.1f", row->rating_upper - row->rating);
        sheet_add(sheet, "%" PRIu64, row->record.votes);
    }
    for (size_t k = 0; k < board->unranked_count; k++)
        if (is_version_of(board->unranked[k].name, model))
            sheet_note(sheet, "%s is not ranked: %s", board->unranked[k].name,
                       board->unranked[k].reason);
}

static bool sheet_standing(const struct asking *asking, struct sheet *sheet)
{
    static const char *const HEADS[] = {"model", "rank", "range", "rating", "±", "votes", NULL};
    struct stored_filter filter = {.judge = asking->options->judge};
    struct leaderboard_options options;
    struct stored_votes *votes = stored_votes_load(asking->db, &filter, asking->err);
    struct leaderboard *board = NULL;
    sheet_init(sheet, "Where it stands", 1, HEADS);
    leaderboard_options_init(&options);
    if (votes) {
        struct leaderboard_votes input = stored_votes_input(votes);
        board = leaderboard_fit(&input, &options, asking->err);
    }
    if (board)
        add_standing(board, asking->options->model, sheet);
    bool ok = board != NULL;
    leaderboard_free(board);
    stored_votes_free(votes);
    return ok;
}

/* --- against whom --- */

static bool sheet_rivals(const struct asking *asking, struct sheet *sheet)
{
    static const char *const HEADS[] = {"its version", "against", "version",  "votes", "won",
                                        "lost",        "tied",    "win rate", NULL};
    struct db_rows rows;
    sheet_init(sheet, "Against each rival and each version of its own", 3, HEADS);
    if (!select_rows(asking, &rows,
                     "SELECT substr(own, 1, 8), rival, substr(theirs, 1, 8)," RECORD FROM_VOTES
                     " GROUP BY own, rival, theirs ORDER BY own, 8"))
        return false;
    while (db_next(&rows)) {
        for (int k = 0; k < 3; k++)
            sheet_add(sheet, "%s", db_string(&rows, k));
        add_record(sheet, &rows, 3);
    }
    return db_end(&rows, asking->err);
}

static bool sheet_categories(const struct asking *asking, struct sheet *sheet)
{
    static const char *const HEADS[] = {"category", "votes",    "won", "lost",
                                        "tied",     "win rate", NULL};
    struct db_rows rows;
    sheet_init(sheet, "By category", 1, HEADS);
    if (!select_rows(asking, &rows,
                     "SELECT word," RECORD " FROM (SELECT m.*, w.value AS word" FROM_VOTES
                     ", json_each(json_array('all', json_extract(tags, '$.category'), "
                     "nullif(json_extract(tags,"
                     " '$.language'), 'und'), iif(json_extract(tags, '$.is_code'), 'code', NULL),"
                     " iif(json_extract(tags, '$.category_tag.math_v0.1.math'), 'math', NULL),"
                     " iif(turns > 1, 'several turns', NULL))) w WHERE w.value IS NOT NULL)"
                     " GROUP BY word ORDER BY word <> 'all', 6"))
        return false;
    while (db_next(&rows)) {
        sheet_add(sheet, "%s", db_string(&rows, 0));
        add_record(sheet, &rows, 1);
    }
    return db_end(&rows, asking->err);
}

/* --- what was lost --- */

#define LOST                                                                                       \
    "SELECT id, rival, iif(judge, 'a model', 'a person'), f.reasons, f.comment, t.prompt, "        \
    "side" FROM_VOTES                                                                              \
    " LEFT JOIN feedback f ON f.vote = m.seq LEFT JOIN turns t ON t.battle = m.battle"             \
    " AND t.turn = 1 WHERE winner = 1 - side ORDER BY seq DESC"

static bool sheet_lost(const struct asking *asking, struct sheet *sheet)
{
    static const char *const HEADS[] = {"prompt",  "lost to", "says", "reasons",
                                        "comment", "battle",  NULL};
    struct db_rows rows;
    int count = 0;
    sheet_init(sheet, "Battles it lost, the newest first", 6, HEADS);
    if (!select_rows(asking, &rows, LOST))
        return false;
    for (; db_next(&rows); count++) {
        const char *prompt = db_string(&rows, 5), *reasons = db_string(&rows, 3),
                   *comment = db_string(&rows, 4);
        if (count >= LOST_SHOWN)
            continue;
        int length = prompt ? (int)strcspn(prompt, "\n") : 0;
        length = length > OPENING ? OPENING : length;
        while (length > 0 && ((unsigned char)prompt[length] & 0xc0) == 0x80)
            length--; /* not within a character */
        sheet_add(sheet, "%.*s", length, prompt ? prompt : "");
        sheet_add(sheet, "%s", db_string(&rows, 1));
        sheet_add(sheet, "%s", db_string(&rows, 2));
        sheet_add(sheet, "%s", reasons ? reasons : "");
        sheet_add(sheet, "%.*s", comment ? (int)strcspn(comment, "\n") : 0, comment ? comment : "");
        sheet_add(sheet, "%s", db_string(&rows, 0));
    }
    if (count > LOST_SHOWN)
        sheet_note(sheet, "%d in all.", count);
    return db_end(&rows, asking->err);
}

/* --- refusals, voids, settings --- */

static bool sheet_versions(const struct asking *asking, struct sheet *sheet)
{
    static const char *const HEADS[] = {"version", "settings", "answers", "refused",
                                        "cut",     "voids",    "swaps",   NULL};
    struct db_rows rows;
    sheet_init(sheet, "Every version that was tried, and what went wrong with it", 2, HEADS);
    if (!select_rows(
            asking, &rows,
            "SELECT substr(v.digest, 1, 8), v.effective,"
            " (SELECT count(*) FROM answers a WHERE a.version = v.id),"
            " (SELECT count(*) FROM answers a WHERE a.version = v.id AND (a.refusal IS NOT NULL OR"
            " a.finish IN ('refusal', 'content_filter'))),"
            " (SELECT count(*) FROM answers a WHERE a.version = v.id AND a.finish = 'length'),"
            " (SELECT count(*) FROM incidents i WHERE i.version = v.id AND i.kind = 0),"
            " (SELECT count(*) FROM incidents i WHERE i.version = v.id AND i.kind = 1)"
            " FROM competitor_versions v JOIN competitors c ON c.number = v.competitor"
            " WHERE c.name = ?1 AND ?2 = ?2 ORDER BY v.id"))
        return false;
    while (db_next(&rows)) {
        sheet_add(sheet, "%s", db_string(&rows, 0));
        sheet_add(sheet, "%s", db_string(&rows, 1));
        for (int k = 2; k < 7; k++)
            sheet_add(sheet, "%" PRId64, db_int(&rows, k));
    }
    return db_end(&rows, asking->err);
}

static bool sheet_settings(const struct asking *asking, struct sheet *sheet)
{
    static const char *const HEADS[] = {"rival", "version", "settings", NULL};
    struct db_rows rows;
    sheet_init(sheet, "What its rivals ran with", 3, HEADS);
    if (!select_rows(asking, &rows,
                     "SELECT DISTINCT rival, substr(theirs, 1, 8), v.effective" FROM_VOTES
                     " JOIN competitor_versions v ON v.digest = m.theirs ORDER BY 1, 2"))
        return false;
    while (db_next(&rows))
        for (int k = 0; k < 3; k++)
            sheet_add(sheet, "%s", db_string(&rows, k));
    return db_end(&rows, asking->err);
}

/* --- the page --- */

struct showing {
    struct buf *out;
    const char *names[2]; /* of the sides as they stood */
};

static bool show_turn(void *user, const struct turn_record *turn)
{
    const struct showing *showing = user;
    const struct answer_record *answers[2] = {&turn->a, &turn->b};
    sheet_preformatted(showing->out, turn->prompt);
    buf_add_string(showing->out, "<div class=\"sides\">");
    for (int k = 0; turn->answered && k < 2; k++) {
        buf_add_string(showing->out, "<div><h3>");
        render_escaped(showing->out, showing->names[k]);
        buf_add_string(showing->out, "</h3>");
        sheet_preformatted(showing->out,
                           answers[k]->text.length ? answers[k]->text : answers[k]->refusal);
        buf_add_string(showing->out, "</div>");
    }
    buf_add_string(showing->out, "</div>");
    return true;
}

static bool show_battle(const struct asking *asking, const struct db_rows *rows, struct buf *out)
{
    const char *rival = db_string(rows, 1), *model = asking->options->model;
    bool second = db_int(rows, 6) != 0;
    char id[STORE_ID_SIZE];
    struct showing showing = {out, {second ? rival : model, second ? model : rival}};
    db_copy(rows, 0, id, sizeof id);
    buf_add_string(out, "<details><summary>lost to ");
    render_escaped(out, rival);
    buf_add_string(out, ": ");
    render_escaped(out, db_string(rows, 5) ? db_string(rows, 5) : "");
    buf_add_string(out, "</summary>");
    bool ok = turns_each(asking->db, id, show_turn, &showing, asking->err);
    buf_add_string(out, "</details>\n");
    return ok;
}

static bool show_lost(const struct asking *asking, struct buf *out)
{
    struct db_rows rows;
    bool ok = select_rows(asking, &rows, LOST);
    if (!ok)
        return false;
    buf_add_string(out, "<h2>The newest of them, side by side</h2>");
    for (int count = 0; ok && count < PAGES_SHOWN && db_next(&rows); count++)
        ok = show_battle(asking, &rows, out);
    return db_end(&rows, ok ? asking->err : NULL) && ok;
}

static void open_page(const char *model, struct buf *out)
{
    buf_printf(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
        "name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Why?</title>"
        "<style>%s%s</style></head><body><h1>Why does ",
        RENDER_STYLE, SHEET_PAGE_STYLE);
    render_escaped(out, model);
    buf_add_string(out, " stand where it stands?</h1>\n");
}

/* --- all of it --- */

static bool is_known(const struct asking *asking)
{
    int64_t known;
    return db_one_int(asking->db, "SELECT 1 FROM competitors WHERE name = ?",
                      DB_VALUES(DB_STRING(asking->options->model)), 0, &known, asking->err) &&
           (known || err_set(asking->err, ERR_NOT_FOUND, "there is no model \"%.100s\"",
                             asking->options->model));
}

bool why_write(struct buf *out, struct db *db, const struct why_options *options,
               enum sheet_form form, struct err *err)
{
    static bool (*const SHEETS[])(const struct asking *asking, struct sheet *sheet) = {
        sheet_standing, sheet_rivals, sheet_categories, sheet_lost, sheet_versions, sheet_settings};
    struct asking asking = {db, options, err};
    bool ok = is_known(&asking);
    if (ok && form == SHEET_HTML)
        open_page(options->model, out);
    if (form == SHEET_JSON)
        buf_add_char(out, '[');
    for (size_t k = 0; ok && k < sizeof SHEETS / sizeof *SHEETS; k++) {
        struct sheet sheet;
        ok = SHEETS[k](&asking, &sheet);
        if (form == SHEET_JSON && k)
            buf_add_string(out, ",\n");
        sheet_draw(&sheet, form, out);
        sheet_done(&sheet);
    }
    if (ok && form == SHEET_HTML) {
        ok = show_lost(&asking, out);
        buf_add_string(out, "</body></html>\n");
    }
    if (form == SHEET_JSON)
        buf_add_string(out, "]\n");
    return ok && (!out->failed || err_set(err, ERR_TOO_LARGE, "the page is too large"));
}
