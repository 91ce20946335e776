/* A GGUF file (version 2 or 3), read in place: typed look-up of its metadata and tensors, nothing
 * copied.
 *
 * Everything is checked when the file is opened (every length against the file's end, every name,
 * type, shape and offset), so that the functions below cannot fail on a damaged file later. All
 * text, arrays and tensor data are borrowed from the mapping until gguf_close: copy what must
 * outlive it (a model is packed, then its file is closed). Strings are bytes and a length: they
 * have no terminating NUL, and may hold anything.
 *
 * A model split over files (NAME-00001-of-0000N.gguf) is opened by its first and looks like one:
 * metadata is the first file's, tensors are those of all.
 *
 * Immutable after gguf_open: any thread may read. Limits: 2^30 elements an array, 4 dimensions,
 * names of 64 bytes (63 for the last, as the format's reader has it), arrays of arrays 4 deep (no
 * model needs them: they are passed over), 1,000 files. */
#ifndef ENGINE_GGUF_H
#define ENGINE_GGUF_H

#include "engine/engine.h"

enum gguf_kind {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_KINDS
};

struct gguf_text {
    const char *bytes;
    size_t length;
};

/* An array value. Strings are read in order by gguf_next_text; numbers by index. */
struct gguf_array {
    enum gguf_kind kind; /* of the elements */
    size_t count;
    const unsigned char *data; /* packed, little-endian, not aligned */
    size_t bytes;
};

struct gguf_tensor {
    struct gguf_text name;
    uint32_t type; /* the number ggml gives it: 0 F32, 1 F16, 8 Q8_0, … */
    int dims;
    int64_t size[4];  /* fastest first, as in the file; 1 past `dims` */
    const void *data; /* `bytes` long, aligned as the file has it (to 8 or more) */
    size_t bytes;
};

struct gguf;

/* Returns new, freed by gguf_close; NULL on failure with `error` filled: what, where (offset, key
 * or tensor), in which file. */
struct gguf *gguf_open(const char *path, struct engine_error *error);

/* The same from memory, which it borrows; `name` stands in messages. For tests and fuzzing. */
struct gguf *gguf_open_memory(const void *bytes, size_t length, const char *name,
                              struct engine_error *error);

/* A model of other files in GGUF's clothes: metadata from `bytes` (GGUF without tensors),
 * tensors with their data wherever it lies. Takes `bytes` and `tensors` (both malloc'd) and
 * `owner`, which `release` frees, on failure too. */
struct gguf *gguf_assemble(void *bytes, size_t length, const char *name,
                           struct gguf_tensor *tensors, size_t count, void (*release)(void *owner),
                           void *owner, struct engine_error *error);

/* Another owner of the file, which lasts until gguf_close was called for each. NULL if its bytes
 * are borrowed (gguf_open_memory). */
struct gguf *gguf_share(const struct gguf *file);

/* Copies `bytes` of a tensor's data. A mapped file is read anew for it: one that was cut short
 * since it was opened is an error then, where to touch its mapping would end the process. */
bool gguf_copy(const struct gguf *file, const void *data, size_t bytes, void *out,
               struct engine_error *error);

/* `bytes` of a tensor's data were read for now: a mapped file gives the memory back. They can be
 * read again. */
void gguf_forget(const struct gguf *file, const void *data, size_t bytes);

void gguf_close(struct gguf *file);

/* The path or name it was opened with. */
const char *gguf_name(const struct gguf *file);

/* Metadata. Each returns false when the key is absent or of another kind (an integer key takes any
 * integer kind that fits, a number key any number) and then leaves the value alone, so that
 * defaults can be set before. */
bool gguf_has(const struct gguf *file, const char *key);
bool gguf_integer(const struct gguf *file, const char *key, int64_t *value);
bool gguf_number(const struct gguf *file, const char *key, double *value);
bool gguf_boolean(const struct gguf *file, const char *key, bool *value);
bool gguf_string(const struct gguf *file, const char *key, struct gguf_text *value);
bool gguf_array(const struct gguf *file, const char *key, struct gguf_array *value);

/* The next string of an array of strings: advances `array`; false at its end. */
bool gguf_next_text(struct gguf_array *array, struct gguf_text *text);

/* Element `index` (below count) of an array of numbers or booleans; as an integer, a number past
 * 2^62 is 0. */
int64_t gguf_array_integer(const struct gguf_array *array, size_t index);
double gguf_array_number(const struct gguf_array *array, size_t index);

/* Is `text` exactly this C string? */
bool gguf_text_is(struct gguf_text text, const char *string);

/* Tensors: by name (NULL when absent), or by place in the file. */
const struct gguf_tensor *gguf_tensor(const struct gguf *file, const char *name);
size_t gguf_tensor_count(const struct gguf *file);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *file, size_t index);

/* The name of a tensor type ("Q4_1"), or NULL for a number that is none. */
const char *gguf_type_name(uint32_t type);

#endif
