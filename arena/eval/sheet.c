/* Widths are counted in characters, so that names in any script line up. */
#include "eval/sheet.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "board/page.h"

/* page_escaped takes C strings and turns line ends into spaces. */
void sheet_preformatted(struct buf *out, struct text text)
{
    char line[512];
    buf_add_string(out, "<pre>");
    for (size_t from = 0; from < text.length;) {
        size_t length = 0;
        while (from + length < text.length && length + 1 < sizeof line &&
               text.data[from + length] != '\n') {
            line[length] = text.data[from + length] ? text.data[from + length] : ' ';
            length++;
        }
        line[length] = '\0';
        page_escaped(out, line);
        from += length;
        if (from < text.length && text.data[from] == '\n') {
            buf_add_char(out, '\n');
            from++;
        }
    }
    buf_add_string(out, "</pre>");
}

void sheet_init(struct sheet *sheet, const char *title, size_t left, const char *const *heads)
{
    *sheet = (struct sheet){.title = title, .left = left};
    while (heads && heads[sheet->columns] && sheet->columns < SHEET_COLUMNS) {
        sheet->heads[sheet->columns] = heads[sheet->columns];
        sheet->columns++;
    }
}

void sheet_done(struct sheet *sheet)
{
    for (size_t k = 0; k < sheet->count; k++)
        free(sheet->cells[k]);
    free(sheet->cells);
    free(sheet->note);
    sheet->cells = NULL;
    sheet->note = NULL;
    sheet->count = 0;
}

/* A cell is one line, and says nothing to a terminal: what stands in it may come from a file. */
static void calm(char *cell)
{
    for (; *cell; cell++)
        if (iscntrl((unsigned char)*cell))
            *cell = ' ';
}

void sheet_add(struct sheet *sheet, const char *format, ...)
{
    va_list args;
    char **cells = realloc(sheet->cells, (sheet->count + 1) * sizeof *cells);
    if (!cells) {
        sheet->failed = true;
        return;
    }
    sheet->cells = cells;
    va_start(args, format);
    if (vasprintf(&cells[sheet->count], format, args) >= 0)
        calm(cells[sheet->count++]);
    else
        sheet->failed = true;
    va_end(args);
}

/* --- settings --- */

enum { DIGEST_SHOWN = 12 };

static bool is_set(const json_t *value)
{
    return !json_is_null(value) && !(json_is_array(value) && !json_array_size(value)) &&
           !(json_is_object(value) && !json_object_size(value));
}

/* Without what is not set, and with the beginning of the weights' digest alone. */
static json_t *compact(const json_t *settings)
{
    json_t *out = json_object(), *value;
    const char *key;
    json_object_foreach((json_t *)settings, key, value)
    {
        json_t *kept = json_is_object(value) ? compact(value) : json_incref(value);
        if (strcmp(key, "weights") == 0 && json_string_length(value) > DIGEST_SHOWN) {
            json_decref(kept);
            kept = json_stringn(json_string_value(value), DIGEST_SHOWN);
        }
        if (is_set(kept))
            json_object_set(out, key, kept);
        json_decref(kept);
    }
    return out;
}

void sheet_add_settings(struct sheet *sheet, const char *before, const char *effective)
{
    json_t *whole = json_loads(effective ? effective : "{}", 0, NULL), *some = compact(whole);
    char *text = json_dumps(some, JSON_COMPACT | JSON_REAL_PRECISION(6));
    sheet_add(sheet, "%s%s", before, text ? text : "");
    free(text);
    json_decref(some);
    json_decref(whole);
}

void sheet_note(struct sheet *sheet, const char *format, ...)
{
    va_list args;
    free(sheet->note);
    va_start(args, format);
    if (vasprintf(&sheet->note, format, args) < 0)
        sheet->note = NULL;
    va_end(args);
}

/* --- text --- */

static void pad(struct buf *out, size_t count)
{
    while (count-- > 0)
        buf_add_char(out, ' ');
}

static void draw_line(const struct sheet *sheet, const char *const *cells, const size_t *width,
                      struct buf *out)
{
    for (size_t k = 0; k < sheet->columns; k++) {
        size_t length = utf8_count(cells[k], strlen(cells[k]));
        buf_add_string(out, k ? "  " : "");
        if (k >= sheet->left)
            pad(out, width[k] - length);
        buf_add_string(out, cells[k]);
        if (k < sheet->left && k + 1 < sheet->columns)
            pad(out, width[k] - length);
    }
    buf_add_char(out, '\n');
}

static void draw_text(const struct sheet *sheet, struct buf *out)
{
    size_t width[SHEET_COLUMNS] = {0};
    for (size_t k = 0; k < sheet->columns; k++)
        width[k] = utf8_count(sheet->heads[k], strlen(sheet->heads[k]));
    for (size_t k = 0; k < sheet->count; k++) {
        size_t length = utf8_count(sheet->cells[k], strlen(sheet->cells[k])),
               *widest = &width[k % sheet->columns];
        *widest = length > *widest ? length : *widest;
    }
    buf_printf(out, "\n%s\n", sheet->title);
    if (sheet->count && sheet->heads[0][0])
        draw_line(sheet, sheet->heads, width, out);
    for (size_t k = 0; k + sheet->columns <= sheet->count && sheet->columns; k += sheet->columns)
        draw_line(sheet, (const char *const *)&sheet->cells[k], width, out);
    if (sheet->note)
        buf_printf(out, "%s\n", sheet->note);
}

/* --- JSON --- */

static void draw_json(const struct sheet *sheet, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_put_open(&json, NULL, '{');
    json_put_cstring(&json, "title", sheet->title);
    json_put_cstring(&json, "note", sheet->note);
    json_put_int(&json, "words", (int64_t)sheet->left);
    json_put_open(&json, "rows", '[');
    for (size_t k = 0; sheet->columns && k + sheet->columns <= sheet->count; k += sheet->columns) {
        json_put_open(&json, NULL, '[');
        for (size_t j = 0; j < sheet->columns; j++)
            json_put_cstring(&json, NULL, sheet->cells[k + j]);
        json_put_close(&json, ']');
    }
    json_put_close(&json, ']');
    json_put_open(&json, "columns", '[');
    for (size_t j = 0; j < sheet->columns; j++)
        json_put_cstring(&json, NULL, sheet->heads[j]);
    json_put_close(&json, ']');
    json_put_close(&json, '}');
}

/* --- Markdown --- */

static void draw_md_cell(const char *cell, struct buf *out)
{
    for (; *cell; cell++) {
        if (*cell == '|' || *cell == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, *cell == '\n' ? ' ' : *cell);
    }
    buf_add_string(out, " | ");
}

static void draw_md_line(const struct sheet *sheet, const char *const *cells, struct buf *out)
{
    buf_add_string(out, "| ");
    for (size_t k = 0; k < sheet->columns; k++)
        draw_md_cell(cells[k], out);
    buf_add_char(out, '\n');
}

static void draw_md(const struct sheet *sheet, struct buf *out)
{
    buf_printf(out, "\n## %s\n\n", sheet->title);
    if (sheet->count) {
        draw_md_line(sheet, sheet->heads, out);
        for (size_t k = 0; k < sheet->columns; k++)
            buf_add_string(out, k < sheet->left ? "|---" : "|---:");
        buf_add_string(out, "|\n");
    }
    for (size_t k = 0; k + sheet->columns <= sheet->count && sheet->columns; k += sheet->columns)
        draw_md_line(sheet, (const char *const *)&sheet->cells[k], out);
    if (sheet->note)
        buf_printf(out, "\n%s\n", sheet->note);
}

/* --- HTML --- */

static void draw_html_line(const struct sheet *sheet, const char *const *cells, const char *tag,
                           struct buf *out)
{
    buf_add_string(out, "<tr>");
    for (size_t k = 0; k < sheet->columns; k++) {
        buf_printf(out, "<%s%s>", tag, k < sheet->left ? " class=\"l\"" : "");
        if (cells[k][0] == '#' && strncmp(cells[k], "#p", 2) == 0)
            buf_printf(out, "<a href=\"%s\">prompt %s</a>", cells[k], cells[k] + 2);
        else
            page_escaped(out, cells[k]);
        buf_printf(out, "</%s>", tag);
    }
    buf_add_string(out, "</tr>\n");
}

static void draw_html(const struct sheet *sheet, struct buf *out)
{
    buf_printf(out, "<h2>%s</h2>", sheet->title);
    if (sheet->count) {
        buf_add_string(out, "<div class=\"scroll\"><table><thead>");
        draw_html_line(sheet, sheet->heads, "th", out);
        buf_add_string(out, "</thead><tbody>");
        for (size_t k = 0; k + sheet->columns <= sheet->count; k += sheet->columns)
            draw_html_line(sheet, (const char *const *)&sheet->cells[k], "td", out);
        buf_add_string(out, "</tbody></table></div>\n");
    }
    if (sheet->note) {
        buf_add_string(out, "<p>");
        page_escaped(out, sheet->note);
        buf_add_string(out, "</p>\n");
    }
}

void sheet_draw(const struct sheet *sheet, enum sheet_form form, struct buf *out)
{
    if (!sheet->count && !sheet->note && form != SHEET_JSON)
        return;
    if (form == SHEET_TEXT)
        draw_text(sheet, out);
    else if (form == SHEET_JSON)
        draw_json(sheet, out);
    else if (form == SHEET_MD)
        draw_md(sheet, out);
    else
        draw_html(sheet, out);
}
