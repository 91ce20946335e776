/* Nothing about the patterns' search is stored: patterns that get better find more in what is there
 * already. Of the model's, places are (store/finds.h): a text that was let go takes them along. */
#include "eval/review.h"

#include <stdio.h>

#include "base/limits.h"

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

static void on_find(void *user, const struct find_record *find)
{
    struct review_finds *found = user;
    found->model |= 1u << find->kind;
}

static bool ask_model(struct db *db, int64_t battle, struct review_finds *found, struct err *err)
{
    struct finder_record finder;
    bool looked;
    if (!finders_current(db, &finder, err) || !finder.id)
        return err->code == ERR_NONE;
    if (!finds_each(db, battle, &looked, on_find, found, err))
        return false;
    found->unread = !looked;
    return true;
}

bool review_needed(struct db *db, const struct battle_row *row, struct review_finds *found,
                   struct err *err)
{
    char id[STORE_ID_SIZE];
    *found = (struct review_finds){0};
    if (row->review == REVIEW_RELEASED || row->source == BATTLE_IMPORT)
        return true;
    snprintf(id, sizeof id, "%.*s", (int)row->id.length, row->id.data);
    found->patterns = personal_find(row->comment) | personal_find(row->recognised);
    return turns_each(db, id, on_turn, &found->patterns, err) &&
           ask_model(db, row->number, found, err);
}

/* --- the model's finds --- */

struct showing {
    const struct battle_row *row;
    const struct turn_record *turn; /* NULL: the feedback */
    const struct find_record *finds;
    size_t count;
    void (*each)(void *user, const struct find_record *find, struct text text);
    void *user;
};

static void show_one(struct showing *showing, const struct find_record *find)
{
    struct text text = showing->turn                  ? search_turn_text(showing->turn, find->part)
                       : find->part == SEARCH_COMMENT ? showing->row->comment
                                                      : showing->row->recognised;
    size_t start = (size_t)find->start, length = (size_t)find->length;
    if (start <= text.length && length <= text.length - start) /* not since erased */
        showing->each(showing->user, find, (struct text){text.data + start, length});
}

static bool show_turn(void *user, const struct turn_record *turn)
{
    struct showing *showing = user;
    showing->turn = turn;
    for (size_t i = 0; i < showing->count; i++)
        if (showing->finds[i].turn == turn->turn)
            show_one(showing, &showing->finds[i]);
    return true;
}

struct collected {
    struct find_record finds[LIMIT_SEARCH_FINDS];
    size_t count;
};

static void collect(void *user, const struct find_record *find)
{
    struct collected *collected = user;
    if (collected->count < LIMIT_SEARCH_FINDS)
        collected->finds[collected->count++] = *find;
}

bool review_show(struct db *db, const struct battle_row *row,
                 void (*each)(void *user, const struct find_record *find, struct text text),
                 void *user, struct err *err)
{
    struct collected collected = {.count = 0};
    char id[STORE_ID_SIZE];
    bool looked;
    snprintf(id, sizeof id, "%.*s", (int)row->id.length, row->id.data);
    if (!finds_each(db, row->number, &looked, collect, &collected, err))
        return false;
    struct showing showing = {
        .row = row, .finds = collected.finds, .count = collected.count, .each = each, .user = user};
    for (size_t i = 0; i < collected.count; i++)
        if (!collected.finds[i].turn)
            show_one(&showing, &collected.finds[i]);
    return !collected.count || turns_each(db, id, show_turn, &showing, err);
}

/* --- the list --- */

struct reviewing {
    struct db *db;
    const struct review_query *query;
    void (*each)(void *user, const struct battle_row *row, const struct review_finds *found);
    void *user;
    size_t told;
    int64_t last, next;
    struct err err;
};

static bool on_battle(void *user, const struct battle_row *row)
{
    struct reviewing *reviewing = user;
    struct review_finds found;
    bool agreed =
        row->consent >= CONSENT_EXPORT || (reviewing->query->own && row->consent == CONSENT_NONE);
    if (row->number == reviewing->last || row->review != REVIEW_NONE || row->keep_private ||
        !agreed)
        return true;
    if (!review_needed(reviewing->db, row, &found, &reviewing->err))
        return false;
    if (!found.patterns && !found.model)
        return true;
    if (reviewing->told == reviewing->query->limit) {
        reviewing->next = reviewing->last;
        return false;
    }
    reviewing->told++;
    reviewing->last = row->number;
    reviewing->each(reviewing->user, row, &found);
    return true;
}

bool review_each(struct db *db, const struct review_query *query,
                 void (*each)(void *user, const struct battle_row *row,
                              const struct review_finds *found),
                 void *user, int64_t *next, struct err *err)
{
    struct reviewing reviewing = {
        .db = db, .query = query, .each = each, .user = user, .err = ERR_INIT};
    struct battle_filter filter = BATTLE_FILTER_ALL;
    filter.after = query->after;
    filter.fought_here = true;
    bool ok = battles_each(db, &filter, on_battle, &reviewing, err);
    if (ok && reviewing.err.code != ERR_NONE) {
        *err = reviewing.err;
        ok = false;
    }
    *next = reviewing.next;
    return ok;
}
