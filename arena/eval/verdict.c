/* A mark is looked for by hand rather than with a regular expression: the whole grammar is a table
 * of nine words. */
#include "eval/verdict.h"

#include <ctype.h>
#include <string.h>

static const struct {
    const char *word;
    enum verdict verdict;
} MARKS[] = {{"A>>B", VERDICT_A}, {"A>B", VERDICT_A},  {"A=B", VERDICT_TIE},
             {"B>A", VERDICT_B},  {"B>>A", VERDICT_B}, {"TIE", VERDICT_TIE},
             {"A", VERDICT_A},    {"B", VERDICT_B},    {"C", VERDICT_TIE}};

/* The length of the mark that begins here, blanks inside the brackets and small letters allowed;
 * 0: none does. */
static size_t mark_at(struct text text, size_t at, enum verdict *verdict)
{
    char word[6];
    size_t length = 0, i = at + 2;
    if (text.length - at < 5 || memcmp(text.data + at, "[[", 2) != 0)
        return 0;
    for (; i < text.length && text.data[i] != ']'; i++) {
        if (text.data[i] == ' ')
            continue;
        if (length + 1 >= sizeof word || i - at > 16)
            return 0;
        word[length++] = (char)toupper((unsigned char)text.data[i]);
    }
    if (text.length - i < 2 || text.data[i + 1] != ']')
        return 0;
    word[length] = '\0';
    for (size_t k = 0; k < sizeof MARKS / sizeof *MARKS; k++)
        if (strcmp(MARKS[k].word, word) == 0) {
            *verdict = MARKS[k].verdict;
            return i + 2 - at;
        }
    return 0;
}

static struct text last_line(struct text text)
{
    while (text.length && isspace((unsigned char)text.data[text.length - 1]))
        text.length--;
    size_t from = text.length;
    while (from > 0 && text.data[from - 1] != '\n' && text.data[from - 1] != '\r')
        from--;
    return (struct text){text.data + from, text.length - from};
}

enum verdict verdict_read(struct text reply)
{
    struct text line = last_line(reply);
    enum verdict found = VERDICT_MALFORMED;
    size_t marks = 0, end = 0;
    for (size_t at = 0; at < line.length; at++) {
        size_t length = mark_at(line, at, &found);
        marks += length > 0;
        end = length ? at + length : end;
        at += length ? length - 1 : 0;
    }
    while (end < line.length && strchr("*_`.", line.data[end]) && line.data[end] != '\0')
        end++;
    return marks == 1 && end == line.length ? found : VERDICT_MALFORMED;
}

struct verdict_of_both verdict_combine(enum verdict straight, enum verdict swapped)
{
    static const enum verdict MIRROR[] = {VERDICT_B, VERDICT_A, VERDICT_TIE, VERDICT_MALFORMED};
    enum verdict turned = MIRROR[swapped];
    if (straight == VERDICT_MALFORMED || turned == VERDICT_MALFORMED)
        return (struct verdict_of_both){VERDICT_MALFORMED, false};
    if (straight == turned)
        return (struct verdict_of_both){straight, false};
    return (struct verdict_of_both){VERDICT_TIE, true};
}

bool verdict_disarm(struct buf *out, struct text text)
{
    enum verdict ignored;
    for (size_t at = 0; at < text.length;) {
        size_t length = mark_at(text, at, &ignored);
        if (length) {
            buf_add_string(out, "[ [");
            buf_add(out, text.data + at + 2, length - 4);
            buf_add_string(out, "] ]");
        } else {
            size_t plain = 1;
            while (at + plain < text.length && text.data[at + plain] != '[')
                plain++;
            buf_add(out, text.data + at, plain);
            length = plain;
        }
        at += length;
    }
    return !out->failed;
}
