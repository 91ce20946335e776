/* A battle is left out here for its model or category only; what else keeps it in, each export
 * decides and counts. */
#include "eval/export_walk.h"

#include <stdio.h>

#include "board/stored.h"
#include "eval/vote_fields.h"

enum { PROGRESS_STEP = 1000 };

static bool is_asked_for(struct export_walk *walk, const struct battle_row *row)
{
    const char *model = walk->options->model;
    if (model && !version_labels_match(&walk->labels, row->version_a, model) &&
        !version_labels_match(&walk->labels, row->version_b, model))
        return false;
    return export_tags_read(&walk->tags, row->tags, vote_fields_outcome(row->winner));
}

static bool on_battle(void *user, const struct battle_row *row)
{
    struct export_walk *walk = user;
    uint64_t before = walk->report->rows / PROGRESS_STEP;
    if (!is_asked_for(walk, row))
        return true;
    walk->row = row;
    if (!walk->each(walk))
        return false;
    if (walk->options->progress && walk->report->rows / PROGRESS_STEP != before)
        walk->options->progress(walk->options->user, walk->report->rows);
    return true;
}

bool export_walk_battles(struct export_walk *walk, bool voted_only,
                         bool (*each)(struct export_walk *walk), struct err *err)
{
    const struct export_options *options = walk->options;
    struct battle_filter filter = {.from_ms = options->from_ms,
                                   .to_ms = options->to_ms,
                                   .judge = options->judge,
                                   .campaign = options->campaign,
                                   .voted_only = voted_only};
    struct stored_marks now;
    walk->each = each;
    walk->err = (struct err)ERR_INIT;
    bool ok = stored_marks_now(walk->db, &now, err);
    filter.tagger = now.tagger;
    filter.tags = now.tags;
    ok = ok && export_sieve(walk->db, options, &walk->marks, err) &&
         export_tags_init(&walk->tags, options->category, err) &&
         version_labels_load(&walk->labels, walk->db, err) &&
         battles_each(walk->db, &filter, on_battle, walk, err);
    if (ok && walk->err.code != ERR_NONE) {
        *err = walk->err;
        ok = false;
    }
    export_tags_done(&walk->tags);
    version_labels_done(&walk->labels);
    sieve_marks_done(&walk->marks);
    return ok;
}

bool export_walk_turns(struct export_walk *walk,
                       bool (*each)(void *user, const struct turn_record *turn), void *user)
{
    char id[STORE_ID_SIZE];
    snprintf(id, sizeof id, "%.*s", (int)walk->row->id.length, walk->row->id.data);
    return turns_each(walk->db, id, each, user, &walk->err);
}

struct text export_text_said(const struct answer_record *answer)
{
    return answer->text.length || !answer->refusal.data ? answer->text : answer->refusal;
}
