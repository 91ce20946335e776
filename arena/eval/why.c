/* Ratings and records are read from the board's own votes (board/stored.h), so that they are what
 * the leaderboard says; the rest is one query a table. */
#include "eval/why_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "board/leaderboard.h"
#include "board/page.h"
#include "board/select.h"
#include "board/stored.h"

/* --- the votes of one category, and their board --- */

struct field {
    struct stored_votes *votes;
    struct leaderboard *board;
};

static void field_done(struct field *field)
{
    leaderboard_free(field->board);
    stored_votes_free(field->votes);
}

/* All of them, with what categories there are, where `category` is NULL. */
static bool field_load(struct field *field, const struct asking *asking, const char *category)
{
    struct stored_filter filter = {.category = category,
                                   .judge = asking->judge,
                                   .daily_votes = asking->daily_votes,
                                   .catalogue = category == NULL,
                                   .marks = STORED_MARKS_NOW};
    struct leaderboard_options options;
    leaderboard_options_init(&options);
    options.min_votes = (uint64_t)asking->min_votes;
    *field = (struct field){stored_votes_load(asking->db, &filter, asking->err), NULL};
    if (!field->votes)
        return false;
    struct leaderboard_votes input = stored_votes_input(field->votes);
    field->board = leaderboard_fit(&input, &options, asking->err);
    return field->board != NULL;
}

/* A model of the votes on the board; NULL: it is not ranked. */
static const struct leaderboard_model *ranked(const struct field *field, size_t model)
{
    for (size_t k = 0; k < field->board->model_count; k++)
        if (field->board->models[k].model == model)
            return &field->board->models[k];
    return NULL;
}

static bool is_version_of(const char *label, const char *model)
{
    size_t length = strlen(model);
    return strncmp(label, model, length) == 0 && (label[length] == '\0' || label[length] == '@');
}

/* --- cells --- */

static void add_place(struct sheet *sheet, const struct field *field, size_t model)
{
    const struct leaderboard_model *row = ranked(field, model);
    if (!row) {
        for (int k = 0; k < 3; k++)
            sheet_add(sheet, "-");
        return;
    }
    sheet_add(sheet, "%u (%u–%u)", row->rank, row->rank_lower, row->rank_upper);
    sheet_add(sheet, "%.1f", row->rating);
    if (isnan(row->rating_upper))
        sheet_add(sheet, "-");
    else
        sheet_add(sheet, "%.1f", row->rating_upper - row->rating);
}

/* votes, won, lost, tied, win rate */
static void add_record(struct sheet *sheet, const struct tally_record *record)
{
    uint64_t ties = record->ties + record->both_bad;
    sheet_add(sheet, "%" PRIu64, record->votes);
    sheet_add(sheet, "%" PRIu64, record->wins);
    sheet_add(sheet, "%" PRIu64, record->losses);
    sheet_add(sheet, "%" PRIu64, ties);
    sheet_add(sheet, "%.1f %%",
              100 * ((double)record->wins + (double)ties / 2) / (double)record->votes);
}

static struct tally_record record_of_pair(const struct tally *tally, size_t a, size_t b)
{
    struct tally_record record = {.votes = tally_pair(tally, a, b),
                                  .wins = tally_count(tally, a, b, OUTCOME_A),
                                  .losses = tally_count(tally, a, b, OUTCOME_B),
                                  .ties = tally_count(tally, a, b, OUTCOME_TIE)};
    record.both_bad = record.votes - record.wins - record.losses - record.ties;
    return record;
}

/* --- where it stands --- */

static bool sheet_standing(const struct asking *asking, struct sheet *sheet)
{
    static const char *const HEADS[] = {"model", "rank (range)", "rating", "±", "votes", NULL};
    const struct leaderboard *board = asking->overall->board;
    sheet_init(sheet, "Where it stands", 1, HEADS);
    for (size_t k = 0; k < board->model_count; k++) {
        const struct leaderboard_model *row = &board->models[k];
        sheet_add(sheet, "%s%s", is_version_of(row->name, asking->model) ? "> " : "", row->name);
        add_place(sheet, asking->overall, row->model);
        sheet_add(sheet, "%" PRIu64, row->record.votes);
    }
    for (size_t k = 0; k < board->unranked_count; k++)
        if (is_version_of(board->unranked[k].name, asking->model))
            sheet_note(sheet, "%s is not ranked (%s).", board->unranked[k].name,
                       board->unranked[k].reason);
    if (!board->votes)
        sheet_note(sheet, "No vote counts here yet.");
    return true;
}

/* --- against whom --- */

static const char *const MET_HEADS[] = {"category", "its version", "against", "version", "rank",
                                        "rating",   "±",           "votes",   "won",     "lost",
                                        "tied",     "win rate",    NULL};

struct meeting {
    struct sheet *sheet;
    const struct field *field;
    const struct versions *versions;
    const char *category, *model;
};

static void add_rival(const struct meeting *meeting, size_t own, size_t rival)
{
    const struct stored_votes *votes = meeting->field->votes;
    const struct version_record *its = versions_find(meeting->versions, votes->versions[own]),
                                *theirs = versions_find(meeting->versions, votes->versions[rival]);
    struct tally_record record = {.votes = 0};
    if (own != rival)
        record = record_of_pair(&votes->tally, own, rival);
    if (!record.votes || !its || !theirs)
        return;
    sheet_add(meeting->sheet, "%s", meeting->category);
    sheet_add(meeting->sheet, "%.8s", its->digest);
    sheet_add(meeting->sheet, "%s", theirs->name);
    sheet_add(meeting->sheet, "%.8s", theirs->digest);
    add_place(meeting->sheet, meeting->field, rival);
    add_record(meeting->sheet, &record);
}

/* The model's own row, then one of each that it met, in the order of the board. */
static void add_version(const struct meeting *meeting, size_t own)
{
    const struct stored_votes *votes = meeting->field->votes;
    const struct version_record *its = versions_find(meeting->versions, votes->versions[own]);
    struct tally_record record = tally_record(&votes->tally, own);
    if (!its || !record.votes)
        return;
    sheet_add(meeting->sheet, "%s", meeting->category);
    sheet_add(meeting->sheet, "%.8s", its->digest);
    sheet_add(meeting->sheet, "everybody");
    sheet_add(meeting->sheet, "%s", "");
    add_place(meeting->sheet, meeting->field, own);
    add_record(meeting->sheet, &record);
    const struct leaderboard *board = meeting->field->board;
    for (size_t k = 0; k < board->model_count; k++)
        add_rival(meeting, own, board->models[k].model);
    for (size_t k = 0; k < board->unranked_count; k++)
        add_rival(meeting, own, board->unranked[k].model);
}

static bool add_field(const struct asking *asking, const struct field *field, const char *category,
                      struct sheet *sheet)
{
    struct versions versions = {NULL, 0};
    struct meeting meeting = {sheet, field, &versions, category, asking->model};
    bool ok = versions_load(asking->db, &versions, asking->err);
    for (size_t k = 0; ok && k < field->votes->named; k++)
        if (is_version_of(field->votes->names[k], asking->model))
            add_version(&meeting, k);
    versions_done(&versions);
    return ok;
}

static bool sheet_rivals(const struct asking *asking, struct sheet *sheet)
{
    sheet_init(sheet, "Against each rival and each version of its own", 4, MET_HEADS);
    bool ok = add_field(asking, asking->overall, "overall", sheet);
    if (sheet->count)
        sheet_note(sheet, "Rank and rating are those of whom it met; against everybody, its own.");
    return ok;
}

/* --- by category --- */

/* Not every word that a prompt came with can select votes. */
static bool can_select(const char *name)
{
    struct err refusal = ERR_INIT;
    struct select *select = calloc(1, sizeof *select);
    struct row_spec *spec = calloc(1, sizeof *spec);
    bool can = select && spec && select_category(select, spec, name, &refusal);
    free(select);
    free(spec);
    return can;
}

static bool add_name(json_t *names, const char *name)
{
    const json_t *known;
    size_t k;
    json_array_foreach(names, k,
                       known) if (strcmp(json_string_value(known), name) == 0) return true;
    return json_array_size(names) >= WHY_CATEGORIES || !can_select(name) ||
           json_array_append_new(names, json_string(name)) == 0;
}

/* The categories that prompts came with, then the arena's own. */
static bool add_given(const struct asking *asking, json_t *names)
{
    struct db_rows rows;
    bool ok = true;
    if (!db_select(asking->db, &rows,
                   "SELECT json_extract(tags, '$.category') AS word" WHY_VOTES
                   " WHERE word <> '' GROUP BY word ORDER BY count(*) DESC, word",
                   DB_VALUES(DB_STRING(asking->model), DB_INT(asking->judge)), asking->err))
        return false;
    while (ok && db_next(&rows))
        ok = add_name(names, db_string(&rows, 0));
    return db_end(&rows, asking->err) && ok;
}

static bool add_known(const struct asking *asking, json_t *names)
{
    struct buf text;
    const json_t *row;
    size_t k;
    buf_init(&text, 64 << 10);
    struct json_out out = json_out_to(&text);
    catalogue_write(asking->overall->votes->catalogue, &out, NULL);
    json_t *list = json_read(buf_text(&text), "the categories", asking->err);
    bool ok = list != NULL;
    json_array_foreach(list, k, row) ok =
        ok && add_name(names, json_string_value(json_object_get(row, "name")));
    json_decref(list);
    buf_done(&text);
    return ok;
}

static bool add_category(const struct asking *asking, const char *category, struct sheet *sheet)
{
    struct field field;
    bool ok = field_load(&field, asking, category) && add_field(asking, &field, category, sheet);
    field_done(&field);
    return ok;
}

static bool sheet_categories(const struct asking *asking, struct sheet *sheet)
{
    json_t *names = json_array();
    const json_t *name;
    size_t k;
    sheet_init(sheet, "By category", 4, MET_HEADS);
    bool ok = names && add_given(asking, names) && add_known(asking, names);
    json_array_foreach(names, k, name) ok =
        ok && add_category(asking, json_string_value(name), sheet);
    json_decref(names);
    return ok;
}

/* --- refusals, voids, settings --- */

#define VOTES_BY_VERSION                                                                           \
    " LEFT JOIN (SELECT version, count(*) AS votes FROM (SELECT b.version_a AS version"            \
    " FROM votes s JOIN battles b ON b.number = s.battle WHERE s.counted = 0 UNION ALL"            \
    " SELECT b.version_b FROM votes s JOIN battles b ON b.number = s.battle"                       \
    " WHERE s.counted = 0) GROUP BY version) w ON w.version = v.id"

bool why_variants(struct sheet *sheet, struct db *db, const char *model, struct err *err)
{
    static const char *const HEADS[] = {"model",   "version", "settings", "votes", "answers",
                                        "refused", "cut",     "voids",    "swaps", NULL};
    struct db_rows rows;
    sheet_init(sheet, "Every version that was tried, and what went wrong with it", 3, HEADS);
    if (!db_select(
            db, &rows,
            "SELECT c.name, substr(v.digest, 1, 8), v.effective,"
            " coalesce(w.votes, 0),"
            " (SELECT count(*) FROM answers a WHERE a.version = v.id),"
            " (SELECT count(*) FROM answers a WHERE a.version = v.id AND (a.refusal IS NOT NULL OR"
            " a.finish IN ('refusal', 'content_filter'))),"
            " (SELECT count(*) FROM answers a WHERE a.version = v.id AND a.finish = 'length'),"
            " (SELECT count(*) FROM incidents i WHERE i.version = v.id AND i.kind = 0),"
            " (SELECT count(*) FROM incidents i WHERE i.version = v.id AND i.kind = 1)"
            " FROM competitor_versions v JOIN competitors c ON c.number = "
            "v.competitor" VOTES_BY_VERSION
            " WHERE c.name = ?1 OR (c.in_house AND NOT v.imported) ORDER BY c.name <> ?1, c.name,"
            " v.id",
            DB_VALUES(DB_STRING(model)), err))
        return false;
    while (db_next(&rows)) {
        for (int k = 0; k < 2; k++)
            sheet_add(sheet, "%s", db_string(&rows, k));
        sheet_add_settings(sheet, "", db_string(&rows, 2));
        for (int k = 3; k < 9; k++)
            sheet_add(sheet, "%" PRId64, db_int(&rows, k));
    }
    return db_end(&rows, err);
}

static bool sheet_versions(const struct asking *asking, struct sheet *sheet)
{
    return why_variants(sheet, asking->db, asking->model, asking->err);
}

static bool sheet_settings(const struct asking *asking, struct sheet *sheet)
{
    static const char *const HEADS[] = {"rival", "version", "settings", NULL};
    struct db_rows rows;
    sheet_init(sheet, "What its rivals ran with", 3, HEADS);
    if (!db_select(asking->db, &rows,
                   "SELECT DISTINCT rival, substr(theirs, 1, 8), v.effective" WHY_VOTES
                   " JOIN competitor_versions v ON v.id = m.against ORDER BY 1, 2",
                   DB_VALUES(DB_STRING(asking->model), DB_INT(asking->judge)), asking->err))
        return false;
    while (db_next(&rows)) {
        for (int k = 0; k < 2; k++)
            sheet_add(sheet, "%s", db_string(&rows, k));
        sheet_add_settings(sheet, "", db_string(&rows, 2));
    }
    return db_end(&rows, asking->err);
}

/* --- all of it --- */

bool why_begin(struct asking *asking, struct db *db, const struct why_options *options,
               struct err *err)
{
    int64_t known;
    *asking = (struct asking){.db = db,
                              .model = options->model,
                              .judge = options->judge,
                              .min_votes = options->min_votes,
                              .daily_votes = options->daily_votes,
                              .err = err};
    return db_one_int(db, "SELECT 1 FROM competitors WHERE name = ?",
                      DB_VALUES(DB_STRING(options->model)), 0, &known, err) &&
           (known || err_set(err, ERR_NOT_FOUND, "there is no model \"%.100s\"", options->model)) &&
           (options->judge != WHY_JUDGE_BOARD || stored_judge(db, NULL, &asking->judge, err));
}

static bool draw_each(const struct asking *asking, enum sheet_form form, struct buf *out)
{
    static bool (*const SHEETS[])(const struct asking *asking, struct sheet *sheet) = {
        sheet_standing, sheet_rivals,   sheet_categories,
        why_sheet_lost, sheet_versions, sheet_settings};
    bool ok = true;
    for (size_t k = 0; ok && k < sizeof SHEETS / sizeof *SHEETS; k++) {
        struct sheet sheet;
        ok = SHEETS[k](asking, &sheet);
        if (form == SHEET_JSON && k)
            buf_add_string(out, ",\n");
        sheet_draw(&sheet, form, out);
        sheet_done(&sheet);
    }
    return ok;
}

static bool draw_tables(struct asking *asking, enum sheet_form form, struct buf *out)
{
    struct field overall;
    bool ok = field_load(&overall, asking, NULL);
    asking->overall = &overall;
    ok = ok && draw_each(asking, form, out);
    field_done(&overall);
    asking->overall = NULL;
    return ok;
}

static bool draw_json(struct asking *asking, struct buf *out)
{
    buf_add_char(out, '[');
    bool ok = draw_tables(asking, SHEET_JSON, out);
    buf_add_char(out, ']');
    return ok;
}

static void open_page(const char *model, struct buf *out)
{
    page_open(out, "Why?");
    buf_add_string(out, "<h1>Why does ");
    page_escaped(out, model);
    buf_add_string(out, " stand where it stands?</h1>\n");
}

static bool draw_page(struct asking *asking, struct buf *out)
{
    open_page(asking->model, out);
    bool ok = draw_tables(asking, SHEET_HTML, out) && why_lost_page(asking, out);
    page_close(out);
    return ok;
}

bool why_write(struct buf *out, struct db *db, const struct why_options *options,
               enum sheet_form form, struct err *err)
{
    struct asking asking;
    bool ok = why_begin(&asking, db, options, err);
    if (ok && form == SHEET_JSON)
        ok = draw_json(&asking, out) && buf_add_char(out, '\n');
    else if (ok)
        ok = form == SHEET_HTML ? draw_page(&asking, out) : draw_tables(&asking, form, out);
    return ok && (!out->failed || err_set(err, ERR_TOO_LARGE, "the page is too large"));
}

bool why_tables(struct json_out *out, struct db *db, const struct why_options *options,
                struct err *err)
{
    static const char *const WHOSE[] = {"any", "human", "model"};
    struct asking asking;
    struct buf tables;
    buf_init(&tables, WHY_MAX);
    bool ok = why_begin(&asking, db, options, err) && draw_json(&asking, &tables);
    if (ok) {
        json_put_cstring(out, "votes_of", WHOSE[asking.judge + 1]);
        json_put_raw(out, "tables", buf_text(&tables));
    }
    buf_done(&tables);
    return ok;
}

bool why_models(struct json_out *out, struct db *db, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT c.name, c.in_house, coalesce(sum(w.votes), 0) AS votes"
                   " FROM competitors c JOIN competitor_versions v ON v.competitor = "
                   "c.number" VOTES_BY_VERSION
                   " GROUP BY c.number ORDER BY c.in_house DESC, votes DESC, c.name",
                   DB_NONE, err))
        return false;
    json_put_open(out, "models", '[');
    while (db_next(&rows)) {
        json_put_open(out, NULL, '{');
        json_put_string(out, "name", db_text(&rows, 0));
        json_put_bool(out, "in_house", db_int(&rows, 1) != 0);
        json_put_int(out, "votes", db_int(&rows, 2));
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
    return db_end(&rows, err);
}
