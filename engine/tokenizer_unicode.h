/* Characters that are younger than the regular expressions' tables. Internal to the tokenizer. */
#ifndef ENGINE_TOKENIZER_UNICODE_H
#define ENGINE_TOKENIZER_UNICODE_H

#include <stdbool.h>
#include <stddef.h>

/* May there be any? Quick, and no where there are none of the same rows. */
bool unicode_has_younger(const char *text, size_t length);

/* Puts, in valid UTF-8, an older character of the same class and length in the place of each
 * letter, number or mark of Unicode 15 and 16, in place: what a pre-tokenizer looks at, never
 * what is encoded. */
void unicode_put_older(char *text, size_t length);

#endif
