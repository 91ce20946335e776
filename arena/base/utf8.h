/* UTF-8: checking, repairing, counting, and holding back an unfinished character at a stream's
 * cut. Pure functions, any thread. "Valid" is the Unicode standard's: no overlong forms, no
 * surrogates, at most U+10FFFF. */
#ifndef ARENA_BASE_UTF8_H
#define ARENA_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Decodes one character at `text` (length > 0 bytes there). Returns its length in bytes and
 * stores its code point; returns 0 where the bytes are not valid. */
size_t utf8_decode(const char *text, size_t length, uint32_t *code);

/* Writes a code point (a valid one) as 1 to 4 bytes; returns how many. */
size_t utf8_encode(uint32_t code, char out[4]);

bool utf8_valid(const char *text, size_t length);

/* Index of the first byte that is not valid, or `length`. */
size_t utf8_find_invalid(const char *text, size_t length);

/* Appends `text` with every invalid sequence replaced by U+FFFD (one for each maximal bad part,
 * as WHATWG does). */
bool utf8_repair(struct buf *out, const char *text, size_t length);

/* Length of the longest prefix that does not end inside a character that further bytes could
 * complete. */
size_t utf8_complete_prefix(const char *text, size_t length);

size_t utf8_count(const char *text, size_t length); /* code points; each invalid byte counts one */

#endif
