/* How a competitor's answers come: how long its last TEMPO_MEMORY answers were, and when the first
 * and the last character of each was there.
 *
 * Whoever streams keeps one waiting for the last character only; whoever sends the whole answer at
 * once, or thinks the longer the more it will say, makes the wait for the first character tell the
 * length, and so which of two answers is its own. Plain data. */
#ifndef ARENA_COMPETITOR_TEMPO_H
#define ARENA_COMPETITOR_TEMPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEMPO_MEMORY 256
#define TEMPO_LEAST 8 /* answers before anything is said of it */

struct tempo {
    struct tempo_answer {
        double characters, first, last; /* seconds since the question */
    } answers[TEMPO_MEMORY];
    size_t count; /* of all that were added */
};

void tempo_add(struct tempo *tempo, size_t characters, int64_t first_ns, int64_t last_ns);

bool tempo_is_known(const struct tempo *tempo);

/* Seconds from one character to the next, once it has begun, in an answer of the slower ones; 0
 * where it is not known. */
double tempo_pace(const struct tempo *tempo);

/* Does the wait for its first character grow with the answer? */
bool tempo_comes_whole(const struct tempo *tempo);

/* How long so long an answer might take: from the question where it comes whole, else from its
 * first character. One of those that were about as long, drawn by `chance` in [0, 1), and
 * stretched. Only where it is known. */
double tempo_draw(const struct tempo *tempo, size_t characters, double chance);

#endif
