/* What every stored version is called on a board (board/stored.h), found by its id. Loaded once;
 * then any thread. */
#ifndef ARENA_EVAL_VERSION_LABELS_H
#define ARENA_EVAL_VERSION_LABELS_H

#include "store/competitors.h"

struct codes;

struct version_labels {
    struct versions versions;
    char **labels;
};
bool version_labels_load(struct version_labels *names, struct db *db, struct err *err);
const char *version_labels_find(const struct version_labels *names, int64_t version,
                                const struct version_record **record); /* NULL: unknown */
/* Labels as voters are shown them from now on; false without memory. */
bool version_labels_mask(struct version_labels *names, const struct codes *codes);
void version_labels_done(struct version_labels *names);

/* Does --model's name mean this version? */
bool version_labels_match(const struct version_labels *names, int64_t version, const char *model);

#endif
