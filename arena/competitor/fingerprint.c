#include "competitor/fingerprint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 1 << 20, PIECE = 64 << 10, PIECES = 256 };

static bool add_piece(struct digest *digest, int fd, char *piece, off_t from, size_t length)
{
    size_t have = 0;
    while (have < length) {
        ssize_t n = pread(fd, piece + have, length - have, from + (off_t)have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break; /* the file's end */
        have += (size_t)n;
    }
    digest_add_field(digest, piece, have);
    return true;
}

static bool add_pieces(struct digest *digest, int fd, off_t size)
{
    char *piece = malloc(HEAD);
    bool ok = piece && add_piece(digest, fd, piece, 0, HEAD);
    off_t rest = size > HEAD ? size - HEAD : 0,
          step = rest / PIECES > PIECE ? rest / PIECES : PIECE;
    for (off_t from = HEAD; ok && from < size; from += step)
        ok = add_piece(digest, fd, piece, from, PIECE);
    free(piece);
    return ok;
}

bool fingerprint_file(const char *path, char out[DIGEST_HEX + 1], struct err *err)
{
    struct stat info;
    uint8_t bytes[DIGEST_SIZE];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "%s: cannot open it", path);
    struct digest *digest = digest_new();
    bool ok = digest && fstat(fd, &info) == 0;
    if (ok) {
        int64_t size = info.st_size;
        digest_add_field(digest, &size, sizeof size);
        ok = add_pieces(digest, fd, info.st_size);
    }
    if (!ok)
        err_sys(err, ERR_IO, errno, "%s: cannot read it", path);
    if (digest)
        digest_finish(digest, bytes);
    close(fd);
    hex_encode(bytes, DIGEST_SIZE, out);
    return ok;
}
