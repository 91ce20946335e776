/* The database groups the battles by what was asked: whole conversations, turn by turn. */
#include "eval/losses.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

struct gathering {
    const struct losses_options *options;
    json_t *prompts, *rivals; /* rivals: a set */
    int64_t lost, others;
};

static const char SQL[] =
    "WITH met AS (SELECT b.number AS number, iif(ca.name = ?1, cb.name, ca.name) AS rival,"
    " v.winner = iif(ca.name = ?1, 1, 0) AS lost, json_extract(b.tags, '$.category') AS category,"
    " (SELECT json_group_array(prompt) FROM (SELECT prompt FROM turns WHERE battle = b.number"
    " ORDER BY turn)) AS asked FROM votes v JOIN battles b ON b.number = v.battle"
    " JOIN competitor_versions va ON va.id = b.version_a JOIN competitors ca ON"
    " ca.number = va.competitor JOIN competitor_versions vb ON vb.id = b.version_b"
    " JOIN competitors cb ON cb.number = vb.competitor WHERE v.counted = 0 AND v.winner < 3"
    " AND (?2 < 0 OR v.judge = ?2) AND ca.name <> cb.name AND (ca.name = ?1 OR cb.name = ?1)"
    " AND b.in_house_only = 0 AND b.keep_private = 0 AND EXISTS (SELECT 1 FROM turns WHERE"
    " battle = b.number) AND NOT EXISTS (SELECT 1 FROM turns WHERE battle = b.number AND"
    " prompt IS NULL))"
    " SELECT asked, max(lost), max(category), json_group_array(DISTINCT rival) FROM met"
    " GROUP BY asked ORDER BY max(lost) DESC, max(number) DESC";

static bool add_rivals(struct gathering *gathering, struct text list, struct err *err)
{
    json_t *rivals = json_read(list, "the rivals", err);
    const json_t *rival;
    size_t k;
    json_array_foreach(rivals, k, rival)
    {
        const char *name = json_string_value(rival);
        if (gathering->options->known(gathering->options->user, name))
            json_object_set_new(gathering->rivals, name, json_true());
    }
    json_decref(rivals);
    return rivals != NULL;
}

static bool add_prompt(struct gathering *gathering, const struct db_rows *rows, struct err *err)
{
    bool lost = db_int(rows, 1) != 0;
    int64_t *count = lost ? &gathering->lost : &gathering->others;
    if (*count >= gathering->options->most)
        return true;
    if (lost && !add_rivals(gathering, db_text(rows, 3), err))
        return false;
    json_t *turns = json_read(db_text(rows, 0), "a stored conversation", err);
    if (!turns)
        return false;
    ++*count;
    return json_array_append_new(gathering->prompts,
                                 json_pack("{s:o, s:s*, s:s}", "turns", turns, "category",
                                           db_string(rows, 2), "chosen",
                                           lost ? "lost" : "control")) == 0 ||
           err_set(err, ERR_MEMORY, "out of memory");
}

static bool gather(struct gathering *gathering, struct db *db, struct err *err)
{
    struct db_rows rows;
    bool ok = true;
    if (!db_select(
            db, &rows, SQL,
            DB_VALUES(DB_STRING(gathering->options->model), DB_INT(gathering->options->votes_of)),
            err))
        return false;
    while (ok && db_next(&rows))
        ok = add_prompt(gathering, &rows, err);
    return db_end(&rows, ok ? err : NULL) && ok;
}

static json_t *make_spec(const struct gathering *gathering)
{
    const struct losses_options *options = gathering->options;
    json_t *competitors = json_pack("[s]", options->model), *unused;
    const char *rival;
    char name[256];
    json_object_foreach(gathering->rivals, rival, unused)
        json_array_append_new(competitors, json_string(rival));
    snprintf(name, sizeof name, "what %.128s lost, asked again", options->model);
    return json_pack("{s:s, s:O, s:o, s:{s:s}, s:s*}", "name", name, "prompts", gathering->prompts,
                     "competitors", competitors, "pairs", "baseline", options->model, "judge",
                     options->judge);
}

json_t *losses_spec(struct db *db, const struct losses_options *options, struct err *err)
{
    struct gathering gathering = {options, json_array(), json_object(), 0, 0};
    json_t *spec = NULL;
    bool ok = gathering.prompts && gathering.rivals && gather(&gathering, db, err);
    if (ok && !gathering.lost)
        err_set(err, ERR_WRONG_STATE, "%.100s has lost on no prompt that may be asked again",
                options->model);
    else if (ok && !json_object_size(gathering.rivals))
        err_set(err, ERR_WRONG_STATE, "none of those that %.100s lost to is configured",
                options->model);
    else if (ok && !(spec = make_spec(&gathering)))
        err_set(err, ERR_MEMORY, "out of memory");
    json_decref(gathering.prompts);
    json_decref(gathering.rivals);
    return spec;
}
