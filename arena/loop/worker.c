/* A mutex, a condition and a ring: jobs are few and slow, so the queue is not worth more. */
#include "loop/worker.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/limits.h"

enum { WORKER_NICE = 5, WORKER_STACK = 2 << 20 /* jansson recurses: see reference on its depth */ };

struct job {
    void (*work)(void *data);
    void (*done)(void *data, bool cancelled);
    void *data;
    bool cancelled;
};

struct workers {
    struct loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct job *waiting[LIMIT_WORKER_QUEUE];
    unsigned first, count;
    bool stopping;
    int thread_count;
    pthread_t threads[];
};

static void finish(void *data)
{
    struct job *job = data;
    job->done(job->data, job->cancelled);
    free(job);
}

static void *serve(void *data)
{
    struct workers *workers = data;
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid),
                WORKER_NICE); /* a wish: failing it changes nothing */
    for (;;) {
        pthread_mutex_lock(&workers->lock);
        while (!workers->count && !workers->stopping)
            pthread_cond_wait(&workers->more, &workers->lock);
        if (workers->stopping) {
            pthread_mutex_unlock(&workers->lock);
            return NULL;
        }
        struct job *job = workers->waiting[workers->first];
        workers->first = (workers->first + 1) % LIMIT_WORKER_QUEUE;
        workers->count--;
        pthread_mutex_unlock(&workers->lock);
        job->work(job->data);
        while (!loop_post(workers->loop, finish, job))
            usleep(10000); /* out of memory: the job's owner must hear of it, so wait for some */
    }
}

struct workers *workers_new(struct loop *loop, int threads, struct err *err)
{
    struct workers *workers =
        calloc(1, sizeof *workers + (size_t)threads * sizeof *workers->threads);
    if (!workers) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    workers->loop = loop;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->more, NULL);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, WORKER_STACK);
    for (int i = 0; i < threads; i++) {
        int error = pthread_create(&workers->threads[i], &attributes, serve, workers);
        if (error) {
            err_sys(err, ERR_INTERNAL, error, "cannot start a worker thread");
            break;
        }
        workers->thread_count++;
    }
    pthread_attr_destroy(&attributes);
    if (workers->thread_count < threads) {
        workers_free(workers);
        return NULL;
    }
    return workers;
}

void workers_free(struct workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->more);
    pthread_mutex_unlock(&workers->lock);
    for (int i = 0; i < workers->thread_count; i++)
        pthread_join(workers->threads[i], NULL);
    for (; workers->count; workers->count--) {
        struct job *job = workers->waiting[workers->first];
        workers->first = (workers->first + 1) % LIMIT_WORKER_QUEUE;
        job->cancelled = true;
        loop_post(workers->loop, finish, job);
    }
    pthread_mutex_destroy(&workers->lock);
    pthread_cond_destroy(&workers->more);
    free(workers);
}

bool workers_submit(struct workers *workers, void (*work)(void *data),
                    void (*done)(void *data, bool cancelled), void *data, struct err *err)
{
    struct job *job = malloc(sizeof *job);
    if (!job)
        return err_set(err, ERR_MEMORY, "out of memory");
    *job = (struct job){work, done, data, false};
    pthread_mutex_lock(&workers->lock);
    bool room = workers->count < LIMIT_WORKER_QUEUE && !workers->stopping;
    if (room) {
        workers->waiting[(workers->first + workers->count++) % LIMIT_WORKER_QUEUE] = job;
        pthread_cond_signal(&workers->more);
    }
    pthread_mutex_unlock(&workers->lock);
    if (room)
        return true;
    free(job);
    return err_set(err, ERR_BUSY, "too much background work is waiting; try again in a moment");
}
