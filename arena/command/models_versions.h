/* `arena models versions`: what each version of a competitor was, read from the store. */
#ifndef ARENA_COMMAND_MODELS_VERSIONS_H
#define ARENA_COMMAND_MODELS_VERSIONS_H

#include <stdbool.h>

/* Returns the exit code. */
int models_versions(const char *name, const char *data, bool as_json);

#endif
