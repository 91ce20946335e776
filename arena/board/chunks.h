/* A stream of text records, read once, in chunks that end at record borders, by several threads
 * at a time.
 *
 * The stream is a file, a pipe or memory, plain or gzip (told by its first bytes). Whoever is
 * free takes the next chunk (taking turns under a lock, because reading and inflating are
 * sequential), works on it beside the others, and commits in the order of the stream. Memory is
 * one chunk a thread, and as much as the longest record needs up to CHUNK_RECORD_MAX; a longer
 * record is refused. Records are lines; with `quotes`, a line end inside double quotes does not
 * end a record. */
#ifndef ARENA_BOARD_CHUNKS_H
#define ARENA_BOARD_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define CHUNK_BYTES (1u << 20) /* a chunk and its rows stay in a core's cache */
/* the longest conversation is far shorter; a file without line ends is not votes */
#define CHUNK_RECORD_MAX (64u << 20)
#define CHUNK_PEEK (256u << 10) /* how far the format may be looked for */
#define CHUNK_THREADS_MAX 16

struct chunks; /* an open stream */

/* `path` "-" is standard input. Returns new, or NULL with ERR_IO naming the path. */
struct chunks *chunks_open(const char *path, struct err *err);
struct chunks *chunks_open_memory(struct text text, const char *name,
                                  struct err *err); /* borrows `text` */
void chunks_free(struct chunks *chunks);

const char *
chunks_name(const struct chunks *chunks); /* for messages: the path, or "standard input" */

/* The first bytes of the (inflated) stream, at most CHUNK_PEEK; borrowed until the first chunk
 * is taken. / */
bool chunks_peek(struct chunks *chunks, struct text *text, struct err *err);

/* Drops what was peeked up to `bytes`, which hold `lines` line ends (a header, a byte order
 * mark). */
void chunks_skip(struct chunks *chunks, size_t bytes, uint64_t lines);

/* Everything left, at most out->max bytes. */
bool chunks_read_all(struct chunks *chunks, struct buf *out, struct err *err);

struct chunk {
    char *data; /* whole records, the last with its line end unless the stream ends without one */
    size_t length;
    uint64_t first_line; /* known at commit: number of its first line, from 1 */
};

/* What to do with chunks. `work` may run in several threads at once, each with its own worker
 * number; `commit` runs in one thread at a time, in order, and returns false to stop everything
 * with its `err`. `work` returns the number of line ends in the chunk. */
struct chunk_handler {
    void *context;
    uint64_t (*work)(void *context, int worker, const struct chunk *chunk);
    bool (*commit)(void *context, int worker, const struct chunk *chunk, struct err *err);
};

bool chunks_run(struct chunks *chunks, const struct chunk_handler *handler, int threads,
                bool quotes, struct err *err);

#endif
