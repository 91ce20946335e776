/* read() into a buffer of one's own rather than mmap: the file's pages then count for nobody's
 * memory, a pipe is no special case, and a file that shrinks under us is a short read instead of
 * a bus error. */
#include "board/chunks.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

struct chunks {
    char *name;
    int fd;             /* -1: memory */
    struct text memory; /* what is left of it */
    bool gzip, ended;
    z_stream inflater;
    bool inflating;
    char *packed; /* compressed bytes read ahead */
    char *carry;  /* bytes after the last record border (and what was peeked) */
    size_t carry_length, carry_capacity;
    uint64_t lines; /* line ends skipped before the first chunk */
};

#define PACKED_BYTES (256u << 10)

static bool io_error(const struct chunks *chunks, struct err *err)
{
    return err_sys(err, ERR_IO, errno, "cannot read %s", chunks->name);
}

/* Bytes as they are stored; *got is 0 at the end. */
static bool read_stored(struct chunks *chunks, char *out, size_t room, size_t *got, struct err *err)
{
    if (chunks->fd < 0) {
        *got = chunks->memory.length < room ? chunks->memory.length : room;
        if (*got)
            memcpy(out, chunks->memory.data, *got);
        chunks->memory.data += *got;
        chunks->memory.length -= *got;
        return true;
    }
    for (;;) {
        ssize_t n = read(chunks->fd, out, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_error(chunks, err);
        *got = (size_t)n;
        return true;
    }
}

/* Starts the next gzip member. */
static bool begin_member(struct chunks *chunks, struct err *err)
{
    if (chunks->inflating)
        return inflateReset(&chunks->inflater) == Z_OK ||
               err_set(err, ERR_INTERNAL, "cannot inflate %s", chunks->name);
    chunks->packed = chunks->packed ? chunks->packed : malloc(PACKED_BYTES);
    if (!chunks->packed || inflateInit2(&chunks->inflater, 15 + 16) != Z_OK)
        return err_set(err, ERR_MEMORY, "no memory to inflate %s", chunks->name);
    chunks->inflating = true;
    return true;
}

/* Inflated bytes; *got is 0 at the end. Several members in a row are one stream, as gzip -d has
 * it. */
static bool read_inflated(struct chunks *chunks, char *out, size_t room, size_t *got,
                          struct err *err)
{
    z_stream *z = &chunks->inflater;
    z->next_out = (Bytef *)out;
    z->avail_out = (uInt)(room < (1u << 30) ? room : (1u << 30));
    uInt before = z->avail_out;
    while (z->avail_out == before && !chunks->ended) {
        if (z->avail_in == 0) {
            size_t packed = 0;
            if (!read_stored(chunks, chunks->packed, PACKED_BYTES, &packed, err))
                return false;
            if (packed == 0)
                return err_set(err, ERR_FORMAT, "%s: the gzip data is cut short", chunks->name);
            z->next_in = (Bytef *)chunks->packed;
            z->avail_in = (uInt)packed;
        }
        int status = inflate(z, Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
            return err_set(err, ERR_FORMAT, "%s: the gzip data is corrupt", chunks->name);
        if (status != Z_STREAM_END)
            continue;
        if (z->avail_in == 0) {
            size_t packed = 0;
            if (!read_stored(chunks, chunks->packed, PACKED_BYTES, &packed, err))
                return false;
            z->next_in = (Bytef *)chunks->packed;
            z->avail_in = (uInt)packed;
        }
        if (z->avail_in == 0)
            chunks->ended = true;
        else if (!begin_member(chunks, err))
            return false;
    }
    *got = before - z->avail_out;
    return true;
}

static bool read_some(struct chunks *chunks, char *out, size_t room, size_t *got, struct err *err)
{
    *got = 0;
    if (chunks->ended)
        return true;
    if (chunks->gzip)
        return read_inflated(chunks, out, room, got, err);
    if (!read_stored(chunks, out, room, got, err))
        return false;
    chunks->ended = *got == 0;
    return true;
}

/* Reads until `data` holds `want` bytes or the stream ends. */
static bool fill(struct chunks *chunks, char *data, size_t *length, size_t want, struct err *err)
{
    while (*length < want && !chunks->ended) {
        size_t got = 0;
        if (!read_some(chunks, data + *length, want - *length, &got, err))
            return false;
        *length += got;
    }
    return true;
}

static bool carry_reserve(struct chunks *chunks, size_t capacity, struct err *err)
{
    if (capacity <= chunks->carry_capacity)
        return true;
    char *carry = realloc(chunks->carry, capacity);
    if (!carry)
        return err_set(err, ERR_MEMORY, "no memory to read %s", chunks->name);
    chunks->carry = carry;
    chunks->carry_capacity = capacity;
    return true;
}

/* The first bytes tell gzip from text; they stay in `carry`, or in `packed` where they are
 * compressed. / */
static bool sniff(struct chunks *chunks, struct err *err)
{
    char first[2];
    size_t length = 0;
    if (!carry_reserve(chunks, CHUNK_PEEK, err) || !fill(chunks, first, &length, sizeof first, err))
        return false;
    if (length < 2 || memcmp(first, "\x1f\x8b", 2) != 0) {
        memcpy(chunks->carry, first, length);
        chunks->carry_length = length;
        return true;
    }
    chunks->gzip = true;
    if (!begin_member(chunks, err))
        return false;
    memcpy(chunks->packed, first, length);
    chunks->inflater.next_in = (Bytef *)chunks->packed;
    chunks->inflater.avail_in = (uInt)length;
    return true;
}

static struct chunks *open_as(const char *name, int fd, struct text memory, struct err *err)
{
    struct chunks *chunks = calloc(1, sizeof *chunks);
    char *copy = strdup(name);
    if (!chunks || !copy) {
        free(chunks);
        free(copy);
        if (fd > 0)
            close(fd);
        err_set(err, ERR_MEMORY, "no memory to read %s", name);
        return NULL;
    }
    *chunks = (struct chunks){.name = copy, .fd = fd, .memory = memory};
    if (!sniff(chunks, err)) {
        chunks_free(chunks);
        return NULL;
    }
    return chunks;
}

struct chunks *chunks_open(const char *path, struct err *err)
{
    if (strcmp(path, "-") == 0)
        return open_as("standard input", STDIN_FILENO, TEXT(""), err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        err_sys(err, ERR_IO, errno, "cannot open %s", path);
        return NULL;
    }
    return open_as(path, fd, TEXT(""), err);
}

struct chunks *chunks_open_memory(struct text text, const char *name, struct err *err)
{
    return open_as(name, -1, text, err);
}

void chunks_free(struct chunks *chunks)
{
    if (!chunks)
        return;
    if (chunks->inflating)
        inflateEnd(&chunks->inflater);
    if (chunks->fd > STDIN_FILENO)
        close(chunks->fd);
    free(chunks->packed);
    free(chunks->carry);
    free(chunks->name);
    free(chunks);
}

const char *chunks_name(const struct chunks *chunks)
{
    return chunks->name;
}

bool chunks_peek(struct chunks *chunks, struct text *text, struct err *err)
{
    if (!fill(chunks, chunks->carry, &chunks->carry_length, CHUNK_PEEK, err))
        return false;
    *text = (struct text){chunks->carry, chunks->carry_length};
    return true;
}

void chunks_skip(struct chunks *chunks, size_t bytes, uint64_t lines)
{
    memmove(chunks->carry, chunks->carry + bytes, chunks->carry_length - bytes);
    chunks->carry_length -= bytes;
    chunks->lines += lines;
}

bool chunks_read_all(struct chunks *chunks, struct buf *out, struct err *err)
{
    bool room = buf_add(out, chunks->carry, chunks->carry_length);
    chunks->carry_length = 0;
    while (room && !chunks->ended) {
        size_t got = 0;
        if (!read_some(chunks, chunks->carry, chunks->carry_capacity, &got, err))
            return false;
        room = buf_add(out, chunks->carry, got);
    }
    return room ||
           err_set(err, ERR_TOO_LARGE, "%s is longer than %zu MB", chunks->name, out->max >> 20);
}

/* --- running --- */

struct run {
    struct chunks *chunks;
    const struct chunk_handler *handler;
    bool quotes;
    pthread_mutex_t lock;
    pthread_cond_t turn;
    uint64_t taken, committed, line;
    bool stop, failed;
    struct err err; /* the first failure in the order of the stream */
};

struct worker {
    struct run *run;
    int number;
    struct chunk chunk;
    size_t capacity;
};

/* Length of the longest prefix of whole records; 0 when no record ends in it. */
static size_t record_border(const char *data, size_t length, bool quotes)
{
    bool quoted = false; /* a chunk starts outside quotes: it starts a record */
    if (quotes)
        for (const char *at = data; (at = memchr(at, '"', length - (size_t)(at - data))) != NULL;
             at++)
            quoted = !quoted;
    for (;;) { /* backwards, so that `quoted` is the state to the right of what is left */
        const char *end = memrchr(data, '\n', length);
        if (!end)
            return 0;
        if (quotes)
            for (const char *at = end + 1;
                 (at = memchr(at, '"', length - (size_t)(at - data))) != NULL; at++)
                quoted = !quoted;
        length = (size_t)(end - data);
        if (!quoted)
            return length + 1;
    }
}

static bool worker_reserve(struct worker *worker, size_t capacity, struct err *err)
{
    if (capacity <= worker->capacity)
        return true;
    char *data = realloc(worker->chunk.data, capacity);
    if (!data)
        return err_set(err, ERR_MEMORY, "no memory to read %s", worker->run->chunks->name);
    worker->chunk.data = data;
    worker->capacity = capacity;
    return true;
}

/* Fills the worker's chunk with whole records; what follows the last border is carried to the next.
 * Under the lock. */
static bool take(struct worker *worker, struct err *err)
{
    struct chunks *chunks = worker->run->chunks;
    size_t length = chunks->carry_length,
           want = length > CHUNK_BYTES / 2 ? 2 * length : CHUNK_BYTES, border;
    if (!worker_reserve(worker, want, err))
        return false;
    memcpy(worker->chunk.data, chunks->carry, length);
    for (;;) {
        if (!fill(chunks, worker->chunk.data, &length, want, err))
            return false;
        border =
            chunks->ended ? length : record_border(worker->chunk.data, length, worker->run->quotes);
        if (border || length == 0)
            break;
        if (want >= CHUNK_RECORD_MAX)
            return err_set(err, ERR_TOO_LARGE, "%s: a record is longer than %u MB", chunks->name,
                           CHUNK_RECORD_MAX >> 20);
        want *= 2;
        if (!worker_reserve(worker, want, err))
            return false;
    }
    if (!carry_reserve(chunks, length - border, err))
        return false;
    memcpy(chunks->carry, worker->chunk.data + border, length - border);
    chunks->carry_length = length - border;
    worker->chunk.length = border;
    return true;
}

/* Remembers a failure; the first in stream order wins, because commits are in order and stop the
 * run. */
static void fail(struct run *run, const struct err *err)
{
    if (!run->failed)
        run->err = *err;
    run->failed = run->stop = true;
    pthread_cond_broadcast(&run->turn);
}

/* Waits for this chunk's turn and commits it. Under the lock. */
static void commit(struct worker *worker, uint64_t ticket, uint64_t lines)
{
    struct run *run = worker->run;
    struct err err = ERR_INIT;
    while (run->committed != ticket && !run->stop)
        pthread_cond_wait(&run->turn, &run->lock);
    if (run->committed != ticket)
        return;
    worker->chunk.first_line = run->line + 1;
    pthread_mutex_unlock(&run->lock); /* nobody else can commit until `committed` moves */
    bool ok = run->handler->commit(run->handler->context, worker->number, &worker->chunk, &err);
    pthread_mutex_lock(&run->lock);
    run->line += lines;
    run->committed++;
    if (!ok)
        fail(run, &err);
    pthread_cond_broadcast(&run->turn);
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct run *run = worker->run;
    struct err err = ERR_INIT;
    pthread_mutex_lock(&run->lock);
    while (!run->stop) {
        uint64_t ticket = run->taken;
        if (!take(worker, &err)) {
            while (run->committed != ticket &&
                   !run->stop) /* what stands before it may hold an earlier error */
                pthread_cond_wait(&run->turn, &run->lock);
            fail(run, &err);
            break;
        }
        if (worker->chunk.length == 0)
            break;
        run->taken++;
        pthread_mutex_unlock(&run->lock);
        uint64_t lines = run->handler->work(run->handler->context, worker->number, &worker->chunk);
        pthread_mutex_lock(&run->lock);
        commit(worker, ticket, lines);
    }
    pthread_mutex_unlock(&run->lock);
    return NULL;
}

bool chunks_run(struct chunks *chunks, const struct chunk_handler *handler, int threads,
                bool quotes, struct err *err)
{
    struct run run = {
        .chunks = chunks, .handler = handler, .quotes = quotes, .line = chunks->lines};
    struct worker workers[CHUNK_THREADS_MAX] = {0};
    pthread_t ids[CHUNK_THREADS_MAX];
    int started = 0;
    threads = threads < 1 ? 1 : threads > CHUNK_THREADS_MAX ? CHUNK_THREADS_MAX : threads;
    pthread_mutex_init(&run.lock, NULL);
    pthread_cond_init(&run.turn, NULL);
    for (int k = 0; k < threads; k++)
        workers[k] = (struct worker){.run = &run, .number = k};
    while (started < threads - 1 &&
           pthread_create(&ids[started], NULL, work, &workers[started + 1]) == 0)
        started++;
    work(&workers[0]);
    while (started)
        pthread_join(ids[--started], NULL);
    for (int k = 0; k < threads; k++)
        free(workers[k].chunk.data);
    pthread_cond_destroy(&run.turn);
    pthread_mutex_destroy(&run.lock);
    if (run.failed && err)
        *err = run.err;
    return !run.failed;
}
