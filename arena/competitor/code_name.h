/* Code names: what voters are told of a model that is not published yet.
 *
 * A code name stands where the name would on every page and route of those who vote, so it must be
 * nobody else's name, and must not give its own model away. Letters and digits are compared, in any
 * case. Pure, any thread. */
#ifndef ARENA_COMPETITOR_CODE_NAME_H
#define ARENA_COMPETITOR_CODE_NAME_H

#include <stddef.h>

#include "base/err.h"
#include "competitor/competitor.h"

/* May it be met under its code name, among all of these? True where it has none. The error says
 * what the code name is equal to, or gives away. */
bool code_name_check(const struct competitor_config *of, const struct competitor_config *const *all,
                     size_t count, struct err *err);

#endif
