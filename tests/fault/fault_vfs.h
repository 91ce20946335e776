/* A SQLite VFS that fails on purpose, over the real one. Writes, truncations and syncs of the
 * database, its log and its journal are counted; at a chosen one the machine loses power or the
 * disk reports an error.
 *
 * Power loss: what was synced is there; each later write is applied, dropped, or torn at a
 * 512-byte sector, as drawn from a seed; the files are rewritten so and the process is gone.
 * Errors: the operation is half done and reports `code`, once or from then on. Shared memory and
 * directory entries are not modelled. One test process, one set of faults: static state. */
#ifndef ARENA_TESTS_FAULT_VFS_H
#define ARENA_TESTS_FAULT_VFS_H

#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/random.h"

enum fault_mode { FAULT_NONE, FAULT_POWER, FAULT_ONCE, FAULT_STICKY };
enum { FAULT_EXIT = 40, FAULT_SECTOR = 512, FAULT_FILES = 8 };

struct fault_op {
    int64_t at;
    size_t length;
    uint8_t *bytes; /* NULL: a truncation to `at` */
};

/* A file as it is on the disk for sure, and what was done to it since. */
struct fault_image {
    char path[256];
    uint8_t *bytes;
    size_t length, capacity;
    struct fault_op *ops;
    size_t count, room;
};

static struct {
    enum fault_mode mode;
    int64_t at; /* the operation that fails, from 1 */
    int code;   /* SQLITE_IOERR or SQLITE_FULL */
    struct rng rng;
    int64_t operations; /* counted since fault_set */
    int64_t failures;
    sqlite3_vfs vfs, *real;
    struct fault_image images[FAULT_FILES];
} fault;

struct fault_file {
    sqlite3_file base;
    struct fault_image *image; /* NULL: not a file we fail on */
    sqlite3_file *real;
};

static inline void fault_set(enum fault_mode mode, int64_t at, int code, uint64_t seed)
{
    fault.mode = mode;
    fault.at = at;
    fault.code = code;
    fault.operations = fault.failures = 0;
    rng_init(&fault.rng, seed, (uint64_t)at);
}

/* --- images --- */

static inline void fault_forget_ops(struct fault_image *image)
{
    for (size_t i = 0; i < image->count; i++)
        free(image->ops[i].bytes);
    image->count = 0;
}

static inline void fault_resize(struct fault_image *image, size_t length)
{
    if (length > image->capacity) {
        image->capacity = length * 2;
        image->bytes = realloc(image->bytes, image->capacity);
        if (image->bytes == NULL)
            abort();
    }
    if (length > image->length)
        memset(image->bytes + image->length, 0, length - image->length);
    image->length = length;
}

static inline void fault_apply_bytes(struct fault_image *image, int64_t at, const uint8_t *bytes,
                                     size_t length)
{
    if ((size_t)at + length > image->length)
        fault_resize(image, (size_t)at + length);
    memcpy(image->bytes + at, bytes, length);
}

static inline void fault_apply(struct fault_image *image, const struct fault_op *op)
{
    if (op->bytes == NULL)
        fault_resize(image, (size_t)op->at);
    else
        fault_apply_bytes(image, op->at, op->bytes, op->length);
}

static inline void fault_synced(struct fault_image *image)
{
    for (size_t i = 0; i < image->count; i++)
        fault_apply(image, &image->ops[i]);
    fault_forget_ops(image);
}

static inline void fault_record(struct fault_image *image, int64_t at, const void *bytes,
                                size_t length)
{
    if (image->count == image->room) {
        image->room = image->room == 0 ? 64 : image->room * 2;
        image->ops = realloc(image->ops, image->room * sizeof *image->ops);
    }
    struct fault_op *op = &image->ops[image->count++];
    *op = (struct fault_op){at, length, NULL};
    if (bytes != NULL) {
        op->bytes = malloc(length > 0 ? length : 1);
        memcpy(op->bytes, bytes, length);
    }
}

static inline void fault_load(struct fault_image *image)
{
    fault_forget_ops(image);
    fault_resize(image, 0);
    int file = open(image->path, O_RDONLY);
    off_t length = file < 0 ? 0 : lseek(file, 0, SEEK_END);
    fault_resize(image, (size_t)length);
    if (length > 0 && pread(file, image->bytes, (size_t)length, 0) != length)
        abort();
    if (file >= 0)
        close(file);
}

static inline struct fault_image *fault_image_of(const char *path)
{
    for (int i = 0; i < FAULT_FILES; i++) {
        struct fault_image *image = &fault.images[i];
        if (image->path[0] == '\0')
            snprintf(image->path, sizeof image->path, "%s", path);
        else if (strcmp(image->path, path) != 0)
            continue;
        return image;
    }
    abort();
}

static inline void fault_reset(void)
{
    for (int i = 0; i < FAULT_FILES; i++) {
        struct fault_image *image = &fault.images[i];
        fault_forget_ops(image);
        free(image->ops);
        free(image->bytes);
        memset(image, 0, sizeof *image);
    }
}

/* --- the faults --- */

/* Some sectors of the write reach the disk, others not. */
static inline void fault_tear(struct fault_image *image, const struct fault_op *op)
{
    for (size_t at = 0; at < op->length;) {
        size_t to_sector = FAULT_SECTOR - (size_t)(op->at + (int64_t)at) % FAULT_SECTOR;
        size_t piece = op->length - at < to_sector ? op->length - at : to_sector;
        if (rng_below(&fault.rng, 2) == 0)
            fault_apply_bytes(image, op->at + (int64_t)at, op->bytes + at, piece);
        at += piece;
    }
}

static inline void fault_lose_power(void)
{
    for (int i = 0; i < FAULT_FILES && fault.images[i].path[0] != '\0'; i++) {
        struct fault_image *image = &fault.images[i];
        for (size_t j = 0; j < image->count; j++) {
            uint64_t fate = rng_below(&fault.rng, 3);
            if (fate == 0 || (fate == 1 && image->ops[j].bytes == NULL))
                fault_apply(image, &image->ops[j]);
            else if (fate == 1)
                fault_tear(image, &image->ops[j]);
        }
        int file = open(image->path, O_WRONLY | O_TRUNC);
        if (file >= 0 && write(file, image->bytes, image->length) != (ssize_t)image->length)
            _exit(41);
        if (file >= 0)
            close(file);
    }
    _exit(FAULT_EXIT);
}

/* True when this operation must fail. */
static inline bool fault_now(void)
{
    fault.operations++;
    bool hit =
        fault.mode == FAULT_STICKY ? fault.operations >= fault.at : fault.operations == fault.at;
    if (fault.mode == FAULT_NONE || !hit)
        return false;
    if (fault.mode == FAULT_POWER)
        fault_lose_power();
    fault.failures++;
    return true;
}

static inline int fault_code(int kind)
{
    return fault.code == SQLITE_FULL ? SQLITE_FULL : kind;
}

/* --- the VFS --- */
#define FAULT_REAL(file) (((struct fault_file *)(file))->real)

static inline int fault_close(sqlite3_file *file)
{
    return FAULT_REAL(file)->pMethods->xClose(FAULT_REAL(file));
}

static inline int fault_read(sqlite3_file *file, void *out, int length, sqlite3_int64 at)
{
    return FAULT_REAL(file)->pMethods->xRead(FAULT_REAL(file), out, length, at);
}

static inline int fault_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 at)
{
    struct fault_image *image = ((struct fault_file *)file)->image;
    sqlite3_file *real = FAULT_REAL(file);
    if (image == NULL)
        return real->pMethods->xWrite(real, bytes, length, at);
    fault_record(image, at, bytes, (size_t)length);
    if (!fault_now())
        return real->pMethods->xWrite(real, bytes, length, at);
    real->pMethods->xWrite(real, bytes, length / 2, at);
    return fault_code(SQLITE_IOERR_WRITE);
}

static inline int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct fault_image *image = ((struct fault_file *)file)->image;
    if (image != NULL) {
        fault_record(image, size, NULL, 0);
        if (fault_now())
            return fault_code(SQLITE_IOERR_TRUNCATE);
    }
    return FAULT_REAL(file)->pMethods->xTruncate(FAULT_REAL(file), size);
}

static inline int fault_sync(sqlite3_file *file, int flags)
{
    struct fault_image *image = ((struct fault_file *)file)->image;
    (void)flags; /* the real disk need not be waited for: its part is played here */
    if (image != NULL && fault_now())
        return fault_code(SQLITE_IOERR_FSYNC);
    if (image != NULL)
        fault_synced(image);
    return SQLITE_OK;
}

static inline int fault_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return FAULT_REAL(file)->pMethods->xFileSize(FAULT_REAL(file), size);
}

static inline int fault_lock(sqlite3_file *file, int lock)
{
    return FAULT_REAL(file)->pMethods->xLock(FAULT_REAL(file), lock);
}

static inline int fault_unlock(sqlite3_file *file, int lock)
{
    return FAULT_REAL(file)->pMethods->xUnlock(FAULT_REAL(file), lock);
}

static inline int fault_check_lock(sqlite3_file *file, int *out)
{
    return FAULT_REAL(file)->pMethods->xCheckReservedLock(FAULT_REAL(file), out);
}

static inline int fault_control(sqlite3_file *file, int op, void *argument)
{
    return FAULT_REAL(file)->pMethods->xFileControl(FAULT_REAL(file), op, argument);
}

static inline int fault_sector_size(sqlite3_file *file)
{
    (void)file;
    return FAULT_SECTOR;
}

static inline int fault_characteristics(sqlite3_file *file)
{
    (void)file;
    return 0; /* promises nothing: no atomic writes, no safe append, no safe overwrite */
}

static inline int fault_shm_map(sqlite3_file *file, int page, int size, int extend,
                                void volatile **out)
{
    return FAULT_REAL(file)->pMethods->xShmMap(FAULT_REAL(file), page, size, extend, out);
}

static inline int fault_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return FAULT_REAL(file)->pMethods->xShmLock(FAULT_REAL(file), offset, count, flags);
}

static inline void fault_shm_barrier(sqlite3_file *file)
{
    FAULT_REAL(file)->pMethods->xShmBarrier(FAULT_REAL(file));
}

static inline int fault_shm_unmap(sqlite3_file *file, int delete)
{
    return FAULT_REAL(file)->pMethods->xShmUnmap(FAULT_REAL(file), delete);
}

static const sqlite3_io_methods FAULT_METHODS = {
    .iVersion = 2,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_check_lock,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector_size,
    .xDeviceCharacteristics = fault_characteristics,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
};

static inline int fault_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                             int *out_flags)
{
    (void)vfs;
    struct fault_file *wrapped = (struct fault_file *)file;
    *wrapped = (struct fault_file){.real = (sqlite3_file *)(wrapped + 1)};
    int result = fault.real->xOpen(fault.real, path, wrapped->real, flags, out_flags);
    if (wrapped->real->pMethods == NULL)
        return result;
    wrapped->base.pMethods = &FAULT_METHODS;
    if (path != NULL &&
        (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0) {
        wrapped->image = fault_image_of(path);
        fault_load(wrapped->image);
    }
    return result;
}

/* Registers it as the default, once a process. */
static inline void fault_install(void)
{
    fault.real = sqlite3_vfs_find(NULL);
    fault.vfs = *fault.real;
    fault.vfs.zName = "fault";
    fault.vfs.szOsFile = (int)sizeof(struct fault_file) + fault.real->szOsFile;
    fault.vfs.xOpen = fault_open;
    sqlite3_vfs_register(&fault.vfs, 1);
}

#endif
