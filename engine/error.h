/* Filling a struct engine_error: the one way a failure is told inside engine/. */
#ifndef ENGINE_ERROR_H
#define ENGINE_ERROR_H

#include "engine/engine.h"

/* Writes code and message (cut to what fits, always terminated) and returns false, so that a caller
 * can write `return engine_fail(error, …)`. `error` may be NULL. */
#define engine_fail(...)                                                                           \
    (engine_error_set(__VA_ARGS__), engine_failed()) /* a macro: compilers see the false */

static inline bool engine_failed(void)
{
    return false;
}

void engine_error_set(struct engine_error *error, enum engine_error_code code, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

/* The same for "no memory for WHAT". */
#define engine_no_memory(error, what)                                                              \
    engine_fail(error, ENGINE_MEMORY, "not enough memory for %s", what)

#endif
