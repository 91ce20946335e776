/* A table of suffixes carries nearly all of it. Four things need memory of their own: rows of
 * queries and keys put in GGUF's order, experts stacked into one tensor, norms raised by one, and
 * 8-bit floats.
 * The rest points into the mapped files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/checkpoint_internal.h"
#include "engine/error.h"
#include "kernels/kernels.h"

enum { MAX_NAME = 63, SHOWN = 80 };

enum form {
    AS_IS,
    ROTARY_QUERY, /* rows of heads */
    ROTARY_KEY,   /* rows of key-value heads */
    NORM,         /* less one in some families */
    FLAT,         /* a matrix of one row is a vector */
    IGNORED
};

struct rule {
    const char *from, *to;
    enum form form;
};

static const struct rule globals[] = {
    {"embed_tokens.weight", "token_embd.weight", AS_IS},
    {"norm.weight", "output_norm.weight", NORM},
    {"lm_head.weight", "output.weight", AS_IS},
    {"rotary_emb.inv_freq", NULL, IGNORED},
};

static const struct rule in_layer[] = {
    {"input_layernorm.weight", "attn_norm.weight", NORM},
    {"self_attn.q_proj.weight", "attn_q.weight", ROTARY_QUERY},
    {"self_attn.k_proj.weight", "attn_k.weight", ROTARY_KEY},
    {"self_attn.v_proj.weight", "attn_v.weight", AS_IS},
    {"self_attn.o_proj.weight", "attn_output.weight", AS_IS},
    {"self_attn.q_proj.bias", "attn_q.bias", ROTARY_QUERY},
    {"self_attn.k_proj.bias", "attn_k.bias", ROTARY_KEY},
    {"self_attn.v_proj.bias", "attn_v.bias", AS_IS},
    {"self_attn.o_proj.bias", "attn_output.bias", AS_IS},
    {"self_attn.qkv_proj.weight", "attn_qkv.weight", AS_IS},
    {"self_attn.q_norm.weight", "attn_q_norm.weight", NORM},
    {"self_attn.k_norm.weight", "attn_k_norm.weight", NORM},
    {"self_attn.rotary_emb.inv_freq", NULL, IGNORED},
    {"pre_feedforward_layernorm.weight", "ffn_norm.weight", NORM},
    {"post_feedforward_layernorm.weight", "post_ffw_norm.weight", NORM},
    {"mlp.gate_proj.weight", "ffn_gate.weight", AS_IS},
    {"mlp.up_proj.weight", "ffn_up.weight", AS_IS},
    {"mlp.down_proj.weight", "ffn_down.weight", AS_IS},
    {"mlp.gate_up_proj.weight", "ffn_up.weight", AS_IS},
    {"mlp.experts.gate_up_proj", "ffn_gate_up_exps.weight", AS_IS},
    {"mlp.experts.down_proj", "ffn_down_exps.weight", AS_IS},
    {"mlp.gate.weight", "ffn_gate_inp.weight", AS_IS},
    {"block_sparse_moe.gate.weight", "ffn_gate_inp.weight", AS_IS},
    {"mlp.shared_expert.gate_proj.weight", "ffn_gate_shexp.weight", AS_IS},
    {"mlp.shared_expert.up_proj.weight", "ffn_up_shexp.weight", AS_IS},
    {"mlp.shared_expert.down_proj.weight", "ffn_down_shexp.weight", AS_IS},
    {"mlp.shared_expert_gate.weight", "ffn_gate_inp_shexp.weight", FLAT},
};

/* Behind "mlp.experts.E." or "block_sparse_moe.experts.E.". */
static const struct rule in_expert[] = {
    {"gate_proj.weight", "ffn_gate_exps.weight", AS_IS},
    {"up_proj.weight", "ffn_up_exps.weight", AS_IS},
    {"down_proj.weight", "ffn_down_exps.weight", AS_IS},
    {"w1.weight", "ffn_gate_exps.weight", AS_IS},
    {"w3.weight", "ffn_up_exps.weight", AS_IS},
    {"w2.weight", "ffn_down_exps.weight", AS_IS},
};

/* Experts of one kind in one layer, while they come in. */
struct stack {
    size_t tensor; /* its place in the list */
    unsigned char *data;
    size_t each;
    int64_t filled;
};

struct converter {
    const struct checkpoint *checkpoint;
    struct checkpoint_store *store;
    struct gguf_tensor *tensors;
    size_t count, capacity;
    struct stack *stacks;
    size_t stack_count;
    struct checkpoint_scales scales;
};

/* --- Memory --- */

void checkpoint_store_free(void *owner)
{
    struct checkpoint_store *store = owner;
    if (!store)
        return;
    for (size_t i = 0; i < store->count; i++)
        free(store->made[i]);
    free(store->made);
    safetensors_close(store->files);
    free(store);
}

void *checkpoint_store_get(const struct checkpoint *checkpoint, struct checkpoint_store *store,
                           size_t size)
{
    if (store->count == store->capacity) {
        size_t capacity = store->capacity * 2 + 256;
        void **grown = realloc(store->made, capacity * sizeof *grown);
        if (!grown) {
            engine_no_memory(checkpoint->error, checkpoint->folder);
            return NULL;
        }
        store->made = grown;
        store->capacity = capacity;
    }
    void *memory = malloc(size ? size : 1);
    if (memory)
        store->made[store->count++] = memory;
    else
        engine_no_memory(checkpoint->error, checkpoint->folder);
    return memory;
}

static bool push(const struct checkpoint *checkpoint, struct gguf_tensor **tensors, size_t *count,
                 size_t *capacity, struct gguf_tensor tensor)
{
    if (*count == *capacity) {
        size_t larger = *capacity * 2 + 256;
        struct gguf_tensor *grown = realloc(*tensors, larger * sizeof *grown);
        if (!grown)
            return engine_no_memory(checkpoint->error, checkpoint->folder);
        *tensors = grown;
        *capacity = larger;
    }
    (*tensors)[(*count)++] = tensor;
    return true;
}

static bool set_name(const struct checkpoint *checkpoint, struct checkpoint_store *store,
                     struct gguf_tensor *tensor, const char *name)
{
    size_t length = strlen(name);
    char *copy = checkpoint_store_get(checkpoint, store, length + 1);
    if (!copy)
        return false;
    memcpy(copy, name, length + 1);
    tensor->name = (struct gguf_text){copy, length};
    return true;
}

/* --- Forms --- */

static bool refuse(const struct converter *converter, const struct safetensor *source,
                   const char *what)
{
    return engine_fail(converter->checkpoint->error, ENGINE_UNSUPPORTED, "%s: tensor \"%.*s\" %s",
                       converter->checkpoint->folder,
                       (int)(source->name_length < SHOWN ? source->name_length : SHOWN),
                       source->name, what);
}

/* GGUF's tensor over a source: sizes turned round, data where it lies. */
static struct gguf_tensor turn(const struct safetensor *source)
{
    struct gguf_tensor tensor = {.type = source->type,
                                 .dims = source->dims ? source->dims : 1,
                                 .size = {1, 1, 1, 1},
                                 .data = source->data,
                                 .bytes = source->bytes};
    for (int i = 0; i < source->dims; i++)
        tensor.size[i] = source->size[source->dims - 1 - i];
    return tensor;
}

/* Rows (head, half, pair) become (head, pair, half). */
static bool permute(struct converter *converter, const struct safetensor *source, int64_t heads,
                    struct gguf_tensor *tensor)
{
    size_t rows = (size_t)source->size[0], row = rows ? source->bytes / rows : 0,
           dim = rows / (size_t)heads;
    if (!converter->checkpoint->family->permuted)
        return true;
    if (source->dims < 1 || rows % (size_t)heads != 0 || dim % 2 != 0)
        return refuse(converter, source, "does not divide into the heads that config.json names");
    unsigned char *data =
        checkpoint_store_get(converter->checkpoint, converter->store, source->bytes);
    if (!data)
        return false;
    for (size_t i = 0; i < rows; i++) {
        size_t head = i / dim, pair = i % dim / 2, half = i % 2;
        memcpy(data + i * row, source->data + (head * dim + half * (dim / 2) + pair) * row, row);
    }
    tensor->data = data;
    return true;
}

static bool raise(struct converter *converter, const struct safetensor *source,
                  struct gguf_tensor *tensor)
{
    if (!converter->checkpoint->family->norm_less_one)
        return true;
    size_t count = source->bytes / (source->type == KERNEL_F32 ? 4 : 2);
    float *data =
        checkpoint_store_get(converter->checkpoint, converter->store, count * sizeof *data);
    if (!data)
        return false;
    kernel_dequantize((enum kernel_type)source->type, source->data, data, count);
    for (size_t i = 0; i < count; i++)
        data[i] += 1;
    tensor->type = KERNEL_F32;
    tensor->data = data;
    tensor->bytes = count * sizeof *data;
    return true;
}

/* The mapped data may lie at any byte, but readers of floats want theirs aligned. */
static bool align(struct converter *converter, struct gguf_tensor *tensor)
{
    if ((uintptr_t)tensor->data % 8 == 0)
        return true;
    void *copy = checkpoint_store_get(converter->checkpoint, converter->store, tensor->bytes);
    if (!copy)
        return false;
    memcpy(copy, tensor->data, tensor->bytes);
    tensor->data = copy;
    return true;
}

static bool take(struct converter *converter, const struct safetensor *source, const char *name,
                 enum form form)
{
    const struct checkpoint *checkpoint = converter->checkpoint;
    struct gguf_tensor tensor = turn(source);
    bool ok = true;
    if (form == ROTARY_QUERY || form == ROTARY_KEY)
        ok = permute(converter, source,
                     form == ROTARY_KEY ? checkpoint->kv_heads : checkpoint->heads, &tensor);
    else if (form == NORM)
        ok = raise(converter, source, &tensor);
    else if (form == FLAT && tensor.dims == 2 && tensor.size[1] == 1)
        tensor.dims = 1;
    return ok && align(converter, &tensor) &&
           set_name(checkpoint, converter->store, &tensor, name) &&
           push(checkpoint, &converter->tensors, &converter->count, &converter->capacity, tensor);
}

/* --- Experts --- */

static struct stack *new_stack(struct converter *converter, const struct safetensor *source,
                               const char *name)
{
    const struct checkpoint *checkpoint = converter->checkpoint;
    struct stack *grown = realloc(converter->stacks, (converter->stack_count + 1) * sizeof *grown);
    size_t bytes;
    if (!grown) {
        engine_no_memory(checkpoint->error, checkpoint->folder);
        return NULL;
    }
    converter->stacks = grown;
    if (checkpoint->experts < 1 || source->dims != 2 ||
        __builtin_mul_overflow(source->bytes, (size_t)checkpoint->experts, &bytes)) {
        refuse(converter, source,
               "is an expert's, but config.json does not say how many there are");
        return NULL;
    }
    struct gguf_tensor tensor = turn(source);
    unsigned char *data = checkpoint_store_get(checkpoint, converter->store, bytes);
    tensor.dims = 3;
    tensor.size[2] = checkpoint->experts;
    tensor.data = data;
    tensor.bytes = bytes;
    if (!data || !set_name(checkpoint, converter->store, &tensor, name) ||
        !push(checkpoint, &converter->tensors, &converter->count, &converter->capacity, tensor))
        return NULL;
    struct stack *stack = &converter->stacks[converter->stack_count++];
    *stack = (struct stack){.tensor = converter->count - 1, .data = data, .each = source->bytes};
    return stack;
}

static struct stack *find_stack(struct converter *converter, const char *name)
{
    for (size_t i = converter->stack_count; i > 0; i--)
        if (gguf_text_is(converter->tensors[converter->stacks[i - 1].tensor].name, name))
            return &converter->stacks[i - 1];
    return NULL;
}

static bool take_expert(struct converter *converter, const struct safetensor *source,
                        const char *name, int64_t expert)
{
    struct stack *stack = find_stack(converter, name);
    if (!stack)
        stack = new_stack(converter, source, name);
    if (!stack)
        return false;
    const struct gguf_tensor *tensor = &converter->tensors[stack->tensor];
    bool same = source->dims == 2 && source->size[1] == tensor->size[0] &&
                source->size[0] == tensor->size[1] && source->type == tensor->type;
    if (!same || expert >= converter->checkpoint->experts)
        return refuse(converter, source,
                      "differs in shape or type from its fellow experts, or is one too many");
    memcpy(stack->data + (size_t)expert * stack->each, source->data, stack->each);
    stack->filled++;
    return true;
}

static bool check_stacks(const struct converter *converter)
{
    for (size_t i = 0; i < converter->stack_count; i++) {
        const struct gguf_text name = converter->tensors[converter->stacks[i].tensor].name;
        if (converter->stacks[i].filled != converter->checkpoint->experts)
            return engine_fail(
                converter->checkpoint->error, ENGINE_FORMAT,
                "%s: %lld of %lld experts for \"%.*s\" are there", converter->checkpoint->folder,
                (long long)converter->stacks[i].filled, (long long)converter->checkpoint->experts,
                (int)name.length, name.bytes);
    }
    return true;
}

/* --- Names --- */

static bool skip(const char **at, const char *prefix)
{
    size_t length = strlen(prefix);
    bool there = strncmp(*at, prefix, length) == 0;
    *at += there ? length : 0;
    return there;
}

/* A number without leading zeros and the dot behind it; -1 for anything else. */
static int64_t skip_number(const char **at)
{
    const char *digit = *at;
    int64_t number = 0;
    for (; *digit >= '0' && *digit <= '9' && digit - *at < 6; digit++)
        number = number * 10 + (*digit - '0');
    bool sound = digit > *at && *digit == '.' && (**at != '0' || digit == *at + 1);
    *at = sound ? digit + 1 : *at;
    return sound ? number : -1;
}

static const struct rule *find_rule(const struct rule *rules, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rules[i].from, name) == 0)
            return &rules[i];
    return NULL;
}

/* The one suffix whose meaning depends on the family. */
static struct rule second_norm(const struct checkpoint *checkpoint)
{
    return (struct rule){
        "", checkpoint->family->four_norms ? "post_attention_norm.weight" : "ffn_norm.weight",
        NORM};
}

static bool convert_layer(struct converter *converter, const struct safetensor *source,
                          const char *rest)
{
    char name[MAX_NAME + 1];
    int64_t layer = skip_number(&rest), expert = -1;
    if (layer < 0 || layer >= converter->checkpoint->layers)
        return refuse(converter, source, "belongs to a layer that config.json does not have");
    const struct rule second = second_norm(converter->checkpoint), *rule = &second;
    const char *at = rest;
    if ((skip(&at, "mlp.experts.") || skip(&at, "block_sparse_moe.experts.")) &&
        (expert = skip_number(&at)) >= 0) {
        rule = find_rule(in_expert, sizeof in_expert / sizeof *in_expert, at);
    } else if (strcmp(rest, "post_attention_layernorm.weight") != 0) {
        rule = find_rule(in_layer, sizeof in_layer / sizeof *in_layer, rest);
    }
    if (!rule)
        return refuse(converter, source, "has no place in an architecture that this engine runs");
    if (rule->form == IGNORED)
        return true;
    snprintf(name, sizeof name, "blk.%d.%s", (int)layer, rule->to);
    return expert >= 0 ? take_expert(converter, source, name, expert)
                       : take(converter, source, name, rule->form);
}

static bool convert(struct converter *converter, const struct safetensor *source)
{
    char name[256];
    struct safetensor widened;
    if (source->name_length >= sizeof name || memchr(source->name, '\0', source->name_length))
        return refuse(converter, source, "has too long a name");
    memcpy(name, source->name, source->name_length);
    name[source->name_length] = '\0';
    const char *rest = name;
    while (skip(&rest, "language_model.") || skip(&rest, "model.")) {
    }
    if (skip(&rest, "vision_tower.") || skip(&rest, "multi_modal_projector."))
        return true; /* the text half alone is run */
    if (checkpoint_is_scale(source))
        return true; /* taken with its weight */
    if (source->type == SAFETENSORS_F8_E4M3) {
        if (!checkpoint_convert_float8(converter->checkpoint, converter->store, &converter->scales,
                                       source, &widened))
            return false;
        source = &widened;
    }
    if (skip(&rest, "layers."))
        return convert_layer(converter, source, rest);
    const struct rule *rule = find_rule(globals, sizeof globals / sizeof *globals, rest);
    if (!rule)
        return refuse(converter, source, "has no place in an architecture that this engine runs");
    if (rule->form == IGNORED)
        return true;
    return take(converter, source, rule->to, rule->form);
}

/* A tied model may keep its embedding twice: the second is the first again. */
static void drop_tied_output(struct converter *converter)
{
    bool gemma = converter->checkpoint->family->norm_less_one; /* tied where nothing is said */
    if (!json_tree_bool(json_tree_get(converter->checkpoint->facts, "tie_word_embeddings"), gemma))
        return;
    for (size_t i = 0; i < converter->count; i++) {
        if (!gguf_text_is(converter->tensors[i].name, "output.weight"))
            continue;
        converter->tensors[i] = converter->tensors[--converter->count];
        for (size_t k = 0; k < converter->stack_count; k++)
            if (converter->stacks[k].tensor == converter->count)
                converter->stacks[k].tensor = i;
        return;
    }
}

bool checkpoint_tensors(const struct checkpoint *checkpoint, struct checkpoint_store *store,
                        struct gguf_tensor **tensors, size_t *count)
{
    struct converter converter = {.checkpoint = checkpoint, .store = store};
    bool ok = checkpoint_list_scales(checkpoint, store->files, &converter.scales);
    for (size_t i = 0; ok && i < safetensors_count(store->files); i++)
        ok = convert(&converter, safetensors_at(store->files, i));
    if (ok)
        drop_tied_output(&converter);
    ok = ok && check_stacks(&converter);
    free(converter.stacks);
    free(converter.scales.list);
    *tensors = converter.tensors;
    *count = converter.count;
    return ok;
}

bool checkpoint_add_floats(const struct checkpoint *checkpoint, struct checkpoint_store *store,
                           const char *name, float *values, size_t length,
                           struct gguf_tensor **tensors, size_t *count)
{
    struct gguf_tensor tensor = {.type = KERNEL_F32,
                                 .dims = 1,
                                 .size = {(int64_t)length, 1, 1, 1},
                                 .bytes = length * sizeof *values};
    float *data = checkpoint_store_get(checkpoint, store, tensor.bytes);
    if (data)
        memcpy(data, values, tensor.bytes);
    free(values);
    tensor.data = data;
    size_t capacity = *count; /* unknown: grows by a realloc, which is right for any */
    return data && set_name(checkpoint, store, &tensor, name) &&
           push(checkpoint, tensors, count, &capacity, tensor);
}
