/* What is known of a battle's prompt and of how its answers look, as LMArena's fields: language,
 * is_code, category_tag, conv_metadata, … One owner. */
#ifndef ARENA_EVAL_EXPORT_TAGS_H
#define ARENA_EVAL_EXPORT_TAGS_H

#include "board/select.h"
#include "eval/export_table.h"
#include "store/battles.h"

#define EXPORT_TAGS 8

struct export_tags {
    struct row_spec spec;
    struct select select;
    size_t tag[EXPORT_TAGS], counts;
    struct row_field fields[ROW_FIELDS_MAX];
    struct buf scratch, metadata;
};

/* `category` NULL: all. ERR_BAD_REQUEST for one that does not exist. */
bool export_tags_init(struct export_tags *tags, const char *category, struct err *err);
void export_tags_done(struct export_tags *tags);

/* Reads a battle's stored tags (data NULL: none); false when it is not of the category. */
bool export_tags_read(struct export_tags *tags, struct text json, enum outcome outcome);

/* The cells; conv_metadata is made from the counts where the tags have none. */
void export_tags_put(struct export_tags *tags, struct table *table, const struct style_counts *a,
                     const struct style_counts *b, int turns);

#endif
