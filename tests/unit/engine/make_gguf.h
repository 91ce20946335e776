/* Small GGUF files made in memory, for tests that need no fixtures. Values are appended in
 * order; the counts in the header are filled in by gguf_made. */
#ifndef TESTS_MAKE_GGUF_H
#define TESTS_MAKE_GGUF_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gguf.h"

struct made_gguf {
    unsigned char *bytes;
    size_t length, capacity;
    uint64_t keys;
};

static inline void made_put(struct made_gguf *made, const void *bytes, size_t length)
{
    if (made->length + length > made->capacity) {
        made->capacity = (made->length + length) * 2;
        made->bytes = realloc(made->bytes, made->capacity);
        if (!made->bytes)
            abort();
    }
    memcpy(made->bytes + made->length, bytes, length);
    made->length += length;
}

static inline void made_u32(struct made_gguf *made, uint32_t value)
{
    made_put(made, &value, sizeof value);
}

static inline void made_u64(struct made_gguf *made, uint64_t value)
{
    made_put(made, &value, sizeof value);
}

static inline void made_text(struct made_gguf *made, const char *text, size_t length)
{
    made_u64(made, length);
    made_put(made, text, length);
}

static inline void made_init(struct made_gguf *made)
{
    *made = (struct made_gguf){0};
    made_put(made, "GGUF", 4);
    made_u32(made, 3);
    made_u64(made, 0);
    made_u64(made, 0);
}

static inline void made_key(struct made_gguf *made, const char *key, uint32_t kind)
{
    made_text(made, key, strlen(key));
    made_u32(made, kind);
    made->keys++;
}

static inline void made_string(struct made_gguf *made, const char *key, const char *value)
{
    made_key(made, key, GGUF_STRING);
    made_text(made, value, strlen(value));
}

static inline void made_integer(struct made_gguf *made, const char *key, uint32_t value)
{
    made_key(made, key, GGUF_U32);
    made_u32(made, value);
}

static inline void made_boolean(struct made_gguf *made, const char *key, bool value)
{
    made_key(made, key, GGUF_BOOL);
    made_put(made, &value, 1);
}

static inline void made_array(struct made_gguf *made, const char *key, uint32_t kind,
                              uint64_t count)
{
    made_key(made, key, GGUF_ARRAY);
    made_u32(made, kind);
    made_u64(made, count);
}

/* Opens what was made, which must outlive the file. */
static inline struct gguf *made_open(struct made_gguf *made, struct engine_error *error)
{
    memcpy(made->bytes + 16, &made->keys, sizeof made->keys);
    return gguf_open_memory(made->bytes, made->length, "made", error);
}

static inline size_t made_point(char *out, unsigned point)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    out[0] = (char)(0xC0 | point >> 6);
    out[1] = (char)(0x80 | (point & 0x3F));
    return 2;
}

/* GPT-2's alphabet: the character that stands for a byte. */
static inline size_t made_alphabet(char *out, int byte)
{
    unsigned next = 0x100;
    for (int i = 0; i <= byte; i++) {
        bool itself = (i >= 0x21 && i <= 0x7E) || (i >= 0xA1 && i <= 0xFF && i != 0xAD);
        if (i == byte)
            return made_point(out, itself ? (unsigned)i : next);
        next += !itself;
    }
    return 0;
}

/* A byte-level BPE vocabulary: the 256 bytes (ids 0 to 255), then `words`, then `specials`
 * (control tokens). Merges build each word from its first bytes to its last, so a word is one
 * token when it stands alone. */
static inline void made_bpe(struct made_gguf *made, const char *pre, const char *const *words,
                            const char *const *specials)
{
    size_t word_count = 0, special_count = 0;
    while (words[word_count])
        word_count++;
    while (specials[special_count])
        special_count++;
    made_string(made, "tokenizer.ggml.model", "gpt2");
    made_string(made, "tokenizer.ggml.pre", pre);
    made_array(made, "tokenizer.ggml.tokens", GGUF_STRING, 256 + word_count + special_count);
    char text[4];
    for (int byte = 0; byte < 256; byte++)
        made_text(made, text, made_alphabet(text, byte));
    for (size_t i = 0; i < word_count; i++)
        made_text(made, words[i], strlen(words[i]));
    for (size_t i = 0; i < special_count; i++)
        made_text(made, specials[i], strlen(specials[i]));
    made_array(made, "tokenizer.ggml.token_type", GGUF_I32, 256 + word_count + special_count);
    for (size_t i = 0; i < 256 + word_count + special_count; i++)
        made_u32(made, i < 256 + word_count ? 1 : 3);
}

/* Merges "left right", in order. */
static inline void made_merges(struct made_gguf *made, const char *const *merges)
{
    size_t count = 0;
    while (merges[count])
        count++;
    made_array(made, "tokenizer.ggml.merges", GGUF_STRING, count);
    for (size_t i = 0; i < count; i++)
        made_text(made, merges[i], strlen(merges[i]));
}

#endif
