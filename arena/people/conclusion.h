/* The end of a campaign: is it due, and then its report, signed and stored for good.
 *
 * Blocking: for a worker, or a command that owns the directory. Two that conclude the same campaign
 * at once give one report: the store takes the first. */
#ifndef ARENA_PEOPLE_CONCLUSION_H
#define ARENA_PEOPLE_CONCLUSION_H

#include <stdbool.h>

#include "base/err.h"
#include "store/store.h"

#define CONCLUSION_WHY_SIZE 160

/* Ends the campaign if its rule says so, or because of `why` (NULL: only by its rule).
 * ERR_NOT_FOUND; ERR_WRONG_STATE when it has ended before. */
bool conclude(struct store *store, const char *id, const char *why, bool *ended, struct err *err);

#endif
