/* The usual event of an OpenAI stream, read without building a tree: one choice whose delta
 * holds text or reasoning, no finish, no usage, no error. Pure, any thread.
 *
 * It is exact or silent: what it takes, jansson would take with the same result; for everything
 * else (rare keys, odd escapes, halves of surrogate pairs, anything that is not JSON) it says
 * no, and the whole way is gone. */
#ifndef ARENA_COMPETITOR_DELTA_SCAN_H
#define ARENA_COMPETITOR_DELTA_SCAN_H

#include <stdbool.h>

#include "base/buf.h"

struct delta_scan {
    struct text content, reasoning,
        reasoning_content; /* unescaped, inside the data; empty: none, or null */
};

/* `data` is changed only where it says yes. */
bool delta_scan(struct delta_scan *found, struct buf *data);

#endif
