/* The feed-forward part of a layer with experts: route, gather each expert's tokens, compute, sum.
 *
 * Every chosen expert's weights are read once a step, whatever the number of tokens. A token's sum
 * runs in the order of its own choice (likeliest expert first), so that it does not depend on the
 * others. One owner; no allocation after experts_new. */
#ifndef ENGINE_EXPERTS_H
#define ENGINE_EXPERTS_H

#include "engine/threads.h"
#include "engine/weights.h"

struct experts;

/* `rows`: most tokens at once. Returns new. */
struct experts *experts_new(const struct config *config, const struct weights *weights,
                            const struct kernels *kernels, struct threads *threads, int rows,
                            struct engine_error *error);
void experts_free(struct experts *experts);

/* out[t] (width floats each) = the layer's feed-forward output for each token of `input`, whose
 * int8 form is there if the shared expert wants it. */
bool experts_run(struct experts *experts, const struct weights_layer *layer,
                 const struct kernel_activations *input, float *out, struct engine_error *error);

#endif
