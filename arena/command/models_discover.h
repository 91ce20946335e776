/* `arena models discover`: the models that a provider's key can reach. */
#ifndef ARENA_COMMAND_MODELS_DISCOVER_H
#define ARENA_COMMAND_MODELS_DISCOVER_H

#include "command/settings.h"

/* `who` is a provider, or a configured competitor whose endpoint and key are used. Returns the
 * exit code. */
int models_discover(const struct settings *settings, const char *who);

#endif
