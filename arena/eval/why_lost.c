/* One query gives the lost battles from the model's side; whether one is of a category is the
 * board's own rule (board/select.h), so it is decided here and not by the query. */
#include "eval/why_parts.h"

#include <stdlib.h>
#include <string.h>

#include "board/page.h"
#include "board/select.h"
#include "board/stored.h"
#include "store/turns.h"
#include "store/votes.h"

enum { LOST_SHOWN = 50, PAGES_SHOWN = 30, OPENING = 80 };

#define LOST                                                                                       \
    "SELECT id, rival, judge, f.reasons, f.comment, t.prompt, side, seq, m.at_ms, tags, winner,"   \
    " substr(own, 1, 8), substr(theirs, 1, 8)" WHY_VOTES                                           \
    " LEFT JOIN feedback f ON f.vote = m.seq LEFT JOIN turns t ON t.battle = m.battle"             \
    " AND t.turn = 1 WHERE winner = 1 - side AND NOT private AND seq < ?3"                         \
    " AND (?4 IS NULL OR rival = ?4) ORDER BY seq DESC"
enum lost_column {
    ID,
    RIVAL,
    JUDGE,
    REASONS,
    COMMENT,
    PROMPT,
    SIDE,
    SEQ,
    AT_MS,
    TAGS,
    WINNER,
    OWN,
    THEIRS
};

static bool select_lost(const struct asking *asking, int64_t before, const char *rival,
                        struct db_rows *rows)
{
    return db_select(asking->db, rows, LOST,
                     DB_VALUES(DB_STRING(asking->model), DB_INT(asking->judge),
                               DB_INT(before > 0 ? before : INT64_MAX), DB_STRING(rival)),
                     asking->err);
}

/* The beginning of the first line, whole characters. */
static struct text opening_of(struct text prompt)
{
    const char *end = prompt.length ? memchr(prompt.data, '\n', prompt.length) : NULL;
    size_t length = end ? (size_t)(end - prompt.data) : prompt.length;
    if (length > OPENING)
        for (length = OPENING; length && ((unsigned char)prompt.data[length] & 0xc0) == 0x80;)
            length--;
    return (struct text){prompt.data ? prompt.data : "", length};
}

/* --- as a table --- */

static void add_lost(struct sheet *sheet, const struct db_rows *rows)
{
    struct text opening = opening_of(db_text(rows, PROMPT));
    const char *reasons = db_string(rows, REASONS), *comment = db_string(rows, COMMENT);
    sheet_add(sheet, "%.*s", (int)opening.length, opening.data);
    sheet_add(sheet, "%s", db_string(rows, RIVAL));
    sheet_add(sheet, db_int(rows, JUDGE) == JUDGE_MODEL ? "a model" : "a person");
    sheet_add(sheet, "%s", reasons ? reasons : "");
    sheet_add(sheet, "%.*s", comment ? (int)strcspn(comment, "\n") : 0, comment ? comment : "");
    sheet_add(sheet, "%s", db_string(rows, ID));
}

static bool count_private(const struct asking *asking, int64_t *count)
{
    return db_one_int(
        asking->db, "SELECT count(*)" WHY_VOTES " WHERE winner = 1 - side AND private",
        DB_VALUES(DB_STRING(asking->model), DB_INT(asking->judge)), 0, count, asking->err);
}

bool why_sheet_lost(const struct asking *asking, struct sheet *sheet)
{
    static const char *const HEADS[] = {"prompt",  "lost to", "says", "reasons",
                                        "comment", "battle",  NULL};
    struct db_rows rows;
    int64_t count = 0, private;
    sheet_init(sheet, "Battles it lost, the newest first", 6, HEADS);
    if (!count_private(asking, &private) || !select_lost(asking, 0, NULL, &rows))
        return false;
    for (; db_next(&rows); count++)
        if (count < LOST_SHOWN)
            add_lost(sheet, &rows);
    if (count > LOST_SHOWN || private)
        sheet_note(sheet, "%lld in all%s.", (long long)(count + private),
                   private ? "; those that their voters keep private are not shown" : "");
    return db_end(&rows, asking->err);
}

/* --- as a page --- */

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
        page_escaped(showing->out, showing->names[k]);
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
    const char *rival = db_string(rows, RIVAL);
    bool second = db_int(rows, SIDE) != 0;
    char id[STORE_ID_SIZE];
    struct showing showing = {out,
                              {second ? rival : asking->model, second ? asking->model : rival}};
    db_copy(rows, ID, id, sizeof id);
    buf_add_string(out, "<details><summary>lost to ");
    page_escaped(out, rival);
    buf_add_string(out, ": ");
    page_escaped(out, db_string(rows, PROMPT) ? db_string(rows, PROMPT) : "");
    buf_add_string(out, "</summary>");
    bool ok = turns_each(asking->db, id, show_turn, &showing, asking->err);
    buf_add_string(out, "</details>\n");
    return ok;
}

bool why_lost_page(const struct asking *asking, struct buf *out)
{
    struct db_rows rows;
    bool ok = select_lost(asking, 0, NULL, &rows);
    if (!ok)
        return false;
    buf_add_string(out, "<h2>The newest of them, side by side</h2>");
    for (int count = 0; ok && count < PAGES_SHOWN && db_next(&rows); count++)
        ok = show_battle(asking, &rows, out);
    return db_end(&rows, ok ? asking->err : NULL) && ok;
}

/* --- as a list to go through --- */

/* Which votes are of a category: the fields of their tags. */
struct sorting {
    struct select select;
    struct row_spec spec;
    struct buf scratch;
    bool any;
};

static bool is_of(struct sorting *sorting, const struct db_rows *rows)
{
    struct row_field fields[ROW_FIELDS_MAX];
    struct text tags = db_text(rows, TAGS);
    const char *skip;
    uint32_t lines = 0;
    bool blank = false;
    if (sorting->any)
        return true;
    tags = tags.length ? tags : TEXT("{}");
    return row_read(&sorting->spec, tags.data, tags.data + tags.length, fields, &blank, &lines,
                    &skip, NULL) &&
           select_matches(&sorting->select, &sorting->spec, fields,
                          (enum outcome)db_int(rows, WINNER), &sorting->scratch);
}

static void put_lost(struct json_out *out, const struct db_rows *rows)
{
    json_put_open(out, NULL, '{');
    json_put_string(out, "battle_id", db_text(rows, ID));
    json_put_int(out, "vote", db_int(rows, SEQ));
    json_put_int(out, "at_ms", db_int(rows, AT_MS));
    json_put_string(out, "rival", db_text(rows, RIVAL));
    json_put_string(out, "version", db_text(rows, OWN));
    json_put_string(out, "rival_version", db_text(rows, THEIRS));
    json_put_cstring(out, "judge", judge_kind_word((enum judge_kind)db_int(rows, JUDGE)));
    json_put_string(out, "opening", opening_of(db_text(rows, PROMPT)));
    json_put_close(out, '}');
}

static bool list_lost(struct json_out *out, const struct asking *asking,
                      const struct why_lost *wish, struct sorting *sorting)
{
    struct db_rows rows;
    int64_t last = 0;
    int count = 0;
    if (!select_lost(asking, wish->before, wish->rival, &rows))
        return false;
    json_put_open(out, "battles", '[');
    while (count <= wish->limit && db_next(&rows)) {
        if (!is_of(sorting, &rows) || count++ == wish->limit)
            continue;
        put_lost(out, &rows);
        last = db_int(&rows, SEQ);
    }
    json_put_close(out, ']');
    if (count > wish->limit)
        json_put_int(out, "next", last);
    else
        json_put_null(out, "next");
    return db_end(&rows, asking->err);
}

bool why_lost(struct json_out *out, struct db *db, const struct why_lost *wish, struct err *err)
{
    struct asking asking;
    struct sorting *sorting = calloc(1, sizeof *sorting);
    if (!sorting)
        return err_set(err, ERR_MEMORY, "out of memory");
    buf_init(&sorting->scratch, 1 << 16);
    sorting->any = !wish->category || strcmp(wish->category, "overall") == 0;
    bool ok =
        why_begin(&asking, db, &wish->of, err) &&
        (sorting->any || select_category(&sorting->select, &sorting->spec, wish->category, err)) &&
        list_lost(out, &asking, wish, sorting);
    buf_done(&sorting->scratch);
    free(sorting);
    return ok;
}
