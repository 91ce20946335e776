/* `arena leaderboard publish`: makes the boards as they are now the ones that voters see. Asks the
 * directory's owner, or is it for the moment that it takes. */
#ifndef ARENA_COMMAND_LEADERBOARD_PUBLISH_H
#define ARENA_COMMAND_LEADERBOARD_PUBLISH_H

#include <stdbool.h>

#include "base/err.h"

bool leaderboard_publish(const char *data, const char *note, struct err *err);

#endif
