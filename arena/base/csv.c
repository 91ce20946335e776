/* Runs between quotation marks are copied whole: cells hold answers of a megabyte. */
#include "base/csv.h"

#include <string.h>

static void add_doubled(struct buf *out, struct text text)
{
    for (size_t from = 0, at = 0; at <= text.length; at++) {
        if (at < text.length && text.data[at] != '"')
            continue;
        buf_add(out, text.data + from, at - from);
        if (at < text.length)
            buf_add_string(out, "\"\"");
        from = at + 1;
    }
}

void csv_cell(struct buf *out, struct text text)
{
    bool guarded = text.length > 0 && csv_is_guarded(text.data[0]);
    bool quote = guarded;
    for (size_t i = 0; i < text.length && !quote; i++)
        quote = strchr(",\"\r\n", text.data[i]) != NULL;
    if (!quote) {
        buf_add_text(out, text);
        return;
    }
    buf_add_string(out, guarded ? "\"'" : "\"");
    add_doubled(out, text);
    buf_add_char(out, '"');
}
