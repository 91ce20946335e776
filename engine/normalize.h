/* Unicode's normal forms (UAX #15, https://unicode.org/reports/tr15/) of a text whose bytes carry
 * marks.
 *
 * Pure functions, safe on any thread. Linear in the length of the text, whatever it holds: a row of
 * a million combining marks included. Without utf8proc (ENGINE_HAVE_UTF8PROC=0) text beyond ASCII
 * is refused with ENGINE_UNSUPPORTED. */
#ifndef ENGINE_NORMALIZE_H
#define ENGINE_NORMALIZE_H

#include "engine/engine.h"

enum normal_form { NORMAL_NONE, NORMAL_NFC, NORMAL_NFD, NORMAL_NFKC, NORMAL_NFKD };

/* The form of this name ("NFC", "NFD", "NFKC", "NFKD"), or NORMAL_NONE. */
enum normal_form normal_form_find(const char *name, size_t length);

/* A text of bytes and, beside each, its mark. */
struct normal_text {
    char *bytes;
    unsigned char *marks; /* NULL where the text had none */
    size_t length;
};

/* Writes `form` of `text` (UTF-8, every byte of it valid) to `out`, which is {0} before and which
 * the caller hands to normal_text_done, also after a failure. `marks` is NULL or has one byte a
 * byte: bytes that stay as they were keep theirs; bytes that changed, and those they changed with,
 * are marked only where all of these were. */
bool normalize(enum normal_form form, const char *text, const unsigned char *marks, size_t length,
               struct normal_text *out, struct engine_error *error);

void normal_text_done(struct normal_text *text);

#endif
