/* Which language a prompt is written in, told by rules: its script, and for Latin script its
 * commonest words and letters.
 *
 * Gives the ISO 639-1 code that LMArena's published votes use ("en", "de", "zh", …), or "und"
 * where nothing tells: a name, a number, one rare word. Fenced code is not looked at. It knows
 * the languages of the tables in language.c and no others; two that share most words (Danish and
 * Norwegian, Portuguese and Spanish) can be taken for each other in a prompt of few words. Looks
 * at the first LANGUAGE_BYTES: what a prompt is written in shows early. Pure; any thread. */
#ifndef ARENA_BOARD_LANGUAGE_H
#define ARENA_BOARD_LANGUAGE_H

#include "base/buf.h"

#define LANGUAGE_BYTES 2000

const char *language_of(struct text prompt); /* static */

#endif
