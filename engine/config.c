/* The table of architectures, and a reader of keys that names the key in every complaint. What a
 * file does not say is what the family's own reference takes for granted. */
#include "engine/config.h"

#include "engine/error.h"
#include "engine/gguf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct architecture ARCHITECTURES[] = {
    {.name = "llama",
     .pairing = KERNEL_ROPE_NORM,
     .qkv_bias = OPTIONAL,
     .output_bias = OPTIONAL,
     .routing = ROUTING_RENORMALISED,
     .experts = OPTIONAL},
    {.name = "qwen2", .pairing = KERNEL_ROPE_NEOX, .qkv_bias = REQUIRED},
    {.name = "qwen2moe",
     .pairing = KERNEL_ROPE_NEOX,
     .qkv_bias = REQUIRED,
     .routing = ROUTING_PLAIN,
     .experts = REQUIRED,
     .shared_expert = true},
    {.name = "qwen3",
     .pairing = KERNEL_ROPE_NEOX,
     .qkv_bias = OPTIONAL,
     .output_bias = OPTIONAL,
     .qk_norm = QK_NORM_HEAD},
    {.name = "qwen3moe",
     .pairing = KERNEL_ROPE_NEOX,
     .qkv_bias = OPTIONAL,
     .output_bias = OPTIONAL,
     .qk_norm = QK_NORM_HEAD,
     .routing = ROUTING_RENORMALISED,
     .experts = REQUIRED},
    {.name = "olmoe",
     .pairing = KERNEL_ROPE_NEOX,
     .qkv_bias = OPTIONAL,
     .output_bias = OPTIONAL,
     .qk_norm = QK_NORM_FULL,
     .routing = ROUTING_PLAIN,
     .experts = REQUIRED},
    {.name = "gemma2",
     .pairing = KERNEL_ROPE_NEOX,
     .post_norms = true,
     .activation = ACTIVATION_GELU,
     .scaled_embedding = true,
     .attention_softcap = 50,
     .final_softcap = 30,
     .window_period = 2,
     .default_window = 4096,
     .wide_scale_layers = 46},
    {.name = "gemma3",
     .pairing = KERNEL_ROPE_NEOX,
     .qkv_bias = OPTIONAL,
     .output_bias = OPTIONAL,
     .qk_norm = QK_NORM_HEAD,
     .post_norms = true,
     .activation = ACTIVATION_GELU,
     .scaled_embedding = true,
     .window_period = 6,
     .local_rope_base = 10000,
     .wide_scale_layers = 62},
    {.name = "phi3", .pairing = KERNEL_ROPE_NEOX, .fused_gate_up = true},
    {.name = "smollm3",
     .pairing = KERNEL_ROPE_NORM,
     .qkv_bias = OPTIONAL,
     .output_bias = OPTIONAL,
     .no_rope_period = 4},
};
enum { ARCHITECTURE_COUNT = sizeof ARCHITECTURES / sizeof *ARCHITECTURES };

const struct architecture *config_architecture(const char *name)
{
    for (size_t i = 0; i < ARCHITECTURE_COUNT; i++)
        if (!strcmp(ARCHITECTURES[i].name, name))
            return &ARCHITECTURES[i];
    return NULL;
}

/* --- Keys --- */

struct reader {
    struct config *config;
    const struct gguf *file;
    const char *prefix; /* the architecture's name */
    struct engine_error *error;
};

static void full_key(const struct reader *r, const char *key, char out[128])
{
    snprintf(out, 128, "%s.%s", r->prefix, key);
}

static bool bad_key(const struct reader *r, const char *key, const char *problem)
{
    return engine_fail(r->error, ENGINE_FORMAT, "%s: key \"%s.%s\" %s", gguf_name(r->file),
                       r->prefix, key, problem);
}

/* The integer that an array holds in every place: some converters write a size for each layer. */
static bool same_everywhere(const struct gguf *file, const char *name, int64_t *value)
{
    struct gguf_array array;
    if (!gguf_array(file, name, &array) || !array.count || array.kind == GGUF_STRING ||
        array.kind == GGUF_ARRAY)
        return false;
    *value = gguf_array_integer(&array, 0);
    for (size_t i = 1; i < array.count; i++)
        if (gguf_array_integer(&array, i) != *value)
            return false;
    return true;
}

/* An integer of 1 to `most`; `fallback` (not 0) stands in where the key is absent. */
static bool read_size(const struct reader *r, const char *key, int64_t most, int fallback,
                      int *value)
{
    char name[128];
    int64_t integer = fallback;
    full_key(r, key, name);
    if (gguf_has(r->file, name) && !gguf_integer(r->file, name, &integer) &&
        !same_everywhere(r->file, name, &integer))
        return bad_key(r, key, "is not one integer (sizes that differ by layer are not supported)");
    if (!integer)
        return bad_key(r, key, gguf_has(r->file, name) ? "is 0" : "is missing");
    if (integer < 1 || integer > most)
        return bad_key(r, key, "is out of range");
    *value = (int)integer;
    return true;
}

/* The key's number, or `fallback`. A number that is no number, or not finite, counts as damage. */
static bool read_number(const struct reader *r, const char *key, double fallback, double *value)
{
    char name[128];
    full_key(r, key, name);
    *value = fallback;
    if (gguf_has(r->file, name) && !gguf_number(r->file, name, value))
        return bad_key(r, key, "is not a number");
    return isfinite(*value) || bad_key(r, key, "is not finite");
}

/* --- Sizes --- */

static bool read_vocabulary(const struct reader *r)
{
    const struct gguf_tensor *embedding = gguf_tensor(r->file, "token_embd.weight");
    if (!embedding)
        return engine_fail(r->error, ENGINE_FORMAT,
                           "%s: tensor \"token_embd.weight\" is missing: not a whole model",
                           gguf_name(r->file));
    if (embedding->size[1] < 1 || embedding->size[1] > 1 << 21)
        return engine_fail(r->error, ENGINE_FORMAT,
                           "%s: tensor \"token_embd.weight\" has %lld rows, not 1 to 2^21",
                           gguf_name(r->file), (long long)embedding->size[1]);
    r->config->vocabulary = (int)embedding->size[1];
    return true;
}

static bool read_heads(const struct reader *r)
{
    struct config *c = r->config;
    int value_dim;
    if (!read_size(r, "attention.head_count", 4096, 0, &c->heads) ||
        !read_size(r, "attention.head_count_kv", 4096, c->heads, &c->kv_heads) ||
        !read_size(r, "attention.key_length", KERNEL_MAX_HEAD_DIM, c->width / c->heads,
                   &c->head_dim) ||
        !read_size(r, "attention.value_length", KERNEL_MAX_HEAD_DIM, c->head_dim, &value_dim) ||
        !read_size(r, "rope.dimension_count", KERNEL_MAX_HEAD_DIM, c->head_dim, &c->rotary))
        return false;
    if (c->heads % c->kv_heads)
        return bad_key(r, "attention.head_count", "is no multiple of head_count_kv");
    if (value_dim != c->head_dim)
        return bad_key(r, "attention.value_length",
                       "differs from key_length, which this engine does not support");
    if (c->rotary % 2 || c->rotary > c->head_dim)
        return bad_key(r, "rope.dimension_count", "must be even and at most the head's size");
    return true;
}

static bool read_sizes(const struct reader *r)
{
    struct config *c = r->config;
    return read_size(r, "block_count", CONFIG_MAX_LAYERS, 0, &c->layers) &&
           read_size(r, "embedding_length", CONFIG_MAX_WIDTH, 0, &c->width) &&
           read_size(r, "feed_forward_length", CONFIG_MAX_WIDTH, 0, &c->feed_forward) &&
           read_size(r, "context_length", 1 << 30, 0, &c->context) && read_heads(r) &&
           read_vocabulary(r) &&
           read_number(r, "attention.layer_norm_rms_epsilon", 1e-5, &c->norm_epsilon);
}

/* --- Experts --- */

/* The experts' own width stands in their tensors' shapes, which every file has. */
static int rows_of(const struct gguf *file, const char *name)
{
    const struct gguf_tensor *tensor = gguf_tensor(file, name);
    return tensor && tensor->size[1] <= CONFIG_MAX_WIDTH ? (int)tensor->size[1] : 0;
}

/* Gate and up may be one tensor. */
static int expert_rows(const struct gguf *file)
{
    int rows = rows_of(file, "blk.0.ffn_gate_exps.weight");
    return rows ? rows : rows_of(file, "blk.0.ffn_gate_up_exps.weight") / 2;
}

static bool read_experts(const struct reader *r)
{
    struct config *c = r->config;
    const struct architecture *a = c->architecture;
    char key[128];
    int64_t experts = 0;
    full_key(r, "expert_count", key);
    gguf_integer(r->file, key, &experts);
    if (a->experts == ABSENT || (a->experts == OPTIONAL && !experts))
        return true;
    if (!read_size(r, "expert_count", CONFIG_MAX_EXPERTS, 0, &c->experts) ||
        !read_size(r, "expert_used_count", CONFIG_MAX_USED, 0, &c->experts_used))
        return false;
    if (c->experts_used > c->experts)
        return bad_key(r, "expert_used_count", "is more than expert_count");
    c->renormalised = a->routing == ROUTING_RENORMALISED;
    full_key(r, "expert_weights_norm", key);
    if (gguf_has(r->file, key) && !gguf_boolean(r->file, key, &c->renormalised))
        return bad_key(r, "expert_weights_norm", "is not a boolean");
    c->expert_feed_forward = expert_rows(r->file);
    c->shared_feed_forward = a->shared_expert ? rows_of(r->file, "blk.0.ffn_gate_shexp.weight") : 0;
    if (!c->expert_feed_forward || (a->shared_expert && !c->shared_feed_forward))
        return engine_fail(r->error, ENGINE_FORMAT,
                           "%s: a model with experts but without their tensors in layer 0",
                           gguf_name(r->file));
    return true;
}

/* --- Attention --- */

/* Which layers see a window: an entry for each, or a period. */
static bool read_pattern(const struct reader *r)
{
    struct config *c = r->config;
    struct gguf_array array;
    char key[128];
    int64_t period = c->architecture->window_period;
    full_key(r, "attention.sliding_window_pattern", key);
    bool each = gguf_array(r->file, key, &array);
    if (each &&
        (array.kind == GGUF_STRING || array.kind == GGUF_ARRAY || array.count < (size_t)c->layers))
        return bad_key(r, "attention.sliding_window_pattern",
                       "does not have a number for each layer");
    if (!each && period && gguf_has(r->file, key) &&
        (!gguf_integer(r->file, key, &period) || period < 0 || period > CONFIG_MAX_LAYERS))
        return bad_key(r, "attention.sliding_window_pattern", "is not a sensible integer");
    bool any =
        each || c->architecture->window_period; /* a family of its own says that it has none */
    for (int i = 0; any && i < c->layers; i++)
        c->windowed[i] =
            each ? gguf_array_integer(&array, (size_t)i) != 0 : !period || i % period != period - 1;
    return true;
}

static bool read_window(const struct reader *r)
{
    struct config *c = r->config;
    char key[128];
    int64_t window = c->architecture->default_window;
    full_key(r, "attention.sliding_window", key);
    if (gguf_has(r->file, key) &&
        (!gguf_integer(r->file, key, &window) || window < 0 || window > 1 << 30))
        return bad_key(r, "attention.sliding_window", "is not a sensible integer");
    c->window = (int)window;
    return read_pattern(r);
}

static bool read_scales(const struct reader *r)
{
    struct config *c = r->config;
    const struct architecture *a = c->architecture;
    double attention_cap, final_cap, scale;
    bool wide = a->wide_scale_layers && c->layers == a->wide_scale_layers;
    if (!read_number(r, "attn_logit_softcapping", (double)a->attention_softcap, &attention_cap) ||
        !read_number(r, "final_logit_softcapping", (double)a->final_softcap, &final_cap) ||
        !read_number(r, "attention.scale", 0, &scale))
        return false;
    c->attention_softcap = (float)attention_cap;
    c->final_softcap = (float)final_cap;
    c->embedding_scale = a->scaled_embedding ? sqrtf((float)c->width) : 1;
    if (scale == 0)
        scale = 1 / sqrt(wide ? (double)c->width / c->heads : c->head_dim);
    c->attention_scale = (float)scale;
    return true;
}

/* --- Rotary positions --- */

/* A tensor of rotary/2 divisors, if the file has it. */
static bool read_factors(const struct reader *r, const char *name, float **factors)
{
    const struct gguf_tensor *tensor = gguf_tensor(r->file, name);
    size_t count = (size_t)r->config->rotary / 2;
    if (!tensor)
        return true;
    if (tensor->type != KERNEL_F32 || tensor->size[0] != (int64_t)count ||
        tensor->bytes != count * sizeof **factors)
        return engine_fail(r->error, ENGINE_FORMAT, "%s: tensor \"%s\" must be %zu F32 numbers",
                           gguf_name(r->file), name, count);
    *factors = malloc(count * sizeof **factors);
    if (!*factors)
        return engine_no_memory(r->error, name);
    memcpy(*factors, tensor->data, count * sizeof **factors);
    for (size_t i = 0; i < count; i++)
        if (!(fabsf((*factors)[i]) > 0) || !isfinite((*factors)[i]))
            return engine_fail(r->error, ENGINE_FORMAT,
                               "%s: tensor \"%s\" holds a divisor of 0 or none", gguf_name(r->file),
                               name);
    return true;
}

/* The dimension that turns `turns` times over the original context. */
static double yarn_dimension(const struct config *c, double turns, double original, double base)
{
    const double pi = 3.14159265358979323846;
    return c->rotary * log(original / (turns * 2 * pi)) / (2 * log(base));
}

/* YaRN: fast dimensions as they are, slow ones divided by `factor`, a ramp between; as divisors. */
static bool yarn_factors(const struct reader *r, double factor, struct config_rope *rope)
{
    struct config *c = r->config;
    double original, fast, slow, magnitude, extrapolation;
    if (!read_number(r, "rope.scaling.original_context_length", c->context, &original) ||
        !read_number(r, "rope.scaling.yarn_beta_fast", 32, &fast) ||
        !read_number(r, "rope.scaling.yarn_beta_slow", 1, &slow) ||
        !read_number(r, "rope.scaling.yarn_ext_factor", 1, &extrapolation) ||
        !read_number(r, "rope.scaling.yarn_attn_factor", 1 + 0.1 * log(fmax(factor, 1)),
                     &magnitude))
        return false;
    if (!(original >= 1 && slow > 0 && fast > slow) || extrapolation != 1)
        return bad_key(r, "rope.scaling.type", "is yarn, with settings that make no sense here");
    int count = c->rotary / 2;
    double low = fmax(0, floor(yarn_dimension(c, fast, original, rope->base)));
    double high = fmin(c->rotary - 1, ceil(yarn_dimension(c, slow, original, rope->base)));
    rope->factors = malloc((size_t)count * sizeof *rope->factors);
    if (!rope->factors)
        return engine_no_memory(r->error, "rotary factors");
    for (int i = 0; i < count; i++) {
        double ramp = fmin(1, fmax(0, (i - low) / fmax(0.001, high - low)));
        rope->factors[i] = (float)(1 / (ramp / factor + (1 - ramp)));
    }
    rope->magnitude *= magnitude;
    return true;
}

static bool read_scaling(const struct reader *r, struct config_rope *rope)
{
    char key[128];
    double factor, linear;
    struct gguf_text type = {"linear", 6};
    full_key(r, "rope.scaling.type", key);
    if (gguf_has(r->file, key) && !gguf_string(r->file, key, &type))
        return bad_key(r, "rope.scaling.type", "is not a string");
    if (!read_number(r, "rope.scale_linear", 1, &linear) ||
        !read_number(r, "rope.scaling.factor", linear, &factor))
        return false;
    if (factor == 0 || gguf_text_is(type, "none") || gguf_text_is(type, "longrope"))
        return true;
    if (factor < 1e-3 || factor > 1e6)
        return bad_key(r, "rope.scaling.factor", "is out of range");
    if (gguf_text_is(type, "linear"))
        rope->scale = 1 / factor;
    else if (gguf_text_is(type, "yarn"))
        return rope->factors || yarn_factors(r, factor, rope);
    else
        return bad_key(r, "rope.scaling.type", "is none of none, linear, yarn, longrope");
    return true;
}

/* Short and long factors: a request uses the long ones when it may grow past the original context.
 */
static bool read_long_factors(const struct reader *r)
{
    struct config *c = r->config;
    struct config_rope *global = &c->rope[ROPE_GLOBAL], *far = &c->rope[ROPE_GLOBAL_LONG];
    *far = *global;
    far->factors = NULL;
    if (!gguf_tensor(r->file, "rope_factors_long.weight"))
        return true;
    return read_size(r, "rope.scaling.original_context_length", 1 << 30, c->context,
                     &c->original_context) &&
           read_factors(r, "rope_factors_long.weight", &far->factors) &&
           read_factors(r, "rope_factors_short.weight", &global->factors);
}

static bool read_rope(const struct reader *r)
{
    struct config *c = r->config;
    struct config_rope *global = &c->rope[ROPE_GLOBAL], *local = &c->rope[ROPE_LOCAL];
    global->scale = 1;
    if (!read_number(r, "rope.freq_base", 10000, &global->base) ||
        !read_number(r, "rope.scaling.attn_factor", 1, &global->magnitude))
        return false;
    if (!(global->base > 1))
        return bad_key(r, "rope.freq_base", "must be above 1");
    *local = *global;
    if (!read_factors(r, "rope_freqs.weight", &global->factors) || !read_scaling(r, global) ||
        !read_long_factors(r))
        return false;
    if (!c->architecture->local_rope_base) {
        local->scale = global->scale;
        return true;
    }
    if (!read_number(r, "rope.freq_base_swa", c->architecture->local_rope_base, &local->base))
        return false;
    return local->base > 1 || bad_key(r, "rope.freq_base_swa", "must be above 1");
}

/* --- What is not computed here --- */

/* Keys of other families, and the values with which they change nothing. */
static const struct {
    const char *key;
    double neutral[2];
} NEUTRAL[] = {
    {"logit_scale", {1, 0}},          {"embedding_scale", {1, 0}},
    {"residual_scale", {1, 0}},       {"attention.clamp_kqv", {0, 0}},
    {"expert_weights_scale", {1, 0}}, {"expert_gating_func", {1, 0}}, /* 1: softmax */
    {"expert_group_count", {1, 0}},   {"leading_dense_block_count", {0, 0}},
    {"nextn_predict_layers", {0, 0}}, {"pooling_type", {0, 0}}, /* a model for embeddings has one */
    {"rope.scaling.alpha", {1, 0}},   {"rope.scaling.yarn_log_multiplier", {0, 0}},
};

static bool check_neutral(const struct reader *r)
{
    char key[128];
    bool causal = true;
    full_key(r, "attention.causal", key);
    gguf_boolean(r->file, key, &causal);
    if (!causal)
        return bad_key(r, "attention.causal", "is false: this is not a model that writes text");
    for (size_t i = 0; i < sizeof NEUTRAL / sizeof *NEUTRAL; i++) {
        double value;
        if (!read_number(r, NEUTRAL[i].key, NEUTRAL[i].neutral[0], &value))
            return false;
        if (value != NEUTRAL[i].neutral[0] && value != NEUTRAL[i].neutral[1])
            return bad_key(r, NEUTRAL[i].key,
                           "has a value that this engine does not compute with for this family");
    }
    return true;
}

/* --- The whole --- */

static bool unknown_architecture(const struct gguf *file, const char *name,
                                 struct engine_error *error)
{
    char known[160] = "";
    size_t at = 0;
    for (size_t i = 0; i < ARCHITECTURE_COUNT && at < sizeof known; i++)
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "",
                               ARCHITECTURES[i].name);
    return engine_fail(error, ENGINE_UNSUPPORTED,
                       "%s: architecture \"%s\" is none of those this engine runs: %s",
                       gguf_name(file), name, known);
}

static bool read_architecture(const struct gguf *file, char name[64],
                              const struct architecture **found, struct engine_error *error)
{
    struct gguf_text text;
    if (!gguf_string(file, "general.architecture", &text))
        return engine_fail(error, ENGINE_FORMAT,
                           "%s: key \"general.architecture\" is missing or not a string",
                           gguf_name(file));
    snprintf(name, 64, "%.*s", (int)(text.length < 63 ? text.length : 63), text.bytes);
    *found = config_architecture(name);
    return *found || unknown_architecture(file, name, error);
}

bool config_read(struct config *config, const struct gguf *file, const struct architecture *facts,
                 struct engine_error *error)
{
    char name[64];
    memset(config, 0, sizeof *config);
    if (!read_architecture(file, name, &config->architecture, error))
        return false;
    if (facts)
        config->architecture = facts;
    struct reader reader = {config, file, name, error};
    return check_neutral(&reader) && read_sizes(&reader) && read_experts(&reader) &&
           read_window(&reader) && read_scales(&reader) && read_rope(&reader);
}

void config_done(struct config *config)
{
    for (int kind = 0; kind < ROPE_KINDS; kind++) {
        free(config->rope[kind].factors);
        config->rope[kind].factors = NULL;
    }
}

bool config_layer_has_window(const struct config *config, int layer)
{
    return config->window && config->windowed[layer];
}

enum rope_kind config_layer_rope(const struct config *config, int layer, bool is_long)
{
    int skip = config->architecture->no_rope_period;
    if (skip && layer % skip == skip - 1)
        return ROPE_NONE;
    if (config->architecture->local_rope_base > 0 && config_layer_has_window(config, layer))
        return ROPE_LOCAL;
    return is_long && config->original_context ? ROPE_GLOBAL_LONG : ROPE_GLOBAL;
}
