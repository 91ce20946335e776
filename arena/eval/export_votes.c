/* Voters and prompts are numbers that mean nothing outside this store: a voter's own, a prompt's by
 * the order in which this export met it. Prompts' digests are not given away, since a known prompt
 * could be tried against them. */
#include "eval/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "board/hash.h"
#include "board/stored.h"
#include "eval/export_tags.h"
#include "eval/read_ahead.h"
#include "eval/vote_fields.h"
#include "eval/version_labels.h"
#include "store/vote_rows.h"

enum { PROGRESS_STEP = 20000 };

struct exporting {
    const struct export_options *options;
    struct table *table;
    struct export_report *report;
    struct version_labels labels;
    struct export_tags tags;
    struct hash_keys prompts;
    struct sieve_marks marks;
    struct err err;
};

bool export_sieve(struct db *db, const struct export_options *options, struct sieve_marks *marks,
                  struct err *err)
{
    struct sieve_options sieve = {.daily_votes = options->daily_votes, .exclusions = SIEVE_NOW};
    return sieve_marks_load(marks, db, &sieve, err);
}

static bool is_wanted(struct exporting *exporting, const struct vote_row *row)
{
    const struct export_options *options = exporting->options;
    if (options->model &&
        !version_labels_match(&exporting->labels, row->version_a, options->model) &&
        !version_labels_match(&exporting->labels, row->version_b, options->model))
        return false;
    if (!options->all && row->version_a == row->version_b) {
        exporting->report->self++;
        return false;
    }
    if (!export_tags_read(&exporting->tags, row->tags, vote_fields_outcome(row->winner)))
        return false;
    bool counted = sieve_marks_of(&exporting->marks, row->seq) == VOTE_COUNTED;
    exporting->report->not_counted += !counted && !options->all;
    return counted || options->all;
}

static void put_numbered(struct table *table, const char *name, char kind, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%c%" PRId64, kind, number);
    table_string(table, name, number ? text : NULL);
}

/* An imported vote keeps its id, so that importing the export again adds none. */
static void put_id(struct table *table, const struct vote_row *row)
{
    char id[STORE_ID_SIZE + 32];
    snprintf(id, sizeof id, "%.*s.%" PRId64, (int)row->battle_id.length, row->battle_id.data,
             row->seq);
    table_text(table, "id", row->import_key.data ? row->import_key : text_of(id));
}

static bool put_prompt(struct exporting *exporting, uint64_t prompt)
{
    uint32_t number = 0;
    bool added;
    if (prompt && !hash_keys_add(&exporting->prompts, prompt, &number, &added))
        return err_set(&exporting->err, ERR_MEMORY, "no memory to number the prompts");
    put_numbered(exporting->table, "prompt_id", 'p', prompt ? (int64_t)number + 1 : 0);
    return true;
}

static bool on_vote(void *user, const struct vote_row *row)
{
    struct exporting *exporting = user;
    struct table *table = exporting->table;
    const struct version_record *a, *b;
    if (!is_wanted(exporting, row))
        return true;
    const char *name_a = version_labels_find(&exporting->labels, row->version_a, &a),
               *name_b = version_labels_find(&exporting->labels, row->version_b, &b);
    if (!name_a || !name_b)
        return err_set(&exporting->err, ERR_STORE,
                       "vote %" PRId64 " names a version that is not there", row->seq);
    table_begin(table);
    put_id(table, row);
    table_string(table, "model_a", name_a);
    table_string(table, "model_b", name_b);
    table_string(table, "winner", winner_word(row->winner));
    put_numbered(table, "judge_hash", 'v', row->voter);
    if (!put_prompt(exporting, row->prompt))
        return false;
    table_known(table, "turn", row->turns ? row->turns : -1);
    table_bool(table, "anony", row->counted != VOTE_NOT_BLIND);
    export_tags_put(&exporting->tags, table, &row->style_a, &row->style_b, row->turns);
    table_int(table, "timestamp", row->at_ms);
    table_string(table, "judge_kind", judge_kind_word(row->judge));
    table_string(table, "counted", vote_counted_word(sieve_marks_of(&exporting->marks, row->seq)));
    table_string(table, "source", battle_source_word(row->source));
    table_text(table, "campaign_id", row->campaign);
    table_text(table, "cohort", row->cohort);
    table_real(table, "pair_propensity", row->probability);
    table_known(table, "vote_delay_ms", row->delay_ms);
    table_known(table, "dwell_ms", row->read_ms);
    table_bool(table, "recognised", row->recognised_ms != 0);
    table_string(table, "model_version_a", a->digest);
    table_string(table, "model_version_b", b->digest);
    exporting->report->rows++;
    if (exporting->options->progress && exporting->report->rows % PROGRESS_STEP == 0)
        exporting->options->progress(exporting->options->user, exporting->report->rows);
    return table_end(table);
}

bool export_votes(struct db *db, const struct export_options *options, struct table *table,
                  struct export_report *report, struct err *err)
{
    struct exporting exporting = {
        .options = options, .table = table, .report = report, .err = ERR_INIT};
    struct vote_filter filter = VOTE_FILTER_ALL;
    filter.from_ms = options->from_ms;
    filter.to_ms = options->to_ms;
    filter.counted_only = !options->all;
    filter.judge = options->judge;
    filter.campaign = options->campaign;
    filter.with_tags = filter.with_ids = true;
    hash_keys_init(&exporting.prompts, false);
    struct stored_marks now;
    bool ok = stored_marks_now(db, &now, err);
    filter.tagger = now.tagger;
    filter.tags = now.tags;
    ok = ok && export_sieve(db, options, &exporting.marks, err) &&
         export_tags_init(&exporting.tags, options->category, err) &&
         version_labels_load(&exporting.labels, db, err) &&
         read_ahead_each(db, &filter, on_vote, &exporting, err);
    if (ok && exporting.err.code != ERR_NONE) {
        *err = exporting.err;
        ok = false;
    }
    export_tags_done(&exporting.tags);
    version_labels_done(&exporting.labels);
    hash_keys_done(&exporting.prompts);
    sieve_marks_done(&exporting.marks);
    return ok;
}
