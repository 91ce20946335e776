/* Passwords at rest: scrypt (N = 2^15, r = 8, p = 1: 32 MiB and about 0.1 s) with a salt of its
 * own, written as one line with its parameters, so that they can be raised later. Slow on
 * purpose: on a worker, never on the loop. Pure. */
#ifndef ARENA_PEOPLE_PASSWORDS_H
#define ARENA_PEOPLE_PASSWORDS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

#define PASSWORD_BYTES_MIN 8
#define PASSWORD_BYTES_MAX 256
#define PASSWORD_HASH_SIZE 128 /* of the line and its NUL */

/* ERR_BAD_REQUEST for one that is too short or too long. */
bool password_hash(struct text password, char out[PASSWORD_HASH_SIZE], struct err *err);

/* False for a wrong password and for a line that cannot be read. Takes as long for one as for
 * the other; `stored` NULL (no such voter) takes as long too, so that nobody learns who has a
 * password. */
bool password_check(struct text password, const char *stored);

#endif
