/* The format's own encoding, little-endian like every machine this engine runs on. */
#include "engine/gguf_build.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_COUNT_AT = 16 };

static void put(struct gguf_build *build, const void *bytes, size_t length)
{
    if (build->failed)
        return;
    if (length > build->capacity - build->length) {
        size_t capacity = (build->length + length) * 2 + 4096;
        unsigned char *grown = realloc(build->bytes, capacity);
        if (!grown) {
            build->failed = true;
            return;
        }
        build->bytes = grown;
        build->capacity = capacity;
    }
    if (length > 0)
        memcpy(build->bytes + build->length, bytes, length);
    build->length += length;
}

static void put_u32(struct gguf_build *build, uint32_t value)
{
    put(build, &value, sizeof value);
}

static void put_u64(struct gguf_build *build, uint64_t value)
{
    put(build, &value, sizeof value);
}

void gguf_build_init(struct gguf_build *build)
{
    *build = (struct gguf_build){.length = 0};
    put(build, "GGUF", 4);
    put_u32(build, 3);
    put_u64(build, 0);
    put_u64(build, 0);
}

void gguf_build_done(struct gguf_build *build)
{
    free(build->bytes);
    *build = (struct gguf_build){.length = 0};
}

void gguf_build_text(struct gguf_build *build, struct gguf_text text)
{
    put_u64(build, text.length);
    put(build, text.bytes, text.length);
}

static void put_key(struct gguf_build *build, const char *key, enum gguf_kind kind)
{
    gguf_build_text(build, (struct gguf_text){key, strlen(key)});
    /* The file's numbers are those of the enumeration. */
    put_u32(build, (uint32_t)kind);
    build->keys++;
}

void gguf_build_string(struct gguf_build *build, const char *key, struct gguf_text value)
{
    put_key(build, key, GGUF_STRING);
    gguf_build_text(build, value);
}

void gguf_build_integer(struct gguf_build *build, const char *key, int64_t value)
{
    put_key(build, key, GGUF_I64);
    put_u64(build, (uint64_t)value);
}

void gguf_build_number(struct gguf_build *build, const char *key, double value)
{
    put_key(build, key, GGUF_F64);
    put(build, &value, sizeof value);
}

void gguf_build_boolean(struct gguf_build *build, const char *key, bool value)
{
    unsigned char byte = value;
    put_key(build, key, GGUF_BOOL);
    put(build, &byte, 1);
}

void gguf_build_array(struct gguf_build *build, const char *key, enum gguf_kind kind, size_t count)
{
    put_key(build, key, GGUF_ARRAY);
    put_u32(build, (uint32_t)kind);
    put_u64(build, count);
}

void gguf_build_byte(struct gguf_build *build, unsigned char byte)
{
    put(build, &byte, 1);
}

void gguf_build_word(struct gguf_build *build, uint32_t word)
{
    put_u32(build, word);
}

unsigned char *gguf_build_take(struct gguf_build *build, size_t *length)
{
    if (build->failed)
        return NULL;
    memcpy(build->bytes + KEY_COUNT_AT, &build->keys, sizeof build->keys);
    unsigned char *bytes = build->bytes;
    *length = build->length;
    *build = (struct gguf_build){.length = 0};
    return bytes;
}
