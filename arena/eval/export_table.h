/* Rows of named cells, written as JSON lines or CSV.
 *
 * A row is a run of puts between table_begin and table_end; every row puts the same names in the
 * same order, and the first one makes the CSV's header. In CSV what has no value is an empty cell,
 * JSON values are their text, and a text that a spreadsheet would take for a formula gets a "'" in
 * front. One row is held at a time, at most TABLE_ROW_MAX; the first failure is remembered and told
 * by table_finish. One owner; blocking. */
#ifndef ARENA_EVAL_EXPORT_TABLE_H
#define ARENA_EVAL_EXPORT_TABLE_H

#include <stdio.h>

#include "base/json.h"

#define TABLE_ROW_MAX (256u << 20) /* a battle of the most and longest turns, escaped */

enum table_format { TABLE_JSONL, TABLE_CSV };

struct table {
    FILE *out;
    enum table_format format;
    struct buf row, header;
    struct json_out json;
    uint64_t rows;
    bool first;          /* the row's next cell is its first */
    const char *columns; /* the header of a CSV without rows; NULL: none. The caller's */
    struct err err;
};

void table_init(struct table *table, FILE *out, enum table_format format);
void table_begin(struct table *table);
void table_text(struct table *table, const char *name, struct text value); /* data NULL: no value */
void table_string(struct table *table, const char *name, const char *value);
void table_int(struct table *table, const char *name, int64_t value);
void table_known(struct table *table, const char *name, int64_t value); /* negative: no value */
void table_real(struct table *table, const char *name, double value);   /* NaN: no value */
void table_bool(struct table *table, const char *name, bool value);
void table_json(struct table *table, const char *name, struct text json); /* length 0: no value */
bool table_end(struct table *table); /* false: it failed, go no further */

/* Flushes and gives the memory back; false with the first error. */
bool table_finish(struct table *table, struct err *err);

#endif
