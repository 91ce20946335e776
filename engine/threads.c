/* Each thread has a card, a cache line of its own, which holds the loop and what is left of the
 * thread's run of pieces: one word with the loop's number, so that a piece is taken by one
 * compare-and-swap that fails when the loop is another. Nobody joins a loop: the caller waits for
 * pieces, not for threads, and takes those of a worker that does not come. A worker may read a card
 * while the caller fills it for the next loop; what it read then is of no use to it, since all
 * pieces of the old loop are taken. */
#include "engine/threads.h"

#include "engine/error.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SPINS = 3000, /* some tens of microseconds: longer than the gap between two loops of a step */
    PIECES_MOST = 0xffff,
    AHEAD_STEP = 1024, /* bytes asked for between two looks at the card */
};

struct loop {
    uint32_t number;
    threads_work *work;
    void *context;
    int items, grain;
};

/* What a thread may fetch while it waits. */
struct ahead {
    const char *from;
    size_t bytes;
};

struct card {
    _Alignas(64) _Atomic uint64_t left; /* number << 32 | first piece << 16 | one past the last */
    _Atomic(threads_work *) work;
    _Atomic(void *) context;
    atomic_int items, grain;
    _Atomic(const char *) ahead;
    atomic_size_t ahead_bytes;
};

struct threads {
    int count;
    pthread_t workers[THREADS_MAX];
    struct card cards[THREADS_MAX];
    struct ahead ahead[THREADS_MAX];    /* for the cards of the next loop */
    _Alignas(64) atomic_int unfinished; /* pieces of the loop */
    atomic_bool caller_sleeps;
    _Alignas(64) _Atomic uint32_t wake; /* what sleeping workers wait on */
    atomic_int sleepers;
    atomic_bool stop;
};

struct worker {
    struct threads *threads;
    int number;
};

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void futex_wait(const void *word, uint32_t seen)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake(const void *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, THREADS_MAX, NULL, NULL, 0);
}

/* --- Pieces --- */

/* Takes the first piece of a card, or its last; -1: none is left, or the loop is over. */
static int take(struct card *card, uint32_t number, bool last)
{
    uint64_t left = atomic_load_explicit(&card->left, memory_order_relaxed);
    for (;;) {
        int from = (int)(left >> 16 & PIECES_MOST), to = (int)(left & PIECES_MOST);
        if (left >> 32 != number || from == to)
            return -1;
        if (atomic_compare_exchange_weak_explicit(&card->left, &left,
                                                  last ? left - 1 : left + (1 << 16),
                                                  memory_order_acquire, memory_order_relaxed))
            return last ? to - 1 : from;
    }
}

static void run_piece(const struct loop *loop, int piece, int thread)
{
    int first = piece * loop->grain, rest = loop->items - first;
    loop->work(loop->context, first, rest < loop->grain ? loop->items : first + loop->grain,
               thread);
}

static void finish(struct threads *t, int pieces)
{
    if (atomic_fetch_sub(&t->unfinished, pieces) == pieces && atomic_load(&t->caller_sleeps))
        futex_wake(&t->unfinished);
}

/* The thread's own pieces from the first on, then others' from the last back. */
static void take_pieces(struct threads *t, const struct loop *loop, int thread)
{
    int piece, done = 0;
    for (; (piece = take(&t->cards[thread], loop->number, false)) >= 0; done++)
        run_piece(loop, piece, thread);
    if (done)
        finish(t, done);
    for (int i = 1; i < t->count; i++)
        while ((piece = take(&t->cards[(thread + i) % t->count], loop->number, true)) >= 0) {
            run_piece(loop, piece, thread);
            finish(t, 1);
        }
}

/* --- Waiting --- */

/* One moment of waiting, the `spin`-th: asks for the next bytes, or rests. */
static void wait_a_moment(struct card *card, int spin)
{
    size_t at = (size_t)spin * AHEAD_STEP;
    size_t bytes = atomic_load_explicit(&card->ahead_bytes, memory_order_relaxed);
    const char *from = atomic_load_explicit(&card->ahead, memory_order_relaxed);
    if (at >= bytes)
        pause_cpu();
    else
        for (size_t end = at + AHEAD_STEP; at < end; at += 64)
            __builtin_prefetch(from + at);
}

/* Waits for a loop whose number is not `seen`; false when it is time to stop. */
static bool await_loop(struct threads *t, struct card *card, uint32_t seen, struct loop *loop)
{
    for (int spin = 0;; spin++) {
        loop->number = (uint32_t)(atomic_load_explicit(&card->left, memory_order_acquire) >> 32);
        if (atomic_load_explicit(&t->stop, memory_order_relaxed))
            return false;
        if (loop->number != seen)
            break;
        wait_a_moment(card, spin);
        if (spin < SPINS)
            continue;
        uint32_t wake = atomic_load(&t->wake);
        atomic_fetch_add(&t->sleepers, 1);
        if (atomic_load(&card->left) >> 32 == seen && !atomic_load(&t->stop))
            futex_wait(&t->wake, wake);
        atomic_fetch_sub(&t->sleepers, 1);
        spin = SPINS / 2; /* past what there is to fetch */
    }
    loop->work = atomic_load_explicit(&card->work, memory_order_relaxed);
    loop->context = atomic_load_explicit(&card->context, memory_order_relaxed);
    loop->items = atomic_load_explicit(&card->items, memory_order_relaxed);
    loop->grain = atomic_load_explicit(&card->grain, memory_order_relaxed);
    return true;
}

static void await_pieces(struct threads *t)
{
    int left;
    for (int spin = 0; (left = atomic_load_explicit(&t->unfinished, memory_order_acquire));
         spin++) {
        wait_a_moment(&t->cards[0], spin);
        if (spin < SPINS)
            continue;
        atomic_store(&t->caller_sleeps, true);
        if ((left = atomic_load(&t->unfinished)))
            futex_wait(&t->unfinished, (uint32_t)left);
        atomic_store(&t->caller_sleeps, false);
    }
}

/* --- The team --- */

void threads_lower_priority(void)
{
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), THREADS_NICE);
}

static void *worker_main(void *argument)
{
    struct worker worker = *(struct worker *)argument;
    free(argument);
    threads_lower_priority();
    struct threads *t = worker.threads;
    struct loop loop = {0};
    while (await_loop(t, &t->cards[worker.number], loop.number, &loop))
        take_pieces(t, &loop, worker.number);
    return NULL;
}

static int cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

static bool start_worker(struct threads *t)
{
    struct worker *worker = malloc(sizeof *worker);
    if (!worker)
        return false;
    *worker = (struct worker){t, t->count};
    if (pthread_create(&t->workers[t->count], NULL, worker_main, worker)) {
        free(worker);
        return false;
    }
    t->count++;
    return true;
}

struct threads *threads_new(int count, struct engine_error *error)
{
    if (count == 0)
        count = cores() < THREADS_MAX ? cores() : THREADS_MAX;
    if (count < 1 || count > THREADS_MAX) {
        engine_fail(error, ENGINE_REQUEST, "%d compute threads: 1 to %d are possible", count,
                    THREADS_MAX);
        return NULL;
    }
    struct threads *t = aligned_alloc(64, sizeof *t);
    if (!t) {
        engine_no_memory(error, "compute threads");
        return NULL;
    }
    memset(t, 0, sizeof *t); /* loop 0 is what a new worker has seen */
    t->count = 1;
    while (t->count < count)
        if (!start_worker(t)) {
            engine_fail(error, ENGINE_MEMORY, "cannot start compute thread %d", t->count);
            threads_free(t);
            return NULL;
        }
    return t;
}

void threads_free(struct threads *t)
{
    if (!t)
        return;
    atomic_store(&t->stop, true);
    atomic_fetch_add(&t->wake, 1);
    futex_wake(&t->wake);
    for (int i = 1; i < t->count; i++)
        pthread_join(t->workers[i], NULL);
    free(t);
}

int threads_count(const struct threads *t)
{
    return t->count;
}

/* --- Loops --- */

void threads_share(const struct threads *t, int thread, int pieces, int *first, int *last)
{
    *first = (int)((int64_t)pieces * thread / t->count);
    *last = (int)((int64_t)pieces * (thread + 1) / t->count);
}

void threads_read_ahead(struct threads *t, int thread, const void *from, size_t bytes)
{
    t->ahead[thread] = (struct ahead){from, bytes};
}

static void open_loop(struct threads *t, const struct loop *loop, int pieces)
{
    atomic_store_explicit(&t->unfinished, pieces, memory_order_relaxed);
    for (int i = 0; i < t->count; i++) {
        struct card *card = &t->cards[i];
        int first, last;
        threads_share(t, i, pieces, &first, &last);
        atomic_store_explicit(&card->work, loop->work, memory_order_relaxed);
        atomic_store_explicit(&card->context, loop->context, memory_order_relaxed);
        atomic_store_explicit(&card->items, loop->items, memory_order_relaxed);
        atomic_store_explicit(&card->grain, loop->grain, memory_order_relaxed);
        atomic_store_explicit(&card->ahead, t->ahead[i].from, memory_order_relaxed);
        atomic_store_explicit(&card->ahead_bytes, t->ahead[i].bytes, memory_order_relaxed);
        atomic_store_explicit(&card->left,
                              (uint64_t)loop->number << 32 | (uint64_t)first << 16 | (uint64_t)last,
                              memory_order_release);
    }
    /* A write, so that a worker who counts itself after it sees its card. */
    if (atomic_fetch_add(&t->sleepers, 0)) {
        atomic_fetch_add(&t->wake, 1);
        futex_wake(&t->wake);
    }
}

void threads_for(struct threads *t, int items, int grain, threads_work *work, void *context)
{
    if (items <= 0)
        return;
    if (t->count == 1 || items <= grain) {
        work(context, 0, items, 0);
        return;
    }
    int pieces = (items - 1) / grain + 1, together = (pieces - 1) / PIECES_MOST + 1;
    uint32_t before =
        (uint32_t)(atomic_load_explicit(&t->cards[0].left, memory_order_relaxed) >> 32);
    struct loop loop = {before + 1 ? before + 1 : 1, work, context, items, grain * together};
    open_loop(t, &loop, (pieces - 1) / together + 1);
    take_pieces(t, &loop, 0);
    await_pieces(t);
}
