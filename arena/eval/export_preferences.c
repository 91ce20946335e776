/* Pairs for training. Whatever keeps a pair out is counted, so that nobody takes the file for all
 * there was. */
#include "eval/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "board/stored.h"
#include "eval/export_tags.h"
#include "eval/review.h"
#include "eval/version_labels.h"
#include "eval/vote_fields.h"
#include "store/turns.h"

enum { PROGRESS_STEP = 1000 };

struct exporting {
    struct db *db;
    const struct export_options *options;
    struct table *table;
    struct export_report *report;
    struct version_labels labels;
    struct export_tags tags;
    struct sieve_marks marks;
    const struct battle_row *row;
    struct err err;
};

bool export_may_tell(const struct export_options *options, enum consent_scope consent)
{
    return consent >= options->scope || (options->own && consent == CONSENT_NONE);
}

/* --- a pair --- */

static struct text text_said(const struct answer_record *answer)
{
    return answer->text.length || !answer->refusal.data ? answer->text : answer->refusal;
}

static void put_origin(struct exporting *exporting, int64_t chosen, int64_t rejected)
{
    struct table *table = exporting->table;
    const struct battle_row *row = exporting->row;
    table_text(table, "id", row->id);
    if (chosen)
        table_string(table, "chosen_model", version_labels_find(&exporting->labels, chosen, NULL));
    if (rejected)
        table_string(table, "rejected_model",
                     version_labels_find(&exporting->labels, rejected, NULL));
    table_string(table, "judge_kind", judge_kind_word(row->judge));
    table_int(table, "timestamp", row->at_ms);
}

static bool write_pair(struct exporting *exporting, const struct turn_record *turn)
{
    bool a = exporting->row->winner == WINNER_A;
    int64_t versions[2] = {exporting->row->version_a, exporting->row->version_b};
    table_begin(exporting->table);
    table_text(exporting->table, "prompt", turn->prompt);
    table_text(exporting->table, "chosen", text_said(a ? &turn->a : &turn->b));
    table_text(exporting->table, "rejected", text_said(a ? &turn->b : &turn->a));
    put_origin(exporting, versions[!a], versions[a]);
    exporting->report->rows++;
    return table_end(exporting->table);
}

static bool write_completions(struct exporting *exporting, const struct turn_record *turn)
{
    const struct answer_record *answers[2] = {&turn->a, &turn->b};
    for (int side = 0; side < 2; side++) {
        table_begin(exporting->table);
        table_text(exporting->table, "prompt", turn->prompt);
        table_text(exporting->table, "completion", text_said(answers[side]));
        table_bool(exporting->table, "label",
                   exporting->row->winner == (side ? WINNER_B : WINNER_A));
        table_string(exporting->table, "model",
                     version_labels_find(
                         &exporting->labels,
                         side ? exporting->row->version_b : exporting->row->version_a, NULL));
        put_origin(exporting, 0, 0);
        exporting->report->rows++;
        if (!table_end(exporting->table))
            return false;
    }
    return true;
}

static bool on_turn(void *user, const struct turn_record *turn)
{
    struct exporting *exporting = user;
    if (!turn->answered || !turn->prompt.length || !text_said(&turn->a).length ||
        !text_said(&turn->b).length) {
        exporting->report->no_text++;
        return false;
    }
    if (exporting->options->kto)
        write_completions(exporting, turn);
    else
        write_pair(exporting, turn);
    return false;
}

/* --- which battles --- */

static bool may_train(const struct exporting *exporting, const struct battle_row *row)
{
    const struct version_record *a, *b;
    version_labels_find(&exporting->labels, row->version_a, &a);
    version_labels_find(&exporting->labels, row->version_b, &b);
    return a && b && a->outputs_may_train && b->outputs_may_train;
}

/* The first reason to leave it out, counted where it is to be told; NULL: it goes out. */
static uint64_t *reason_against(struct exporting *exporting, const struct battle_row *row)
{
    struct export_report *report = exporting->report;
    bool decided = row->winner == WINNER_A || row->winner == WINNER_B,
         kto_bad = exporting->options->kto && row->winner == WINNER_BOTH_BAD;
    if (sieve_marks_of(&exporting->marks, row->seq) != VOTE_COUNTED)
        return &report->not_counted;
    if (row->source == BATTLE_IMPORT)
        return &report->no_text;
    if (row->keep_private)
        return &report->kept_private;
    if (!export_may_tell(exporting->options, row->consent))
        return &report->without_consent;
    if (!may_train(exporting, row))
        return &report->may_not_train;
    if (!decided && !kto_bad)
        return &report->ties;
    return row->turns > 1 ? &report->several_turns : NULL;
}

static bool on_battle(void *user, const struct battle_row *row)
{
    struct exporting *exporting = user;
    const struct export_options *options = exporting->options;
    if (options->model &&
        !version_labels_match(&exporting->labels, row->version_a, options->model) &&
        !version_labels_match(&exporting->labels, row->version_b, options->model))
        return true;
    if (!export_tags_read(&exporting->tags, row->tags, vote_fields_outcome(row->winner)))
        return true;
    uint64_t *reason = reason_against(exporting, row);
    if (reason) {
        ++*reason;
        return true;
    }
    unsigned personal;
    if (!review_needed(exporting->db, row, &personal, &exporting->err))
        return false;
    if (personal) {
        exporting->report->held_back++;
        return true;
    }
    char id[STORE_ID_SIZE];
    snprintf(id, sizeof id, "%.*s", (int)row->id.length, row->id.data);
    exporting->row = row;
    bool ok = turns_each(exporting->db, id, on_turn, exporting, &exporting->err);
    if (options->progress && exporting->report->rows % PROGRESS_STEP == 0)
        options->progress(options->user, exporting->report->rows);
    return ok && exporting->table->err.code == ERR_NONE;
}

bool export_preferences(struct db *db, const struct export_options *options, struct table *table,
                        struct export_report *report, struct err *err)
{
    struct exporting exporting = {
        .db = db, .options = options, .table = table, .report = report, .err = ERR_INIT};
    struct battle_filter filter = {.from_ms = options->from_ms,
                                   .to_ms = options->to_ms,
                                   .judge = options->judge,
                                   .campaign = options->campaign,
                                   .voted_only = true};
    struct stored_marks now;
    bool ok = stored_marks_now(db, &now, err);
    filter.tagger = now.tagger;
    filter.tags = now.tags;
    ok = ok && export_sieve(db, options, &exporting.marks, err) &&
         export_tags_init(&exporting.tags, options->category, err) &&
         version_labels_load(&exporting.labels, db, err) &&
         battles_each(db, &filter, on_battle, &exporting, err);
    if (ok && exporting.err.code != ERR_NONE) {
        *err = exporting.err;
        ok = false;
    }
    export_tags_done(&exporting.tags);
    version_labels_done(&exporting.labels);
    sieve_marks_done(&exporting.marks);
    return ok;
}
