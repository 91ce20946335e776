/* Streams of server-sent events: bytes from a source, for as long as both ends want them.
 *
 * A source (a viewer of a battle's log, an answer under way) says what it has; the connection
 * sleeps whenever that is nothing. A stream is freed with its response, whoever ends first; its
 * source hears of it as the last thing. A comment every LIMIT_HEARTBEAT_SECONDS finds clients that
 * disappeared, since only a write can; a reader that takes nothing for LIMIT_STALL_SECONDS although
 * something waits is cut off and may come back. Loop's thread only. */
#ifndef ARENA_HTTP_STREAM_H
#define ARENA_HTTP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "http/request.h"

struct stream;

struct stream_source {
    struct text (*pending)(
        void *user); /* whole events not sent yet, or the rest of one; borrowed */
    void (*advance)(void *user, size_t count); /* so many bytes of it were taken */
    bool (*ended)(void *user);                 /* nothing follows what is pending */
    void (*closed)(void *user);                /* the stream is gone; the last call */
    void *user;
    struct text greeting; /* sent first, so that the client knows it is connected */
    struct text farewell; /* sent last when the server stops and the source had no end of its own */
};

struct streams {
    struct stream *first;
    size_t count;
};

/* Answers the request with the source's bytes. The source is the stream's from here on, also when
 * this fails (it is closed then). NULL with `err`, unanswered: no memory. */
struct stream *stream_open(struct streams *streams, struct http_request *request,
                           const struct stream_source *source, struct err *err);
void stream_more(struct stream *stream); /* the source has more, or ended */

void streams_beat(struct streams *streams,
                  int64_t now_ns); /* once a second: heartbeats, stalled readers */

/* Ends all, or only those whose source ended without a last word: each reads what there still is,
 * then the farewell where the source has no end of its own. */
void streams_end(struct streams *streams, bool all);

#endif
