/* Rendered, compressed and named once, so that a board which many look at costs each of them a
 * reference. */
#include "board/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/digest.h"
#include "board/render.h"

struct live_snapshot *live_hold(struct live_snapshot *snapshot)
{
    snapshot->holds++;
    return snapshot;
}

void live_release(struct live_snapshot *snapshot)
{
    if (!snapshot || --snapshot->holds)
        return;
    free((void *)(uintptr_t)snapshot->json.data);
    free((void *)(uintptr_t)snapshot->gzip.data);
    free((void *)(uintptr_t)snapshot->bare.data);
    free((void *)(uintptr_t)snapshot->filter.data);
    free(snapshot);
}

static struct text compress_text(struct text text)
{
    z_stream stream = {0};
    struct text none = {NULL, 0};
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return none;
    size_t room = deflateBound(&stream, text.length);
    unsigned char *bytes = malloc(room);
    stream.next_in = (unsigned char *)(uintptr_t)text.data;
    stream.avail_in = (unsigned)text.length;
    stream.next_out = bytes;
    stream.avail_out = (unsigned)room;
    bool whole =
        bytes && deflate(&stream, Z_FINISH) == Z_STREAM_END && stream.total_out < text.length;
    struct text packed = {(char *)bytes, stream.total_out};
    deflateEnd(&stream);
    if (whole)
        return packed;
    free(bytes);
    return none;
}

static bool seal(struct live_snapshot *snapshot, struct buf *json, const struct live_making *making,
                 struct err *err)
{
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX + 1];
    struct text kept = making->bare.data ? making->bare : buf_text(json);
    size_t length = kept.length;
    char *bare = json->failed ? NULL : malloc(length);
    if (bare)
        snapshot->bare = (struct text){memcpy(bare, kept.data, length), length};
    char *filter = strndup(making->filter.data, making->filter.length);
    if (filter)
        snapshot->filter = (struct text){filter, making->filter.length};
    memcpy(snapshot->hash, making->hash, sizeof snapshot->hash);
    bool whole = bare && filter &&
                 aside_append(json, making->aside, making->votes, making->board, making->filter);
    char *bytes = whole ? buf_take(json, &length) : NULL;
    if (!bytes)
        return err_set(err, ERR_TOO_LARGE, "the board does not fit into %u bytes", RENDER_MAX);
    snapshot->json = (struct text){bytes, length};
    snapshot->gzip = compress_text(snapshot->json);
    digest_of(bytes, length, digest);
    hex_encode(digest, DIGEST_SIZE, hex);
    snprintf(snapshot->etag, sizeof snapshot->etag, "\"%.32s\"", hex);
    return true;
}

struct live_snapshot *live_snapshot_new(struct buf *json, const struct live_making *making,
                                        struct err *err)
{
    struct live_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    snapshot->holds = 1;
    snapshot->seq = making->votes->last_seq;
    snapshot->votes = making->votes->votes;
    if (seal(snapshot, json, making, err))
        return snapshot;
    live_release(snapshot);
    return NULL;
}
