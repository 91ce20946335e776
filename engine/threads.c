/* One word, `state`, holds the loop's number (high half) and whether it is open and how many
 * workers are inside (low half). A worker joins by compare-and-swap while the loop is open, so that
 * closing it (when no piece is left to take) and counting who must still finish are one atomic
 * step: the caller waits for those inside only. */
#include "engine/threads.h"

#include "engine/error.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STATE_OPEN ((uint64_t)1 << 31)
#define STATE_INSIDE (STATE_OPEN - 1)

enum {
    SPINS = 3000
}; /* some tens of microseconds: longer than the gap between two loops of a step */

struct threads {
    int count;
    pthread_t workers[THREADS_MAX];
    _Alignas(64) _Atomic uint64_t state;
    _Alignas(64) atomic_int next;       /* the first item nobody has taken */
    _Alignas(64) _Atomic uint32_t wake; /* what sleeping workers wait on */
    atomic_int sleepers;
    atomic_bool caller_sleeps, stop;
    /* The loop: written before it opens. */
    threads_work *work;
    void *context;
    int items, grain;
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

/* The low half of `state`, which the caller waits on. */
static const void *inside_word(const struct threads *t)
{
    return (const char *)&t->state + (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4);
}

static void take_pieces(struct threads *t, int thread)
{
    int items = t->items, grain = t->grain;
    for (;;) {
        int first = atomic_fetch_add_explicit(&t->next, grain, memory_order_relaxed);
        if (first >= items)
            return;
        t->work(t->context, first, items - first < grain ? items : first + grain, thread);
    }
}

/* Joins loop `state` if it is still open. */
static bool join_loop(struct threads *t, uint64_t state)
{
    while (state & STATE_OPEN) {
        uint64_t loop = state >> 32;
        if (atomic_compare_exchange_weak(&t->state, &state, state + 1))
            return true;
        if (state >> 32 != loop)
            return false;
    }
    return false;
}

static void leave_loop(struct threads *t)
{
    atomic_fetch_sub(&t->state, 1);
    if (atomic_load(&t->caller_sleeps))
        futex_wake(inside_word(t));
}

/* Returns the state of a loop whose number is not `seen`, or 0 when it is time to stop. */
static uint64_t await_loop(struct threads *t, uint64_t seen)
{
    for (int spin = 0;; spin++) {
        uint64_t state = atomic_load_explicit(&t->state, memory_order_acquire);
        if (atomic_load_explicit(&t->stop, memory_order_relaxed))
            return 0;
        if (state >> 32 != seen)
            return state;
        pause_cpu();
        if (spin < SPINS)
            continue;
        uint32_t wake = atomic_load(&t->wake);
        atomic_fetch_add(&t->sleepers, 1);
        if (atomic_load(&t->state) >> 32 == seen && !atomic_load(&t->stop))
            futex_wait(&t->wake, wake);
        atomic_fetch_sub(&t->sleepers, 1);
        spin = 0;
    }
}

void threads_lower_priority(void)
{
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), THREADS_NICE);
}

static void *worker_main(void *argument)
{
    struct worker worker = *(struct worker *)argument;
    free(argument);
    threads_lower_priority();
    uint64_t seen = 0;
    for (uint64_t state; (state = await_loop(worker.threads, seen)); seen = state >> 32)
        if (join_loop(worker.threads, state)) {
            take_pieces(worker.threads, worker.number);
            leave_loop(worker.threads);
        }
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
    *t = (struct threads){.count = 1};
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

static void open_loop(struct threads *t)
{
    atomic_store_explicit(&t->next, 0, memory_order_relaxed);
    uint64_t loop = (atomic_load_explicit(&t->state, memory_order_relaxed) >> 32) + 1;
    if (!(uint32_t)loop)
        loop = 1; /* 0 is what a new worker has seen */
    atomic_store(&t->state, loop << 32 | STATE_OPEN);
    if (atomic_load(&t->sleepers)) {
        atomic_fetch_add(&t->wake, 1);
        futex_wake(&t->wake);
    }
}

static void close_loop(struct threads *t)
{
    uint64_t state = atomic_fetch_and(&t->state, ~STATE_OPEN) & ~STATE_OPEN;
    for (int spin = 0; state & STATE_INSIDE; spin++) {
        if (spin >= SPINS) {
            atomic_store(&t->caller_sleeps, true);
            state = atomic_load(&t->state);
            if (state & STATE_INSIDE)
                futex_wait(inside_word(t), (uint32_t)state);
            atomic_store(&t->caller_sleeps, false);
        }
        pause_cpu();
        state = atomic_load_explicit(&t->state, memory_order_acquire);
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
    t->work = work;
    t->context = context;
    t->items = items;
    t->grain = grain;
    open_loop(t);
    take_pieces(t, 0);
    close_loop(t);
}
