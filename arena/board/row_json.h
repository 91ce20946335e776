/* One line of JSON: the members that were asked for, found without building anything.
 *
 * Strings and brackets that nobody asked for must close, and that is all that is checked of them. A
 * struct row_shape remembers what the line before looked like, which makes the next one cheap; it
 * belongs to one reader, and the result does not depend on it. Pure. */
#ifndef ARENA_BOARD_ROW_JSON_H
#define ARENA_BOARD_ROW_JSON_H

#include "board/row.h"

#define ROW_SHAPE_LEAVES 256 /* values of a row; rows of more, or with longer names, are not */
#define ROW_SHAPE_TEXT 8192  /* remembered */

struct row_shape_leaf {
    uint16_t length; /* of the text before this value */
    int8_t field;    /* -1: nobody asked for it */
    bool bare;
};

/* All zeros before the first row. */
struct row_shape {
    bool known, overflown;
    size_t count, used; /* the last leaf is the row's end */
    uint64_t alike, differed;
    const char *from; /* while a row is being learnt */
    struct row_shape_leaf leaf[ROW_SHAPE_LEAVES];
    char text[ROW_SHAPE_TEXT];
};

const char *row_json_space(const char *at, const char *end); /* the first byte that is no space */

/* The object from `at` to the line's end. False with `err` when it is malformed. With a shape (or
 * NULL), `fields` are the same at every call. */
bool row_json_read(const struct row_spec *spec, struct row_shape *shape, const char *at,
                   const char *end, struct row_field *fields, struct err *err);

#endif
