/* libmicrohttpd asks for bytes (read_more) while the socket takes them; when there are none the
 * connection is suspended, and whoever has news (the log, the heartbeat, the end) resumes it. All
 * on one thread, so a flag is enough to know which; resuming one that is not suspended would be an
 * error. A heartbeat is only sent when the log has nothing for us, so it can never fall inside an
 * event. */
#include "http/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "http/response.h"
#include "http/server_internal.h"

/* Bytes that libmicrohttpd asks for at once: a turn's deltas of both lanes fit. */
enum { BLOCK_BYTES = 4096 };

static const struct text HEARTBEAT = {":\n\n", 3};

struct stream {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct peer *peer;
    struct stream_source source;
    struct text say; /* what is left of our own words */
    bool saying;     /* they were begun: they come before anything else */
    bool suspended, ending;
    int64_t moved_ns; /* when bytes were last taken */
    struct streams *streams;
    struct stream *next, **link;
};

static struct text pending_of(const struct stream *stream)
{
    return stream->source.pending(stream->source.user);
}

static bool has_ended(const struct stream *stream)
{
    return stream->source.ended(stream->source.user);
}

void stream_more(struct stream *stream)
{
    if (!stream->suspended)
        return;
    stream->suspended = false;
    MHD_resume_connection(stream->connection);
    server_wake(stream->server);
}

static size_t copy_some(char *out, size_t max, struct text text)
{
    size_t count = text.length < max ? text.length : max;
    memcpy(out, text.data, count);
    return count;
}

static size_t say_some(struct stream *stream, char *out, size_t max)
{
    size_t count = copy_some(out, max, stream->say);
    stream->say.data += count;
    stream->say.length -= count;
    stream->saying = stream->say.length > 0;
    return count;
}

static ssize_t read_more(void *user, uint64_t position, char *out, size_t max)
{
    (void)position;
    struct stream *stream = user;
    struct text pending = pending_of(stream);
    stream->moved_ns = clock_mono_ns();
    if (stream->say.length && (stream->saying || !pending.length))
        return (ssize_t)say_some(stream, out, max);
    if (pending.length) {
        size_t count = copy_some(out, max, pending);
        stream->source.advance(stream->source.user, count);
        return (ssize_t)count;
    }
    if (stream->ending || has_ended(stream))
        return MHD_CONTENT_READER_END_OF_STREAM;
    stream->suspended = true;
    MHD_suspend_connection(stream->connection);
    return 0;
}

static void stream_free(void *user)
{
    struct stream *stream = user;
    *stream->link = stream->next;
    if (stream->next)
        stream->next->link = stream->link;
    stream->streams->count--;
    stream->source.closed(stream->source.user);
    free(stream);
}

static struct stream *stream_new(struct streams *streams, struct http_request *request,
                                 const struct stream_source *source)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->server = request->server;
    stream->connection = request->connection;
    stream->peer = request->peer;
    stream->source = *source;
    stream->say = source->greeting;
    stream->saying = true;
    stream->moved_ns = clock_mono_ns();
    stream->streams = streams;
    stream->next = streams->first;
    stream->link = &streams->first;
    if (stream->next)
        stream->next->link = &stream->next;
    streams->first = stream;
    streams->count++;
    return stream;
}

/* A response that reads from the stream and frees it; NULL frees it at once. */
static struct MHD_Response *make_response(struct stream *stream, bool https)
{
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_more, stream, stream_free);
    if (!response) {
        stream_free(stream);
        return NULL;
    }
    struct response_headers headers = {
        .policy = RESPONSE_DATA, .https = https, .content_type = "text/event-stream"};
    /* A proxy that buffers would hold every token back until its buffer is full. */
    if (response_dress(response, &headers) &&
        MHD_add_response_header(response, "X-Accel-Buffering", "no") == MHD_YES)
        return response;
    MHD_destroy_response(response); /* and with it the stream */
    return NULL;
}

struct stream *stream_open(struct streams *streams, struct http_request *request,
                           const struct stream_source *source, struct err *err)
{
    bool wanted = request->connection && !request->response; /* else nobody is there to read it */
    struct stream *stream = wanted ? stream_new(streams, request, source) : NULL;
    if (!stream)
        source->closed(source->user);
    struct MHD_Response *response = stream ? make_response(stream, request->context->https) : NULL;
    if (!response) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    request->endless = true;
    response_with(request, MHD_HTTP_OK, response);
    return stream;
}

static void beat(struct stream *stream, int64_t now_ns)
{
    int64_t quiet = now_ns - stream->moved_ns;
    /* A peer that closed its end maybe left, maybe only has nothing more to say: writing tells. */
    if (stream->suspended &&
        (quiet >= LIMIT_HEARTBEAT_SECONDS * CLOCK_S || peer_left(stream->peer))) {
        stream->say = HEARTBEAT;
        stream_more(stream);
    } else if (!stream->suspended && quiet >= LIMIT_STALL_SECONDS * CLOCK_S) {
        peer_cut(stream->peer);
        stream->moved_ns = now_ns;
    }
}

void streams_beat(struct streams *streams, int64_t now_ns)
{
    for (struct stream *stream = streams->first; stream; stream = stream->next)
        beat(stream, now_ns);
}

/* True when the source ended without a word that is still to be read: what ends is the server. */
static bool is_hushed(const struct stream *stream)
{
    return has_ended(stream) && !pending_of(stream).length;
}

static void end(struct stream *stream)
{
    if (stream->ending)
        return;
    stream->ending = true;
    if (!stream->saying && (is_hushed(stream) || !has_ended(stream)))
        stream->say = stream->source.farewell;
    stream_more(stream);
}

void streams_end(struct streams *streams, bool all)
{
    for (struct stream *stream = streams->first; stream; stream = stream->next)
        if (all || is_hushed(stream))
            end(stream);
}
