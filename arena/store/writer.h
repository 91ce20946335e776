/* The writer: one thread, one connection, all writes. store.h is its public face and says what
 * it promises; here is how the store hands it a connection and jobs. Any thread may submit. */
#ifndef ARENA_STORE_WRITER_H
#define ARENA_STORE_WRITER_H

#include "store/store.h"

struct writer;

/* Takes `db` (also when it fails). */
struct writer *writer_new(struct db *db, struct loop *loop, struct err *err);

/* Commits what waits, posts the answers, checkpoints, closes the connection. NULL is allowed. */
void writer_free(struct writer *writer);

bool writer_submit(struct writer *writer, const struct store_job *job, struct err *err);
/* `alone`: in a transaction of its own, without a savepoint. */
bool writer_apply(struct writer *writer, const struct store_job *job, bool alone, struct err *err);
void writer_stats(struct writer *writer, struct store_stats *out);

#endif
