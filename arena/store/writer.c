/* Group commit without a window: while one transaction goes to the disk, the next one's jobs
 * gather, so the batch grows with the load by itself. A job that fails is undone to its
 * savepoint. When the transaction as a whole is lost (the disk is full or fails; SQLite then
 * rolls back by itself) every job of the batch is told so, because none of them is stored.
 * Checkpoints are run here and not by SQLite, whose automatic ones fail silently: PASSIVE when
 * there is nothing to do, TRUNCATE when the log grows past its limit, and never waiting for a
 * reader. */
#include "store/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

enum {
    IDLE_MS = 50,          /* quiet for so long, then a passive checkpoint */
    RETRY_MS = 1000,       /* a checkpoint that a reader held up is tried again after this */
    PASSIVE_PAGES = 256,   /* not worth a checkpoint below a megabyte */
    WAL_FRAME = 4096 + 24, /* bytes of a page in the log */
};

struct job {
    struct job *next;
    struct store_job job;
    struct err err;
    bool waited_for; /* lives on the stack of writer_apply */
    bool alone;      /* a transaction of its own, without a savepoint */
    bool finished;
};

struct writer {
    struct db *db;
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t lock; /* of everything below down to the banner */
    pthread_cond_t work, finished;
    struct job *first, **last;
    bool stopping;
    struct store_stats stats;
    /* --- the writer thread's own --- */
    int wal_pages; /* pages in the log after the last commit */
    int64_t
        commit_ns; /* how long the last COMMIT took: the writer's own, published with the rest */
    bool checkpointed; /* nothing was committed since the last checkpoint */
    int64_t next_truncate_ns;
};

/* --- one batch --- */

static bool run_job(struct writer *writer, struct job *job)
{
    struct err ignored;
    if (job->alone)
        return job->job.apply(writer->db, job->job.data, &job->err);
    if (!db_run(writer->db, "SAVEPOINT job", DB_NONE, &job->err))
        return false;
    bool good = job->job.apply(writer->db, job->job.data, &job->err);
    if (!db_in_transaction(writer->db))
        return false; /* SQLite rolled everything back: a full or failing disk, or no memory */
    if (good)
        return db_run(writer->db, "RELEASE job", DB_NONE, &job->err);
    if (job->err.code == ERR_NONE)
        err_set(&job->err, ERR_INTERNAL, "a write failed without saying why");
    return db_run(writer->db, "ROLLBACK TO job", DB_NONE, &ignored) &&
           db_run(writer->db, "RELEASE job", DB_NONE, &ignored);
}

/* False when the whole transaction is lost, with the reason. */
static bool run_jobs(struct writer *writer, struct job *batch, struct err *err)
{
    if (!db_run(writer->db, "BEGIN IMMEDIATE", DB_NONE, err))
        return false;
    for (struct job *job = batch; job != NULL; job = job->next) {
        if (run_job(writer, job))
            continue;
        *err = job->err;
        if (err->code == ERR_NONE)
            err_set(err, ERR_STORE, "the transaction was lost");
        return false;
    }
    int64_t began = clock_mono_ns();
    bool good = db_run(writer->db, "COMMIT", DB_NONE, err);
    writer->commit_ns = clock_mono_ns() - began;
    return good;
}

static void lose_transaction(struct writer *writer, struct job *batch, const struct err *err)
{
    struct err ignored;
    if (db_in_transaction(writer->db))
        db_run(writer->db, "ROLLBACK", DB_NONE, &ignored);
    for (struct job *job = batch; job != NULL; job = job->next) {
        job->err = *err;
        if (job->err.code != ERR_MEMORY)
            job->err.code = ERR_STORE;
    }
}

/* --- answers --- */

static void answer_on_loop(void *data)
{
    for (struct job *job = data, *next; job != NULL; job = next) {
        next = job->next;
        if (job->job.done != NULL)
            job->job.done(job->job.data, &job->err);
        free(job);
    }
}

static void sleep_a_moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* The loop's jobs go to it as one message, before any waiting thread goes on: after a
 * store_apply, what was submitted earlier is on its way. */
static void answer(struct writer *writer, struct job *batch)
{
    struct job *posted = NULL, *waited = NULL, **posted_end = &posted, **waited_end = &waited;
    for (struct job *job = batch; job != NULL; job = job->next) {
        struct job ***end = job->waited_for ? &waited_end : &posted_end;
        **end = job;
        *end = &job->next;
    }
    *posted_end = *waited_end = NULL;
    while (posted != NULL && !loop_post(writer->loop, answer_on_loop, posted))
        sleep_a_moment(); /* no memory for a message: the answers must arrive, so wait for some */
    pthread_mutex_lock(&writer->lock);
    for (struct job *job = waited, *next; job != NULL; job = next) {
        next = job->next; /* once finished it may be gone */
        job->finished = true;
    }
    pthread_cond_broadcast(&writer->finished);
    pthread_mutex_unlock(&writer->lock);
}

static void count(struct writer *writer, const struct job *batch, bool committed,
                  const struct err *err)
{
    int64_t jobs = 0, failed = 0;
    for (const struct job *job = batch; job != NULL; job = job->next) {
        jobs++;
        failed += job->err.code != ERR_NONE;
    }
    pthread_mutex_lock(&writer->lock);
    struct store_stats *stats = &writer->stats;
    bool was_healthy = stats->healthy;
    stats->healthy = committed;
    stats->jobs += jobs;
    stats->failed_jobs += failed;
    stats->commits += committed;
    stats->failed_commits += !committed;
    stats->waiting -= jobs;
    stats->wal_bytes = (int64_t)writer->wal_pages * WAL_FRAME;
    stats->last_commit_ns = writer->commit_ns;
    pthread_mutex_unlock(&writer->lock);
    if (was_healthy && !committed)
        log_error("store", "nothing is being stored: %s", err->message);
    if (!was_healthy && committed)
        log_note("store", "storing works again");
}

/* A job alone that fails by itself fails as in any batch: the store is well. */
static bool gives_up(const struct writer *writer, const struct job *job)
{
    return job->alone && job->err.code != ERR_NONE && job->err.code != ERR_STORE &&
           db_in_transaction(writer->db);
}

static void run_batch(struct writer *writer, struct job *batch)
{
    struct err err = ERR_INIT, ignored;
    bool well = run_jobs(writer, batch, &err);
    if (!well && gives_up(writer, batch))
        well = db_run(writer->db, "ROLLBACK", DB_NONE, &ignored);
    else if (!well)
        lose_transaction(writer, batch, &err);
    writer->checkpointed = false;
    count(writer, batch, well, &err);
    answer(writer, batch);
}

/* --- checkpoints --- */

static int on_commit(void *user, sqlite3 *handle, const char *name, int pages)
{
    (void)handle, (void)name;
    ((struct writer *)user)->wal_pages = pages;
    return SQLITE_OK;
}

static bool is_too_long(const struct writer *writer)
{
    return (int64_t)writer->wal_pages * WAL_FRAME > LIMIT_WAL_BYTES;
}

static void checkpoint(struct writer *writer, int mode)
{
    int pages = 0, done = 0;
    sqlite3 *handle = db_handle(writer->db);
    sqlite3_busy_timeout(handle, 0); /* a reader must not hold the writer up */
    int result = sqlite3_wal_checkpoint_v2(handle, "main", mode, &pages, &done);
    sqlite3_busy_timeout(handle, 5000);
    writer->next_truncate_ns = clock_mono_ns() + RETRY_MS * CLOCK_MS;
    writer->checkpointed = result == SQLITE_OK && done == pages;
    if (result == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE) {
        writer->wal_pages = 0;
        db_log_was_cut(writer->db);
    }
    if (result != SQLITE_OK && result != SQLITE_BUSY)
        log_error("store", "the write-ahead log could not be moved into the database: %s",
                  sqlite3_errmsg(handle));
    else if (result == SQLITE_BUSY && is_too_long(writer))
        log_warning("store", "a long read keeps the write-ahead log at %d MiB",
                    (int)((int64_t)writer->wal_pages * WAL_FRAME >> 20));
}

/* It is too long, or holds text that was let go. */
static bool log_is_to_be_cut(const struct writer *writer)
{
    return (is_too_long(writer) || db_log_is_to_be_cut(writer->db)) &&
           clock_mono_ns() >= writer->next_truncate_ns;
}

static void checkpoint_when_idle(struct writer *writer)
{
    if (!writer->checkpointed && writer->wal_pages >= PASSIVE_PAGES)
        checkpoint(writer, SQLITE_CHECKPOINT_PASSIVE);
}

/* --- the thread --- */

static struct timespec deadline_in(int ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_nsec += ms * 1000000L;
    at.tv_sec += at.tv_nsec / 1000000000L;
    at.tv_nsec %= 1000000000L;
    return at;
}

/* Every job that waits, up to the next that runs alone; the caller holds the lock. */
static struct job *cut_batch(struct writer *writer)
{
    struct job *batch = writer->first, **end = &writer->first;
    while (*end != NULL && (*end == batch || !(batch->alone || (*end)->alone)))
        end = &(*end)->next;
    writer->first = *end;
    if (writer->first == NULL)
        writer->last = &writer->first;
    *end = NULL;
    return batch;
}

/* Takes the next jobs; waits for one when there is none. *idle is set when a while passed
 * without any. NULL and not idle: the end. */
static struct job *take_jobs(struct writer *writer, bool *idle)
{
    *idle = false;
    pthread_mutex_lock(&writer->lock);
    while (writer->first == NULL && !writer->stopping && !*idle) {
        struct timespec until = deadline_in(writer->checkpointed ? RETRY_MS : IDLE_MS);
        *idle = pthread_cond_timedwait(&writer->work, &writer->lock, &until) == ETIMEDOUT &&
                writer->first == NULL;
    }
    struct job *batch = cut_batch(writer);
    pthread_mutex_unlock(&writer->lock);
    return batch;
}

static void *writer_main(void *data)
{
    struct writer *writer = data;
    for (;;) {
        bool idle;
        struct job *batch = take_jobs(writer, &idle);
        if (batch != NULL)
            run_batch(writer, batch);
        else if (idle)
            checkpoint_when_idle(writer);
        else
            break;
        if (log_is_to_be_cut(writer))
            checkpoint(writer, SQLITE_CHECKPOINT_TRUNCATE);
    }
    checkpoint(writer, SQLITE_CHECKPOINT_TRUNCATE);
    db_close(writer->db);
    return NULL;
}

static void init_locks(struct writer *writer)
{
    pthread_mutex_init(&writer->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->work, &attributes);
    pthread_cond_init(&writer->finished, NULL);
    pthread_condattr_destroy(&attributes);
}

static void free_parts(struct writer *writer)
{
    pthread_cond_destroy(&writer->work);
    pthread_cond_destroy(&writer->finished);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

struct writer *writer_new(struct db *db, struct loop *loop, struct err *err)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        err_set(err, ERR_MEMORY, "no memory for the store");
        db_close(db);
        return NULL;
    }
    writer->db = db;
    writer->loop = loop;
    writer->last = &writer->first;
    writer->stats.healthy = true;
    init_locks(writer);
    sqlite3_wal_hook(db_handle(db), on_commit, writer);
    int failed = pthread_create(&writer->thread, NULL, writer_main, writer);
    if (failed == 0)
        return writer;
    err_sys(err, ERR_MEMORY, failed, "the store's thread could not be started");
    db_close(db);
    free_parts(writer);
    return NULL;
}

void writer_free(struct writer *writer)
{
    if (writer == NULL)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    free_parts(writer);
}

/* --- submitting --- */

/* Takes the job into the queue; the caller holds no lock. */
static bool enqueue(struct writer *writer, struct job *job, struct err *err)
{
    pthread_mutex_lock(&writer->lock);
    bool full = writer->stats.waiting >= LIMIT_WRITE_QUEUE || writer->stopping;
    if (!full) {
        *writer->last = job;
        writer->last = &job->next;
        writer->stats.waiting++;
        if (writer->first == job)
            pthread_cond_signal(&writer->work);
    }
    pthread_mutex_unlock(&writer->lock);
    return !full ||
           err_set(err, ERR_BUSY, "the store has too much to write: try again in a second");
}

bool writer_submit(struct writer *writer, const struct store_job *job, struct err *err)
{
    struct job *queued = malloc(sizeof *queued);
    if (queued == NULL)
        return err_set(err, ERR_MEMORY, "no memory to store this: try again");
    *queued = (struct job){.job = *job};
    if (enqueue(writer, queued, err))
        return true;
    free(queued);
    return false;
}

bool writer_apply(struct writer *writer, const struct store_job *asked, bool alone, struct err *err)
{
    struct job job = {.job = *asked, .waited_for = true, .alone = alone};
    if (!enqueue(writer, &job, err))
        return false;
    pthread_mutex_lock(&writer->lock);
    while (!job.finished)
        pthread_cond_wait(&writer->finished, &writer->lock);
    pthread_mutex_unlock(&writer->lock);
    if (job.err.code == ERR_NONE)
        return true;
    if (err != NULL)
        *err = job.err;
    return false;
}

void writer_stats(struct writer *writer, struct store_stats *out)
{
    pthread_mutex_lock(&writer->lock);
    *out = writer->stats;
    pthread_mutex_unlock(&writer->lock);
}
