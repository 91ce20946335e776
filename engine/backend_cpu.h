/* The backend that runs on this machine's cores: packed weights, kernels/cpu, a team of threads.
 *
 * A step is computed inside wait, by the calling thread and its team. Batch-invariant to the bit.
 */
#ifndef ENGINE_BACKEND_CPU_H
#define ENGINE_BACKEND_CPU_H

#include "engine/backend.h"

/* `threads` 0: one a core; `kernels` NULL: the best this CPU has. Returns new (freed by its ops).
 */
struct backend *backend_cpu_new(int threads, const char *kernels, struct engine_error *error);

#endif
