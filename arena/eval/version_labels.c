#include "eval/version_labels.h"

#include <stdlib.h>
#include <string.h>

#include "board/codes.h"
#include "board/stored.h"

bool version_labels_load(struct version_labels *names, struct db *db, struct err *err)
{
    *names = (struct version_labels){.labels = NULL};
    if (!versions_load(db, &names->versions, err))
        return false;
    names->labels = calloc(names->versions.count + 1, sizeof *names->labels);
    bool ok = names->labels != NULL;
    for (size_t k = 0; ok && k < names->versions.count; k++) {
        struct buf label;
        buf_init(&label, 1024);
        ok = stored_label(&names->versions, names->versions.list[k].id, &label);
        names->labels[k] = ok ? buf_take(&label, NULL) : NULL;
        ok = names->labels[k] != NULL;
        buf_done(&label);
    }
    if (ok)
        return true;
    version_labels_done(names);
    return err_set(err, ERR_MEMORY, "no memory for the models' names");
}

const char *version_labels_find(const struct version_labels *names, int64_t version,
                                const struct version_record **record)
{
    const struct version_record *found = versions_find(&names->versions, version);
    if (record)
        *record = found;
    return found ? names->labels[found - names->versions.list] : NULL;
}

bool version_labels_match(const struct version_labels *names, int64_t version, const char *model)
{
    const struct version_record *record;
    const char *label = version_labels_find(names, version, &record);
    return label && (strcmp(label, model) == 0 || strcmp(record->name, model) == 0);
}

bool version_labels_mask(struct version_labels *names, const struct codes *codes)
{
    for (size_t k = 0; k < names->versions.count; k++) {
        char *shown = strdup(codes_shown(codes, names->labels[k]));
        if (!shown)
            return false;
        free(names->labels[k]);
        names->labels[k] = shown;
    }
    return true;
}

void version_labels_done(struct version_labels *names)
{
    for (size_t k = 0; names->labels && k < names->versions.count; k++)
        free(names->labels[k]);
    free(names->labels);
    versions_done(&names->versions);
    *names = (struct version_labels){.labels = NULL};
}
