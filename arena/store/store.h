/* The data directory: who owns it, its one writer, and its readers.
 *
 * `store_open` takes the directory for this process (a lock on DIR/arena.lock; creates and
 * migrates DIR/arena.db) and starts the writer: one thread that owns the one connection that
 * writes. A request to write is a job. The writer takes every job that waits, runs them in one
 * transaction, each in a savepoint of its own so that one that fails is undone alone, commits
 * once to the disk, and only then calls each job's `done` on the loop's thread. So whoever hears
 * "done" without an error may acknowledge: it survives kill -9 and power loss. When the disk
 * fails or is full, every job of that transaction gets ERR_STORE and nothing of it is stored;
 * the next transaction tries afresh.
 *
 * Readers open connections of their own, one a thread, at any time, also from another process.
 * The loop's thread holds no connection: it posts a job or asks a worker.
 *
 * Limits: LIMIT_WRITE_QUEUE jobs wait, then ERR_BUSY; the write-ahead log is cut at
 * LIMIT_WAL_BYTES. */
#ifndef ARENA_STORE_STORE_H
#define ARENA_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/random.h"
#include "loop/loop.h"
#include "store/db.h"

struct store;

#define STORE_ID_SIZE                                                                              \
    (RANDOM_ID_LENGTH + 1) /* ids of battles, voters, campaigns: a NUL-terminated random_id */

/* What keeps us from opening has its own line: no such folder and cannot make it, not writable,
 * owned by another process (its id and address are named), made by a newer version, damaged,
 * disk full. `loop` gets the answers and must outlive the store (NULL where only store_apply is
 * used); `dir` is copied. */
struct store *store_open(const char *dir, struct loop *loop, struct err *err);

/* Lets every waiting job commit, posts their answers, checkpoints, ends the writer, gives the
 * directory back. NULL is allowed. Run the loop once more for the last answers. */
void store_close(struct store *store);

const char *store_dir(const struct store *store); /* borrowed */

/* Writes who we are ("http://127.0.0.1:8080") into the lock, for the message that another
 * process prints. */
bool store_announce(struct store *store, const char *address, struct err *err);

/* --- writing --- */
struct store_job {
    /* On the writer's thread, inside the transaction: reads and writes records. False undoes
     * what it wrote and gives its error to `done`. What it gave to `data` counts only once
     * `done` says that it is committed. Must be quick: no I/O but `tx`. */
    bool (*apply)(struct db *tx, void *data, struct err *err);
    /* On the loop's thread, exactly once, when committed (err->code is ERR_NONE) or not. `err`
     * is borrowed for the call. NULL: nobody asks (data must then not need freeing). */
    void (*done)(void *data, const struct err *err);
    void *data; /* the job's until done returns */
};

/* Any thread. False (ERR_BUSY, ERR_MEMORY) takes nothing: `done` is not called. Jobs run in the
 * order submitted. */
bool store_submit(struct store *store, const struct store_job *job, struct err *err);

/* The same and waits for the commit: for start-up, commands and workers, never on a loop that
 * serves. */
bool store_apply(struct store *store, bool (*apply)(struct db *tx, void *data, struct err *err),
                 void *data, struct err *err);
/* The same in a transaction of its own and without a savepoint, which would keep a copy of every
 * page that changes: for jobs that write very much. What is submitted meanwhile waits for it. */
bool store_apply_alone(struct store *store,
                       bool (*apply)(struct db *tx, void *data, struct err *err), void *data,
                       struct err *err);

/* --- reading --- */

/* A read-only connection to DIR's database; db_close it. Fails plainly where there is none, or
 * one of another version. Works with or without an owner, in this process or another. */
struct db *store_read_open(const char *dir, struct err *err);

/* One consistent view over several reads. Keep it short. */
bool store_read_begin(struct db *db, struct err *err);
void store_read_end(struct db *db);

/* --- figures, any thread --- */
struct store_stats {
    int64_t commits, jobs, failed_jobs, failed_commits; /* since it was opened */
    int64_t waiting;                                    /* jobs in the queue */
    int64_t wal_bytes;
    int64_t last_commit_ns; /* how long the last COMMIT took */
    bool healthy;           /* the last transaction was committed */
};
void store_stats(const struct store *store, struct store_stats *out);

#endif
