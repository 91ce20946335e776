/* The header is JSON: a map from names to type, shape and offsets. Offsets must tile the data
 * without a hole, as the format demands; that also shows a truncated or patched file. */
#include "engine/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.h"
#include "engine/json_tree.h"

enum { MAX_TENSORS = 1 << 20, MAX_FILES = 1000, MAX_HEADER = 1 << 27, SHOWN = 80 };

struct part {
    const unsigned char *bytes;
    size_t length;
    bool mapped;
    struct json_tree *header;            /* holds the tensors' names */
    const struct json_tree_value *shard; /* its name in the index, while that is read */
};

struct safetensors {
    struct part *parts;
    size_t part_count;
    struct safetensor *tensors;
    size_t count, capacity;
};

/* What messages say of where they are. */
struct place {
    const char *file;
    const struct json_tree_value *tensor; /* NULL: the file as a whole */
    struct engine_error *error;
};

static bool fail(const struct place *place, const char *what)
{
    if (!place->tensor)
        return engine_fail(place->error, ENGINE_FORMAT, "%s: damaged safetensors file: %s",
                           place->file, what);
    char name[SHOWN + 1];
    size_t length = place->tensor->key_length < SHOWN ? place->tensor->key_length : SHOWN;
    for (size_t i = 0; i < length; i++)
        name[i] = place->tensor->key[i] >= 0x20 && place->tensor->key[i] < 0x7F
                      ? place->tensor->key[i]
                      : '?';
    name[length] = '\0';
    return engine_fail(place->error, ENGINE_FORMAT,
                       "%s: damaged safetensors file: tensor \"%s\" %s", place->file, name, what);
}

/* --- One tensor --- */

static bool read_type(const struct place *place, const struct json_tree_value *entry,
                      struct safetensor *tensor, size_t *size)
{
    static const struct {
        const char *name;
        uint32_t type;
        size_t size;
    } types[] = {
        {"F32", 0, 4}, {"F16", 1, 2}, {"BF16", 30, 2}, {"F8_E4M3", SAFETENSORS_F8_E4M3, 1}};
    const struct json_tree_value *type = json_tree_get(entry, "dtype");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        tensor->type = types[i].type;
        *size = types[i].size;
        if (json_tree_is(type, types[i].name))
            return true;
    }
    if (!type || type->kind != JSON_TREE_STRING)
        return fail(place, "has no dtype");
    return engine_fail(
        place->error, ENGINE_UNSUPPORTED,
        "%s: tensor \"%.*s\" is of type %.*s: BF16, F16, F32 and F8_E4M3 are supported",
        place->file, (int)(place->tensor->key_length < SHOWN ? place->tensor->key_length : SHOWN),
        place->tensor->key, (int)(type->length < 20 ? type->length : 20), type->text);
}

static bool read_shape(const struct place *place, const struct json_tree_value *entry,
                       struct safetensor *tensor, size_t *values)
{
    const struct json_tree_value *shape = json_tree_get(entry, "shape");
    if (!shape || shape->kind != JSON_TREE_ARRAY || shape->length > 4)
        return fail(place, "has no shape of at most 4 dimensions");
    tensor->size[0] = 1;
    for (const struct json_tree_value *size = shape->first; size; size = size->next) {
        int64_t number = json_tree_integer(size, -1);
        if (number < 0 || __builtin_mul_overflow(*values, (size_t)number, values))
            return fail(place, "has a shape that makes no sense");
        tensor->size[tensor->dims++] = number;
    }
    return true;
}

static bool read_range(const struct place *place, const struct json_tree_value *entry,
                       const struct part *part, size_t start, struct safetensor *tensor)
{
    const struct json_tree_value *offsets = json_tree_get(entry, "data_offsets");
    bool pair = offsets && offsets->kind == JSON_TREE_ARRAY && offsets->length == 2;
    int64_t from = pair ? json_tree_integer(offsets->first, -1) : -1;
    int64_t to = pair ? json_tree_integer(offsets->first->next, -1) : -1;
    if (from < 0 || to < from)
        return fail(place, "has no data_offsets");
    if ((uint64_t)to > part->length - start)
        return fail(place, "reaches past the end of the file (incomplete download?)");
    tensor->data = part->bytes + start + from;
    return (size_t)(to - from) == tensor->bytes || fail(place, "has another length than its shape");
}

static bool read_tensor(struct place *place, struct safetensors *files, const struct part *part,
                        size_t start, const struct json_tree_value *entry)
{
    struct safetensor tensor = {.name = entry->key, .name_length = entry->key_length};
    size_t size = 0, values = 1;
    place->tensor = entry;
    if (!read_type(place, entry, &tensor, &size) || !read_shape(place, entry, &tensor, &values))
        return false;
    if (__builtin_mul_overflow(values, size, &tensor.bytes))
        return fail(place, "has a shape that makes no sense");
    if (!read_range(place, entry, part, start, &tensor))
        return false;
    if (files->count == files->capacity) {
        size_t capacity = files->capacity * 2 + 256;
        struct safetensor *grown = realloc(files->tensors, capacity * sizeof *grown);
        if (!grown)
            return engine_no_memory(place->error, place->file);
        files->tensors = grown;
        files->capacity = capacity;
    }
    files->tensors[files->count++] = tensor;
    return files->count <= MAX_TENSORS || fail(place, "is one too many");
}

/* --- One file --- */

static int by_address(const void *first, const void *second)
{
    const struct safetensor *a = first, *b = second;
    return (a->data > b->data) - (a->data < b->data);
}

/* Do the tensors from `from` on fill the data exactly? */
static bool check_tiling(const struct place *place, struct safetensors *files, size_t from,
                         const struct part *part, size_t start)
{
    if (files->count > from)
        qsort(files->tensors + from, files->count - from, sizeof *files->tensors, by_address);
    const unsigned char *at = part->bytes + start;
    for (size_t i = from; i < files->count; i++) {
        if (files->tensors[i].bytes == 0)
            continue;
        if (files->tensors[i].data != at)
            return fail(place, "its tensors overlap, or leave a hole");
        at += files->tensors[i].bytes;
    }
    return at == part->bytes + part->length || fail(place, "there is data behind its last tensor");
}

static bool read_part(struct safetensors *files, struct part *part, const char *name,
                      struct engine_error *error)
{
    struct place place = {.file = name, .error = error};
    uint64_t length = 0;
    if (part->length < sizeof length)
        return fail(&place, "it is too short");
    memcpy(&length, part->bytes, sizeof length);
    if (length > part->length - sizeof length || length > MAX_HEADER)
        return fail(&place, "its header is longer than the file");
    size_t start = sizeof length + (size_t)length, from = files->count;
    part->header =
        json_tree_parse((const char *)part->bytes + sizeof length, (size_t)length, name, error);
    if (!part->header)
        return false;
    const struct json_tree_value *root = json_tree_root(part->header);
    if (root->kind != JSON_TREE_OBJECT)
        return fail(&place, "its header is no object");
    for (const struct json_tree_value *entry = root->first; entry; entry = entry->next) {
        bool note = entry->key_length == 12 && memcmp(entry->key, "__metadata__", 12) == 0;
        if (!note && !read_tensor(&place, files, part, start, entry))
            return false;
    }
    place.tensor = NULL;
    return check_tiling(&place, files, from, part, start);
}

static bool add_part(struct safetensors *files, struct part part, const char *name,
                     struct engine_error *error)
{
    struct part *grown = realloc(files->parts, (files->part_count + 1) * sizeof *grown);
    if (!grown) {
        if (part.mapped)
            munmap((void *)(uintptr_t)part.bytes, part.length);
        return engine_no_memory(error, name);
    }
    files->parts = grown;
    files->parts[files->part_count++] = part;
    return read_part(files, &files->parts[files->part_count - 1], name, error);
}

static bool map_part(struct safetensors *files, const char *path, struct engine_error *error)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
    void *bytes =
        ok ? mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (bytes == MAP_FAILED)
        return engine_fail(error, ENGINE_IO, "%s: cannot read the weights: %s", path,
                           ok || fd < 0 ? strerror(reason) : "not a regular file, or empty");
    return add_part(files,
                    (struct part){.bytes = bytes, .length = (size_t)status.st_size, .mapped = true},
                    path, error);
}

/* --- Folders --- */

/* A shard's name must be a name, not a way out of the folder. */
static bool sound_name(const struct json_tree_value *name)
{
    return name->kind == JSON_TREE_STRING && name->length > 0 && name->length < 200 &&
           !memchr(name->text, '/', name->length) && !memchr(name->text, '\0', name->length) &&
           name->text[0] != '.';
}

static bool is_mapped(const struct safetensors *files, const struct json_tree_value *name)
{
    for (size_t i = files->part_count; i > 0; i--) { /* newest first: names mostly come in order */
        const struct json_tree_value *shard = files->parts[i - 1].shard;
        if (shard->length == name->length && memcmp(shard->text, name->text, name->length) == 0)
            return true;
    }
    return false;
}

static bool map_shards(struct safetensors *files, const char *folder,
                       const struct json_tree_value *map, const char *index,
                       struct engine_error *error)
{
    if (!map || map->kind != JSON_TREE_OBJECT || !map->first)
        return engine_fail(error, ENGINE_FORMAT, "%s: it has no weight_map", index);
    for (const struct json_tree_value *name = map->first; name; name = name->next) {
        if (!sound_name(name))
            return engine_fail(error, ENGINE_FORMAT,
                               "%s: its weight_map names a file that cannot be one", index);
        if (is_mapped(files, name))
            continue;
        char path[4096];
        snprintf(path, sizeof path, "%s/%.*s", folder, (int)name->length, name->text);
        if (files->part_count == MAX_FILES)
            return engine_fail(error, ENGINE_FORMAT, "%s: more than %d files", index, MAX_FILES);
        if (!map_part(files, path, error))
            return false;
        files->parts[files->part_count - 1].shard = name;
    }
    return true;
}

static bool open_folder(struct safetensors *files, const char *folder, struct engine_error *error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    if (access(path, F_OK) == 0)
        return map_part(files, path, error);
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder);
    if (access(path, F_OK) != 0)
        return engine_fail(error, ENGINE_IO,
                           "%s holds neither model.safetensors nor model.safetensors.index.json",
                           folder);
    struct json_tree *index = json_tree_read(path, error);
    bool ok = index && map_shards(files, folder, json_tree_get(json_tree_root(index), "weight_map"),
                                  path, error);
    json_tree_free(index);
    return ok;
}

struct safetensors *safetensors_open(const char *path, struct engine_error *error)
{
    struct stat status;
    struct safetensors *files = calloc(1, sizeof *files);
    if (!files) {
        engine_no_memory(error, path);
        return NULL;
    }
    bool folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    if (folder ? open_folder(files, path, error) : map_part(files, path, error))
        return files;
    safetensors_close(files);
    return NULL;
}

struct safetensors *safetensors_open_memory(const void *bytes, size_t length, const char *name,
                                            struct engine_error *error)
{
    struct safetensors *files = calloc(1, sizeof *files);
    if (!files) {
        engine_no_memory(error, name);
        return NULL;
    }
    if (add_part(files, (struct part){.bytes = bytes, .length = length}, name, error))
        return files;
    safetensors_close(files);
    return NULL;
}

void safetensors_close(struct safetensors *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->part_count; i++) {
        json_tree_free(files->parts[i].header);
        if (files->parts[i].mapped)
            munmap((void *)(uintptr_t)files->parts[i].bytes, files->parts[i].length);
    }
    free(files->parts);
    free(files->tensors);
    free(files);
}

size_t safetensors_count(const struct safetensors *files)
{
    return files->count;
}

const struct safetensor *safetensors_at(const struct safetensors *files, size_t index)
{
    return &files->tensors[index];
}
