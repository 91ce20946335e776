/* Filling a struct engine_error: the one way a failure is told inside engine/. */
#ifndef ENGINE_ERROR_H
#define ENGINE_ERROR_H

#include "engine/engine.h"

/* Writes code and message (cut to what fits, always terminated) and returns false, so that a caller can write
 * `return engine_fail(error, …)`. `error` may be NULL. */
bool engine_fail(struct engine_error *error, enum engine_error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for "no memory for WHAT". */
bool engine_no_memory(struct engine_error *error, const char *what);

#endif
