/* What tells one weights file from another without reading all of it. */
#ifndef ARENA_COMPETITOR_FINGERPRINT_H
#define ARENA_COMPETITOR_FINGERPRINT_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/err.h"

/* Writes the hexadecimal SHA-256 of the file's size, its first MiB and 256 pieces of 64 KiB
 * spread evenly over it: a file of up to 17 MiB is covered whole, a larger one in milliseconds.
 * Training moves every weight, so two checkpoints differ in every piece. Blocking. */
bool fingerprint_file(const char *path, char out[DIGEST_HEX + 1], struct err *err);

#endif
