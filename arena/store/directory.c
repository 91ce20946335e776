/* flock rather than fcntl: an fcntl lock would be lost when any descriptor of the file is closed
 * in this process, which a mere look at the owner's name does. */
#include "store/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static void read_owner(int lock, char *owner, size_t size)
{
    char text[256];
    ssize_t length = pread(lock, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    snprintf(owner, size, "%s", text[0] != '\0' ? text : "another process");
}

static bool refuse_owned(int lock, const char *dir, struct err *err)
{
    char owner[256];
    read_owner(lock, owner, sizeof owner);
    return err_set(
        err, ERR_CONFLICT,
        "the data directory %s is in use by %s: stop it first, or choose another with --data", dir,
        owner);
}

int directory_take(const char *dir, struct err *err)
{
    if (!file_make_folder(dir, 0700, err)) {
        err_prefix(err, "the data directory");
        return -1;
    }
    char *path = file_join(dir, "arena.lock");
    int lock = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    if (lock < 0) {
        err_sys(err, ERR_STORE, errno, "the data directory %s cannot be written", dir);
        return -1;
    }
    if (flock(lock, LOCK_EX | LOCK_NB) == 0)
        return lock;
    if (errno == EWOULDBLOCK)
        refuse_owned(lock, dir, err);
    else
        err_sys(err, ERR_STORE, errno, "the data directory %s cannot be locked", dir);
    close(lock);
    return -1;
}

bool directory_announce(int lock, const char *address, struct err *err)
{
    char text[256];
    int length = snprintf(text, sizeof text, "process %ld%s%s\n", (long)getpid(),
                          address[0] != '\0' ? " at " : "", address);
    if (length >= (int)sizeof text)
        return err_set(err, ERR_STORE,
                       "the address is too long for the lock of the data directory");
    if (ftruncate(lock, 0) != 0 || pwrite(lock, text, (size_t)length, 0) != length)
        return err_sys(err, ERR_STORE, errno, "the lock of the data directory cannot be written");
    return true;
}

bool directory_is_owned(const char *dir, char *owner, size_t size)
{
    char *path = file_join(dir, "arena.lock");
    int lock = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (lock < 0)
        return false;
    bool owned = flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (owned)
        read_owner(lock, owner, size);
    close(lock);
    return owned;
}
