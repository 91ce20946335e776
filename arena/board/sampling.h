/* Which pairs the next battles should bring: the chances that shrink the intervals that matter
 * most, from the votes so far (rating/pairing.h).
 *
 * Without a target it is equation 9 of the Chatbot Arena paper; with one, how much a vote tells
 * of that model against all others. Before the first vote every pair is as likely; a pair that
 * never met is the most likely; a tenth of all draws is uniform, so every pair keeps a chance
 * and a vote's inverse probability is a bounded weight. It knows the newest version of every
 * competitor, the paused ones too: the matchmaker takes those that are active and logs the
 * probability that follows.
 *
 * Made on a worker, then only read; one owner. */
#ifndef ARENA_BOARD_SAMPLING_H
#define ARENA_BOARD_SAMPLING_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "board/stored.h"
#include "rating/tally.h"

enum sampling_rule { SAMPLING_INFORMATIVE, SAMPLING_UNIFORM };

struct sampling_options {
    enum sampling_rule rule;
    const char *target; /* a competitor's name; NULL: all matter alike. Borrowed */
};

struct sampling;

/* All borrowed. Model k is number[k] in the tally, negative where nobody voted on it yet. */
struct sampling_input {
    const struct tally *tally;
    const int32_t *number;
    const char *const *digest; /* its version's */
    const char *const *name;   /* its competitor's */
    size_t models;
};

/* Returns new (sampling_free), or NULL with `err`; a target that is not among the models is as
 * none. */
struct sampling *sampling_new(const struct sampling_options *options,
                              const struct sampling_input *input, struct err *err);
void sampling_free(struct sampling *sampling); /* NULL is allowed */

/* The same of stored votes and the versions in `db`. */
struct sampling *sampling_of_votes(const struct sampling_options *options,
                                   const struct stored_votes *votes, struct db *db,
                                   struct err *err);

/* The number of a version, -1: not known here (it is newer). */
int sampling_find(const struct sampling *sampling, const char *digest);

/* The chance of two different numbers to meet, among all pairs known here; above 0. */
double sampling_chance(const struct sampling *sampling, int i, int j);

#endif
