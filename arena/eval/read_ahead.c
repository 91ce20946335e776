/* A ring of batches between two threads. A row's texts are SQLite's until its next step, so they
 * are copied behind one another into the batch's own buffer, and found again by their lengths. */
#include "eval/read_ahead.h"

#include <pthread.h>
#include <stdlib.h>

enum { TEXTS = 9, BATCH_BYTES = 64 << 20 /* the longest tags of every row */ };

struct batch {
    struct vote_row rows[READ_AHEAD_ROWS];
    size_t texts[READ_AHEAD_ROWS], count;
    struct buf buf;
};

struct ahead {
    struct db *db;
    const struct vote_filter *filter;
    pthread_mutex_t lock; /* of the counters, `ended` and `stopped` */
    pthread_cond_t moved;
    uint64_t filled, emptied; /* batches, ever */
    bool ended, stopped;
    struct batch *batches;
    struct batch *filling; /* the reader's own, or NULL */
    bool failed;
    struct err err;
};

static void texts_of(struct vote_row *row, struct text *texts[TEXTS])
{
    struct text *const all[TEXTS] = {&row->tags,     &row->battle_id,       &row->voter_id,
                                     &row->campaign, &row->cohort,          &row->reasons,
                                     &row->comment,  &row->recognised_text, &row->import_key};
    for (int k = 0; k < TEXTS; k++)
        texts[k] = all[k];
}

/* --- the reader's thread --- */

static void hand_over(struct ahead *ahead)
{
    pthread_mutex_lock(&ahead->lock);
    ahead->filled += ahead->filling != NULL;
    ahead->filling = NULL;
    pthread_cond_signal(&ahead->moved);
    pthread_mutex_unlock(&ahead->lock);
}

/* The next batch that is free; NULL when nobody wants more. */
static struct batch *next_free(struct ahead *ahead)
{
    pthread_mutex_lock(&ahead->lock);
    while (ahead->filled - ahead->emptied == READ_AHEAD_BATCHES && !ahead->stopped)
        pthread_cond_wait(&ahead->moved, &ahead->lock);
    bool stopped = ahead->stopped;
    pthread_mutex_unlock(&ahead->lock);
    struct batch *batch = &ahead->batches[ahead->filled % READ_AHEAD_BATCHES];
    batch->count = 0;
    buf_clear(&batch->buf);
    return stopped ? NULL : batch;
}

static bool keep(void *user, const struct vote_row *row)
{
    struct ahead *ahead = user;
    struct text *texts[TEXTS];
    if (!ahead->filling && !(ahead->filling = next_free(ahead)))
        return false;
    struct batch *batch = ahead->filling;
    struct vote_row *kept = &batch->rows[batch->count];
    *kept = *row;
    batch->texts[batch->count++] = batch->buf.length;
    texts_of(kept, texts);
    for (int k = 0; k < TEXTS; k++)
        buf_add_text(&batch->buf, *texts[k]);
    if (batch->buf.failed) {
        ahead->failed = true;
        return err_set(&ahead->err, ERR_MEMORY, "no memory to read votes");
    }
    if (batch->count == READ_AHEAD_ROWS)
        hand_over(ahead);
    return true;
}

static void *read_all(void *data)
{
    struct ahead *ahead = data;
    if (!votes_each(ahead->db, ahead->filter, keep, ahead, &ahead->err))
        ahead->failed = true;
    hand_over(ahead);
    pthread_mutex_lock(&ahead->lock);
    ahead->ended = true;
    pthread_cond_signal(&ahead->moved);
    pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

/* --- the caller's --- */

static struct batch *next_full(struct ahead *ahead)
{
    pthread_mutex_lock(&ahead->lock);
    while (ahead->filled == ahead->emptied && !ahead->ended)
        pthread_cond_wait(&ahead->moved, &ahead->lock);
    bool any = ahead->filled != ahead->emptied;
    pthread_mutex_unlock(&ahead->lock);
    return any ? &ahead->batches[ahead->emptied % READ_AHEAD_BATCHES] : NULL;
}

static void give_back(struct ahead *ahead, bool stop)
{
    pthread_mutex_lock(&ahead->lock);
    ahead->emptied++;
    ahead->stopped = stop;
    pthread_cond_signal(&ahead->moved);
    pthread_mutex_unlock(&ahead->lock);
}

static bool use(struct batch *batch, bool (*each)(void *user, const struct vote_row *row),
                void *user)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct text *texts[TEXTS];
        const char *at = batch->buf.data + batch->texts[i];
        texts_of(&batch->rows[i], texts);
        for (int k = 0; k < TEXTS; at += texts[k++]->length)
            texts[k]->data = texts[k]->data ? at : NULL;
        if (!each(user, &batch->rows[i]))
            return false;
    }
    return true;
}

static bool run(struct ahead *ahead, bool (*each)(void *user, const struct vote_row *row),
                void *user, struct err *err)
{
    pthread_t thread;
    struct batch *batch;
    int failed = pthread_create(&thread, NULL, read_all, ahead);
    if (failed)
        return err_sys(err, ERR_MEMORY, failed, "no thread to read votes");
    for (bool more = true; more && (batch = next_full(ahead)) != NULL;) {
        more = use(batch, each, user);
        give_back(ahead, !more);
    }
    pthread_join(thread, NULL);
    if (ahead->failed && err)
        *err = ahead->err;
    return !ahead->failed;
}

bool read_ahead_each(struct db *db, const struct vote_filter *filter,
                     bool (*each)(void *user, const struct vote_row *row), void *user,
                     struct err *err)
{
    struct ahead ahead = {.db = db, .filter = filter, .err = ERR_INIT};
    ahead.batches = calloc(READ_AHEAD_BATCHES, sizeof *ahead.batches);
    if (!ahead.batches)
        return err_set(err, ERR_MEMORY, "no memory to read votes");
    for (int k = 0; k < READ_AHEAD_BATCHES; k++)
        buf_init(&ahead.batches[k].buf, BATCH_BYTES);
    pthread_mutex_init(&ahead.lock, NULL);
    pthread_cond_init(&ahead.moved, NULL);
    bool ok = run(&ahead, each, user, err);
    pthread_cond_destroy(&ahead.moved);
    pthread_mutex_destroy(&ahead.lock);
    for (int k = 0; k < READ_AHEAD_BATCHES; k++)
        buf_done(&ahead.batches[k].buf);
    free(ahead.batches);
    return ok;
}
