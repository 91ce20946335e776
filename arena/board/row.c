/* CSV cells are found here, JSON's members by row_json.h. Values are never copied; only a name or
 * id that holds escapes is. */
#include "board/row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/csv.h"
#include "base/utf8.h"
#include "board/row_json.h"

size_t row_spec_add(struct row_spec *spec, const char *path)
{
    for (size_t f = 0; f < spec->count; f++)
        if (strcmp(spec->path[f], path) == 0)
            return f;
    if (spec->count == ROW_FIELDS_MAX)
        return ROW_FIELDS_MAX;
    size_t length = strlen(path);
    for (size_t cut = 0; cut <= length && cut < ROW_KEY_MAX; cut++)
        if (cut == length || path[cut] == '.')
            spec->begins[cut] |= UINT64_C(1) << spec->count;
    spec->path[spec->count] = path;
    spec->length[spec->count] = length;
    return spec->count++;
}

/* --- CSV --- */

/* One quoted cell; `at` is after its opening quote. Returns after the closing one, or NULL. */
static const char *quoted_read(const char *at, const char *end, struct row_field *field,
                               uint32_t *lines)
{
    const char *from = at;
    *field = (struct row_field){.kind = ROW_STRING};
    while ((at = memchr(at, '"', (size_t)(end - at))) != NULL) {
        if (at + 1 < end && at[1] == '"') {
            field->escaped = true;
            at += 2;
            continue;
        }
        field->raw = (struct text){from, (size_t)(at - from)};
        for (const char *line = from; (line = memchr(line, '\n', (size_t)(at - line))) != NULL;
             line++)
            ++*lines;
        return at + 1;
    }
    return NULL;
}

#ifdef __SSE2__
/* The first comma, line end or quote, or near the end of the text as far as whole blocks reach. */
static inline const char *plain_end(const char *at, const char *end)
{
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i commas = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(',')),
                lines = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')),
                quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        unsigned found =
            (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(commas, lines), quotes));
        if (found)
            return at + __builtin_ctz(found);
    }
    return at;
}
#else
static inline const char *plain_end(const char *at, const char *end)
{
    (void)end;
    return at;
}
#endif

static inline const char *plain_read(const char *at, const char *end, struct row_field *field)
{
    const char *from = at;
    at = plain_end(at, end);
    while (at < end && *at != ',' && *at != '\n' && *at != '"')
        at++;
    size_t length = (size_t)(at - from);
    if (length && from[length - 1] == '\r' && (at == end || *at == '\n'))
        length--;
    *field = (struct row_field){{from, length}, ROW_STRING, false};
    return at;
}

/* The apostrophe that csv.h puts before what a spreadsheet would compute. */
static void drop_guard(struct text *cell)
{
    if (cell->length > 1 && cell->data[0] == '\'' && csv_is_guarded(cell->data[1]))
        *cell = (struct text){cell->data + 1, cell->length - 1};
}

/* One cell; returns on the comma or line end after it, or NULL. */
static inline const char *cell_read(const char *at, const char *end, struct row_field *field,
                                    uint32_t *lines, struct err *err)
{
    if (at < end && *at == '"') {
        at = quoted_read(at + 1, end, field, lines);
        if (!at) {
            err_set(err, ERR_FORMAT, "a quoted cell is not closed");
            return NULL;
        }
        if (at + 1 < end && *at == '\r' && at[1] == '\n')
            at++;
        drop_guard(&field->raw);
    } else {
        at = plain_read(at, end, field);
    }
    if (at < end && *at != ',' && *at != '\n') {
        err_set(err, ERR_FORMAT,
                "a quote inside a cell that is not quoted, or text after a quoted one");
        return NULL;
    }
    return at;
}

static const char *csv_row(const struct row_spec *spec, const char *at, const char *end,
                           struct row_field *fields, uint32_t *lines, struct err *err)
{
    size_t column = 0;
    for (;;) {
        struct row_field cell;
        at = cell_read(at, end, &cell, lines, err);
        if (!at)
            return NULL;
        if (column < spec->columns && spec->column[column] >= 0)
            fields[spec->column[column]] = cell;
        column++;
        if (at == end || *at == '\n')
            break;
        at++;
    }
    if (column != spec->columns) {
        err_set(err, ERR_FORMAT, "%zu columns where the header has %zu", column, spec->columns);
        return NULL;
    }
    return at;
}

bool row_spec_header(struct row_spec *spec, struct text line, uint64_t *found, struct err *err)
{
    const char *at = line.data, *end = at + line.length;
    uint32_t lines = 0;
    *found = 0;
    spec->csv = true;
    spec->columns = 0;
    for (;;) {
        struct row_field cell;
        if (spec->columns == ROW_COLUMNS_MAX)
            return err_set(err, ERR_TOO_LARGE, "more than %d columns", ROW_COLUMNS_MAX);
        at = cell_read(at, end, &cell, &lines, err);
        if (!at)
            return false;
        int16_t *field = &spec->column[spec->columns++];
        *field = -1;
        for (size_t f = 0; f < spec->count; f++) {
            if (cell.raw.length != spec->length[f] ||
                memcmp(cell.raw.data, spec->path[f], cell.raw.length) != 0)
                continue;
            if (*found >> f & 1)
                return err_set(err, ERR_FORMAT, "two columns are called \"%s\"", spec->path[f]);
            *field = (int16_t)f;
            *found |= UINT64_C(1) << f;
        }
        if (at == end || *at == '\n')
            return true;
        at++;
    }
}

/* --- both --- */

static const char *line_end(const char *at, const char *end)
{
    const char *found = memchr(at, '\n', (size_t)(end - at));
    return found ? found : end;
}

const char *row_read_like(const struct row_spec *spec, struct row_shape *shape, const char *at,
                          const char *end, struct row_field *fields, bool *blank, uint32_t *lines,
                          const char **skip, struct err *err)
{
    *lines = 0;
    const char *close = spec->csv ? NULL : line_end(at, end),
               *from = row_json_space(at, close ? close : end);
    *blank = from == end || *from == '\n';
    if (!*blank && spec->csv) {
        close = csv_row(spec, at, end, fields, lines, err);
        if (!close) { /* go on after this line: the best guess at where the next record starts */
            close = line_end(at, end);
            *lines = close < end;
            *skip = close + (close < end);
            return NULL;
        }
    } else if (*blank) {
        close = from;
    } else if (!row_json_read(spec, shape, from, close, fields, err)) {
        *lines = close < end;
        *skip = close + (close < end);
        return NULL;
    }
    *lines += close < end;
    return close + (close < end);
}

const char *row_read(const struct row_spec *spec, const char *at, const char *end,
                     struct row_field *fields, bool *blank, uint32_t *lines, const char **skip,
                     struct err *err)
{
    return row_read_like(spec, NULL, at, end, fields, blank, lines, skip, err);
}

static bool unescape_unicode(const char **at, const char *end, struct buf *out)
{
    uint32_t code[2] = {0, 0};
    int units = 0;
    do { /* one, or two surrogates */
        if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
            return false;
        for (int k = 2; k < 6; k++) {
            char c = (*at)[k];
            uint32_t digit =
                c >= '0' && c <= '9' ? (uint32_t)(c - '0') : (uint32_t)((c | 32) - 'a' + 10);
            if (digit > 15)
                return false;
            code[units] = code[units] << 4 | digit;
        }
        *at += 6;
    } while (units++ == 0 && code[0] >= 0xd800 && code[0] < 0xdc00);
    if (units == 2) {
        if (code[1] < 0xdc00 || code[1] > 0xdfff)
            return false;
        code[0] = 0x10000 + ((code[0] - 0xd800) << 10) + (code[1] - 0xdc00);
    }
    char bytes[4];
    return code[0] != 0 && (code[0] < 0xd800 || code[0] > 0xdfff) &&
           buf_add(out, bytes, utf8_encode(code[0], bytes));
}

static bool unescape_json(struct text raw, struct buf *out)
{
    static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
    const char *at = raw.data, *end = at + raw.length;
    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        if (!buf_add(out, at, (size_t)((slash ? slash : end) - at)))
            return false;
        if (!slash)
            return true;
        at = slash;
        if (end - at >= 2 && at[1] == 'u') {
            if (!unescape_unicode(&at, end, out))
                return false;
            continue;
        }
        const char *which = end - at >= 2 && at[1] ? strchr(FROM, at[1]) : NULL;
        if (!which || !buf_add_char(out, TO[which - FROM]))
            return false;
        at += 2;
    }
    return true;
}

bool row_text_escaped(const struct row_spec *spec, const struct row_field *field,
                      struct buf *scratch, struct text *text)
{
    buf_clear(scratch);
    if (!spec->csv) {
        if (!unescape_json(field->raw, scratch))
            return false;
    } else {
        for (size_t k = 0; k < field->raw.length; k++) {
            if (!buf_add_char(scratch, field->raw.data[k]))
                return false;
            k += field->raw.data[k] == '"'; /* the second of a doubled quote */
        }
    }
    *text = buf_text(scratch);
    return true;
}

/* A number at `at`; returns after it. Counts are short whole numbers, and need no strtod. */
static const char *number_at(const char *at, const char *end, double *value)
{
    char digits[40];
    size_t length = 0;
    uint32_t whole = 0;
    while (at + length < end && length < 9 && at[length] >= '0' && at[length] <= '9')
        whole = 10 * whole + (uint32_t)(at[length++] - '0');
    if (length && (at + length == end || at[length] == ',' || at[length] == '}')) {
        *value = whole;
        return at + length;
    }
    length = 0;
    while (at + length < end && length < sizeof digits - 1 &&
           strchr("0123456789+-.eE", at[length]) && at[length]) {
        digits[length] = at[length];
        length++;
    }
    digits[length] = '\0';
    char *stop = NULL;
    *value = strtod(digits, &stop);
    return length && *stop == '\0' && isfinite(*value) ? at + length : NULL;
}

bool row_sum(const struct row_field *field, double *sum)
{
    *sum = 0;
    if (field->kind == ROW_ABSENT || field->kind == ROW_NULL || field->raw.length == 0)
        return false;
    const char *at = field->raw.data, *end = at + field->raw.length;
    if (*at != '{')
        return number_at(at, end, sum) == end && *sum >= 0;
    while ((at = memchr(at, ':', (size_t)(end - at))) != NULL) {
        double value;
        at = number_at(row_json_space(at + 1, end), end, &value);
        if (!at || value < 0)
            return false;
        *sum += value;
    }
    return true;
}
