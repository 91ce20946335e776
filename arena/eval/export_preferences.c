/* Pairs for training. Whatever keeps a pair out is counted, so that nobody takes the file for all
 * there was. */
#include "eval/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "eval/export_walk.h"
#include "eval/review.h"
#include "eval/vote_fields.h"

bool export_may_tell(const struct export_options *options, enum consent_scope consent)
{
    return consent >= options->scope || (options->own && consent == CONSENT_NONE);
}

/* --- a pair --- */

static void put_origin(struct export_walk *walk, int64_t chosen, int64_t rejected)
{
    struct table *table = walk->table;
    const struct battle_row *row = walk->row;
    table_text(table, "id", row->id);
    if (chosen)
        table_string(table, "chosen_model", version_labels_find(&walk->labels, chosen, NULL));
    if (rejected)
        table_string(table, "rejected_model", version_labels_find(&walk->labels, rejected, NULL));
    table_string(table, "judge_kind", judge_kind_word(row->judge));
    table_int(table, "timestamp", row->at_ms);
}

static bool write_pair(struct export_walk *walk, const struct turn_record *turn)
{
    bool a = walk->row->winner == WINNER_A;
    int64_t versions[2] = {walk->row->version_a, walk->row->version_b};
    table_begin(walk->table);
    table_text(walk->table, "prompt", turn->prompt);
    table_text(walk->table, "chosen", export_text_said(a ? &turn->a : &turn->b));
    table_text(walk->table, "rejected", export_text_said(a ? &turn->b : &turn->a));
    put_origin(walk, versions[!a], versions[a]);
    walk->report->rows++;
    return table_end(walk->table);
}

static bool write_completions(struct export_walk *walk, const struct turn_record *turn)
{
    const struct answer_record *answers[2] = {&turn->a, &turn->b};
    for (int side = 0; side < 2; side++) {
        table_begin(walk->table);
        table_text(walk->table, "prompt", turn->prompt);
        table_text(walk->table, "completion", export_text_said(answers[side]));
        table_bool(walk->table, "label", walk->row->winner == (side ? WINNER_B : WINNER_A));
        table_string(walk->table, "model",
                     version_labels_find(&walk->labels,
                                         side ? walk->row->version_b : walk->row->version_a, NULL));
        put_origin(walk, 0, 0);
        walk->report->rows++;
        if (!table_end(walk->table))
            return false;
    }
    return true;
}

static bool on_turn(void *user, const struct turn_record *turn)
{
    struct export_walk *walk = user;
    if (!turn->answered || !turn->prompt.length || !export_text_said(&turn->a).length ||
        !export_text_said(&turn->b).length) {
        walk->report->no_text++;
        return false;
    }
    if (walk->options->kto)
        write_completions(walk, turn);
    else
        write_pair(walk, turn);
    return false;
}

/* --- which battles --- */

static bool may_train(const struct export_walk *walk, const struct battle_row *row)
{
    const struct version_record *a, *b;
    version_labels_find(&walk->labels, row->version_a, &a);
    version_labels_find(&walk->labels, row->version_b, &b);
    return a && b && a->outputs_may_train && b->outputs_may_train;
}

/* The first reason to leave it out, counted where it is to be told; NULL: it goes out. */
static uint64_t *reason_against(struct export_walk *walk, const struct battle_row *row)
{
    struct export_report *report = walk->report;
    bool decided = row->winner == WINNER_A || row->winner == WINNER_B,
         kto_bad = walk->options->kto && row->winner == WINNER_BOTH_BAD;
    if (sieve_marks_of(&walk->marks, row->seq) != VOTE_COUNTED)
        return &report->not_counted;
    if (row->source == BATTLE_IMPORT)
        return &report->no_text;
    if (row->keep_private)
        return &report->kept_private;
    if (!export_may_tell(walk->options, row->consent))
        return &report->without_consent;
    if (!may_train(walk, row))
        return &report->may_not_train;
    if (!decided && !kto_bad)
        return &report->ties;
    return row->turns > 1 ? &report->several_turns : NULL;
}

static bool on_battle(struct export_walk *walk)
{
    uint64_t *reason = reason_against(walk, walk->row);
    struct review_finds personal;
    if (reason) {
        ++*reason;
        return true;
    }
    if (!review_needed(walk->db, walk->row, &personal, &walk->err))
        return false;
    if (personal.patterns || personal.model) {
        walk->report->held_back++;
        return true;
    }
    walk->report->unread += personal.unread;
    return export_walk_turns(walk, on_turn, walk) && walk->table->err.code == ERR_NONE;
}

bool export_preferences(struct db *db, const struct export_options *options, struct table *table,
                        struct export_report *report, struct err *err)
{
    struct export_walk walk = {.db = db, .options = options, .table = table, .report = report};
    return export_walk_battles(&walk, true, on_battle, err);
}
