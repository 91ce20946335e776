/* The GPU's backend: the same models, steps and draws as the CPU's, by the kernels of
 * kernels/cuda/.
 *
 * A model has a stream of its own, its weights, buffers and KV pages on the device; several share
 * one. submit gives all of a step's work to the stream, wait waits for its draws. Results of a
 * request depend on the batch's bucket (rows rounded up: 1, 2, 4 … 128, then multiples of 128),
 * since larger steps sum in another order; in one bucket the same request gets the same tokens.
 * A device that is lost fails every step from then on, with a message that says so. */
#ifndef ENGINE_BACKEND_CUDA_H
#define ENGINE_BACKEND_CUDA_H

#include "engine/backend.h"

/* The device `number`; `threads` pack weights at load. Returns new; NULL with `error` filled where
 * there is no such device. */
struct backend *backend_cuda_new(int number, int threads, struct engine_error *error);

/* How many devices there are. `why` (borrowed): what is wrong where there is a driver that should
 * have one, else NULL. */
int backend_cuda_count(const char **why);

#endif
