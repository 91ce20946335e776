/* What a model file holds, without loading it: for people, and for programs that choose among
 * files.
 *
 * Works on every sound GGUF file or checkpoint, also of an architecture, type, tokenizer or
 * template that this engine does not run: then it says why not. Nothing is kept open. */
#ifndef ENGINE_INSPECT_H
#define ENGINE_INSPECT_H

#include "engine/engine.h"

enum { INSPECT_MAX_TYPES = 16, INSPECT_TEXT = 128 };

/* Texts are cut to their space and hold no control characters; numbers that the file does not
 * say are 0. */
struct engine_inspection {
    const char *format; /* "GGUF", "safetensors" */
    char name[INSPECT_TEXT], architecture[INSPECT_TEXT];
    bool runs; /* this engine can run it */
    char why_not[384];

    uint64_t tensors, parameters, tensor_bytes;
    struct engine_inspected_type {
        char name[16];
        uint64_t tensors, parameters, bytes;
    } types[INSPECT_MAX_TYPES]; /* most bytes first */
    size_t type_count;

    int64_t layers, width, heads, kv_heads, head_dim, feed_forward, context, experts, experts_used;

    char tokenizer[INSPECT_TEXT];     /* "bpe (smollm)", "spm"; empty: none that can be used */
    int vocabulary;                   /* tokens */
    char chat_template[INSPECT_TEXT]; /* "chatml", …; empty: none that can be used */
    char tokenizer_problem[384], template_problem[384]; /* why not, where there is none */

    uint64_t kv_bytes_a_token; /* of the KV cache */
    uint64_t memory; /* to run it: weights, and a KV cache for its context (8,192 tokens at most) */
};

bool engine_inspect(const char *path, struct engine_inspection *inspection,
                    struct engine_error *error);

#endif
