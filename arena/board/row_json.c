/* The time goes into skipping what nobody asked for, so that is what is fast: strings by memchr for
 * the next quote (text in conversations is long), brackets by a table of byte classes.
 *
 * Programs write their rows alike, down to the spaces. So the text between the values of one row is
 * remembered, and the next row is read by comparing: where it says the same bytes, it has the same
 * members in the same places, and only the values are left to read. A row that differs anywhere is
 * read from its beginning as if nothing were remembered, and becomes what the next is compared
 * with. */
#include "board/row_json.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

const char *row_json_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

/* --- what a row looked like --- */

#define HOPELESS                                                                                   \
    64 /* rows that were not like the one before, when they are more than those that were */

/* Takes the text between the value before and this one. */
static void shape_text(struct row_shape *shape, const char *to)
{
    size_t length = (size_t)(to - shape->from);
    if (shape->count == ROW_SHAPE_LEAVES || shape->used + length > sizeof shape->text) {
        shape->overflown = true;
        return;
    }
    memcpy(shape->text + shape->used, shape->from, length);
    shape->used += length;
    shape->leaf[shape->count++].length = (uint16_t)length;
}

/* A value from `at` to `next`, of this field (-1: of none). `bare`: an object in its place would be
 * entered. */
static void shape_add(struct row_shape *shape, const char *at, const char *next, int field,
                      bool bare)
{
    if (shape->overflown)
        return;
    shape->leaf[shape->count].field = (int8_t)field;
    shape->leaf[shape->count].bare = bare;
    shape_text(shape, at);
    shape->from = next;
}

static void shape_learn(struct row_shape *shape, const char *at)
{
    shape->known = shape->overflown = false;
    shape->count = shape->used = 0;
    shape->from = at;
}

static inline bool same_bytes(const char *x, const char *y, size_t length)
{
    uint64_t a, b;
    if (length < 8)
        return memcmp(x, y, length) == 0;
    for (size_t k = 0; k + 8 < length; k += 8) {
        memcpy(&a, x + k, 8);
        memcpy(&b, y + k, 8);
        if (a != b)
            return false;
    }
    memcpy(&a, x + length - 8, 8);
    memcpy(&b, y + length - 8, 8);
    return a == b;
}

/* --- values --- */

#ifdef __SSE2__
/* The closing quote of a string of less than 32 bytes without escapes, or NULL: most names are. */
static inline const char *short_string_end(const char *at, const char *end)
{
    for (int block = 0; block < 2 && end - at >= 16; block++, at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        unsigned quotes = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
        unsigned slashes = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
        if (slashes && (!quotes || __builtin_ctz(slashes) < __builtin_ctz(quotes)))
            return NULL;
        if (quotes)
            return at + __builtin_ctz(quotes);
    }
    return NULL;
}
#else
static inline const char *short_string_end(const char *at, const char *end)
{
    (void)at;
    (void)end;
    return NULL;
}
#endif

/* `at` is after the opening quote; returns the closing one, or NULL. */
static const char *string_end(const char *at, const char *end, bool *escaped)
{
    const char *from = at, *close = short_string_end(at, end);
    if (close)
        return close;
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
    const char *from = at, *close = short_string_end(at, end);
    if (close)
        return close;
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
    size_t digits = 0;
    while (digits < text.length && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    if (digits && digits == text.length)
        return ROW_NUMBER;
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
    struct row_shape *shape; /* being learnt, or NULL */
    int depth;               /* members entered */
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

static const char *leaf_skip(struct json_scan *scan, const char *at, bool bare)
{
    const char *next = value_read(at, scan->end, NULL, &scan->why);
    if (next && scan->shape)
        shape_add(scan->shape, at, next, -1, bare);
    return next;
}

/* The value of `key`, entered when a path goes on inside it. Recursion is as deep as a path has
 * dots. */
static const char *member_read(struct json_scan *scan, const char *at, struct text key,
                               uint64_t mask)
{
    uint64_t whole, deeper;
    struct row_field found;
    if (!scan->depth && key.length < ROW_KEY_MAX)
        mask = scan->spec->begins[key.length];
    if (!mask)
        return leaf_skip(scan, at, false);
    match(scan, key, mask, &whole, &deeper);
    if (!whole && (!deeper || at == scan->end || *at != '{'))
        return leaf_skip(scan, at, deeper != 0);
    if (!whole) {
        advance(scan, deeper, (int)key.length + 1);
        scan->depth++;
        at = object_read(scan, at, deeper);
        scan->depth--;
        advance(scan, deeper, -((int)key.length + 1));
        return at;
    }
    const char *next = value_read(at, scan->end, &found, &scan->why);
    if (next && scan->shape)
        shape_add(scan->shape, at, next, __builtin_ctzll(whole), deeper != 0);
    for (; next && whole; whole &= whole - 1)
        scan->fields[__builtin_ctzll(whole)] = found;
    if (next && deeper && *at == '{') { /* both itself and what is in it: too rare to remember */
        scan->shape = NULL;
        advance(scan, deeper, (int)key.length + 1);
        next = object_read(scan, at, deeper);
        advance(scan, deeper, -((int)key.length + 1));
    }
    return next;
}

static const char *object_read(struct json_scan *scan, const char *at, uint64_t mask)
{
    const char *end = scan->end;
    at = row_json_space(at + 1, end);
    if (at < end && *at == '}')
        return at + 1;
    for (;;) {
        scan->why = "a member's name is missing";
        if (at == end || *at != '"')
            return NULL;
        const char *close = string_skip(at + 1, end);
        struct text key = {at + 1, close ? (size_t)(close - at - 1) : 0};
        at = close ? row_json_space(close + 1, end) : end;
        scan->why = "a member has no value";
        if (at == end || *at != ':')
            return NULL;
        at = member_read(scan, row_json_space(at + 1, end), key, mask);
        if (!at)
            return NULL;
        at = row_json_space(at, end);
        if (at < end && *at == '}')
            return at + 1;
        scan->why = "a comma or } is missing (one object a line is expected)";
        if (at == end || *at != ',')
            return NULL;
        at = row_json_space(at + 1, end);
    }
}

/* Every field whose path could begin at an object's top. */
static uint64_t all_fields(const struct row_spec *spec)
{
    return spec->count == ROW_FIELDS_MAX ? ~UINT64_C(0) : (UINT64_C(1) << spec->count) - 1;
}

/* The row by comparing it with the one before; false when it is not alike. */
static bool read_alike(const struct row_shape *shape, const char *at, const char *end,
                       struct row_field *fields)
{
    const char *text = shape->text, *why;
    for (size_t k = 0;; k++) {
        const struct row_shape_leaf *leaf = &shape->leaf[k];
        if ((size_t)(end - at) < leaf->length || !same_bytes(at, text, leaf->length))
            return false;
        at += leaf->length;
        text += leaf->length;
        if (k + 1 == shape->count)
            return at == end;
        if (at == end || (leaf->bare && *at == '{'))
            return false;
        at = value_read(at, end, leaf->field < 0 ? NULL : &fields[leaf->field], &why);
        if (!at)
            return false;
    }
}

/* Whether to learn a row's shape: not once rows have shown that they are not alike. */
static bool worth_learning(struct row_shape *shape)
{
    if (!shape)
        return false;
    shape->differed++;
    shape->known = false;
    return shape->differed < HOPELESS || shape->differed < shape->alike;
}

bool row_json_read(const struct row_spec *spec, struct row_shape *shape, const char *at,
                   const char *end, struct row_field *fields, struct err *err)
{
    if (shape && shape->known && read_alike(shape, at, end, fields)) {
        shape->alike++;
        return true;
    }
    memset(fields, 0, spec->count * sizeof *fields);
    struct json_scan scan = {.spec = spec, .fields = fields, .end = end};
    if (worth_learning(shape)) {
        shape_learn(shape, at);
        scan.shape = shape;
    }
    if (*at != '{')
        return err_set(err, ERR_FORMAT, "not a JSON object (one object a line is expected)");
    const char *after = object_read(&scan, at, all_fields(spec));
    if (!after)
        return err_set(err, ERR_FORMAT, "malformed JSON: %s", scan.why);
    if (row_json_space(after, end) != end)
        return err_set(err, ERR_FORMAT, "malformed JSON: something follows the object");
    if (scan.shape) {
        shape_text(shape, end);
        shape->known = !shape->overflown;
    }
    return true;
}
