/* Small files whole, folders, and secrets. Blocking: never on the loop's thread after start-up. */
#ifndef ARENA_BASE_FILE_H
#define ARENA_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends a whole regular file (or pipe) of at most buf->max bytes. The error names the path and
 * what is wrong. */
bool file_read(const char *path, struct buf *out, struct err *err);

/* Where a new file takes its place when `path` is written: the end of a link, else `path` itself.
 * `*stays`: a device or a pipe is there, which is to be opened and written, never replaced. Returns
 * new (free), NULL without memory. */
char *file_target(const char *path, bool *stays);

/* Writes through a temporary file, fsync and rename, so that a reader sees the old or the new
 * file, never half. A link stays one; a device or a pipe is written into. */
bool file_write(const char *path, struct text content, unsigned mode, struct err *err);

bool file_make_folder(const char *path, unsigned mode,
                      struct err *err); /* parents too; an existing folder is fine */

/* Reads a secret from a file that only its owner can read (mode 0600 or less), without its line
 * end. Refuses others, saying how to mend it. The caller wipes it with secret_wipe. Returns new,
 * NUL-terminated. */
char *file_read_secret(const char *path, struct err *err);
void secret_wipe(void *bytes, size_t length);

/* This process holds secrets from now on: it leaves no core dump, and others of the same user
 * cannot look into its memory. */
void secret_guard(void);

/* `path` itself if absolute, else FOLDER/path. Returns new, or NULL without memory. */
char *file_join(const char *folder, const char *path);

#endif
