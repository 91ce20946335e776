/* One pass over the mapped file checks and indexes it; nothing is copied but two small tables (keys
 * and tensors, each sorted by name for look-up and to find duplicates). Whatever the file claims is
 * compared with what is left of it before it is believed, so that memory use is bounded by the
 * file's own size. */
#include "engine/gguf.h"

#include "engine/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    GGUF_MAX_DIMS = 4,
    GGUF_MAX_NAME = 63,
    GGUF_MAX_KEY = 65535,
    GGUF_MAX_DEPTH = 3,    /* arrays that an array may stand in */
    GGUF_MAX_PARTS = 1000, /* files of one model */
    GGUF_DEFAULT_ALIGNMENT = 32,
    GGUF_MIN_KEY_BYTES = 8 + 1 + 4 + 1, /* length, a letter, kind, one byte of value */
    GGUF_MIN_TENSOR_BYTES = 8 + 4 + 4 + 8,
    GGUF_SHOWN = 80, /* bytes of a name shown in a message */
};
#define GGUF_MAX_ARRAY ((uint64_t)1 << 30)
#define GGUF_MAX_ALIGNMENT ((int64_t)1 << 24)

struct entry {
    struct gguf_text key;
    enum gguf_kind kind;
    const unsigned char *data; /* a scalar's bytes, or a string's */
    size_t bytes;
    struct gguf_array array;
};

struct gguf {
    int shares; /* owners but one */
    const unsigned char *bytes;
    size_t length;
    bool mapped;
    int fd; /* of a mapped file, else -1 */
    struct gguf *
        *parts; /* the other files of a split model, whose tensors stand in this one's table */
    int part_count;
    void (*release)(void *owner); /* of an assembled file, which also owns its bytes; else NULL */
    void *owner;
    char *name;
    struct entry *entries; /* sorted by key */
    size_t entry_count;
    struct gguf_tensor *tensors; /* as in the file */
    const struct gguf_tensor **by_name;
    size_t tensor_count;
    size_t alignment;
};

static const struct {
    const char *name;
    int block, bytes; /* values and bytes of one block; 0: a number that was given back */
} TYPES[] = {
    [0] = {"F32", 1, 4},         [1] = {"F16", 1, 2},         [2] = {"Q4_0", 32, 18},
    [3] = {"Q4_1", 32, 20},      [6] = {"Q5_0", 32, 22},      [7] = {"Q5_1", 32, 24},
    [8] = {"Q8_0", 32, 34},      [9] = {"Q8_1", 32, 36},      [10] = {"Q2_K", 256, 84},
    [11] = {"Q3_K", 256, 110},   [12] = {"Q4_K", 256, 144},   [13] = {"Q5_K", 256, 176},
    [14] = {"Q6_K", 256, 210},   [15] = {"Q8_K", 256, 292},   [16] = {"IQ2_XXS", 256, 66},
    [17] = {"IQ2_XS", 256, 74},  [18] = {"IQ3_XXS", 256, 98}, [19] = {"IQ1_S", 256, 50},
    [20] = {"IQ4_NL", 32, 18},   [21] = {"IQ3_S", 256, 110},  [22] = {"IQ2_S", 256, 82},
    [23] = {"IQ4_XS", 256, 136}, [24] = {"I8", 1, 1},         [25] = {"I16", 1, 2},
    [26] = {"I32", 1, 4},        [27] = {"I64", 1, 8},        [28] = {"F64", 1, 8},
    [29] = {"IQ1_M", 256, 56},   [30] = {"BF16", 1, 2},       [34] = {"TQ1_0", 256, 54},
    [35] = {"TQ2_0", 256, 66},   [39] = {"MXFP4", 32, 17},    [40] = {"NVFP4", 64, 36},
    [41] = {"Q1_0", 128, 18},    [42] = {"Q2_0", 64, 18},
};

static const unsigned char KIND_BYTES[GGUF_KINDS] = {
    [GGUF_U8] = 1,  [GGUF_I8] = 1,   [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4,
    [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
};

const char *gguf_type_name(uint32_t type)
{
    return type < sizeof TYPES / sizeof *TYPES ? TYPES[type].name : NULL;
}

/* --- Reading: a cursor that never passes the end --- */

struct cursor {
    struct gguf *file;
    size_t at;
    char what[GGUF_SHOWN + 32]; /* the thing being read, for messages */
    struct engine_error *error;
};

/* Names come from the file: only printable ASCII of them reaches a message. */
static void cursor_describe(struct cursor *c, const char *noun, struct gguf_text name)
{
    char shown[GGUF_SHOWN + 1];
    size_t n = name.length < GGUF_SHOWN ? name.length : GGUF_SHOWN;
    for (size_t i = 0; i < n; i++)
        shown[i] = name.bytes[i] >= 0x20 && name.bytes[i] < 0x7f ? name.bytes[i] : '?';
    shown[n] = 0;
    snprintf(c->what, sizeof c->what, "%s \"%s\"", noun, shown);
}

static bool cursor_fail(struct cursor *c, const char *problem)
{
    return engine_fail(c->error, ENGINE_FORMAT, "%s: damaged GGUF file: %s, at byte %zu: %s",
                       c->file->name, c->what, c->at, problem);
}

static bool cursor_take(struct cursor *c, uint64_t bytes, const unsigned char **data)
{
    if (bytes > c->file->length - c->at)
        return cursor_fail(c, "the file ends inside it (incomplete download?)");
    *data = c->file->bytes + c->at;
    c->at += bytes;
    return true;
}

static bool cursor_u32(struct cursor *c, uint32_t *value)
{
    const unsigned char *data;
    if (!cursor_take(c, sizeof *value, &data))
        return false;
    memcpy(value, data, sizeof *value);
    return true;
}

static bool cursor_u64(struct cursor *c, uint64_t *value)
{
    const unsigned char *data;
    if (!cursor_take(c, sizeof *value, &data))
        return false;
    memcpy(value, data, sizeof *value);
    return true;
}

static bool cursor_text(struct cursor *c, struct gguf_text *text)
{
    uint64_t length;
    const unsigned char *data;
    if (!cursor_u64(c, &length) || !cursor_take(c, length, &data))
        return false;
    *text = (struct gguf_text){(const char *)data, length};
    return true;
}

/* --- Metadata --- */

static int text_compare(struct gguf_text a, struct gguf_text b)
{
    int order = memcmp(a.bytes, b.bytes, a.length < b.length ? a.length : b.length);
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

/* `depth`: how many arrays this one stands in. */
static bool read_array(struct cursor *c, int depth, struct gguf_array *array)
{
    uint32_t kind;
    uint64_t count;
    if (!cursor_u32(c, &kind) || !cursor_u64(c, &count))
        return false;
    if (kind >= GGUF_KINDS)
        return cursor_fail(c, "an array of an unknown kind of value");
    if (kind == GGUF_ARRAY && depth == GGUF_MAX_DEPTH)
        return cursor_fail(c, "arrays of arrays too deep");
    if (count > GGUF_MAX_ARRAY)
        return cursor_fail(c, "an array of more than 2^30 elements");
    *array = (struct gguf_array){kind, count, c->file->bytes + c->at, 0};
    const unsigned char *data;
    bool plain = kind != GGUF_STRING && kind != GGUF_ARRAY;
    if (plain && !cursor_take(c, count * KIND_BYTES[kind], &data))
        return false;
    struct gguf_text text;
    struct gguf_array inner;
    for (uint64_t i = 0; !plain && i < count; i++)
        if (!(kind == GGUF_STRING ? cursor_text(c, &text) : read_array(c, depth + 1, &inner)))
            return false;
    array->bytes = (size_t)(c->file->bytes + c->at - array->data);
    return true;
}

static bool read_value(struct cursor *c, struct entry *entry)
{
    if (entry->kind == GGUF_ARRAY)
        return read_array(c, 0, &entry->array);
    if (entry->kind == GGUF_STRING) {
        struct gguf_text text;
        if (!cursor_text(c, &text))
            return false;
        entry->data = (const unsigned char *)text.bytes;
        entry->bytes = text.length;
        return true;
    }
    entry->bytes = KIND_BYTES[entry->kind];
    if (!cursor_take(c, entry->bytes, &entry->data))
        return false;
    if (entry->kind == GGUF_BOOL && *entry->data > 1)
        return cursor_fail(c, "a boolean that is neither 0 nor 1");
    return true;
}

static bool read_entry(struct cursor *c, size_t number, struct entry *entry)
{
    snprintf(c->what, sizeof c->what, "metadata key %zu", number);
    uint32_t kind;
    if (!cursor_text(c, &entry->key))
        return false;
    if (!entry->key.length || entry->key.length > GGUF_MAX_KEY)
        return cursor_fail(c, "a key must have 1 to 65535 bytes");
    cursor_describe(c, "key", entry->key);
    if (!cursor_u32(c, &kind))
        return false;
    if (kind >= GGUF_KINDS)
        return cursor_fail(c, "an unknown kind of value");
    entry->kind = kind;
    return read_value(c, entry);
}

static int entry_order(const void *a, const void *b)
{
    return text_compare(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

static bool read_entries(struct cursor *c)
{
    struct gguf *file = c->file;
    for (size_t i = 0; i < file->entry_count; i++)
        if (!read_entry(c, i, &file->entries[i]))
            return false;
    qsort(file->entries, file->entry_count, sizeof *file->entries, entry_order);
    for (size_t i = 1; i < file->entry_count; i++)
        if (!entry_order(&file->entries[i - 1], &file->entries[i])) {
            cursor_describe(c, "key", file->entries[i].key);
            return cursor_fail(c, "it stands in the file twice");
        }
    return true;
}

static bool read_alignment(struct cursor *c)
{
    int64_t alignment = GGUF_DEFAULT_ALIGNMENT;
    snprintf(c->what, sizeof c->what, "key \"general.alignment\"");
    if (gguf_has(c->file, "general.alignment") &&
        !gguf_integer(c->file, "general.alignment", &alignment))
        return cursor_fail(c, "it is not an integer");
    if (alignment < 8 || alignment > GGUF_MAX_ALIGNMENT || (alignment & (alignment - 1)))
        return cursor_fail(c, "an alignment must be a power of two from 8 to 2^24");
    c->file->alignment = (size_t)alignment;
    return true;
}

/* --- Tensors --- */

/* The bytes a tensor's type and shape need. */
static bool measure_tensor(struct cursor *c, struct gguf_tensor *tensor)
{
    if (!gguf_type_name(tensor->type)) {
        char problem[96];
        snprintf(problem, sizeof problem,
                 "its type, number %u, is unknown or was removed from the format",
                 (unsigned)tensor->type);
        return cursor_fail(c, problem);
    }
    int64_t values = 1, block = TYPES[tensor->type].block, bytes;
    for (int d = 0; d < GGUF_MAX_DIMS; d++)
        if (__builtin_mul_overflow(values, tensor->size[d], &values))
            return cursor_fail(c, "its number of elements overflows");
    if (tensor->size[0] % block)
        return cursor_fail(c, "its rows are no whole number of its type's blocks");
    if (__builtin_mul_overflow(values / block, (int64_t)TYPES[tensor->type].bytes, &bytes))
        return cursor_fail(c, "its number of bytes overflows");
    tensor->bytes = (size_t)bytes;
    return true;
}

static bool read_shape(struct cursor *c, struct gguf_tensor *tensor)
{
    uint32_t dims;
    if (!cursor_u32(c, &dims))
        return false;
    if (dims > GGUF_MAX_DIMS)
        return cursor_fail(c, "more than 4 dimensions");
    tensor->dims = (int)dims;
    for (uint32_t d = 0; d < GGUF_MAX_DIMS; d++) {
        uint64_t size = 1;
        if (d < dims && !cursor_u64(c, &size))
            return false;
        if (size > INT64_MAX)
            return cursor_fail(c, "a negative dimension");
        tensor->size[d] = (int64_t)size;
    }
    return true;
}

/* `expected` is where the tensor's data must start, from the start of the data: tensors follow each
 * other, each padded to the alignment. It is advanced past this one. */
static bool read_tensor(struct cursor *c, size_t number, struct gguf_tensor *tensor,
                        uint64_t *expected)
{
    snprintf(c->what, sizeof c->what, "tensor %zu", number);
    uint64_t offset;
    if (!cursor_text(c, &tensor->name))
        return false;
    cursor_describe(c, "tensor", tensor->name);
    if (!tensor->name.length || tensor->name.length > GGUF_MAX_NAME)
        return cursor_fail(c, "its name must have 1 to 63 bytes");
    if (!read_shape(c, tensor) || !cursor_u32(c, &tensor->type) || !measure_tensor(c, tensor) ||
        !cursor_u64(c, &offset))
        return false;
    if (offset != *expected)
        return cursor_fail(c, "its data does not follow the tensor's before it");
    uint64_t padded, mask = c->file->alignment - 1;
    if (__builtin_add_overflow((uint64_t)tensor->bytes, mask, &padded) ||
        __builtin_add_overflow(*expected, padded & ~mask, expected))
        return cursor_fail(c, "the offset of what follows it overflows");
    tensor->data =
        (const void *)(uintptr_t)offset; /* until place_tensors knows where the data starts */
    return true;
}

/* Offsets become addresses, and every tensor's last byte must lie inside the file. */
static bool place_tensors(struct cursor *c)
{
    struct gguf *file = c->file;
    size_t mask = file->alignment - 1, start = (c->at + mask) & ~mask;
    for (size_t i = 0; i < file->tensor_count; i++) {
        struct gguf_tensor *tensor = &file->tensors[i];
        size_t offset = (size_t)(uintptr_t)tensor->data;
        if (start > file->length || offset > file->length - start ||
            tensor->bytes > file->length - start - offset) {
            cursor_describe(c, "tensor", tensor->name);
            return engine_fail(c->error, ENGINE_FORMAT,
                               "%s: incomplete GGUF file: %s needs bytes %zu to %zu, the file has "
                               "%zu (download it again)",
                               file->name, c->what, start + offset, start + offset + tensor->bytes,
                               file->length);
        }
        tensor->data = file->bytes + start + offset;
        file->by_name[i] = tensor;
    }
    return true;
}

static int tensor_order(const void *a, const void *b)
{
    return text_compare((*(const struct gguf_tensor *const *)a)->name,
                        (*(const struct gguf_tensor *const *)b)->name);
}

static bool index_tensors(struct cursor *c)
{
    struct gguf *file = c->file;
    qsort(file->by_name, file->tensor_count, sizeof *file->by_name, tensor_order);
    for (size_t i = 1; i < file->tensor_count; i++)
        if (!tensor_order(&file->by_name[i - 1], &file->by_name[i])) {
            cursor_describe(c, "tensor", file->by_name[i]->name);
            return cursor_fail(c, "it stands in the file twice");
        }
    return true;
}

static bool read_tensors(struct cursor *c)
{
    struct gguf *file = c->file;
    uint64_t expected = 0;
    for (size_t i = 0; i < file->tensor_count; i++)
        if (!read_tensor(c, i, &file->tensors[i], &expected))
            return false;
    return place_tensors(c) && index_tensors(c);
}

/* --- The whole file --- */

static bool check_version(struct cursor *c, uint32_t version)
{
    if (version == 2 || version == 3)
        return true;
    if (version && !(version & 0xffff))
        return engine_fail(
            c->error, ENGINE_UNSUPPORTED,
            "%s: a big-endian GGUF file: convert it for this machine (gguf_convert_endian.py)",
            c->file->name);
    return engine_fail(c->error, ENGINE_UNSUPPORTED,
                       "%s: GGUF version %u; this engine reads versions 2 and 3", c->file->name,
                       (unsigned)version);
}

static bool read_header(struct cursor *c)
{
    struct gguf *file = c->file;
    const unsigned char *magic;
    uint32_t version;
    uint64_t tensors, entries;
    snprintf(c->what, sizeof c->what, "header");
    if (!cursor_take(c, 4, &magic))
        return false;
    if (memcmp(magic, "GGUF", 4))
        return engine_fail(c->error, ENGINE_FORMAT,
                           "%s: not a GGUF file (it does not start with \"GGUF\")", file->name);
    if (!cursor_u32(c, &version) || !check_version(c, version) || !cursor_u64(c, &tensors) ||
        !cursor_u64(c, &entries))
        return false;
    size_t left = file->length - c->at;
    if (tensors > left / GGUF_MIN_TENSOR_BYTES)
        return cursor_fail(c, "it counts more tensors than the file could hold");
    if (entries > left / GGUF_MIN_KEY_BYTES)
        return cursor_fail(c, "it counts more metadata keys than the file could hold");
    file->tensor_count = tensors;
    file->entry_count = entries;
    file->entries = calloc(entries + 1, sizeof *file->entries);
    file->tensors = calloc(tensors + 1, sizeof *file->tensors);
    file->by_name = calloc(tensors + 1, sizeof *file->by_name);
    return (file->entries && file->tensors && file->by_name) ||
           engine_no_memory(c->error, file->name);
}

/* `fd`: of the file that is mapped, which the result owns then; -1: the bytes are borrowed. */
static struct gguf *gguf_read(const void *bytes, size_t length, int fd, const char *name,
                              struct engine_error *error)
{
    struct gguf *file = calloc(1, sizeof *file);
    if (file)
        *file = (struct gguf){
            .bytes = bytes, .length = length, .mapped = fd >= 0, .fd = fd, .name = strdup(name)};
    if (!file || !file->name) {
        engine_no_memory(error, name);
        if (fd >= 0) {
            munmap((void *)(uintptr_t)bytes, length);
            close(fd);
        }
        free(file);
        return NULL;
    }
    struct cursor cursor = {.file = file, .error = error};
    if (!read_header(&cursor) || !read_entries(&cursor) || !read_alignment(&cursor) ||
        !read_tensors(&cursor)) {
        gguf_close(file);
        return NULL;
    }
    return file;
}

struct gguf *gguf_open_memory(const void *bytes, size_t length, const char *name,
                              struct engine_error *error)
{
    return gguf_read(bytes, length, -1, name, error);
}

static struct gguf *open_one(const char *path, struct engine_error *error)
{
    struct stat status;
    void *bytes = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status)) {
        engine_fail(error, ENGINE_IO, "%s: cannot open the model: %s", path, strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        engine_fail(error, ENGINE_IO, "%s: a model must be a regular file", path);
    } else if (!status.st_size) {
        engine_fail(error, ENGINE_FORMAT, "%s: the file is empty, not a GGUF file", path);
    } else {
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED)
            engine_fail(error, ENGINE_IO, "%s: cannot map the model: %s", path, strerror(errno));
    }
    if (bytes != MAP_FAILED)
        return gguf_read(bytes, (size_t)status.st_size, fd, path, error);
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* --- Several files --- */

/* The file's place among `count`, from 0; -1 where it does not say. */
static int64_t part_number(const struct gguf *file, int64_t count)
{
    int64_t number, of;
    bool sound = gguf_integer(file, "split.no", &number) &&
                 gguf_integer(file, "split.count", &of) && of == count && number >= 0;
    return sound ? number : -1;
}

/* Adds the tensors of one more file, which is taken. */
static bool take_part(struct gguf *file, struct gguf *part, struct engine_error *error)
{
    size_t count = file->tensor_count + part->tensor_count;
    struct gguf_tensor *tensors = realloc(file->tensors, (count + 1) * sizeof *tensors);
    file->parts[file->part_count++] = part;
    if (!tensors)
        return engine_no_memory(error, file->name);
    memcpy(tensors + file->tensor_count, part->tensors, part->tensor_count * sizeof *tensors);
    file->tensors = tensors;
    file->tensor_count = count;
    return true;
}

static bool index_all(struct gguf *file, struct engine_error *error)
{
    const struct gguf_tensor **by_name =
        realloc(file->by_name, (file->tensor_count + 1) * sizeof *by_name);
    int64_t wanted = (int64_t)file->tensor_count;
    if (!by_name)
        return engine_no_memory(error, file->name);
    file->by_name = by_name;
    for (size_t i = 0; i < file->tensor_count; i++)
        by_name[i] = &file->tensors[i];
    if (gguf_integer(file, "split.tensors.count", &wanted) && wanted != (int64_t)file->tensor_count)
        return engine_fail(error, ENGINE_FORMAT, "%s: its parts hold %zu tensors of %lld",
                           file->name, file->tensor_count, (long long)wanted);
    struct cursor cursor = {.file = file, .error = error};
    return index_tensors(&cursor);
}

/* The other files stand beside the first, under its name. */
static bool open_parts(struct gguf *file, int64_t count, struct engine_error *error)
{
    char first[32], path[4096];
    size_t length = strlen(file->name);
    int tail = snprintf(first, sizeof first, "-00001-of-%05d.gguf", (int)count);
    if (count > GGUF_MAX_PARTS || part_number(file, count) != 0 || length < (size_t)tail ||
        length >= sizeof path || strcmp(file->name + length - (size_t)tail, first) != 0)
        return engine_fail(
            error, ENGINE_UNSUPPORTED,
            "%s: one of %lld parts of a split model: give the first, whose name ends "
            "in %s, with the others beside it",
            file->name, (long long)count, first);
    file->parts = calloc((size_t)count, sizeof *file->parts);
    if (!file->parts)
        return engine_no_memory(error, file->name);
    for (int i = 1; i < count; i++) {
        snprintf(path, sizeof path, "%.*s-%05d-of-%05d.gguf", (int)length - tail, file->name, i + 1,
                 (int)count);
        struct gguf *part = open_one(path, error);
        if (!part || !take_part(file, part, error))
            return false;
        if (part_number(part, count) != i)
            return engine_fail(error, ENGINE_FORMAT,
                               "%s: not part %d of %d (split.no, split.count)", path, i + 1,
                               (int)count);
    }
    return index_all(file, error);
}

struct gguf *gguf_open(const char *path, struct engine_error *error)
{
    struct gguf *file = open_one(path, error);
    int64_t count = 0;
    if (!file || !gguf_integer(file, "split.count", &count) || count <= 1 ||
        open_parts(file, count, error))
        return file;
    gguf_close(file);
    return NULL;
}

struct gguf *gguf_assemble(void *bytes, size_t length, const char *name,
                           struct gguf_tensor *tensors, size_t count, void (*release)(void *owner),
                           void *owner, struct engine_error *error)
{
    struct gguf *file = gguf_read(bytes, length, -1, name, error);
    const struct gguf_tensor **by_name = calloc(count + 1, sizeof *by_name);
    if (!file || !by_name) {
        if (file)
            engine_no_memory(error, name);
        gguf_close(file);
        free(by_name);
        free(bytes);
        free(tensors);
        release(owner);
        return NULL;
    }
    free(file->tensors);
    free(file->by_name);
    file->release = release;
    file->owner = owner;
    file->tensors = tensors;
    file->by_name = by_name;
    file->tensor_count = count;
    for (size_t i = 0; i < count; i++)
        by_name[i] = &tensors[i];
    struct cursor cursor = {.file = file, .error = error};
    if (index_tensors(&cursor))
        return file;
    gguf_close(file);
    return NULL;
}

struct gguf *gguf_share(const struct gguf *file)
{
    struct gguf *mine = (struct gguf *)(uintptr_t)file;
    if (!file->mapped && !file->release)
        return NULL;
    mine->shares++;
    return mine;
}

/* Of the files, the one that has these bytes mapped, or NULL. */
static const struct gguf *holder(const struct gguf *file, const void *data, size_t bytes)
{
    for (int i = -1; i < file->part_count; i++) {
        const struct gguf *f = i < 0 ? file : file->parts[i];
        uintptr_t base = (uintptr_t)f->bytes, from = (uintptr_t)data;
        if (f->mapped && from >= base && from - base <= f->length &&
            bytes <= f->length - (from - base))
            return f;
    }
    return NULL;
}

bool gguf_copy(const struct gguf *file, const void *data, size_t bytes, void *out,
               struct engine_error *error)
{
    const struct gguf *f = holder(file, data, bytes);
    size_t done = 0;
    ssize_t got = 1;
    if (!f) {
        memcpy(out, data, bytes);
        return true;
    }
    off_t from = (off_t)((uintptr_t)data - (uintptr_t)f->bytes);
    while (done < bytes && got > 0) {
        got = pread(f->fd, (char *)out + done, bytes - done, from + (off_t)done);
        if (got > 0)
            done += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
    return done == bytes ||
           engine_fail(error, ENGINE_IO, "%s: cannot read %zu bytes at %lld: %s", f->name, bytes,
                       (long long)from, got ? strerror(errno) : "the file has become shorter");
}

void gguf_forget(const struct gguf *file, const void *data, size_t bytes)
{
    uintptr_t from = (uintptr_t)data, page = 4096;
    if (!holder(file, data, bytes))
        return;
    uintptr_t first = (from + page - 1) & ~(page - 1), last = (from + bytes) & ~(page - 1);
    if (first < last)
        (void)madvise((void *)first, last - first, MADV_DONTNEED); /* a wish */
}

void gguf_close(struct gguf *file)
{
    if (!file || file->shares--)
        return;
    if (file->release) {
        file->release(file->owner);
        free((void *)(uintptr_t)file->bytes);
    }
    if (file->mapped) {
        munmap((void *)(uintptr_t)file->bytes, file->length);
        close(file->fd);
    }
    for (int i = 0; i < file->part_count; i++)
        gguf_close(file->parts[i]);
    free(file->parts);
    free(file->entries);
    free(file->tensors);
    free(file->by_name);
    free(file->name);
    free(file);
}

const char *gguf_name(const struct gguf *file)
{
    return file->name;
}

/* --- Looking up --- */

static const struct entry *find(const struct gguf *file, const char *key)
{
    struct entry wanted = {.key = {key, strlen(key)}};
    return bsearch(&wanted, file->entries, file->entry_count, sizeof *file->entries, entry_order);
}

static bool is_number(enum gguf_kind kind)
{
    return kind == GGUF_F32 || kind == GGUF_F64;
}

static double load_number(enum gguf_kind kind, const unsigned char *data)
{
    float f;
    double d;
    if (kind == GGUF_F32)
        return memcpy(&f, data, sizeof f), f;
    return memcpy(&d, data, sizeof d), d;
}

/* Little-endian and sign-extended. A U64 past INT64_MAX comes out negative: load_checked refuses
 * it. */
static int64_t load_integer(enum gguf_kind kind, const unsigned char *data)
{
    uint64_t value = 0;
    unsigned bytes = KIND_BYTES[kind], unused = 64 - 8 * bytes;
    memcpy(&value, data, bytes);
    bool is_signed = kind == GGUF_I8 || kind == GGUF_I16 || kind == GGUF_I32;
    return is_signed ? (int64_t)(value << unused) >> unused : (int64_t)value;
}

bool gguf_has(const struct gguf *file, const char *key)
{
    return find(file, key) != NULL;
}

bool gguf_integer(const struct gguf *file, const char *key, int64_t *value)
{
    const struct entry *entry = find(file, key);
    if (!entry || !KIND_BYTES[entry->kind] || is_number(entry->kind) || entry->kind == GGUF_BOOL)
        return false;
    int64_t loaded = load_integer(entry->kind, entry->data);
    if (entry->kind == GGUF_U64 && loaded < 0)
        return false;
    *value = loaded;
    return true;
}

bool gguf_number(const struct gguf *file, const char *key, double *value)
{
    const struct entry *entry = find(file, key);
    int64_t integer;
    if (entry && is_number(entry->kind)) {
        *value = load_number(entry->kind, entry->data);
        return true;
    }
    if (!gguf_integer(file, key, &integer))
        return false;
    *value = (double)integer;
    return true;
}

bool gguf_boolean(const struct gguf *file, const char *key, bool *value)
{
    const struct entry *entry = find(file, key);
    if (!entry || entry->kind != GGUF_BOOL)
        return false;
    *value = *entry->data;
    return true;
}

bool gguf_string(const struct gguf *file, const char *key, struct gguf_text *value)
{
    const struct entry *entry = find(file, key);
    if (!entry || entry->kind != GGUF_STRING)
        return false;
    *value = (struct gguf_text){(const char *)entry->data, entry->bytes};
    return true;
}

bool gguf_array(const struct gguf *file, const char *key, struct gguf_array *value)
{
    const struct entry *entry = find(file, key);
    if (!entry || entry->kind != GGUF_ARRAY)
        return false;
    *value = entry->array;
    return true;
}

bool gguf_next_text(struct gguf_array *array, struct gguf_text *text)
{
    uint64_t length;
    if (!array->count || array->kind != GGUF_STRING)
        return false;
    memcpy(&length, array->data, sizeof length);
    *text = (struct gguf_text){(const char *)array->data + sizeof length, length};
    array->data += sizeof length + length;
    array->bytes -= sizeof length + length;
    array->count--;
    return true;
}

int64_t gguf_array_integer(const struct gguf_array *array, size_t index)
{
    const unsigned char *data = array->data + index * KIND_BYTES[array->kind];
    if (!is_number(array->kind))
        return load_integer(array->kind, data);
    double number = load_number(array->kind, data);
    return number > -0x1p62 && number < 0x1p62 ? (int64_t)number : 0;
}

double gguf_array_number(const struct gguf_array *array, size_t index)
{
    const unsigned char *data = array->data + index * KIND_BYTES[array->kind];
    return is_number(array->kind) ? load_number(array->kind, data)
                                  : (double)load_integer(array->kind, data);
}

bool gguf_text_is(struct gguf_text text, const char *string)
{
    return text.length == strlen(string) && !memcmp(text.bytes, string, text.length);
}

const struct gguf_tensor *gguf_tensor(const struct gguf *file, const char *name)
{
    struct gguf_tensor wanted = {.name = {name, strlen(name)}};
    const struct gguf_tensor *key = &wanted;
    const struct gguf_tensor *const *found =
        bsearch(&key, file->by_name, file->tensor_count, sizeof *file->by_name, tensor_order);
    return found ? *found : NULL;
}

size_t gguf_tensor_count(const struct gguf *file)
{
    return file->tensor_count;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *file, size_t index)
{
    return &file->tensors[index];
}
