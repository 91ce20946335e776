/* Guesses of what comes next, from what stood before: where the last few tokens have occurred
 * already, what followed them there is guessed to follow again (prompt lookup). A guess costs a row
 * of a step; a right one saves a step.
 *
 * How many are tried follows how many were right lately, so that text that does not repeat itself
 * costs next to nothing. Plain values; the caller owns the struct, which starts as {0}. */
#ifndef ENGINE_LOOKUP_H
#define ENGINE_LOOKUP_H

#include <stdint.h>

enum { LOOKUP_MOST = 8 }; /* guesses at once */

struct lookup {
    int depth; /* guesses to try: the last success doubled */
    int rest;  /* tokens to go before trying again */
};

/* Writes up to `most` (at most LOOKUP_MOST) guesses of what follows `tokens`; returns how many. */
int lookup_guess(struct lookup *lookup, const int32_t *tokens, int count, int most, int32_t *out);

/* Tells how many of the guesses were right. */
void lookup_learn(struct lookup *lookup, int guessed, int right);

#endif
