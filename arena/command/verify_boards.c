/* The board is fitted on the votes up to its last one with the options that its filter names,
 * its models named by the versions that were known then, rendered by the same code and compared
 * value by value. A board that does not say which versions were known is named as of now, and
 * names are compared up to the "@": what is NAME@DIGEST now was NAME. */
#include "command/verify_boards.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "board/published.h"
#include "board/render.h"

/* Two roundings to six decimals of values that agree to 1e-6. */
#define TOLERANCE 2e-6

/* --- comparing --- */

struct comparison {
    char *problem;
    size_t size;
    bool exact;     /* texts are compared whole */
    char path[128]; /* where we are, for the message */
};

static bool differ(const struct comparison *comparison, const char *what)
{
    snprintf(comparison->problem, comparison->size, "%s at %s", what, comparison->path);
    return false;
}

static bool same_name(const char *old, const char *new)
{
    size_t length = strcspn(old, "@"), other = strcspn(new, "@");
    return length == other && memcmp(old, new, length) == 0;
}

static bool same(struct comparison *comparison, json_t *old, json_t *new);

static bool same_members(struct comparison *comparison, json_t *old, json_t *new)
{
    const char *key;
    json_t *value;
    size_t length = strlen(comparison->path);
    json_object_foreach(old, key, value)
    {
        snprintf(comparison->path + length, sizeof comparison->path - length, ".%s", key);
        if (!same(comparison, value, json_object_get(new, key)))
            return false;
    }
    comparison->path[length] = '\0';
    return true;
}

static bool same_elements(struct comparison *comparison, json_t *old, json_t *new)
{
    size_t length = strlen(comparison->path);
    if (json_array_size(old) != json_array_size(new))
        return differ(comparison, "another number of entries");
    for (size_t i = 0; i < json_array_size(old); i++) {
        snprintf(comparison->path + length, sizeof comparison->path - length, "[%zu]", i);
        if (!same(comparison, json_array_get(old, i), json_array_get(new, i)))
            return false;
    }
    comparison->path[length] = '\0';
    return true;
}

static bool same(struct comparison *comparison, json_t *old, json_t *new)
{
    if (new == NULL)
        return differ(comparison, "nothing");
    if (json_is_integer(old) && json_is_integer(new))
        return json_integer_value(old) == json_integer_value(new) ||
               differ(comparison, "another count");
    if (json_is_number(old) && json_is_number(new))
        return fabs(json_number_value(old) - json_number_value(new)) <= TOLERANCE ||
               differ(comparison, "another value");
    if (json_typeof(old) != json_typeof(new))
        return differ(comparison, "another kind of value");
    if (json_is_object(old))
        return same_members(comparison, old, new);
    if (json_is_array(old))
        return same_elements(comparison, old, new);
    if (json_is_string(old))
        return (comparison->exact ? strcmp(json_string_value(old), json_string_value(new)) == 0
                                  : same_name(json_string_value(old), json_string_value(new))) ||
               differ(comparison, "another text");
    return true; /* true, false and null are kinds */
}

static bool compare(struct text old_text, struct text new_text, bool exact, char *problem,
                    size_t size, enum board_verdict *verdict, struct err *err)
{
    struct comparison comparison = {problem, size, exact, "board"};
    json_t *old = json_read(old_text, "a stored board", err);
    json_t *new = old != NULL ? json_read(new_text, "the board computed again", err) : NULL;
    if (new != NULL)
        *verdict = same(&comparison, old, new) ? BOARD_SAME : BOARD_DIFFERS;
    bool good = new != NULL;
    json_decref(old);
    json_decref(new);
    return good;
}

/* --- fitting --- */

/* "bt/arena-2": the method and the version of it. */
static bool read_method(const char *method, bool *elo)
{
    const char *slash = strchr(method, '/');
    if (slash == NULL || strcmp(slash + 1, LEADERBOARD_VERSION) != 0)
        return false;
    *elo = strncmp(method, "elo/", 4) == 0;
    return *elo || strncmp(method, "bt/", 3) == 0;
}

void board_votes_done(struct board_votes *kept)
{
    stored_votes_free(kept->votes);
    kept->votes = NULL;
}

/* The votes that a board is of, from those of the board before where that is possible. */
static bool read_votes(struct db *db, struct board_votes *kept, struct stored_filter *filter,
                       struct err *err)
{
    if (kept->votes && stored_votes_lead_to(kept->votes, filter)) {
        if (stored_votes_go_on(kept->votes, db, filter, err))
            return true;
        board_votes_done(kept);
        return false;
    }
    board_votes_done(kept);
    snprintf(kept->category, sizeof kept->category, "%s", filter->category);
    filter->category = kept->category;
    kept->loads++;
    return (kept->votes = stored_votes_load(db, filter, err)) != NULL;
}

static bool fit(struct db *db, struct board_votes *kept, const struct published *published,
                int64_t last_seq, struct buf *out, struct err *err)
{
    struct stored_filter filter;
    published_filter(published, &filter);
    filter.up_to = last_seq;
    filter.grouped = !published->elo;
    if (!read_votes(db, kept, &filter, err))
        return false;
    struct leaderboard *board = published_fit(published, kept->votes, err);
    if (board != NULL)
        render(out, board, RENDER_JSON, 0);
    leaderboard_free(board);
    return board != NULL && (!out->failed || err_set(err, ERR_MEMORY, "no memory for a board"));
}

bool board_recompute(struct db *db, struct board_votes *kept, const struct board_record *record,
                     enum board_verdict *verdict, char *problem, size_t size, struct err *err)
{
    struct published published;
    struct buf text;
    bool elo;
    *verdict = BOARD_UNKNOWN;
    if (!read_method(record->method, &elo))
        return true;
    json_t *filter = json_read(text_of(record->filter), "a stored board's filter", err);
    buf_init(&text, RENDER_MAX);
    bool good = published_read(filter, &published, err);
    published.elo = elo;
    published.seed = record->seed;
    good =
        good && fit(db, kept, &published, record->last_seq, &text, err) &&
        compare(record->json, buf_text(&text), published.versions > 0, problem, size, verdict, err);
    buf_done(&text);
    json_decref(filter);
    return good;
}
