/* Does a device compute what the CPU computes? Asked once a model, before it serves.
 *
 * The model's first layers (at most SELFCHECK_LAYERS, so that a large model needs neither the
 * memory nor the time of a second copy) are loaded on both; a short prompt and a few draws must
 * agree within what rounding explains. Runs on the thread that loads. */
#ifndef ENGINE_SELFCHECK_H
#define ENGINE_SELFCHECK_H

#include "engine/backend.h"

enum { SELFCHECK_LAYERS = 8, SELFCHECK_PROMPT = 40 };

/* False with `why` filled when they differ, or when the device fails. */
bool selfcheck_run(struct backend *device, struct backend *host, const struct config *config,
                   const struct gguf *file, const struct backend_load *options,
                   struct engine_error *why);

#endif
