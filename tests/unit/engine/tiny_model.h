/* A whole random model of a few kilobytes as a GGUF file, made on the spot: any architecture (llama
 * with experts if asked), byte-level BPE vocabulary, ChatML. Same seed and settings, same file. */
#ifndef TESTS_ENGINE_TINY_MODEL_H
#define TESTS_ENGINE_TINY_MODEL_H

#include "engine/config.h"
#include "testing.h"
#include "unit/engine/make_gguf.h"

#include <unistd.h>

struct tiny_model {
    enum kernel_type type; /* of the matrices: F32, F16, Q8_0, Q4_1 */
    int width, heads, kv_heads, feed_forward, layers, context, experts, seed;
    const char *architecture; /* NULL: llama */
};

enum { TINY_VOCABULARY = 256 + 3 };

static const struct tiny_model TINY_DEFAULT = {KERNEL_Q8_0, 64, 4, 2, 96, 2, 512, 0, 1, NULL};

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
    const char *suffix = strchr(name, '.') ? "" : ".weight";
    if (layer < 0)
        snprintf(t->name, sizeof t->name, "%s%s", name, suffix);
    else
        snprintf(t->name, sizeof t->name, "blk.%d.%s%s", layer, name, suffix);
    t->columns = columns;
    t->rows = rows;
    t->planes = planes;
    t->type = type;
}

static inline const char *tiny_architecture(const struct tiny_model *m)
{
    return m->architecture ? m->architecture : "llama";
}

static inline void tiny_vector(struct tiny_list *list, int layer, const char *name, int columns)
{
    tiny_add(list, layer, name, columns, 0, 0, KERNEL_F32);
}

static inline void tiny_attention(const struct tiny_model *m, const struct architecture *facts,
                                  struct tiny_list *list, int i)
{
    int head = m->width / m->heads, kv = head * m->kv_heads;
    tiny_vector(list, i, "attn_norm", m->width);
    if (facts->fused_gate_up) { /* who fuses one fuses the other */
        tiny_add(list, i, "attn_qkv", m->width, m->width + 2 * kv, 0, m->type);
    } else {
        tiny_add(list, i, "attn_q", m->width, m->width, 0, m->type);
        tiny_add(list, i, "attn_k", m->width, kv, 0, m->type);
        tiny_add(list, i, "attn_v", m->width, kv, 0, m->type);
    }
    if (facts->qkv_bias == REQUIRED) {
        tiny_vector(list, i, "attn_q.bias", m->width);
        tiny_vector(list, i, "attn_k.bias", kv);
        tiny_vector(list, i, "attn_v.bias", kv);
    }
    if (facts->qk_norm != QK_NORM_NONE) {
        bool full = facts->qk_norm == QK_NORM_FULL;
        tiny_vector(list, i, "attn_q_norm", full ? m->width : head);
        tiny_vector(list, i, "attn_k_norm", full ? kv : head);
    }
    tiny_add(list, i, "attn_output", m->width, m->width, 0, m->type);
    if (facts->post_norms) {
        tiny_vector(list, i, "post_attention_norm", m->width);
        tiny_vector(list, i, "post_ffw_norm", m->width);
    }
}

static inline void tiny_feed_forward(const struct tiny_model *m, const struct architecture *facts,
                                     struct tiny_list *list, int i)
{
    int n = m->experts, inner = m->feed_forward;
    tiny_vector(list, i, "ffn_norm", m->width);
    if (!facts->fused_gate_up)
        tiny_add(list, i, n ? "ffn_gate_exps" : "ffn_gate", m->width, inner, n, m->type);
    tiny_add(list, i, n ? "ffn_up_exps" : "ffn_up", m->width,
             facts->fused_gate_up ? 2 * inner : inner, n, m->type);
    tiny_add(list, i, n ? "ffn_down_exps" : "ffn_down", inner, m->width, n, m->type);
    if (n)
        tiny_add(list, i, "ffn_gate_inp", m->width, n, 0, KERNEL_F32);
    if (!facts->shared_expert)
        return;
    tiny_add(list, i, "ffn_gate_shexp", m->width, inner, 0, m->type);
    tiny_add(list, i, "ffn_up_shexp", m->width, inner, 0, m->type);
    tiny_add(list, i, "ffn_down_shexp", inner, m->width, 0, m->type);
    tiny_vector(list, i, "ffn_gate_inp_shexp", m->width);
}

static inline void tiny_tensors(const struct tiny_model *m, struct tiny_list *list)
{
    const struct architecture *facts = config_architecture(tiny_architecture(m));
    assert_non_null(facts);
    tiny_add(list, -1, "token_embd", m->width, TINY_VOCABULARY, 0, m->type);
    for (int i = 0; i < m->layers; i++) {
        tiny_attention(m, facts, list, i);
        tiny_feed_forward(m, facts, list, i);
    }
    tiny_vector(list, -1, "output_norm", m->width);
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

static inline const char *tiny_key(const struct tiny_model *m, const char *key)
{
    static char full[96];
    snprintf(full, sizeof full, "%s.%s", tiny_architecture(m), key);
    return full;
}

static inline void tiny_number(struct made_gguf *made, const char *key, float value)
{
    made_key(made, key, GGUF_F32);
    made_put(made, &value, sizeof value);
}

static inline void tiny_real(const struct tiny_model *m, struct made_gguf *made, const char *key,
                             float value)
{
    tiny_number(made, tiny_key(m, key), value);
}

static inline void tiny_integer(const struct tiny_model *m, struct made_gguf *made, const char *key,
                                int value)
{
    made_integer(made, tiny_key(m, key), (uint32_t)value);
}

static inline void tiny_metadata(const struct tiny_model *m, struct made_gguf *made)
{
    static const char *const words[] = {NULL};
    static const char *const specials[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL};
    static const char template[] = "{% for message in messages %}{{ '<|im_start|>' + "
                                   "message['role'] + '\\n' + message['content'] + '<|im_end|>' "
                                   "+ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ "
                                   "'<|im_start|>assistant\\n' }}{% endif %}";
    made_string(made, "general.architecture", tiny_architecture(m));
    made_string(made, "general.name", "tiny");
    tiny_integer(m, made, "block_count", m->layers);
    tiny_integer(m, made, "context_length", m->context);
    tiny_integer(m, made, "embedding_length", m->width);
    tiny_integer(m, made, "feed_forward_length", m->feed_forward);
    tiny_integer(m, made, "attention.head_count", m->heads);
    tiny_integer(m, made, "attention.head_count_kv", m->kv_heads);
    tiny_real(m, made, "attention.layer_norm_rms_epsilon", 1e-5f);
    tiny_real(m, made, "rope.freq_base", 10000);
    if (config_architecture(tiny_architecture(m))->window_period)
        tiny_integer(m, made, "attention.sliding_window", 20);
    if (m->experts) {
        tiny_integer(m, made, "expert_count", m->experts);
        tiny_integer(m, made, "expert_used_count", 2);
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
