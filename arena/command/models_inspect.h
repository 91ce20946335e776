/* `arena models inspect`: what a model file holds, without loading it. */
#ifndef ARENA_COMMAND_MODELS_INSPECT_H
#define ARENA_COMMAND_MODELS_INSPECT_H

#include <stdbool.h>

/* Prints a table, or one JSON object. Returns the exit code; a file that this engine cannot run
 * is no failure. */
int models_inspect(const char *path, bool json);

#endif
