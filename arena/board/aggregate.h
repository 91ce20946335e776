/* Aggregated votes, as leaderbot ships them: {"models": [names], "X": [[i, j], …], "Y": [[i
 * wins, j wins, ties], …]} with an optional fourth count, both-bad. Who was shown first is not
 * known: all count as shown in the order i, j. Pure. */
#ifndef ARENA_BOARD_AGGREGATE_H
#define ARENA_BOARD_AGGREGATE_H

#include "base/buf.h"
#include "base/err.h"
#include "board/hash.h"
#include "board/votefile.h"

/* True when text that begins like this is an aggregated file: an object with one of the three
 * arrays at its top. */
bool aggregate_is(struct text start);

/* Adds the file's votes to file->tally, under the numbers of `names`. `what` is the file's name for
 * messages. */
bool aggregate_read(struct votefile *file, struct hash_names *names, struct text text,
                    const char *what, const struct votefile_options *options, struct err *err);

#endif
