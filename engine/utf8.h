/* UTF-8, decoded and encoded by hand: what the tokenizers and the text stream need and no more.
 * Pure functions. */
#ifndef ENGINE_UTF8_H
#define ENGINE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UTF8_REPLACEMENT = 0xFFFD };

/* What stands at the start of some bytes. */
struct utf8_step {
    uint32_t point; /* the code point, or UTF8_REPLACEMENT */
    size_t length;  /* bytes it takes: of a broken part, as many as Unicode counts for one U+FFFD; 0
                       at the end */
    bool valid;
    bool cut; /* not valid, but would be the start of a character if more bytes followed */
};

struct utf8_step utf8_next(const char *bytes, size_t length);

/* Writes 1 to 4 bytes; returns how many. */
size_t utf8_put(char *out, uint32_t point);

/* The first byte that is not part of a whole character; `length` when all is well. */
size_t utf8_valid_prefix(const char *bytes, size_t length);

#endif
