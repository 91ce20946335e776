/* The forward pass on the CPU: the layers of any architecture over the rows (tokens) of a step.
 *
 * One owner, one call at a time; the team of threads does the work. Owns its buffers and the KV
 * pages; borrows config, weights and threads for its life. No allocation after forward_new. Memory:
 * some tens of kilobytes a row, plus the pages (which the system provides as they are first
 * written). */
#ifndef ENGINE_FORWARD_H
#define ENGINE_FORWARD_H

#include "engine/backend.h"
#include "engine/threads.h"
#include "engine/weights.h"

enum { FORWARD_HEAD_ROWS = 32 }; /* rows of logits made at once: bounds the largest buffer */

struct forward;

/* `rows`: most tokens of a step. Returns new. */
struct forward *forward_new(const struct config *config, const struct weights *weights,
                            const struct kernels *kernels, struct threads *threads, int rows,
                            int pages, enum kernel_kv kv, struct engine_error *error);
void forward_free(struct forward *forward);

/* Bytes of KV that one page takes over all layers. */
size_t forward_page_bytes(const struct config *config, enum kernel_kv kv);

/* Runs all layers over the step's tokens, slice after slice, and stores their keys and values. A
 * slice's row r of forward_logits is its first token's place in that order, plus r. */
bool forward_layers(struct forward *forward, const struct backend_step *step,
                    struct engine_error *error);

/* The logits of `count` (at most FORWARD_HEAD_ROWS) rows of the last forward_layers. Returns
 * borrowed: count rows of the vocabulary's size, until the next call. */
const float *forward_logits(struct forward *forward, const int *rows, int count);

#endif
