/* The bytes of one response, in pieces of any size, to a reply: the stream or the whole body, its
 * errors and its end.
 *
 * The status decides first whether it is an error; then a stream is read as events, anything else
 * as one JSON value. The content type decides nothing: a stream where none was asked for, one JSON
 * value where a stream was, a list of chunks and a chunk a line are all understood. Splitting the
 * bytes in another way never changes the result. Owner's thread only. Bounded: an event or a whole
 * body by LIMIT_SSE_BYTES, a stream by LIMIT_RESPONSE_BYTES. */
#ifndef ARENA_COMPETITOR_READER_H
#define ARENA_COMPETITOR_READER_H

#include "competitor/dialect.h"
#include "competitor/sse.h"

struct reader {
    const struct dialect *dialect;
    struct reply reply;
    int status;
    bool streams;     /* a stream was asked for and the status is good */
    bool saw_done;    /* data: [DONE] */
    size_t received;  /* bytes so far */
    struct buf whole; /* the body, where it is no stream */
    struct sse sse;
};

void reader_init(struct reader *reader, const struct dialect *dialect, bool stream,
                 void (*delta)(void *user, enum chat_channel channel, struct text text),
                 void *user);
void reader_done(struct reader *reader);

void reader_status(struct reader *reader, int status); /* before the first byte */
bool reader_feed(struct reader *reader,
                 struct text bytes); /* false: give the transfer up; the reply says why */

/* The response's end. `clean` false: the connection broke (`why`). Gives the verdict. */
enum chat_finish reader_end(struct reader *reader, bool clean, const char *why);

#endif
