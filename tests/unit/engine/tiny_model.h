/* A whole random model of a few kilobytes as a GGUF file, made on the spot: llama architecture
 * (with experts if asked), byte-level BPE vocabulary, ChatML. Same seed and settings, same file. */
#ifndef TESTS_ENGINE_TINY_MODEL_H
#define TESTS_ENGINE_TINY_MODEL_H

#include "kernels/kernels.h"
#include "testing.h"
#include "unit/engine/make_gguf.h"

#include <unistd.h>

struct tiny_model {
    enum kernel_type type; /* of the matrices: F32, F16, Q8_0, Q4_1 */
    int width, heads, kv_heads, feed_forward, layers, context, experts, seed;
};

enum { TINY_VOCABULARY = 256 + 3 };

static const struct tiny_model TINY_DEFAULT = {KERNEL_Q8_0, 64, 4, 2, 96, 2, 512, 0, 1};

static inline float tiny_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(*state >> 32) * 0x1p-31f;
}

struct tiny_tensor {
    char name[64];
    int columns, rows, planes;
    enum kernel_type type;
};

struct tiny_list {
    struct tiny_tensor tensors[256];
    int count;
};

static inline void tiny_add(struct tiny_list *list, int layer, const char *name, int columns,
                            int rows, int planes, enum kernel_type type)
{
    struct tiny_tensor *t = &list->tensors[list->count++];
    if (layer < 0)
        snprintf(t->name, sizeof t->name, "%s.weight", name);
    else
        snprintf(t->name, sizeof t->name, "blk.%d.%s.weight", layer, name);
    t->columns = columns;
    t->rows = rows;
    t->planes = planes;
    t->type = type;
}

static inline void tiny_tensors(const struct tiny_model *m, struct tiny_list *list)
{
    int kv = m->width / m->heads * m->kv_heads;
    tiny_add(list, -1, "token_embd", m->width, TINY_VOCABULARY, 0, m->type);
    for (int i = 0; i < m->layers; i++) {
        tiny_add(list, i, "attn_norm", m->width, 0, 0, KERNEL_F32);
        tiny_add(list, i, "attn_q", m->width, m->width, 0, m->type);
        tiny_add(list, i, "attn_k", m->width, kv, 0, m->type);
        tiny_add(list, i, "attn_v", m->width, kv, 0, m->type);
        tiny_add(list, i, "attn_output", m->width, m->width, 0, m->type);
        tiny_add(list, i, "ffn_norm", m->width, 0, 0, KERNEL_F32);
        tiny_add(list, i, m->experts ? "ffn_gate_exps" : "ffn_gate", m->width, m->feed_forward,
                 m->experts, m->type);
        tiny_add(list, i, m->experts ? "ffn_up_exps" : "ffn_up", m->width, m->feed_forward,
                 m->experts, m->type);
        tiny_add(list, i, m->experts ? "ffn_down_exps" : "ffn_down", m->feed_forward, m->width,
                 m->experts, m->type);
        if (m->experts)
            tiny_add(list, i, "ffn_gate_inp", m->width, m->experts, 0, KERNEL_F32);
    }
    tiny_add(list, -1, "output_norm", m->width, 0, 0, KERNEL_F32);
}

static inline size_t tiny_values(const struct tiny_tensor *t)
{
    return (size_t)t->columns * (size_t)(t->rows ? t->rows : 1) *
           (size_t)(t->planes ? t->planes : 1);
}

static inline size_t tiny_bytes(const struct tiny_tensor *t)
{
    const struct kernel_type_info *info = kernel_type_info(t->type);
    return tiny_values(t) / (size_t)info->block * (size_t)info->bytes;
}

static inline void tiny_info(struct made_gguf *made, const struct tiny_tensor *t, uint64_t *offset)
{
    made_text(made, t->name, strlen(t->name));
    made_u32(made, t->planes ? 3 : t->rows ? 2 : 1);
    made_u64(made, (uint64_t)t->columns);
    if (t->rows)
        made_u64(made, (uint64_t)t->rows);
    if (t->planes)
        made_u64(made, (uint64_t)t->planes);
    made_u32(made, t->type);
    made_u64(made, *offset);
    *offset += (tiny_bytes(t) + 31) / 32 * 32;
}

static inline void tiny_data(struct made_gguf *made, const struct tiny_tensor *t, uint64_t *random)
{
    static const unsigned char zeros[32];
    size_t count = tiny_values(t), bytes = tiny_bytes(t);
    float *values = malloc(count * sizeof *values);
    void *out = calloc(1, bytes);
    assert_true(values && out);
    for (size_t i = 0; i < count; i++)
        values[i] = t->rows ? tiny_random(random) * 0.3f : 1 + tiny_random(random) * 0.2f;
    assert_true(kernel_quantize_weights(t->type, values, out, count));
    made_put(made, out, bytes);
    made_put(made, zeros, (32 - bytes % 32) % 32);
    free(values);
    free(out);
}

static inline void tiny_number(struct made_gguf *made, const char *key, float value)
{
    made_key(made, key, GGUF_F32);
    made_put(made, &value, sizeof value);
}

static inline void tiny_metadata(const struct tiny_model *m, struct made_gguf *made)
{
    static const char *const words[] = {NULL};
    static const char *const specials[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL};
    static const char template[] = "{% for message in messages %}{{ '<|im_start|>' + "
                                   "message['role'] + '\\n' + message['content'] + '<|im_end|>' "
                                   "+ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ "
                                   "'<|im_start|>assistant\\n' }}{% endif %}";
    made_string(made, "general.architecture", "llama");
    made_string(made, "general.name", "tiny");
    made_integer(made, "llama.block_count", (uint32_t)m->layers);
    made_integer(made, "llama.context_length", (uint32_t)m->context);
    made_integer(made, "llama.embedding_length", (uint32_t)m->width);
    made_integer(made, "llama.feed_forward_length", (uint32_t)m->feed_forward);
    made_integer(made, "llama.attention.head_count", (uint32_t)m->heads);
    made_integer(made, "llama.attention.head_count_kv", (uint32_t)m->kv_heads);
    tiny_number(made, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    tiny_number(made, "llama.rope.freq_base", 10000);
    if (m->experts) {
        made_integer(made, "llama.expert_count", (uint32_t)m->experts);
        made_integer(made, "llama.expert_used_count", 2);
    }
    made_bpe(made, "gpt-2", words, specials);
    made_merges(made, words);
    made_integer(made, "tokenizer.ggml.bos_token_id", 257);
    made_integer(made, "tokenizer.ggml.eos_token_id", 258);
    made_string(made, "tokenizer.chat_template", template);
}

/* The file's bytes; freed by the caller with free(made.bytes). */
static inline struct made_gguf tiny_make(const struct tiny_model *m)
{
    static struct tiny_list list;
    static const unsigned char zeros[32];
    struct made_gguf made;
    uint64_t offset = 0, random = (uint64_t)m->seed * 77 + 5;
    list.count = 0;
    tiny_tensors(m, &list);
    made_init(&made);
    tiny_metadata(m, &made);
    uint64_t counts[] = {(uint64_t)list.count, made.keys};
    memcpy(made.bytes + 8, counts, sizeof counts);
    for (int i = 0; i < list.count; i++)
        tiny_info(&made, &list.tensors[i], &offset);
    made_put(&made, zeros, (32 - made.length % 32) % 32);
    for (int i = 0; i < list.count; i++)
        tiny_data(&made, &list.tensors[i], &random);
    return made;
}

/* Writes bytes to a new temporary file; its path is in a buffer of the caller, who unlinks it. */
static inline const char *tiny_write(const void *bytes, size_t length, char path[64])
{
    snprintf(path, 64, "/tmp/arena-tiny-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    close(fd);
    return path;
}

static inline const char *tiny_file(const struct tiny_model *m, char path[64])
{
    struct made_gguf made = tiny_make(m);
    tiny_write(made.bytes, made.length, path);
    free(made.bytes);
    return path;
}

#endif
