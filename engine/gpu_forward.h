/* The forward pass on a GPU: which kernels run for a step, in which order, over which buffers.
 *
 * Up to CUDA_GEMV_ROWS rows, products are GEMVs: five fused launches a layer up to CUDA_FUSED_ROWS
 * rows (with experts six), two norms more above. Larger steps use matrix products (cuBLASLt, or
 * the tile kernel where it is missing or the batch small). A step of one token a request is
 * recorded as a graph the second time its bucket comes, and replayed from then on.
 *
 * Everything is given to one stream and nothing waits, but the timing of a matrix product's shape
 * when it comes first. One owner, one step at a time. All memory is taken by gpu_forward_new. */
#ifndef ENGINE_GPU_FORWARD_H
#define ENGINE_GPU_FORWARD_H

#include "engine/gpu_step.h"
#include "engine/gpu_weights.h"

struct gpu_forward;

/* Bytes of device memory that gpu_forward_new takes, the pages aside; and of one page over all
 * layers. */
size_t gpu_forward_bytes(const struct config *config, const struct gpu_weights *weights,
                         const struct cuda_info *device);
size_t gpu_page_bytes(const struct config *config, enum kernel_kv kv);

/* Borrows all it is given for its life. Returns new. */
struct gpu_forward *gpu_forward_new(const struct config *config, const struct gpu_weights *weights,
                                    const struct cuda_info *device, struct cuda_stream *stream,
                                    enum kernel_kv kv, int pages, struct engine_error *error);
void gpu_forward_free(struct gpu_forward *forward);

/* Gives all of a step's work to the stream: layers, logits (copied out where wanted), draws. The
 * lists of `step` are on their way to the device. Returns a status. */
int gpu_forward_run(struct gpu_forward *forward, const struct gpu_step *step);

#endif
