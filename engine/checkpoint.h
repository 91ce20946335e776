/* A Hugging Face checkpoint (a folder with config.json, tokenizer.json and safetensors) read as
 * if it were a GGUF file: the same look-ups serve both, so that nothing above knows the
 * difference.
 *
 * Names, sizes, the order of rows in rotary projections, experts kept one by one, norms kept less
 * one and 8-bit floats (as Q8_0) are put into the form that GGUF has; what can stay where it is
 * mapped does. What the engine would compute differently from the checkpoint's own code is refused
 * by name, not guessed. */
#ifndef ENGINE_CHECKPOINT_H
#define ENGINE_CHECKPOINT_H

#include "engine/gguf.h"

/* Is it a folder or a .safetensors file, and so not GGUF? */
bool checkpoint_is(const char *path);

/* Returns new, freed by gguf_close. `path`: the folder, or a .safetensors file in it. */
struct gguf *checkpoint_open(const char *path, struct engine_error *error);

#endif
