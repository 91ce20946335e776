/* The event log: everything the viewers of one battle are sent, for all its turns, rendered once
 * as server-sent events.
 *
 * The log only grows, up to a maximum; a viewer is a cursor into its bytes, so any number of
 * them read at their own speed and none can hold a lane up or cost memory beyond the log itself.
 * Every event has an id, counting up from `first`; a viewer that comes back with the last id it
 * saw goes on right behind it. A log that was rebuilt from the stored battle (after a restart,
 * or when the battle had left memory) starts at a higher id than any log before it and puts a
 * `reset` before each turn, so a viewer with an older id is sent the whole again and its page
 * stays right.
 *
 * Counted: the battle holds it, and so does each viewer, which therefore outlives a battle that
 * leaves memory. Loop's thread only.
 *
 *     event    data
 *     delta    {"turn":1,"lane":"a","text":"…"}
 *              whole characters; always one of a and one of b, the text of a lane that has no more
 *              to show being empty
 *     lane     {"turn":1,"lane":"a","state":"streaming"|"done"}
 *              for both lanes at once
 *     reset    {"turn":1}
 *              forget what was shown of this turn: it comes again
 *     ready    {"turn":1}
 *              both answers stand; the vote is open
 *     void     {"code":"failed"|"restart"|"skipped"|"expired"}
 *              the battle is over without a vote; the log ends
 *     voted    {}
 *              the vote is committed; the log ends */
#ifndef ARENA_BATTLE_EVENTLOG_H
#define ARENA_BATTLE_EVENTLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct eventlog;

/* Returns new with one hold; NULL without memory. `first` is the first event's id, `max` the
 * bytes it may hold. */
struct eventlog *eventlog_new(uint64_t first, size_t max);
struct eventlog *eventlog_hold(struct eventlog *log); /* returns the same log, with one hold more */
void eventlog_release(struct eventlog *log);          /* NULL is allowed */

/* Appends one event; `data` is one line of JSON. False when the log is full, ended or out of
 * memory: nothing was added. The last `EVENTLOG_RESERVE` bytes are only for the few events that
 * end a turn or the battle (`last` true). */
#define EVENTLOG_RESERVE 1024
bool eventlog_append(struct eventlog *log, const char *event, struct text data, bool last);
void eventlog_end(
    struct eventlog *log); /* no event follows: viewers read to the end and are done */

/* Calls `more` of every viewer that waits. Appending does not: whoever appends a batch calls
 * this once after it. */
void eventlog_wake(struct eventlog *log);

size_t eventlog_room(const struct eventlog *log); /* bytes that ordinary events may still take */
uint64_t eventlog_last_id(const struct eventlog *log); /* first - 1: none yet */
bool eventlog_ended(const struct eventlog *log);
size_t eventlog_viewers(const struct eventlog *log);

/* --- viewers --- */

/* A cursor, embedded in its owner. Fill `more` and `user`, then attach. */
struct eventlog_viewer {
    void (*more)(void *user); /* there is more to read, or the log ended; it may read, detach or
                                 release at once */
    void *user;
    struct eventlog *log;
    size_t at; /* bytes read */
    struct eventlog_viewer *next, **link;
};

/* Takes a hold of its own on the log. `last_id` is the client's Last-Event-ID (0: none); one
 * that the log does not know reads from the start. ERR_TOO_MANY past LIMIT_VIEWERS. */
bool eventlog_attach(struct eventlog *log, struct eventlog_viewer *viewer, uint64_t last_id,
                     struct err *err);
void eventlog_detach(
    struct eventlog_viewer *viewer); /* gives the hold back; a viewer not attached is left alone */

/* What it has not read yet, as bytes ready to send; borrowed until the next append. Empty: wait
 * for `more`, or done when eventlog_ended. Say with eventlog_advance how much of it was taken
 * (any number of bytes). */
struct text eventlog_pending(const struct eventlog_viewer *viewer);
void eventlog_advance(struct eventlog_viewer *viewer, size_t count);

#endif
