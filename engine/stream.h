/* Token pieces in, readable text out: whole UTF-8 characters only, nothing that is or may become
 * a stop string.
 *
 * What is not UTF-8 becomes U+FFFD, one for each maximal broken part. Bytes that may be the
 * start of a character or of a stop string are held back until the next piece decides; of
 * several stop strings the one that begins first wins. Held back at most: the longest stop
 * string and three bytes.
 *
 * One owner at a time. Limits: STREAM_MAX_STOPS stop strings of at most STREAM_MAX_STOP bytes. */
#ifndef ENGINE_STREAM_H
#define ENGINE_STREAM_H

#include "engine/engine.h"

enum { STREAM_MAX_STOPS = 16, STREAM_MAX_STOP = 256 };

struct stream;

enum stream_state { STREAM_OPEN, STREAM_STOPPED, STREAM_FAILED };

/* Copies the stop strings. Returns new; NULL with `error` filled (too many, too long, empty, not
 * UTF-8). */
struct stream *stream_new(const char *const *stop, size_t stops, struct engine_error *error);
void stream_free(struct stream *stream);

/* Takes a token's bytes. STREAM_STOPPED: a stop string is complete; it and all after it are
 * dropped, and pushing more changes nothing. STREAM_FAILED: no memory. */
enum stream_state stream_push(struct stream *stream, const char *bytes, size_t length);

/* The answer is over: lets go of what is held back (a broken character as U+FFFD). */
enum stream_state stream_finish(struct stream *stream);

/* What has become readable since the last call. Returns borrowed, valid until the next call of
 * any of these. / */
const char *stream_take(struct stream *stream, size_t *length);

#endif
