/* Small enough for jansson: a hundred kilobytes stand for two million votes. */
#include "board/aggregate.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "board/row.h"
#include "board/vote_row.h"

bool aggregate_is(struct text start)
{
    static const char *const KEYS[] = {"\"models\"", "\"X\"", "\"Y\""};
    const char *at = start.data, *end = at + start.length;
    while (at < end && strchr(" \t\r\n{", *at) && *at)
        at++;
    for (size_t k = 0; k < 3; k++) {
        size_t length = strlen(KEYS[k]);
        if ((size_t)(end - at) < length || memcmp(at, KEYS[k], length) != 0)
            continue;
        for (at += length; at < end && strchr(" \t\r\n:", *at) && *at; at++)
            ;
        return at < end && *at == '[';
    }
    return false;
}

static bool read_models(struct hash_names *names, const json_t *models, const char *what,
                        struct err *err)
{
    size_t index;
    const json_t *name;
    if (!json_is_array(models))
        return err_set(err, ERR_FORMAT, "%s: \"models\" is not a list of names", what);
    if (json_array_size(models) > TALLY_MODELS_MAX)
        return err_set(err, ERR_TOO_LARGE, "%s: more than %d models", what, TALLY_MODELS_MAX);
    json_array_foreach(models, index, name)
    {
        struct text text = {json_string_value(name),
                            json_is_string(name) ? json_string_length(name) : 0};
        uint32_t number;
        if (text.length == 0 || text.length > VOTEFILE_NAME_MAX || !vote_name_check(text, NULL))
            return err_set(err, ERR_FORMAT, "%s: models[%zu] is not a name", what, index);
        if (!hash_names_add(names, text, &number))
            return err_set(err, ERR_MEMORY, "no memory to read %s", what);
        if (number != index)
            return err_set(err, ERR_FORMAT, "%s: models[%zu] is there twice: %s", what, index,
                           text.data);
    }
    return true;
}

static bool whole(const json_t *value, double most, double *out)
{
    *out = json_is_number(value) ? json_number_value(value) : -1;
    return *out >= 0 && *out <= most && floor(*out) == *out;
}

/* One pair; false with `err` when it is malformed, with *votes what it stood for. */
static bool read_pair(struct votefile *file, const json_t *x, const json_t *y, size_t models,
                      double *votes, struct err *err)
{
    double pair[2], counts[OUTCOMES] = {0};
    size_t outcomes = json_array_size(y);
    *votes = 0;
    if (json_array_size(x) != 2 || !whole(json_array_get(x, 0), (double)models - 1, &pair[0]) ||
        !whole(json_array_get(x, 1), (double)models - 1, &pair[1]))
        return err_set(err, ERR_FORMAT, "not two numbers of models");
    if (outcomes != 3 && outcomes != OUTCOMES)
        return err_set(err, ERR_FORMAT, "not three or four counts");
    for (size_t k = 0; k < outcomes; k++) {
        if (!whole(json_array_get(y, k), UINT32_MAX, &counts[k]))
            return err_set(err, ERR_FORMAT, "a count is not a whole number from 0 to %u",
                           UINT32_MAX);
        *votes += counts[k];
    }
    if (pair[0] == pair[1])
        return err_set(err, ERR_FORMAT, "a model meets itself");
    for (int k = 0; k < OUTCOMES; k++)
        if (!tally_add(&file->tally, (size_t)pair[0], (size_t)pair[1], (enum outcome)k,
                       (uint32_t)counts[k], err))
            return false;
    return true;
}

static bool read_pairs(struct votefile *file, const json_t *x, const json_t *y, const char *what,
                       const struct votefile_options *options, struct err *err)
{
    if (!json_is_array(x) || !json_is_array(y) || json_array_size(x) != json_array_size(y))
        return err_set(err, ERR_FORMAT, "%s: \"X\" and \"Y\" are not two lists of the same length",
                       what);
    for (size_t k = 0; k < json_array_size(x); k++) {
        struct err why = ERR_INIT;
        double votes;
        const json_t *pair = json_array_get(x, k);
        bool ok = read_pair(file, pair, json_array_get(y, k), file->tally.models, &votes, &why);
        file->records += (uint64_t)votes;
        if (ok)
            continue;
        if (!options->lenient || why.code != ERR_FORMAT)
            return err_set(err, why.code, "%s: X[%zu], Y[%zu]: %s", what, k, k, why.message);
        bool self = json_equal(json_array_get(pair, 0), json_array_get(pair, 1));
        file->skipped[self ? SKIP_SELF : SKIP_MALFORMED] += votes > 0 ? (uint64_t)votes : 1;
    }
    return true;
}

bool aggregate_read(struct votefile *file, struct hash_names *names, struct text text,
                    const char *what, const struct votefile_options *options, struct err *err)
{
    if (options->categories[0] || options->filters[0] || options->voter || options->prompt ||
        options->id || options->style || options->weight || options->daily_cap)
        return err_set(
            err, ERR_BAD_REQUEST,
            "%s holds aggregated counts: categories, filters, style, weights, a daily cap, "
            "--id, --voter and --prompt need single votes",
            what);
    json_t *root = json_read(text, what, err);
    if (!root)
        return false;
    bool ok = read_models(names, json_object_get(root, "models"), what, err) &&
              tally_grow(&file->tally, names->count, err) &&
              read_pairs(file, json_object_get(root, "X"), json_object_get(root, "Y"), what,
                         options, err);
    json_decref(root);
    file->aggregated = true;
    return ok;
}
