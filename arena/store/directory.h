/* The data directory's lock: one process owns it. The lock is the kernel's (flock) on
 * DIR/arena.lock, so it goes with the process however that ends; the file's text only tells
 * others who it is. Used by store.c and by commands that want to know whether somebody owns the
 * directory. Any thread. */
#ifndef ARENA_STORE_DIRECTORY_H
#define ARENA_STORE_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Makes the directory where missing (mode 0700) and takes its lock. Returns a descriptor to
 * close, or -1. ERR_CONFLICT says who owns it. */
int directory_take(const char *dir, struct err *err);

/* Writes this process's id and an address ("" for none) into the lock that we hold. */
bool directory_announce(int lock, const char *address, struct err *err);

/* True when some process owns it now; `owner` gets what it wrote ("process 123 at http://…"). */
bool directory_is_owned(const char *dir, char *owner, size_t size);

#endif
