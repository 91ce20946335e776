/* One growing buffer of rendered bytes and the offset of each event in it: appending is one
 * formatted write for all viewers together, and finding a client's place again is one array
 * look-up. Nothing is copied for a viewer. */
#include "battle/eventlog.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/limits.h"

struct eventlog {
    struct buf bytes;
    uint64_t first;
    uint32_t *starts; /* where event first + k begins */
    size_t count, capacity;
    size_t holds, viewer_count;
    struct eventlog_viewer *viewers;
    bool ended;
};

struct eventlog *eventlog_new(uint64_t first, size_t max)
{
    struct eventlog *log = calloc(1, sizeof(*log));
    if (!log)
        return NULL;
    buf_init(&log->bytes, max < UINT32_MAX ? max : UINT32_MAX);
    log->first = first;
    log->holds = 1;
    return log;
}

struct eventlog *eventlog_hold(struct eventlog *log)
{
    log->holds++;
    return log;
}

void eventlog_release(struct eventlog *log)
{
    if (!log || --log->holds)
        return;
    buf_done(&log->bytes);
    free(log->starts);
    free(log);
}

size_t eventlog_room(const struct eventlog *log)
{
    size_t kept = log->bytes.length + EVENTLOG_RESERVE;
    return kept < log->bytes.max ? log->bytes.max - kept : 0;
}

static bool room_for_start(struct eventlog *log)
{
    if (log->count < log->capacity)
        return true;
    size_t capacity = log->capacity ? 2 * log->capacity : 64;
    uint32_t *starts = realloc(log->starts, capacity * sizeof(*starts));
    if (!starts)
        return false;
    log->starts = starts;
    log->capacity = capacity;
    return true;
}

/* "id: N\nevent: NAME\ndata: …\n\n" without N, NAME and the data, with the longest N: what
 * framing can cost. */
#define FRAME (sizeof("id: 18446744073709551615\nevent: \ndata: \n\n") + 16)

bool eventlog_append(struct eventlog *log, const char *event, struct text data, bool last)
{
    if (log->ended || !room_for_start(log) || (!last && data.length + FRAME > eventlog_room(log)))
        return false;
    size_t before = log->bytes.length;
    buf_printf(&log->bytes, "id: %" PRIu64 "\nevent: %s\ndata: ", log->first + log->count, event);
    buf_add_text(&log->bytes, data);
    buf_add_string(&log->bytes, "\n\n");
    if (log->bytes.failed) {
        log->bytes.failed =
            false; /* whole or not at all: half an event would spoil the stream behind it */
        log->bytes.length = before;
        return false;
    }
    log->starts[log->count++] = (uint32_t)before;
    return true;
}

void eventlog_end(struct eventlog *log)
{
    log->ended = true;
}

uint64_t eventlog_last_id(const struct eventlog *log)
{
    return log->first + log->count - 1;
}

bool eventlog_ended(const struct eventlog *log)
{
    return log->ended;
}

size_t eventlog_viewers(const struct eventlog *log)
{
    return log->viewer_count;
}

/* A viewer may detach itself or another, or give the log its last hold back, so the walk moves
 * the viewers one by one from a list of those still to be called back to the log's own. */
void eventlog_wake(struct eventlog *log)
{
    struct eventlog_viewer *waiting = log->viewers;
    if (!waiting)
        return;
    eventlog_hold(log);
    log->viewers = NULL;
    waiting->link = &waiting;
    while (waiting) {
        struct eventlog_viewer *viewer = waiting;
        waiting = viewer->next;
        if (waiting)
            waiting->link = &waiting;
        viewer->next = log->viewers;
        if (viewer->next)
            viewer->next->link = &viewer->next;
        viewer->link = &log->viewers;
        log->viewers = viewer;
        if (viewer->at < log->bytes.length || log->ended)
            viewer->more(viewer->user);
    }
    eventlog_release(log);
}

bool eventlog_attach(struct eventlog *log, struct eventlog_viewer *viewer, uint64_t last_id,
                     struct err *err)
{
    viewer->log = NULL;
    if (log->viewer_count >= LIMIT_VIEWERS)
        return err_set(err, ERR_TOO_MANY, "this battle is already shown in %d windows: close one",
                       LIMIT_VIEWERS);
    viewer->log = eventlog_hold(log);
    viewer->at = 0;
    if (last_id >= log->first && last_id - log->first < log->count) {
        size_t next = (size_t)(last_id - log->first) + 1;
        viewer->at = next < log->count ? log->starts[next] : log->bytes.length;
    }
    viewer->next = log->viewers;
    if (viewer->next)
        viewer->next->link = &viewer->next;
    viewer->link = &log->viewers;
    log->viewers = viewer;
    log->viewer_count++;
    return true;
}

void eventlog_detach(struct eventlog_viewer *viewer)
{
    struct eventlog *log = viewer->log;
    if (!log)
        return;
    *viewer->link = viewer->next;
    if (viewer->next)
        viewer->next->link = viewer->link;
    viewer->log = NULL;
    log->viewer_count--;
    eventlog_release(log);
}

struct text eventlog_pending(const struct eventlog_viewer *viewer)
{
    const struct buf *bytes = &viewer->log->bytes;
    if (viewer->at >= bytes->length)
        return TEXT("");
    return (struct text){bytes->data + viewer->at, bytes->length - viewer->at};
}

void eventlog_advance(struct eventlog_viewer *viewer, size_t count)
{
    size_t left = viewer->log->bytes.length - viewer->at;
    viewer->at += count < left ? count : left;
}
