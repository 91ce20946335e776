/* Upper, lower and title case of letters of all scripts, as Unicode 14 has it: what a template's
 * filters do to what a user wrote. Pure functions; any thread. */
#ifndef ENGINE_LETTER_CASE_H
#define ENGINE_LETTER_CASE_H

#include <stdbool.h>
#include <stdint.h>

enum letter_case { LETTER_UPPER, LETTER_LOWER, LETTER_TITLE };

enum { LETTER_MOST = 3 }; /* characters that one becomes */

/* Writes what the character becomes; returns how many characters that is, 1 or more. */
int letter_cased(uint32_t point, enum letter_case wanted, uint32_t out[LETTER_MOST]);

/* Has it another case? */
bool letter_has_case(uint32_t point);

/* Is it a mark that may stand inside a word, and is looked past where a word's end is sought? */
bool letter_is_ignored(uint32_t point);

#endif
