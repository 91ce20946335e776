/* GGUF metadata made in memory: how other kinds of model files say what they hold. A growing
 * buffer; the first failure is kept in `failed`, so that callers look once, at the end. One
 * thread. */
#ifndef ENGINE_GGUF_BUILD_H
#define ENGINE_GGUF_BUILD_H

#include "engine/engine.h"
#include "engine/gguf.h"

struct gguf_build {
    unsigned char *bytes;
    size_t length, capacity;
    uint64_t keys;
    bool failed; /* no memory */
};

void gguf_build_init(struct gguf_build *build);
void gguf_build_done(struct gguf_build *build);

void gguf_build_string(struct gguf_build *build, const char *key, struct gguf_text value);
void gguf_build_integer(struct gguf_build *build, const char *key, int64_t value);
void gguf_build_number(struct gguf_build *build, const char *key, double value);
void gguf_build_boolean(struct gguf_build *build, const char *key, bool value);

/* An array's head; then `count` elements by gguf_build_text, gguf_build_byte or gguf_build_word. */
void gguf_build_array(struct gguf_build *build, const char *key, enum gguf_kind kind, size_t count);
void gguf_build_text(struct gguf_build *build, struct gguf_text text);
void gguf_build_byte(struct gguf_build *build, unsigned char byte);
void gguf_build_word(struct gguf_build *build, uint32_t word);

/* Writes the count of keys. Returns the bytes, which the caller now owns (malloc'd); NULL if
 * anything failed. / */
unsigned char *gguf_build_take(struct gguf_build *build, size_t *length);

#endif
