/* One record of a vote file: the fields that were asked for, found in a line of JSON or CSV without
 * building anything.
 *
 * A field is named by its path: "winner", or "conv_metadata.turns" for a member of a member (a key
 * may itself hold dots: every way to cut the path is tried). In CSV the path is the column's name.
 * Fields that were not asked for are skipped: their strings and brackets must close, and that is
 * all that is checked of them. Fields borrow the line. Pure. */
#ifndef ARENA_BOARD_ROW_H
#define ARENA_BOARD_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define ROW_FIELDS_MAX 64
#define ROW_KEY_MAX 64       /* longer keys at an object's top are tried against every path */
#define ROW_COLUMNS_MAX 4096 /* of a CSV file */
#define ROW_NESTING_MAX 64   /* brackets inside brackets */

enum row_kind { ROW_ABSENT, ROW_NULL, ROW_BOOL, ROW_NUMBER, ROW_STRING, ROW_NESTED };

struct row_field {
    struct text raw; /* between the quotes, for a string */
    enum row_kind kind;
    bool escaped; /* raw is not yet the text */
};

struct row_spec {
    const char *path[ROW_FIELDS_MAX]; /* borrowed */
    size_t length[ROW_FIELDS_MAX];
    size_t count;
    uint64_t begins[ROW_KEY_MAX]; /* fields whose path may begin with a key of this length */
    bool csv;
    int16_t column[ROW_COLUMNS_MAX]; /* CSV: field of each column, or -1 */
    size_t columns;
};

struct row_shape; /* of the JSON read before: row_json.h */

/* Gives a field its number, the same for the same path; ROW_FIELDS_MAX when there is no room. */
size_t row_spec_add(struct row_spec *spec, const char *path);

/* Reads a CSV file's header line: which column is which field. Fields that no column has stay
 * ROW_ABSENT for ever; *found has a bit for each that is there. */
bool row_spec_header(struct row_spec *spec, struct text line, uint64_t *found, struct err *err);

/* Reads one record from `at`, where end > at. Fills fields[0…count) and returns where the next
 * record starts; NULL with `err` (no line number) when it is malformed, with *skip where to go on.
 * *lines counts the line ends passed. A blank line gives *blank. JSON clears `fields` first; CSV
 * writes the same ones every time, so they are the caller's to clear once. */
const char *row_read(const struct row_spec *spec, const char *at, const char *end,
                     struct row_field *fields, bool *blank, uint32_t *lines, const char **skip,
                     struct err *err);

/* The same, faster where one record looks like the one before: `shape` (NULL for none) is what is
 * remembered of it. `fields` are then the same at every call and nobody else's. */
const char *row_read_like(const struct row_spec *spec, struct row_shape *shape, const char *at,
                          const char *end, struct row_field *fields, bool *blank, uint32_t *lines,
                          const char **skip, struct err *err);

/* The field's text: the raw bytes, or unescaped into `scratch` (cleared first). False when an
 * escape is malformed, or with ERR_MEMORY. Absent and null give an empty text. */
bool row_text_escaped(const struct row_spec *spec, const struct row_field *field,
                      struct buf *scratch, struct text *text);

static inline bool row_text(const struct row_spec *spec, const struct row_field *field,
                            struct buf *scratch, struct text *text)
{
    if (field->escaped)
        return row_text_escaped(spec, field, scratch, text);
    *text = field->kind == ROW_NULL ? (struct text){"", 0} : field->raw; /* absent: raw is empty */
    return true;
}

/* The sum of the numbers in a field: itself, or the members of an object ({"h1": 2, "h2": 1}, also
 * in Python's spelling, as pandas writes it to CSV). False when it is neither. */
bool row_sum(const struct row_field *field, double *sum);

#endif
