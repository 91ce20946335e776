/* How far several raters of the same items agree beyond chance: Krippendorff's alpha, for any
 * number of raters an item and items that not everybody rated.
 *
 * 1: all agree; 0: as chance would have it; below 0: less than that. Items with a single mark say
 * nothing and are left out. The distance of two values is 0 or 1 (nominal), that of their numbers
 * (interval), or the number of marks between them (ordinal), squared. Pure. */
#ifndef ARENA_RATING_AGREEMENT_H
#define ARENA_RATING_AGREEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define AGREEMENT_VALUES_MAX 16

struct agreement_mark {
    uint32_t unit; /* the item; any numbers */
    uint8_t value; /* 0 … values - 1 */
};

enum agreement_metric { AGREEMENT_NOMINAL, AGREEMENT_ORDINAL, AGREEMENT_INTERVAL };

struct agreement {
    double alpha;        /* NAN: nothing was marked twice, or every mark is the same */
    size_t units, marks; /* those that were marked twice or more, and their marks */
};

/* False (ERR_MEMORY; ERR_BAD_REQUEST for a value out of range) leaves `out` undefined. */
bool agreement_of(const struct agreement_mark *marks, size_t count, size_t values,
                  enum agreement_metric metric, struct agreement *out, struct err *err);

#endif
