/* A scanner that only knows where values begin and end: what it walks over is known to be JSON, so
 * it checks nothing but that it does not leave the text. */
#include "competitor/roster_file.h"

#include <string.h>

#include "base/limits.h"

struct scan {
    const char *at, *end;
};

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end && strchr(" \t\r\n", *scan->at))
        scan->at++;
}

static void skip_string(struct scan *scan)
{
    for (scan->at++; scan->at < scan->end && *scan->at != '"'; scan->at++)
        if (*scan->at == '\\')
            scan->at++;
    scan->at++;
}

/* From a value's first byte to the one behind its last. */
static void skip_value(struct scan *scan)
{
    int depth = 0;
    do {
        if (scan->at >= scan->end)
            return;
        char c = *scan->at;
        if (c == '"') {
            skip_string(scan);
            continue;
        }
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        scan->at++;
        if (!depth && (c == '}' || c == ']'))
            return;
        if (!depth)
            while (scan->at < scan->end && !strchr(",]} \t\r\n", *scan->at))
                scan->at++;
    } while (depth);
}

/* The next value of an array or object: past "[", "{" or a comma. False at its end, where `at`
 * then stands. */
static bool next_item(struct scan *scan)
{
    skip_space(scan);
    if (scan->at < scan->end && strchr("[{,", *scan->at))
        scan->at++;
    skip_space(scan);
    return scan->at < scan->end && *scan->at != ']' && *scan->at != '}';
}

/* A member's value in the object at `scan`; false with `at` at the object's closing brace. */
static bool find_member(struct scan *scan, const char *name)
{
    size_t length = strlen(name);
    while (next_item(scan)) {
        const char *key = scan->at + 1;
        skip_string(scan);
        bool found = (size_t)(scan->at - key) == length + 1 && memcmp(key, name, length) == 0;
        skip_space(scan);
        scan->at++; /* the colon */
        skip_space(scan);
        if (found)
            return true;
        skip_value(scan);
    }
    return false;
}

/* At the list of competitors, at its opening bracket. */
static bool find_list(struct scan *scan, struct text text, struct err *err)
{
    *scan = (struct scan){text.data, text.data + text.length};
    skip_space(scan);
    return (find_member(scan, "competitors") && *scan->at == '[') ||
           err_set(err, ERR_CONFIG, "the configuration has no list \"competitors\"");
}

/* Everything before `from`, the new piece, and everything from `to` on. */
static bool splice(struct text text, const char *from, const char *to, const char *piece,
                   struct buf *out, struct err *err)
{
    bool ok = buf_add(out, text.data, (size_t)(from - text.data)) && buf_add_string(out, piece) &&
              buf_add(out, to, (size_t)(text.data + text.length - to));
    return ok || err_set(err, ERR_TOO_LARGE, "the configuration would be too long");
}

bool roster_file_add(struct text text, struct text row, struct buf *out, struct err *err)
{
    struct scan scan;
    if (!find_list(&scan, text, err))
        return false;
    const char *last = scan.at + 1; /* behind the list's last row, or its bracket */
    bool first = true;
    while (next_item(&scan)) {
        skip_value(&scan);
        last = scan.at;
        first = false;
    }
    struct buf piece;
    buf_init(&piece, row.length + 8);
    bool ok = buf_add_string(&piece, first ? "\n  " : ",\n  ") && buf_add_text(&piece, row);
    ok = ok ? splice(text, last, last, piece.data, out, err)
            : err_set(err, ERR_MEMORY, "out of memory");
    buf_done(&piece);
    return ok;
}

/* From the key on, with the comma that parts it from its neighbour. */
static bool take_away(struct text text, struct scan *scan, const char *key, struct buf *out,
                      struct err *err)
{
    const char *from = scan->at - 1; /* at the value: back over the colon to the key's end */
    while (*from != ':')
        from--;
    while (*from != '"')
        from--;
    from -= strlen(key) + 1;
    skip_value(scan);
    skip_space(scan);
    if (*scan->at == ',') {
        scan->at++;
        skip_space(scan);
        return splice(text, from, scan->at, "", out, err);
    }
    const char *to = scan->at;
    while (strchr(" \t\r\n", from[-1]))
        from--;
    return splice(text, from[-1] == ',' ? from - 1 : from, to, "", out, err);
}

bool roster_file_set(struct text text, size_t index, const char *key, const char *value,
                     struct buf *out, struct err *err)
{
    struct scan scan;
    if (!find_list(&scan, text, err))
        return false;
    for (size_t i = 0; next_item(&scan) && i < index; i++)
        skip_value(&scan);
    const char *row = scan.at;
    bool there = find_member(&scan, key);
    if (there && !value)
        return take_away(text, &scan, key, out, err);
    if (!value)
        return splice(text, row, row, "", out, err);
    if (there) {
        const char *from = scan.at;
        skip_value(&scan);
        return splice(text, from, scan.at, value, out, err);
    }
    struct buf piece; /* a row has a name: never empty */
    buf_init(&piece, LIMIT_CONFIG_BYTES);
    bool ok = buf_printf(&piece, "\"%s\": %s, ", key, value);
    ok = ok ? splice(text, row + 1, row + 1, piece.data, out, err)
            : err_set(err, ERR_MEMORY, "out of memory");
    buf_done(&piece);
    return ok;
}
