/* Tags are stored as they came, so a cell is a piece of their text; nothing is built. */
#include "eval/export_tags.h"

#include <inttypes.h>
#include <string.h>

static const char *const NAMES[EXPORT_TAGS] = {"language",
                                               "category",
                                               "is_code",
                                               "is_refusal",
                                               "category_tag",
                                               "dedup_tag",
                                               "evaluation_session_id",
                                               "evaluation_order"};

bool export_tags_init(struct export_tags *tags, const char *category, struct err *err)
{
    *tags = (struct export_tags){.counts = 0};
    buf_init(&tags->scratch, 1 << 20);
    buf_init(&tags->metadata, 4096);
    for (size_t k = 0; k < EXPORT_TAGS; k++)
        tags->tag[k] = row_spec_add(&tags->spec, NAMES[k]);
    tags->counts = row_spec_add(&tags->spec, "conv_metadata");
    return !category || strcmp(category, "overall") == 0 ||
           select_category(&tags->select, &tags->spec, category, err);
}

void export_tags_done(struct export_tags *tags)
{
    buf_done(&tags->scratch);
    buf_done(&tags->metadata);
}

bool export_tags_read(struct export_tags *tags, struct text json, enum outcome outcome)
{
    const char *skip;
    uint32_t lines;
    bool blank;
    struct text text = json.length ? json : TEXT("{}");
    if (!row_read(&tags->spec, text.data, text.data + text.length, tags->fields, &blank, &lines,
                  &skip, NULL))
        return false;
    return (!tags->select.count && !tags->select.decisive) ||
           select_matches(&tags->select, &tags->spec, tags->fields, outcome, &tags->scratch);
}

static void put_side(struct buf *out, char side, const struct style_counts *counts)
{
    buf_printf(out,
               "\"sum_assistant_%c_tokens\":%" PRId64 ",\"header_count_%c\":{\"all\":%" PRId64
               "},\"list_count_%c\":{\"all\":%" PRId64 "},\"bold_count_%c\":{\"all\":%" PRId64 "}",
               side, counts->tokens, side, counts->headers, side, counts->lists, side,
               counts->bold);
}

static struct text make_metadata(struct export_tags *tags, const struct style_counts *a,
                                 const struct style_counts *b, int turns)
{
    struct buf *out = &tags->metadata;
    buf_clear(out);
    if (a->tokens < 0 || b->tokens < 0)
        return TEXT("");
    buf_add_char(out, '{');
    put_side(out, 'a', a);
    buf_add_char(out, ',');
    put_side(out, 'b', b);
    buf_printf(out, ",\"turns\":%d}", turns);
    return buf_text(out);
}

static void put_cell(struct export_tags *tags, struct table *table, const char *name,
                     const struct row_field *field)
{
    struct text text = {NULL, 0};
    if (field->kind == ROW_STRING) {
        row_text(&tags->spec, field, &tags->scratch, &text);
        table_text(table, name, text);
    } else {
        table_json(table, name,
                   field->kind == ROW_ABSENT || field->kind == ROW_NULL ? TEXT("") : field->raw);
    }
}

void export_tags_put(struct export_tags *tags, struct table *table, const struct style_counts *a,
                     const struct style_counts *b, int turns)
{
    for (size_t k = 0; k < EXPORT_TAGS; k++)
        put_cell(tags, table, NAMES[k], &tags->fields[tags->tag[k]]);
    const struct row_field *counts = &tags->fields[tags->counts];
    table_json(table, "conv_metadata",
               counts->kind == ROW_NESTED ? counts->raw : make_metadata(tags, a, b, turns));
}
