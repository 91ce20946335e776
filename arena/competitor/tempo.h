/* How the waiting for a competitor grows with what it says: two lines through its last answers, one
 * of the time to the first character and one of the time to the last, over the number of
 * characters.
 *
 * Whoever streams makes one wait for the last character only; whoever sends the whole answer at
 * once makes one wait as long for the first, and that wait alone tells which of two answers is its
 * own. Older answers weigh less, TEMPO_MEMORY answers in all. Plain data. */
#ifndef ARENA_COMPETITOR_TEMPO_H
#define ARENA_COMPETITOR_TEMPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEMPO_MEMORY 64
#define TEMPO_LEAST 8 /* answers before anything is said of it */

struct tempo {
    double answers, characters, squares;
    double first, first_by; /* seconds, and seconds by characters */
    double last, last_by;
};

void tempo_add(struct tempo *tempo, size_t characters, int64_t first_ns, int64_t last_ns);

/* Seconds that the last character comes later for each further one; 0 where it is not known. */
double tempo_pace(const struct tempo *tempo);

/* Does its first character wait for most of the answer? */
bool tempo_comes_whole(const struct tempo *tempo);

#endif
