/* The time goes into skipping what nobody asked for, so that is what is fast: strings by memchr for
 * the next quote (text in conversations is long), brackets by a table of byte classes. Values are
 * never copied; only a name or id that holds escapes is. */
#include "board/row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

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

/* --- JSON --- */

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

/* `at` is after the opening quote; returns the closing one, or NULL. */
static const char *string_end(const char *at, const char *end, bool *escaped)
{
    const char *from = at;
    while ((at = memchr(at, '"', (size_t)(end - at))) != NULL) {
        size_t slashes = 0;
        while (at - slashes > from && at[-1 - (ptrdiff_t)slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            break;
        at++;
    }
    if (at)
        *escaped = memchr(from, '\\', (size_t)(at - from)) != NULL;
    return at;
}

static const char *string_skip(const char *at, const char *end)
{
    const char *from = at;
    while ((at = memchr(at, '"', (size_t)(end - at))) != NULL) {
        const char *back = at;
        while (back > from && back[-1] == '\\')
            back--;
        if ((at - back) % 2 == 0)
            return at;
        at++;
    }
    return NULL;
}

enum { PLAIN, QUOTE, OPEN, CLOSE };
static const uint8_t CLASS[256] = {
    ['"'] = QUOTE, ['{'] = OPEN, ['['] = OPEN, ['}'] = CLOSE, [']'] = CLOSE};

/* `at` is on an opening bracket; returns after its closing one, or NULL with a reason. */
static const char *nested_skip(const char *at, const char *end, const char **why)
{
    uint64_t braces = 0; /* a bit a level: 1 is { */
    unsigned depth = 0;
    for (; at < end; at++) {
        switch (CLASS[(unsigned char)*at]) {
        case QUOTE:
            at = string_skip(at + 1, end);
            if (!at) {
                *why = "a string is not closed";
                return NULL;
            }
            break;
        case OPEN:
            if (depth == ROW_NESTING_MAX) {
                *why = "brackets are nested too deeply";
                return NULL;
            }
            braces = braces << 1 | (*at == '{');
            depth++;
            break;
        case CLOSE:
            if ((*at == '}') != (braces & 1)) {
                *why = "a bracket is closed by one of another kind";
                return NULL;
            }
            braces >>= 1;
            if (--depth == 0)
                return at + 1;
            break;
        default:
            break;
        }
    }
    *why = "a bracket is not closed";
    return NULL;
}

static bool scalar_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.';
}

static bool is_word(struct text text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.data, word, text.length) == 0;
}

static bool is_number(struct text text)
{
    const char *at = text.data, *end = at + text.length;
    at += at < end && *at == '-';
    if (at == end || *at < '0' || *at > '9')
        return false;
    for (; at < end; at++)
        if (!((*at >= '0' && *at <= '9') || strchr("+-.eE", *at)))
            return false;
    return true;
}

static enum row_kind scalar_kind(struct text text)
{
    if (is_number(text))
        return ROW_NUMBER;
    if (is_word(text, "null") || is_word(text, "NaN"))
        return ROW_NULL;
    if (is_word(text, "true") || is_word(text, "false"))
        return ROW_BOOL;
    return ROW_ABSENT;
}

/* Reads any value into `field` (which may be NULL: then it is only skipped). */
static const char *value_read(const char *at, const char *end, struct row_field *field,
                              const char **why)
{
    struct row_field found = {{at, 0}, ROW_NESTED, false};
    const char *next;
    if (at == end) {
        *why = "a value is missing";
        return NULL;
    }
    if (*at == '"') {
        const char *close =
            field ? string_end(at + 1, end, &found.escaped) : string_skip(at + 1, end);
        if (!close) {
            *why = "a string is not closed";
            return NULL;
        }
        found.kind = ROW_STRING;
        found.raw = (struct text){at + 1, (size_t)(close - at - 1)};
        next = close + 1;
    } else if (*at == '{' || *at == '[') {
        next = nested_skip(at, end, why);
        if (!next)
            return NULL;
        found.raw.length = (size_t)(next - at);
    } else {
        next = at;
        while (next < end && scalar_byte(*next))
            next++;
        found.raw.length = (size_t)(next - at);
        found.kind = scalar_kind(found.raw);
        if (found.kind == ROW_ABSENT) {
            *why = "a value is not JSON";
            return NULL;
        }
    }
    if (field)
        *field = found;
    return next;
}

struct json_scan {
    const struct row_spec *spec;
    struct row_field *fields;
    const char *end;
    const char *why;
    uint64_t all; /* the mask at the object's top */
    uint8_t
        progress[ROW_FIELDS_MAX]; /* bytes of the path matched by the members that were entered */
};

/* Fields among `mask` whose path goes on with `key`: those that end there, and those that go
 * deeper. */
static void match(const struct json_scan *scan, struct text key, uint64_t mask, uint64_t *whole,
                  uint64_t *deeper)
{
    *whole = *deeper = 0;
    for (; mask; mask &= mask - 1) {
        unsigned f = (unsigned)__builtin_ctzll(mask);
        const char *rest = scan->spec->path[f] + scan->progress[f];
        size_t length = scan->spec->length[f] - scan->progress[f];
        if (length < key.length || (rest[key.length] && rest[key.length] != '.') ||
            memcmp(rest, key.data, key.length) != 0)
            continue;
        if (length == key.length)
            *whole |= UINT64_C(1) << f;
        else if (rest[key.length] == '.')
            *deeper |= UINT64_C(1) << f;
    }
}

static void advance(struct json_scan *scan, uint64_t mask, int by)
{
    for (; mask; mask &= mask - 1) {
        unsigned f = (unsigned)__builtin_ctzll(mask);
        scan->progress[f] = (uint8_t)(scan->progress[f] + by);
    }
}

static const char *object_read(struct json_scan *scan, const char *at, uint64_t mask);

/* The value of `key`, entered when a path goes on inside it. Recursion is as deep as a path has
 * dots. */
static const char *member_read(struct json_scan *scan, const char *at, struct text key,
                               uint64_t mask)
{
    uint64_t whole, deeper;
    struct row_field found;
    if (mask == scan->all && key.length < ROW_KEY_MAX)
        mask = scan->spec->begins[key.length];
    if (!mask)
        return value_read(at, scan->end, NULL, &scan->why);
    match(scan, key, mask, &whole, &deeper);
    if (!(whole | deeper))
        return value_read(at, scan->end, NULL, &scan->why);
    if (deeper && !whole && at < scan->end && *at == '{') {
        advance(scan, deeper, (int)key.length + 1);
        at = object_read(scan, at, deeper);
        advance(scan, deeper, -((int)key.length + 1));
        return at;
    }
    const char *next = value_read(at, scan->end, &found, &scan->why);
    for (; next && whole; whole &= whole - 1)
        scan->fields[__builtin_ctzll(whole)] = found;
    if (next && deeper && *at == '{') {
        advance(scan, deeper, (int)key.length + 1);
        next = object_read(scan, at, deeper);
        advance(scan, deeper, -((int)key.length + 1));
    }
    return next;
}

static const char *object_read(struct json_scan *scan, const char *at, uint64_t mask)
{
    const char *end = scan->end;
    at = skip_space(at + 1, end);
    if (at < end && *at == '}')
        return at + 1;
    for (;;) {
        scan->why = "a member's name is missing";
        if (at == end || *at != '"')
            return NULL;
        const char *close = string_skip(at + 1, end);
        struct text key = {at + 1, close ? (size_t)(close - at - 1) : 0};
        at = close ? skip_space(close + 1, end) : end;
        scan->why = "a member has no value";
        if (at == end || *at != ':')
            return NULL;
        at = member_read(scan, skip_space(at + 1, end), key, mask);
        if (!at)
            return NULL;
        at = skip_space(at, end);
        if (at < end && *at == '}')
            return at + 1;
        scan->why = "a comma or } is missing (one object a line is expected)";
        if (at == end || *at != ',')
            return NULL;
        at = skip_space(at + 1, end);
    }
}

/* Every field whose path could begin at an object's top. */
static uint64_t all_fields(const struct row_spec *spec)
{
    return spec->count == ROW_FIELDS_MAX ? ~UINT64_C(0) : (UINT64_C(1) << spec->count) - 1;
}

static bool json_row(const struct row_spec *spec, const char *at, const char *end,
                     struct row_field *fields, struct err *err)
{
    struct json_scan scan = {.spec = spec, .fields = fields, .end = end, .all = all_fields(spec)};
    if (*at != '{')
        return err_set(err, ERR_FORMAT, "not a JSON object (one object a line is expected)");
    const char *after = object_read(&scan, at, all_fields(spec));
    if (!after)
        return err_set(err, ERR_FORMAT, "malformed JSON: %s", scan.why);
    if (skip_space(after, end) != end)
        return err_set(err, ERR_FORMAT, "malformed JSON: something follows the object");
    return true;
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

static const char *plain_read(const char *at, const char *end, struct row_field *field)
{
    const char *from = at;
    while (at < end && *at != ',' && *at != '\n' && *at != '"')
        at++;
    size_t length = (size_t)(at - from);
    if (length && from[length - 1] == '\r' && (at == end || *at == '\n'))
        length--;
    *field = (struct row_field){{from, length}, ROW_STRING, false};
    return at;
}

/* One cell; returns on the comma or line end after it, or NULL. */
static const char *cell_read(const char *at, const char *end, struct row_field *field,
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

const char *row_read(const struct row_spec *spec, const char *at, const char *end,
                     struct row_field *fields, bool *blank, uint32_t *lines, const char **skip,
                     struct err *err)
{
    *lines = 0;
    if (!spec->csv)
        memset(fields, 0, spec->count * sizeof *fields);
    const char *close = spec->csv ? NULL : line_end(at, end),
               *from = skip_space(at, close ? close : end);
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
    } else if (!json_row(spec, from, close, fields, err)) {
        *lines = close < end;
        *skip = close + (close < end);
        return NULL;
    }
    *lines += close < end;
    return close + (close < end);
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
        return number_at(at, end, sum) == end;
    while ((at = memchr(at, ':', (size_t)(end - at))) != NULL) {
        double value;
        at = number_at(skip_space(at + 1, end), end, &value);
        if (!at)
            return false;
        *sum += value;
    }
    return true;
}
