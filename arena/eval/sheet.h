/* A table of a report, made once and drawn as plain text, JSON, Markdown or HTML. Texts are copied.
 * A sheet that ran out of memory is `failed` and drawn as far as it got. */
#ifndef ARENA_EVAL_SHEET_H
#define ARENA_EVAL_SHEET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define SHEET_COLUMNS 12

enum sheet_form { SHEET_TEXT, SHEET_JSON, SHEET_MD, SHEET_HTML };

struct sheet {
    const char *title; /* static */
    char *note;        /* below the table; NULL: none */
    const char *heads[SHEET_COLUMNS];
    size_t columns;
    size_t left; /* the first so many columns are words, the others figures */
    char **cells;
    size_t count; /* of cells */
    bool failed;
};

/* `heads` ends with NULL; static texts. */
void sheet_init(struct sheet *sheet, const char *title, size_t left, const char *const *heads);
void sheet_done(struct sheet *sheet);

/* The next cell, row by row. */
__attribute__((format(printf, 2, 3))) void sheet_add(struct sheet *sheet, const char *format, ...);
__attribute__((format(printf, 2, 3))) void sheet_note(struct sheet *sheet, const char *format, ...);

/* A cell with a competitor's settings: those that are set, after `before`. */
void sheet_add_settings(struct sheet *sheet, const char *before, const char *effective);

/* Appends a text as it stands, line by line, escaped. */
void sheet_preformatted(struct buf *out, struct text text);

/* An empty sheet without a note draws nothing. */
void sheet_draw(const struct sheet *sheet, enum sheet_form form, struct buf *out);

#endif
