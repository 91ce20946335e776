/* Event streams: a battle's log, sent to one viewer for as long as both want it.
 *
 * A stream is a cursor into the log (battle/eventlog.h) behind a connection that sleeps whenever
 * there is nothing to read. It is freed with its response, whoever ends first. A comment every
 * LIMIT_HEARTBEAT_SECONDS finds clients that disappeared, since only a write can; a reader that
 * takes nothing for LIMIT_STALL_SECONDS although something waits is cut off and may come back with
 * Last-Event-ID. Memory a stream: this struct and its connection; the log is shared. Loop's thread
 * only. */
#ifndef ARENA_HTTP_STREAM_H
#define ARENA_HTTP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "battle/eventlog.h"
#include "http/request.h"

struct stream;

struct streams {
    struct stream *first;
    size_t count;
};

/* Answers the request with the log from behind `last_id` on. Borrows the log (the viewer takes its
 * own hold). False with `err`, unanswered: too many viewers, no memory. */
bool stream_open(struct streams *streams, struct http_request *request, struct eventlog *log,
                 uint64_t last_id, struct err *err);

void streams_beat(struct streams *streams,
                  int64_t now_ns); /* once a second: heartbeats and stalled readers */

/* Ends all, or only those whose log was ended without a last event: each reads what its log still
 * holds; where that has no end of its own, the `shutdown` event follows. */
void streams_end(struct streams *streams, bool all);

#endif
