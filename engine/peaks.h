/* What this machine can do at best, measured: the yardsticks of `arena bench engine`.
 *
 * Blocking, some tenths of a second each, on a team of threads of its own. */
#ifndef ENGINE_PEAKS_H
#define ENGINE_PEAKS_H

#include "engine/engine.h"

/* Bytes a second at which `threads` threads together read a buffer of `bytes` (a model's weights:
 * what lies in which cache matters). The best of several passes; 0 without memory. */
double peaks_read_rate(size_t bytes, int threads);

/* Multiplications and additions a second of int8 numbers, of the widest kind this CPU has. */
double peaks_int8_rate(int threads);

#endif
