#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"

static bool read_all(int fd, const char *path, struct buf *out, struct err *err)
{
    char piece[16384];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, ERR_IO, errno, "%s: cannot read it", path);
        if (n == 0)
            return true;
        if (!buf_add(out, piece, (size_t)n))
            return err_set(err, ERR_TOO_LARGE, "%s: larger than %zu bytes", path, out->max);
    }
}

bool file_read(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "%s: cannot open it", path);
    struct stat info;
    bool ok = fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)
                  ? err_set(err, ERR_IO, "%s: is a folder", path)
                  : read_all(fd, path, out, err);
    close(fd);
    return ok;
}

static bool write_all(int fd, struct text content)
{
    while (content.length) {
        ssize_t n = write(fd, content.data, content.length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        content.data += n;
        content.length -= (size_t)n;
    }
    return true;
}

/* A device or a pipe takes what is written; putting a file in its place would take it away from
 * everybody. */
static bool write_into(const char *path, struct text content, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "%s: cannot open it", path);
    bool ok = write_all(fd, content) || err_sys(err, ERR_IO, errno, "%s: cannot write it", path);
    close(fd);
    return ok;
}

static bool replace(const char *path, struct text content, unsigned mode, struct err *err)
{
    char id[RANDOM_ID_LENGTH + 1], temporary[4096];
    random_id(id);
    if (snprintf(temporary, sizeof temporary, "%s.%s", path, id) >= (int)sizeof temporary)
        return err_set(err, ERR_IO, "%.200s…: the path is too long", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "%s: cannot create it", path);
    bool ok = write_all(fd, content) && fsync(fd) == 0;
    int error = errno;
    close(fd);
    if (ok && rename(temporary, path) == 0)
        return true;
    if (ok)
        error = errno;
    unlink(temporary);
    return err_sys(err, ERR_IO, error, "%s: cannot write it", path);
}

char *file_target(const char *path, bool *stays)
{
    struct stat own, meant;
    bool there = lstat(path, &own) == 0 && stat(path, &meant) == 0;
    *stays = there && !S_ISREG(meant.st_mode) && !S_ISDIR(meant.st_mode);
    char *real = there && S_ISLNK(own.st_mode) && !*stays ? realpath(path, NULL) : NULL;
    return real ? real : strdup(path);
}

bool file_write(const char *path, struct text content, unsigned mode, struct err *err)
{
    bool stays;
    char *target = file_target(path, &stays);
    if (!target)
        return err_set(err, ERR_MEMORY, "out of memory");
    bool ok = stays ? write_into(path, content, err) : replace(target, content, mode, err);
    free(target);
    return ok;
}

bool file_make_folder(const char *path, unsigned mode, struct err *err)
{
    char part[4096];
    size_t length = strlen(path);
    if (!length || length >= sizeof part)
        return err_set(err, ERR_IO, "%s: not a folder's path", length ? "(too long)" : "(empty)");
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST)
            return err_sys(err, ERR_IO, errno, "%s: cannot create the folder", part);
        part[i] = kept;
    }
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return err_set(err, ERR_IO, "%s: exists and is not a folder", path);
    return true;
}

char *file_read_secret(const char *path, struct err *err)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        err_sys(err, ERR_CONFIG, errno, "%s: cannot read the key file", path);
        return NULL;
    }
    if (info.st_mode & 077) {
        err_set(err, ERR_CONFIG, "%s: others can read the key file; run: chmod 600 %s", path, path);
        return NULL;
    }
    struct buf content;
    secret_guard();
    buf_init(&content, 4096);
    if (!file_read(path, &content, err)) {
        secret_wipe(content.data, content.capacity);
        buf_done(&content);
        return NULL;
    }
    while (content.length && strchr(" \t\r\n", content.data[content.length - 1]))
        content.data[--content.length] = '\0';
    char *secret = buf_take(&content, NULL);
    if (!secret)
        err_set(err, ERR_MEMORY, "out of memory");
    return secret;
}

void secret_guard(void)
{
    prctl(PR_SET_DUMPABLE, 0);
}

void secret_wipe(void *bytes, size_t length)
{
    if (bytes)
        explicit_bzero(bytes, length);
}

char *file_join(const char *folder, const char *path)
{
    char *joined = NULL;
    if (path[0] == '/' || !folder[0])
        return strdup(path);
    return asprintf(&joined, "%s/%s", folder, path) < 0 ? NULL : joined;
}
