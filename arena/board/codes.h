/* Code names on boards: from the label that a version carries (stored.h) to the one that voters are
 * shown while its competitor is not published.
 *
 * The newest version is shown by the code name alone, an older one with its number ("maple@2"): a
 * digest could be looked up. Immutable once loaded; any thread. */
#ifndef ARENA_BOARD_CODES_H
#define ARENA_BOARD_CODES_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/competitors.h"

struct codes {
    struct code {
        char *label, *shown;
    } * list;
    size_t count;
};

/* As of now. `out` need not be done after a failure. */
bool codes_load(struct codes *out, struct db *db, struct err *err);
void codes_done(struct codes *codes);

/* The label itself where it may be shown. */
const char *codes_shown(const struct codes *codes, const char *label);

/* JSON of a row or rows with "model" (and "version", a digest, beside it): as voters are shown it.
 * Gives a string of the caller's, NULL without memory. */
char *codes_mask(const struct codes *codes, struct text json);

#endif
