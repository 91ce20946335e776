/* A list of labels and not of names: whoever holds a label need not take it apart. */
#include "board/codes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "board/stored.h"

/* Which of its competitor's versions it is, counted from the first. */
static int64_t number_of(const struct versions *versions, const struct version_record *record)
{
    int64_t number = 0;
    for (size_t i = 0; i < versions->count && versions->list[i].id <= record->id; i++)
        number += versions->list[i].competitor == record->competitor;
    return number;
}

static bool add(struct codes *codes, const char *name, const char *at, const char *shown,
                int64_t number)
{
    struct code *list = realloc(codes->list, (codes->count + 1) * sizeof *list);
    if (!list)
        return false;
    codes->list = list;
    struct code *code = &list[codes->count++];
    bool labelled = asprintf(&code->label, "%s%s%s", name, *at ? "@" : "", at) >= 0;
    if (!labelled)
        code->label = NULL;
    int length = number ? asprintf(&code->shown, "%s@%" PRId64, shown, number)
                        : asprintf(&code->shown, "%s", shown);
    if (length < 0)
        code->shown = NULL;
    return code->label && code->shown;
}

static bool add_version(struct codes *codes, const struct versions *versions,
                        const struct version_record *record)
{
    char digest[9] = "";
    int64_t number = number_of(versions, record);
    memccpy(digest, record->digest, '\0', sizeof digest - 1);
    return add(codes, record->name, "", record->code_name, 0) &&
           add(codes, record->name, record->imported ? "imported" : digest, record->code_name,
               number);
}

bool codes_load(struct codes *out, struct db *db, struct err *err)
{
    struct versions versions;
    *out = (struct codes){NULL, 0};
    if (!versions_load(db, &versions, err))
        return false;
    bool good = true;
    for (size_t i = 0; good && i < versions.count; i++)
        good = !versions.list[i].code_name || add_version(out, &versions, &versions.list[i]);
    versions_done(&versions);
    if (good)
        return true;
    codes_done(out);
    return err_set(err, ERR_MEMORY, "out of memory");
}

void codes_done(struct codes *codes)
{
    for (size_t i = 0; i < codes->count; i++) {
        free(codes->list[i].label);
        free(codes->list[i].shown);
    }
    free(codes->list);
    *codes = (struct codes){NULL, 0};
}

const char *codes_shown(const struct codes *codes, const char *label)
{
    for (size_t i = 0; i < codes->count; i++)
        if (strcmp(codes->list[i].label, label) == 0)
            return codes->list[i].shown;
    return label;
}

static void mask_row(const struct codes *codes, json_t *row)
{
    const char *model = json_string_value(json_object_get(row, "model"));
    const char *shown = model ? codes_shown(codes, model) : NULL;
    if (!model || shown == model)
        return;
    json_object_set_new(row, "model", json_string(shown));
    if (json_object_get(row, "version"))
        json_object_set_new(row, "version", json_string("not published"));
}

char *codes_mask(const struct codes *codes, struct text json)
{
    json_t *rows = json_loadb(json.data, json.length, 0, NULL), *row;
    size_t i;
    if (json_is_object(rows))
        mask_row(codes, rows);
    json_array_foreach(rows, i, row) mask_row(codes, row);
    char *text = rows ? json_dumps(rows, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(rows);
    return text;
}
