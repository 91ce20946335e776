/* Server-sent events as WHATWG HTML defines them: bytes in, in pieces of any size, events out.
 *
 * Line ends are LF, CR or CRLF, also split between two pieces; a leading BOM is dropped; at most
 * one space after the colon is removed; several data lines are joined by LF; comments and
 * unknown fields are no events. Lines that are no field of an event (a provider's bare JSON
 * error, an HTML page) are kept aside, so that the caller can look at them at the end. Owner's
 * thread only. Bounded: a line, an event's data and the stray text by LIMIT_SSE_BYTES. */
#ifndef ARENA_COMPETITOR_SSE_H
#define ARENA_COMPETITOR_SSE_H

#include <stdbool.h>

#include "base/buf.h"

struct sse {
    /* `data` is borrowed for the call and may be changed in place. `name` is "" where the event
     * has none. */
    void (*event)(void *user, const char *name, struct buf *data);
    void *user;
    struct buf line, data, stray;
    char name[64];
    bool has_data, after_cr, begun;
};

void sse_init(struct sse *sse, void (*event)(void *user, const char *name, struct buf *data),
              void *user);
void sse_done(struct sse *sse);

/* False when a limit was passed or memory ran out: the stream cannot be trusted from there on. */
bool sse_feed(struct sse *sse, struct text bytes);

/* The stream's end: what stands without its blank line is left in sse->data (has_data) for the
 * caller to judge. */
bool sse_end(struct sse *sse);

#endif
