/* Vote files that are not one record a line, made so: a JSON array (FastChat's clean_battle files)
 * is written with one element a line, and Open WebUI's feedback export as one vote a line, into a
 * temporary file that has no name and goes with its descriptor.
 *
 * Streaming: one record is held at a time, at most SPOOL_RECORD_MAX. Blocking; any thread. */
#ifndef ARENA_EVAL_SPOOL_H
#define ARENA_EVAL_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define SPOOL_RECORD_MAX                                                                           \
    (64u << 20) /* as long as the longest record of any vote file (board/chunks.h) */

struct spool {
    int fd;            /* the file with a record a line; -1: the file is fine as it is */
    bool array;        /* records are elements, not lines, of what was given */
    uint64_t left_out; /* feedback without a comparison in it */
};

/* Looks at `path` ("-": standard input, which is always spooled) and makes the file where it is
 * needed. spool_done closes it, also after a failure. */
bool spool_make(struct spool *spool, const char *path, struct err *err);
void spool_done(struct spool *spool);

#endif
