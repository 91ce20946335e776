/* A text is normalized run by run. A run is an ASCII character with what is not ASCII behind it:
 * nothing composes with or moves past an ASCII character from behind, so runs are independent, and
 * most texts are copied. utf8proc knows the characters; its own ordering of combining marks takes
 * the square of their number, so ours is a counting sort. */
#include "engine/normalize.h"

#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "engine/utf8.h"

#if ENGINE_HAVE_UTF8PROC
#include <utf8proc.h>
#endif

enum normal_form normal_form_find(const char *name, size_t length)
{
    static const char *const names[] = {
        [NORMAL_NFC] = "NFC", [NORMAL_NFD] = "NFD", [NORMAL_NFKC] = "NFKC", [NORMAL_NFKD] = "NFKD"};
    for (int form = NORMAL_NFC; form <= NORMAL_NFKD; form++)
        if (strlen(names[form]) == length && memcmp(names[form], name, length) == 0)
            return (enum normal_form)form;
    return NORMAL_NONE;
}

void normal_text_done(struct normal_text *text)
{
    free(text->bytes);
    free(text->marks);
    *text = (struct normal_text){0};
}

/* Where the run that begins at `at` ends, and whether it is ASCII alone. */
static size_t run_end(const char *text, size_t at, size_t length, bool *ascii)
{
    size_t end = at;
    while (end < length && (unsigned char)text[end] < 0x80)
        end++;
    *ascii = end == length || end - at > 1;
    if (*ascii) /* the last one may be the start of the next run */
        return end == length ? end : end - 1;
    while (end < length && (unsigned char)text[end] >= 0x80)
        end++;
    return end;
}

#if ENGINE_HAVE_UTF8PROC

enum { CLASSES = 256 };

/* One call's scratch space: the code points of a run, twice. */
struct scratch {
    utf8proc_int32_t *points, *sorted;
    size_t capacity;
};

struct writer {
    struct normal_text *text;
    size_t capacity;
    bool marked;
    struct engine_error *error;
};

static utf8proc_option_t options_of(enum normal_form form)
{
    bool compatible = form == NORMAL_NFKC || form == NORMAL_NFKD;
    return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
}

static bool reserve(struct writer *writer, size_t more)
{
    struct normal_text *text = writer->text;
    if (text->length + more <= writer->capacity)
        return true;
    size_t capacity = (text->length + more) * 2 + 64;
    char *bytes = realloc(text->bytes, capacity);
    text->bytes = bytes ? bytes : text->bytes;
    unsigned char *marks = bytes && writer->marked ? realloc(text->marks, capacity) : NULL;
    text->marks = marks ? marks : text->marks;
    if (!bytes || (writer->marked && !marks))
        return engine_no_memory(writer->error, "a text's normal form");
    writer->capacity = capacity;
    return true;
}

static bool copy(struct writer *writer, const char *bytes, const unsigned char *marks,
                 size_t length)
{
    struct normal_text *text = writer->text;
    if (!reserve(writer, length))
        return false;
    memcpy(text->bytes + text->length, bytes, length);
    if (marks)
        memcpy(text->marks + text->length, marks, length);
    text->length += length;
    return true;
}

static bool reserve_points(struct scratch *scratch, size_t count, struct engine_error *error)
{
    if (count <= scratch->capacity)
        return true;
    free(scratch->points);
    free(scratch->sorted);
    *scratch = (struct scratch){.points = malloc(count * sizeof *scratch->points),
                                .sorted = malloc(count * sizeof *scratch->sorted)};
    if (!scratch->points || !scratch->sorted)
        return engine_no_memory(error, "a text's normal form");
    scratch->capacity = count;
    return true;
}

/* How many code points the run has when it is decomposed; with `points`, writes them. */
static size_t decompose(const char *run, size_t length, utf8proc_option_t options,
                        utf8proc_int32_t *points)
{
    size_t count = 0;
    for (size_t at = 0; at < length;) {
        struct utf8_step step = utf8_next(run + at, length - at);
        int boundary = 0;
        count += (size_t)utf8proc_decompose_char((utf8proc_int32_t)step.point,
                                                 points ? points + count : NULL, points ? 32 : 0,
                                                 options, &boundary);
        at += step.length;
    }
    return count;
}

static unsigned combining_class(utf8proc_int32_t point)
{
    return (unsigned)utf8proc_get_property(point)->combining_class % CLASSES;
}

/* The Canonical Ordering Algorithm on one row of marks: stable, by combining class. */
static void sort_row(utf8proc_int32_t *row, utf8proc_int32_t *sorted, size_t count)
{
    size_t begin[CLASSES + 1] = {0};
    for (size_t i = 0; i < count; i++)
        begin[combining_class(row[i]) + 1]++;
    for (int class = 0; class < CLASSES; class ++)
        begin[class + 1] += begin[class];
    for (size_t i = 0; i < count; i++)
        sorted[begin[combining_class(row[i])]++] = row[i];
    memcpy(row, sorted, count * sizeof *row);
}

static void order_marks(struct scratch *scratch, size_t count)
{
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from; to < count && combining_class(scratch->points[to]) > 0;)
            to++;
        if (to - from > 1)
            sort_row(scratch->points + from, scratch->sorted, to - from);
        to += to == from;
    }
}

static bool encode_points(struct writer *writer, const utf8proc_int32_t *points, size_t count)
{
    if (!reserve(writer, count * 4))
        return false;
    struct normal_text *text = writer->text;
    for (size_t i = 0; i < count; i++)
        text->length += utf8_put(text->bytes + text->length, (uint32_t)points[i]);
    return true;
}

static bool normalize_run(enum normal_form form, const char *run, const unsigned char *marks,
                          size_t length, struct scratch *scratch, struct writer *writer)
{
    utf8proc_option_t options = options_of(form);
    /* 32: what the last character is told to have room for. */
    if (!reserve_points(scratch, decompose(run, length, options, NULL) + 32, writer->error))
        return false;
    size_t count = decompose(run, length, options, scratch->points);
    order_marks(scratch, count);
    if (form == NORMAL_NFC || form == NORMAL_NFKC)
        count = (size_t)utf8proc_normalize_utf32(scratch->points, (utf8proc_ssize_t)count,
                                                 UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    struct normal_text *text = writer->text;
    size_t from = text->length;
    if (!encode_points(writer, scratch->points, count))
        return false;
    size_t put = text->length - from;
    bool same = put == length && memcmp(text->bytes + from, run, length) == 0;
    if (marks && same)
        memcpy(text->marks + from, marks, length);
    else if (marks)
        memset(text->marks + from, memchr(marks, 0, length) == NULL, put);
    return true;
}

bool normalize(enum normal_form form, const char *text, const unsigned char *marks, size_t length,
               struct normal_text *out, struct engine_error *error)
{
    struct scratch scratch = {0};
    struct writer writer = {.text = out, .marked = marks != NULL, .error = error};
    bool ok = reserve(&writer, length + 1);
    for (size_t at = 0, end; ok && at < length; at = end) {
        bool ascii;
        const unsigned char *beside = marks ? marks + at : NULL;
        end = run_end(text, at, length, &ascii);
        ok = ascii || form == NORMAL_NONE
                 ? copy(&writer, text + at, beside, end - at)
                 : normalize_run(form, text + at, beside, end - at, &scratch, &writer);
    }
    free(scratch.points);
    free(scratch.sorted);
    return ok;
}

#else

bool normalize(enum normal_form form, const char *text, const unsigned char *marks, size_t length,
               struct normal_text *out, struct engine_error *error)
{
    bool ascii;
    if (form != NORMAL_NONE && (run_end(text, 0, length, &ascii) < length || !ascii))
        return engine_fail(error, ENGINE_UNSUPPORTED,
                           "this tokenizer normalizes text beyond ASCII, which this build cannot: "
                           "it was made without utf8proc");
    out->bytes = malloc(length + 1);
    out->marks = marks ? malloc(length + 1) : NULL;
    if (!out->bytes || (marks && !out->marks))
        return engine_no_memory(error, "a text's normal form");
    memcpy(out->bytes, text, length);
    if (marks)
        memcpy(out->marks, marks, length);
    out->length = length;
    return true;
}

#endif
