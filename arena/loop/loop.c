/* Timers sit in a binary heap whose places are kept in the handles, so moving and stopping one
 * is O(log n) without a search. The nearest deadline becomes epoll_wait's timeout in nanoseconds
 * (epoll_pwait2), which saves a timerfd and its wake-ups. Messages are a singly linked list
 * under a mutex that is held for a few instructions; an eventfd wakes the loop only when it may
 * sleep. */
#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { EVENTS_A_TURN = 256, HOOKS_MAX = 4 };

struct message {
    struct message *next;
    void (*function)(void *data);
    void *data;
};

struct loop {
    int epoll, wake;
    struct loop_timer **heap; /* [1 … timers]; place 0 is unused */
    uint32_t timers, heap_room;
    struct {
        int (*function)(void *user);
        void *user;
    } hooks[HOOKS_MAX];
    int hook_count;
    pthread_mutex_t lock; /* of the inbox */
    struct message *first, **last;
    _Atomic bool stopping;
    _Atomic bool has_thread;
    pthread_t thread;
    /* Events of the turn under way: loop_fd_stop clears those of the handle it stops. */
    struct epoll_event events[EVENTS_A_TURN];
    int event_count;
};

struct loop *loop_new(struct err *err)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (loop->epoll < 0 || loop->wake < 0 ||
        epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0) {
        err_sys(err, ERR_INTERNAL, errno, "cannot create the event loop");
        if (loop->epoll >= 0)
            close(loop->epoll);
        if (loop->wake >= 0)
            close(loop->wake);
        free(loop);
        return NULL;
    }
    pthread_mutex_init(&loop->lock, NULL);
    loop->last = &loop->first;
    return loop;
}

static void run_messages(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct message *message = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    pthread_mutex_unlock(&loop->lock);
    while (message) {
        struct message *next = message->next;
        message->function(message->data);
        free(message);
        message = next;
    }
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    while (loop->first)
        run_messages(loop);
    close(loop->epoll);
    close(loop->wake);
    pthread_mutex_destroy(&loop->lock);
    free(loop->heap);
    free(loop);
}

static void wake(struct loop *loop)
{
    uint64_t one = 1;
    /* A full counter means that the loop is being woken already. */
    if (write(loop->wake, &one, sizeof one) < 0)
        return;
}

bool loop_post(struct loop *loop, void (*function)(void *data), void *data)
{
    struct message *message = malloc(sizeof *message);
    if (!message)
        return false;
    *message = (struct message){NULL, function, data};
    pthread_mutex_lock(&loop->lock);
    bool was_empty = !loop->first;
    *loop->last = message;
    loop->last = &message->next;
    /* Inside the lock, so that the loop cannot have run the message and be gone before it is
     * woken. */
    if (was_empty)
        wake(loop);
    pthread_mutex_unlock(&loop->lock);
    return true;
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    wake(loop);
}

bool loop_is_here(const struct loop *loop)
{
    return !atomic_load(&loop->has_thread) || pthread_equal(loop->thread, pthread_self());
}

/* --- descriptors --- */

static bool control(struct loop *loop, int operation, struct loop_fd *handle, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = handle};
    if (epoll_ctl(loop->epoll, operation, handle->fd, &event) != 0)
        return false;
    handle->events = events;
    return true;
}

bool loop_fd_start(struct loop *loop, struct loop_fd *handle, uint32_t events)
{
    assert(!handle->active && loop_is_here(loop));
    handle->active = control(loop, EPOLL_CTL_ADD, handle, events);
    return handle->active;
}

bool loop_fd_change(struct loop *loop, struct loop_fd *handle, uint32_t events)
{
    assert(handle->active);
    return handle->events == events || control(loop, EPOLL_CTL_MOD, handle, events);
}

void loop_fd_stop(struct loop *loop, struct loop_fd *handle)
{
    if (!handle->active)
        return;
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, handle->fd, NULL);
    handle->active = false;
    for (int i = 0; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == handle)
            loop->events[i].events = 0;
}

/* --- timers --- */

static void put(struct loop *loop, uint32_t place, struct loop_timer *timer)
{
    loop->heap[place] = timer;
    timer->place = place;
}

static void sift(struct loop *loop, uint32_t place)
{
    struct loop_timer *timer = loop->heap[place];
    while (place > 1 && loop->heap[place / 2]->when > timer->when) {
        put(loop, place, loop->heap[place / 2]);
        place /= 2;
    }
    for (;;) {
        uint32_t child = place * 2;
        if (child < loop->timers && loop->heap[child + 1]->when < loop->heap[child]->when)
            child++;
        if (child > loop->timers || loop->heap[child]->when >= timer->when)
            break;
        put(loop, place, loop->heap[child]);
        place = child;
    }
    put(loop, place, timer);
}

static bool make_room(struct loop *loop)
{
    if (loop->timers + 1 < loop->heap_room)
        return true;
    uint32_t room = loop->heap_room ? loop->heap_room * 2 : 64;
    struct loop_timer **heap = realloc(loop->heap, room * sizeof *heap);
    if (!heap)
        return false;
    loop->heap = heap;
    loop->heap_room = room;
    return true;
}

bool loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t when)
{
    assert(loop_is_here(loop));
    if (!timer->place) {
        if (!make_room(loop))
            return false;
        put(loop, ++loop->timers, timer);
    }
    timer->when = when;
    sift(loop, timer->place);
    return true;
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
    uint32_t place = timer->place;
    if (!place)
        return;
    struct loop_timer *moved = loop->heap[loop->timers--];
    timer->place = 0;
    if (moved != timer) {
        put(loop, place, moved);
        sift(loop, place);
    }
}

static void run_timers(struct loop *loop)
{
    int64_t now = clock_mono_ns();
    while (loop->timers && loop->heap[1]->when <= now) {
        struct loop_timer *timer = loop->heap[1];
        loop_timer_stop(loop, timer);
        timer->expired(timer->user);
    }
}

/* --- turning --- */

void loop_before_wait(struct loop *loop, int (*hook)(void *user), void *user)
{
    assert(loop->hook_count < HOOKS_MAX);
    loop->hooks[loop->hook_count].function = hook;
    loop->hooks[loop->hook_count++].user = user;
}

void loop_before_wait_end(struct loop *loop, int (*hook)(void *user), void *user)
{
    for (int i = 0; i < loop->hook_count; i++)
        if (loop->hooks[i].function == hook && loop->hooks[i].user == user)
            loop->hooks[i--] = loop->hooks[--loop->hook_count];
}

static int64_t shorter(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

/* How long the loop may sleep, in nanoseconds; -1: for ever. */
static int64_t longest_wait(struct loop *loop, int timeout_ms)
{
    int64_t wait = timeout_ms < 0 ? -1 : timeout_ms * CLOCK_MS;
    for (int i = 0; i < loop->hook_count; i++) {
        int wish = loop->hooks[i].function(loop->hooks[i].user);
        wait = shorter(wait, wish < 0 ? -1 : wish * CLOCK_MS);
    }
    if (loop->timers) {
        int64_t left = loop->heap[1]->when - clock_mono_ns();
        wait = shorter(wait, left < 0 ? 0 : left);
    }
    return atomic_load(&loop->stopping) ? 0 : wait;
}

static void wait_for_events(struct loop *loop, int64_t wait)
{
    struct timespec timeout = {wait / CLOCK_S, wait % CLOCK_S};
    int count =
        epoll_pwait2(loop->epoll, loop->events, EVENTS_A_TURN, wait < 0 ? NULL : &timeout, NULL);
    if (count < 0 && errno == ENOSYS) /* kernels before 5.11 */
        count = epoll_wait(loop->epoll, loop->events, EVENTS_A_TURN,
                           wait < 0 ? -1 : (int)((wait + CLOCK_MS - 1) / CLOCK_MS));
    loop->event_count = count < 0 ? 0 : count;
}

void loop_turn(struct loop *loop, int timeout_ms)
{
    loop->thread = pthread_self();
    atomic_store(&loop->has_thread, true);
    wait_for_events(loop, longest_wait(loop, timeout_ms));
    for (int i = 0; i < loop->event_count; i++) {
        struct epoll_event event = loop->events[i];
        struct loop_fd *handle = event.data.ptr;
        if (!event.events)
            continue; /* stopped by an earlier callback of this turn */
        if (handle) {
            handle->ready(handle->user, event.events);
            continue;
        }
        uint64_t count;
        if (read(loop->wake, &count, sizeof count) < 0)
            continue;
    }
    loop->event_count = 0;
    run_messages(loop);
    run_timers(loop);
}

void loop_run(struct loop *loop)
{
    while (!atomic_load(&loop->stopping))
        loop_turn(loop, -1);
    atomic_store(&loop->stopping, false);
}
