/* Files of safetensors: named tensors of plain numbers, mapped and read in place. One file, or a
 * folder's shards as its index names them.
 *
 * Everything is checked when opened (the header's length and JSON, every type, shape and range,
 * overlaps and holes), so the tensors can be trusted afterwards. Immutable; any thread. Limits:
 * 128 MiB of header, 2^20 tensors, 4 dimensions, 1,000 files. */
#ifndef ENGINE_SAFETENSORS_H
#define ENGINE_SAFETENSORS_H

#include "engine/engine.h"

enum { SAFETENSORS_F8_E4M3 = 1000 }; /* ggml has no number for it */

struct safetensor {
    const char *name; /* `name_length` bytes */
    size_t name_length;
    uint32_t type; /* ggml's number: 0 F32, 1 F16, 30 BF16; or SAFETENSORS_F8_E4M3 */
    int dims;
    int64_t size[4]; /* slowest first, as in the file */
    const unsigned char *data;
    size_t bytes;
};

struct safetensors;

/* `path`: a .safetensors file, or a folder that holds model.safetensors or
 * model.safetensors.index.json. Returns new; NULL with `error` filled: what, in which file, at
 * which tensor. */
struct safetensors *safetensors_open(const char *path, struct engine_error *error);

/* One file from memory, which it borrows; for tests and fuzzing. */
struct safetensors *safetensors_open_memory(const void *bytes, size_t length, const char *name,
                                            struct engine_error *error);
void safetensors_close(struct safetensors *files);

size_t safetensors_count(const struct safetensors *files);
const struct safetensor *safetensors_at(const struct safetensors *files, size_t index);

#endif
