/* Nothing about the search is stored: patterns that get better find more in what is there
 * already, and a text that was let go is forgotten here too. */
#include "eval/review.h"

#include <stdio.h>

unsigned review_turn(const struct turn_record *turn)
{
    unsigned kinds = personal_find(turn->prompt);
    if (turn->answered)
        kinds |= personal_find(turn->a.text) | personal_find(turn->b.text) |
                 personal_find(turn->a.refusal) | personal_find(turn->b.refusal);
    return kinds;
}

static bool on_turn(void *user, const struct turn_record *turn)
{
    unsigned *kinds = user;
    *kinds |= review_turn(turn);
    return true;
}

bool review_needed(struct db *db, const struct battle_row *row, unsigned *kinds, struct err *err)
{
    char id[STORE_ID_SIZE];
    *kinds = 0;
    if (row->review == REVIEW_RELEASED || row->source == BATTLE_IMPORT)
        return true;
    snprintf(id, sizeof id, "%.*s", (int)row->id.length, row->id.data);
    *kinds = personal_find(row->comment) | personal_find(row->recognised);
    return turns_each(db, id, on_turn, kinds, err);
}

struct reviewing {
    struct db *db;
    const struct review_query *query;
    void (*each)(void *user, const struct battle_row *row, unsigned kinds);
    void *user;
    size_t told;
    int64_t last, next;
    struct err err;
};

static bool on_battle(void *user, const struct battle_row *row)
{
    struct reviewing *reviewing = user;
    unsigned kinds;
    bool agreed =
        row->consent >= CONSENT_EXPORT || (reviewing->query->own && row->consent == CONSENT_NONE);
    if (row->number <= reviewing->query->after || row->number == reviewing->last ||
        row->review != REVIEW_NONE || row->keep_private || !agreed || row->source == BATTLE_IMPORT)
        return true;
    if (!review_needed(reviewing->db, row, &kinds, &reviewing->err))
        return false;
    if (!kinds)
        return true;
    if (reviewing->told == reviewing->query->limit) {
        reviewing->next = reviewing->last;
        return false;
    }
    reviewing->told++;
    reviewing->last = row->number;
    reviewing->each(reviewing->user, row, kinds);
    return true;
}

bool review_each(struct db *db, const struct review_query *query,
                 void (*each)(void *user, const struct battle_row *row, unsigned kinds), void *user,
                 int64_t *next, struct err *err)
{
    struct reviewing reviewing = {
        .db = db, .query = query, .each = each, .user = user, .err = ERR_INIT};
    bool ok = battles_each(db, &BATTLE_FILTER_ALL, on_battle, &reviewing, err);
    if (ok && reviewing.err.code != ERR_NONE) {
        *err = reviewing.err;
        ok = false;
    }
    *next = reviewing.next;
    return ok;
}
