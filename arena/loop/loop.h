/* The event loop: one thread that owns every socket and timer, over one epoll descriptor.
 *
 * Everything registered here is called back on the loop's thread and must not block. Other
 * threads reach it only by `loop_post`. A handle (`struct loop_fd`, `struct loop_timer`) is
 * embedded in its owner's struct, belongs to the loop's thread, and may be stopped at any time
 * there, inside its own callback too: after stop it is never called. `loop_before_wait` hooks
 * run at the end of each turn (libmicrohttpd needs one: see design.md, section 3). */
#ifndef ARENA_LOOP_LOOP_H
#define ARENA_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct loop;

struct loop *loop_new(struct err *err);
void loop_free(
    struct loop *loop); /* not while it runs; posted messages that never ran are run first */

/* Runs until loop_stop. Returns after the turn in which it was asked to stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop); /* any thread, and a signal handler */
void loop_turn(
    struct loop *loop,
    int timeout_ms); /* one turn; -1 waits for something to happen. For tests and start-up */

/* Calls function(data) on the loop's thread, soon, in the order posted (per posting thread).
 * `data` changes owner with the message. Any thread. Returns false only without memory (the
 * message was not taken). */
bool loop_post(struct loop *loop, void (*function)(void *data), void *data);

/* --- descriptors --- */
struct loop_fd {
    int fd;
    uint32_t events; /* EPOLLIN, EPOLLOUT, … */
    void (*ready)(void *user, uint32_t events);
    void *user;
    bool active;
};
/* Fill fd, ready and user first. The descriptor stays the caller's; stop before closing it. */
bool loop_fd_start(struct loop *loop, struct loop_fd *handle, uint32_t events);
bool loop_fd_change(struct loop *loop, struct loop_fd *handle, uint32_t events);
void loop_fd_stop(struct loop *loop, struct loop_fd *handle);

/* --- timers: once at `when` (clock_mono_ns). Starting one that runs moves it. O(log n). --- */
struct loop_timer {
    int64_t when;
    void (*expired)(void *user);
    void *user;
    uint32_t place; /* in the heap, from 1; 0: not running */
};
bool loop_timer_start(struct loop *loop, struct loop_timer *timer,
                      int64_t when); /* false only without memory */
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

/* --- end-of-turn hooks: called after each turn's callbacks, before the loop waits. The hook
 * returns the longest wait in milliseconds that it can allow (0: come back at once; -1: no wish).
 * At most 4 hooks. --- */
void loop_before_wait(struct loop *loop, int (*hook)(void *user), void *user);
void loop_before_wait_end(struct loop *loop, int (*hook)(void *user),
                          void *user); /* takes a hook away */

bool loop_is_here(const struct loop *loop); /* true on the thread that runs it: for assertions */

#endif
