/* config.json to the keys that GGUF has. A table says which number goes where; rotary scaling,
 * whose names differ from family to family, has code of its own. A setting that the engine's
 * form of a family does not have is looked for and refused, because ignoring it would give a
 * model that is nearly right. */
#include "engine/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/checkpoint_internal.h"
#include "engine/error.h"

enum { MAX_PATH = 4096, MAX_ROTARY = 4096 };

static const struct checkpoint_family families[] = {
    {"llama", "llama", true, false, false, false, WINDOWS_NONE},
    {"mistral", "llama", true, false, false, false, WINDOWS_ALL},
    {"mixtral", "llama", true, false, false, false, WINDOWS_ALL},
    {"smollm3", "smollm3", true, false, false, false, WINDOWS_LATE},
    {"qwen2", "qwen2", false, false, false, false, WINDOWS_LATE},
    {"qwen2_moe", "qwen2moe", false, false, false, true, WINDOWS_LATE},
    {"qwen3", "qwen3", false, false, false, false, WINDOWS_LATE},
    {"qwen3_moe", "qwen3moe", false, false, false, true, WINDOWS_LATE},
    {"olmoe", "olmoe", false, false, false, true, WINDOWS_NONE},
    {"gemma2", "gemma2", false, true, true, false, WINDOWS_PATTERN},
    {"gemma3", "gemma3", false, true, true, false, WINDOWS_PATTERN},
    {"gemma3_text", "gemma3", false, true, true, false, WINDOWS_PATTERN},
    {"phi3", "phi3", false, false, false, false, WINDOWS_ALL},
};

/* What the family's own code takes where config.json says nothing, if GGUF's readers would take
 * something else. Gemma 3's larger models are published without these. */
static const struct {
    const char *architecture, *key;
    double value;
} defaults[] = {
    {"gemma3", "num_attention_heads", 8},
    {"gemma3", "num_key_value_heads", 4},
    {"gemma3", "head_dim", 256},
    {"gemma3", "max_position_embeddings", 131072},
    {"gemma3", "rms_norm_eps", 1e-6},
    {"gemma3", "rope_theta", 1e6},
    {"gemma3", "query_pre_attn_scalar", 256},
    {"gemma3", "sliding_window", 4096},
    {"gemma2", "num_attention_heads", 8},
    {"gemma2", "num_key_value_heads", 4},
    {"gemma2", "head_dim", 256},
    {"gemma2", "max_position_embeddings", 8192},
    {"gemma2", "rms_norm_eps", 1e-6},
    {"gemma2", "query_pre_attn_scalar", 256},
    {"qwen3", "head_dim", 128},
};

/* A number of config.json, or the family's own. */
static bool fact(const struct checkpoint *checkpoint, const char *key, double *number)
{
    const struct json_tree_value *value = json_tree_get(checkpoint->facts, key);
    if (value && value->kind == JSON_TREE_NUMBER) {
        *number = value->number;
        return true;
    }
    for (size_t i = 0; !value && i < sizeof defaults / sizeof *defaults; i++)
        if (!strcmp(defaults[i].architecture, checkpoint->family->architecture) &&
            !strcmp(defaults[i].key, key)) {
            *number = defaults[i].value;
            return true;
        }
    return false;
}

static int64_t integer_fact(const struct checkpoint *checkpoint, const char *key, int64_t otherwise)
{
    double number;
    if (!fact(checkpoint, key, &number))
        return otherwise;
    return number >= 0 && number < 0x1p53 && number == floor(number) ? (int64_t)number : -1;
}

bool checkpoint_is(const char *path)
{
    static const char suffix[] = ".safetensors";
    struct stat status;
    size_t length = strlen(path);
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return true;
    return length > sizeof suffix - 1 && strcmp(path + length - (sizeof suffix - 1), suffix) == 0;
}

/* --- Metadata --- */

static bool refuse(const struct checkpoint *checkpoint, const char *what)
{
    return engine_fail(checkpoint->error, ENGINE_UNSUPPORTED, "%s/config.json: %s",
                       checkpoint->folder, what);
}

static void full_key(const struct checkpoint *checkpoint, const char *key, char out[128])
{
    snprintf(out, 128, "%s.%s", checkpoint->family->architecture, key);
}

static void put_number(struct checkpoint *checkpoint, const char *key, double value)
{
    char name[128];
    full_key(checkpoint, key, name);
    gguf_build_number(&checkpoint->metadata, name, value);
}

static void put_integer(struct checkpoint *checkpoint, const char *key, int64_t value)
{
    char name[128];
    full_key(checkpoint, key, name);
    gguf_build_integer(&checkpoint->metadata, name, value);
}

static void put_string(struct checkpoint *checkpoint, const char *key, const char *value)
{
    char name[128];
    full_key(checkpoint, key, name);
    gguf_build_string(&checkpoint->metadata, name, (struct gguf_text){value, strlen(value)});
}

/* Numbers that only change their name. */
static const struct {
    const char *from, *to;
    bool integer;
} plain[] = {
    {"num_hidden_layers", "block_count", true},
    {"max_position_embeddings", "context_length", true},
    {"hidden_size", "embedding_length", true},
    {"intermediate_size", "feed_forward_length", true},
    {"num_attention_heads", "attention.head_count", true},
    {"num_key_value_heads", "attention.head_count_kv", true},
    {"head_dim", "attention.key_length", true},
    {"head_dim", "attention.value_length", true},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", false},
    {"num_experts_per_tok", "expert_used_count", true},
    {"attn_logit_softcapping", "attn_logit_softcapping", false},
    {"final_logit_softcapping", "final_logit_softcapping", false},
    {"rope_local_base_freq", "rope.freq_base_swa", false},
};

static void put_plain(struct checkpoint *checkpoint)
{
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        double number;
        if (!fact(checkpoint, plain[i].from, &number))
            continue;
        if (plain[i].integer)
            put_integer(checkpoint, plain[i].to, integer_fact(checkpoint, plain[i].from, -1));
        else
            put_number(checkpoint, plain[i].to, number);
    }
}

/* Sizes that this reader itself needs, within bounds. */
static bool read_sizes(struct checkpoint *checkpoint)
{
    const struct json_tree_value *facts = checkpoint->facts;
    int64_t width = integer_fact(checkpoint, "hidden_size", 0);
    checkpoint->layers = integer_fact(checkpoint, "num_hidden_layers", 0);
    checkpoint->heads = integer_fact(checkpoint, "num_attention_heads", 0);
    checkpoint->kv_heads = integer_fact(checkpoint, "num_key_value_heads", checkpoint->heads);
    if (checkpoint->layers < 1 || checkpoint->heads < 1 || checkpoint->kv_heads < 1 || width < 1)
        return refuse(checkpoint,
                      "num_hidden_layers, num_attention_heads or hidden_size is missing");
    checkpoint->head_dim = integer_fact(checkpoint, "head_dim", width / checkpoint->heads);
    if (checkpoint->head_dim < 2 || checkpoint->head_dim > MAX_ROTARY)
        return refuse(checkpoint, "the heads' size makes no sense");
    checkpoint->experts = json_tree_integer(json_tree_get(facts, "num_local_experts"), 0);
    checkpoint->experts =
        json_tree_integer(json_tree_get(facts, "num_experts"), checkpoint->experts);
    if (checkpoint->experts < 0 || checkpoint->experts > 4096)
        return refuse(checkpoint, "the number of experts makes no sense");
    return true;
}

static bool check_activation(const struct checkpoint *checkpoint)
{
    const struct json_tree_value *name = json_tree_get(checkpoint->facts, "hidden_activation");
    name = name && name->kind == JSON_TREE_STRING ? name
                                                  : json_tree_get(checkpoint->facts, "hidden_act");
    bool gemma = checkpoint->family->norm_less_one;
    if (!name || name->kind != JSON_TREE_STRING ||
        (gemma ? json_tree_is(name, "gelu_pytorch_tanh") : json_tree_is(name, "silu")))
        return true;
    return refuse(checkpoint,
                  "its activation (hidden_act) is not the one that this family has here");
}

/* None, or one of the ways in which matrices are kept as F8_E4M3 with a scale; what the tensors
 * really are is seen when they are read. */
static bool is_readable_quantization(const struct json_tree_value *facts)
{
    static const char *const METHODS[] = {"fp8", "fbgemm_fp8", "compressed-tensors"};
    const struct json_tree_value *method = facts ? json_tree_get(facts, "quant_method") : NULL;
    for (size_t i = 0; i < sizeof METHODS / sizeof *METHODS; i++)
        if (method && json_tree_is(method, METHODS[i]))
            return true;
    return !facts;
}

/* SmolLM3's list has a 1 for each layer that has rotary positions. */
static bool check_rope_layers(const struct checkpoint *checkpoint)
{
    const struct json_tree_value *list = json_tree_get(checkpoint->facts, "no_rope_layers");
    const struct json_tree_value *interval =
        json_tree_get(checkpoint->facts, "no_rope_layer_interval");
    int64_t layer = 0;
    if (!list || list->kind != JSON_TREE_ARRAY)
        return json_tree_integer(interval, 4) == 4;
    for (const struct json_tree_value *item = list->first; item; item = item->next, layer++)
        if (json_tree_integer(item, -1) != (layer % 4 != 3))
            return false;
    return layer == checkpoint->layers;
}

/* Settings that the engine's form of a family does not have. */
static bool check_settings(const struct checkpoint *checkpoint)
{
    const struct json_tree_value *facts = checkpoint->facts;
    const struct json_tree_value *dense = json_tree_get(facts, "mlp_only_layers"),
                                 *clip = json_tree_get(facts, "clip_qkv");
    if (json_tree_integer(json_tree_get(facts, "decoder_sparse_step"), 1) != 1 ||
        (dense && dense->length > 0))
        return refuse(checkpoint, "some of its layers have no experts, which is not supported");
    if (clip && clip->kind != JSON_TREE_NULL)
        return refuse(checkpoint, "clip_qkv is not supported");
    if (!check_rope_layers(checkpoint))
        return refuse(checkpoint, "its layers without rotary positions are not every fourth");
    if (!is_readable_quantization(
            json_tree_get(json_tree_root(checkpoint->config), "quantization_config")))
        return refuse(checkpoint,
                      "it is quantised (quantization_config) in another way than F8_E4M3 "
                      "weights: give that, or the plain BF16, F16 or F32 checkpoint");
    return check_activation(checkpoint);
}

/* --- Rotary positions --- */

struct extra {
    struct checkpoint_store *store;
    struct gguf_tensor *tensors;
    size_t count;
};

/* Llama 3's scaling: slow dimensions divided by `factor`, fast ones kept, a ramp between; as
 * divisors. */
static bool llama3_factors(const struct checkpoint *checkpoint,
                           const struct json_tree_value *scaling, double base, struct extra *extra)
{
    double factor = json_tree_number(json_tree_get(scaling, "factor"), 8),
           low = json_tree_number(json_tree_get(scaling, "low_freq_factor"), 1);
    double high = json_tree_number(json_tree_get(scaling, "high_freq_factor"), 4);
    double original =
        json_tree_number(json_tree_get(scaling, "original_max_position_embeddings"), 8192);
    size_t count = (size_t)checkpoint->head_dim / 2;
    float *values = malloc(count * sizeof *values);
    if (!values)
        return engine_no_memory(checkpoint->error, checkpoint->folder);
    for (size_t i = 0; i < count; i++) {
        double wave =
            2 * 3.14159265358979323846 * pow(base, 2.0 * (double)i / (double)checkpoint->head_dim);
        double smooth = (original / wave - low) / (high - low);
        values[i] = wave < original / high  ? 1.0f
                    : wave > original / low ? (float)factor
                                            : (float)(1 / ((1 - smooth) / factor + smooth));
    }
    return checkpoint_add_floats(checkpoint, extra->store, "rope_freqs.weight", values, count,
                                 &extra->tensors, &extra->count);
}

static bool add_list(const struct checkpoint *checkpoint, const struct json_tree_value *list,
                     const char *name, struct extra *extra)
{
    size_t count = list && list->kind == JSON_TREE_ARRAY ? list->length : 0, at = 0;
    float *values = count > 0 && count <= MAX_ROTARY ? malloc(count * sizeof *values) : NULL;
    if (!values)
        return refuse(checkpoint, "its rope_scaling lacks long_factor or short_factor");
    for (const struct json_tree_value *item = list->first; item; item = item->next)
        values[at++] = (float)json_tree_number(item, 0);
    return checkpoint_add_floats(checkpoint, extra->store, name, values, count, &extra->tensors,
                                 &extra->count);
}

/* Phi-3's: factors for short and for long requests, and a correction of size. */
static bool long_factors(struct checkpoint *checkpoint, const struct json_tree_value *scaling,
                         struct extra *extra)
{
    double longest =
        json_tree_number(json_tree_get(checkpoint->facts, "max_position_embeddings"), 0);
    double original = json_tree_number(
        json_tree_get(checkpoint->facts, "original_max_position_embeddings"),
        json_tree_number(json_tree_get(scaling, "original_max_position_embeddings"), 0));
    if (!(original > 1) || !(longest > 0))
        return refuse(checkpoint, "original_max_position_embeddings is missing");
    double ratio = longest / original;
    put_number(checkpoint, "rope.scaling.attn_factor",
               ratio > 1 ? sqrt(1 + log(ratio) / log(original)) : 1);
    put_integer(checkpoint, "rope.scaling.original_context_length", (int64_t)original);
    put_string(checkpoint, "rope.scaling.type", "longrope");
    return add_list(checkpoint, json_tree_get(scaling, "long_factor"), "rope_factors_long.weight",
                    extra) &&
           add_list(checkpoint, json_tree_get(scaling, "short_factor"), "rope_factors_short.weight",
                    extra);
}

/* YaRN's borders and its correction of size, which DeepSeek's configurations give as two scales. */
static bool put_yarn(struct checkpoint *checkpoint, const struct json_tree_value *scaling)
{
    double factor = fmax(1, json_tree_number(json_tree_get(scaling, "factor"), 1));
    double scale = json_tree_number(json_tree_get(scaling, "mscale"), 0),
           all = json_tree_number(json_tree_get(scaling, "mscale_all_dim"), 0);
    double size = 1 + 0.1 * log(factor);
    if (scale != 0 && all != 0)
        size = (1 + 0.1 * scale * log(factor)) / (1 + 0.1 * all * log(factor));
    if (!json_tree_bool(json_tree_get(scaling, "truncate"), true))
        return refuse(checkpoint, "its rope_scaling's truncate is false, which is not supported");
    put_number(checkpoint, "rope.scaling.yarn_attn_factor",
               json_tree_number(json_tree_get(scaling, "attention_factor"), size));
    put_number(checkpoint, "rope.scaling.yarn_beta_fast",
               json_tree_number(json_tree_get(scaling, "beta_fast"), 32));
    put_number(checkpoint, "rope.scaling.yarn_beta_slow",
               json_tree_number(json_tree_get(scaling, "beta_slow"), 1));
    return true;
}

static bool put_scaling(struct checkpoint *checkpoint, const struct json_tree_value *scaling,
                        double base, struct extra *extra)
{
    const struct json_tree_value *type = json_tree_get(scaling, "rope_type");
    type = type ? type : json_tree_get(scaling, "type");
    if (!type || json_tree_is(type, "default"))
        return true;
    if (json_tree_is(type, "llama3"))
        return llama3_factors(checkpoint, scaling, base, extra);
    if (json_tree_is(type, "longrope") || json_tree_is(type, "su"))
        return long_factors(checkpoint, scaling, extra);
    if (!json_tree_is(type, "linear") && !json_tree_is(type, "yarn"))
        return refuse(
            checkpoint,
            "its rope_scaling is of a type that is not supported (linear, yarn, llama3 and "
            "longrope are)");
    put_string(checkpoint, "rope.scaling.type", json_tree_is(type, "yarn") ? "yarn" : "linear");
    put_number(checkpoint, "rope.scaling.factor",
               json_tree_number(json_tree_get(scaling, "factor"), 1));
    if (json_tree_is(type, "yarn") && !put_yarn(checkpoint, scaling))
        return false;
    const struct json_tree_value *original =
        json_tree_get(scaling, "original_max_position_embeddings");
    if (original)
        put_integer(checkpoint, "rope.scaling.original_context_length",
                    json_tree_integer(original, 0));
    return true;
}

/* rope_theta and rope_scaling, or rope_parameters that hold both (for each kind of layer, in
 * Gemma 3). */
static bool put_rope(struct checkpoint *checkpoint, struct extra *extra)
{
    const struct json_tree_value *facts = checkpoint->facts,
                                 *both = json_tree_get(facts, "rope_parameters");
    const struct json_tree_value *wide = json_tree_get(both, "full_attention"),
                                 *local = json_tree_get(both, "sliding_attention");
    both = wide ? wide : both;
    double base = 10000;
    fact(checkpoint, "rope_theta", &base);
    base = json_tree_number(json_tree_get(both, "rope_theta"), base);
    double part =
        json_tree_number(json_tree_get(both, "partial_rotary_factor"),
                         json_tree_number(json_tree_get(facts, "partial_rotary_factor"), 1));
    if (!(part > 0 && part <= 1) || !(base > 1))
        return refuse(checkpoint, "rope_theta or partial_rotary_factor makes no sense");
    put_number(checkpoint, "rope.freq_base", base);
    put_integer(checkpoint, "rope.dimension_count", (int64_t)((double)checkpoint->head_dim * part));
    if (local)
        put_number(checkpoint, "rope.freq_base_swa",
                   json_tree_number(json_tree_get(local, "rope_theta"), 10000));
    const struct json_tree_value *scaling = json_tree_get(facts, "rope_scaling");
    return put_scaling(checkpoint, both ? both : scaling, base, extra);
}

/* --- Windows --- */

/* A cap that is null is none, where a file without the key would have the family's. */
static void put_caps(struct checkpoint *checkpoint)
{
    static const char *const names[] = {"attn_logit_softcapping", "final_logit_softcapping"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct json_tree_value *value = json_tree_get(checkpoint->facts, names[i]);
        if (value && value->kind == JSON_TREE_NULL)
            put_number(checkpoint, names[i], 0);
    }
}

/* An entry for each layer: from layer_types, or those from `first` on. */
static void put_layers(struct checkpoint *checkpoint, const struct json_tree_value *types,
                       int64_t first)
{
    char name[128];
    const struct json_tree_value *type = types ? types->first : NULL;
    full_key(checkpoint, "attention.sliding_window_pattern", name);
    gguf_build_array(&checkpoint->metadata, name, GGUF_BOOL, (size_t)checkpoint->layers);
    for (int64_t i = 0; i < checkpoint->layers; i++, type = type ? type->next : NULL)
        gguf_build_byte(&checkpoint->metadata,
                        types ? json_tree_is(type, "sliding_attention") : i >= first);
}

/* Does config.json mean its sliding_window? */
static bool has_windows(const struct checkpoint *checkpoint)
{
    const struct json_tree_value *use = json_tree_get(checkpoint->facts, "use_sliding_window");
    enum checkpoint_windows windows = checkpoint->family->windows;
    return windows != WINDOWS_NONE && json_tree_bool(use, windows != WINDOWS_LATE);
}

static void put_windows(struct checkpoint *checkpoint)
{
    const struct json_tree_value *types = json_tree_get(checkpoint->facts, "layer_types");
    int64_t window = integer_fact(checkpoint, "sliding_window", 0);
    int64_t period = integer_fact(checkpoint, "sliding_window_pattern",
                                  integer_fact(checkpoint, "_sliding_window_pattern", 0));
    bool listed =
        types && types->kind == JSON_TREE_ARRAY && types->length == (uint32_t)checkpoint->layers;
    if (window < 1 || !has_windows(checkpoint))
        return;
    put_integer(checkpoint, "attention.sliding_window", window);
    if (listed || checkpoint->family->windows != WINDOWS_PATTERN)
        put_layers(checkpoint, listed ? types : NULL,
                   checkpoint->family->windows == WINDOWS_LATE
                       ? integer_fact(checkpoint, "max_window_layers", 28)
                       : 0);
    else if (period > 0)
        put_integer(checkpoint, "attention.sliding_window_pattern", period);
}

/* --- The keys --- */

static void put_routing(struct checkpoint *checkpoint)
{
    const struct json_tree_value *norm = json_tree_get(checkpoint->facts, "norm_topk_prob");
    char name[128];
    full_key(checkpoint, "expert_weights_norm", name);
    if (checkpoint->experts > 0 && checkpoint->family->topk)
        gguf_build_boolean(&checkpoint->metadata, name, json_tree_bool(norm, false));
}

static bool put_metadata(struct checkpoint *checkpoint, struct extra *extra)
{
    const char *slash = strrchr(checkpoint->folder, '/'),
               *name = slash && slash[1] ? slash + 1 : checkpoint->folder;
    const char *architecture = checkpoint->family->architecture;
    struct gguf_build *metadata = &checkpoint->metadata;
    gguf_build_string(metadata, "general.architecture",
                      (struct gguf_text){architecture, strlen(architecture)});
    gguf_build_string(metadata, "general.name", (struct gguf_text){name, strlen(name)});
    put_plain(checkpoint);
    if (checkpoint->experts > 0)
        put_integer(checkpoint, "expert_count", checkpoint->experts);
    put_routing(checkpoint);
    put_windows(checkpoint);
    put_caps(checkpoint);
    double scalar = 0;
    if (fact(checkpoint, "query_pre_attn_scalar", &scalar) && scalar > 0)
        put_number(checkpoint, "attention.scale", 1 / sqrt(scalar));
    return put_rope(checkpoint, extra) && checkpoint_tokenizer(checkpoint);
}

/* --- The whole --- */

static bool find_family(struct checkpoint *checkpoint)
{
    const struct json_tree_value *root = json_tree_root(checkpoint->config),
                                 *text = json_tree_get(root, "text_config");
    const struct json_tree_value *type = json_tree_get(root, "model_type");
    checkpoint->facts = text && text->kind == JSON_TREE_OBJECT ? text : root;
    char known[200] = "";
    size_t at = 0;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        checkpoint->family = &families[i];
        if (json_tree_is(type, families[i].type))
            return true;
        if (at < sizeof known)
            at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "",
                                   families[i].type);
    }
    bool said = type && type->kind == JSON_TREE_STRING;
    return engine_fail(checkpoint->error, ENGINE_UNSUPPORTED,
                       "%s/config.json: model_type \"%.*s\" is not one of %s", checkpoint->folder,
                       said ? (int)(type->length < 40 ? type->length : 40) : 0,
                       said ? type->text : "", known);
}

static bool read_config(struct checkpoint *checkpoint)
{
    char path[MAX_PATH];
    snprintf(path, sizeof path, "%s/config.json", checkpoint->folder);
    checkpoint->config = json_tree_read(path, checkpoint->error);
    return checkpoint->config && find_family(checkpoint) && read_sizes(checkpoint) &&
           check_settings(checkpoint);
}

/* Puts the parts together. */
static struct gguf *assemble(struct checkpoint *checkpoint, struct checkpoint_store *store,
                             const char *path)
{
    struct extra extra = {.store = store};
    size_t length;
    unsigned char *bytes = NULL;
    bool ok = checkpoint_tensors(checkpoint, store, &extra.tensors, &extra.count);
    for (size_t i = 0; ok && i < extra.count; i++)
        if (gguf_text_is(extra.tensors[i].name, "token_embd.weight"))
            checkpoint->rows = extra.tensors[i].size[1];
    ok = ok && put_metadata(checkpoint, &extra);
    if (ok) {
        bytes = gguf_build_take(&checkpoint->metadata, &length);
        ok = bytes || engine_no_memory(checkpoint->error, path);
    }
    if (ok)
        return gguf_assemble(bytes, length, path, extra.tensors, extra.count, checkpoint_store_free,
                             store, checkpoint->error);
    free(extra.tensors);
    checkpoint_store_free(store);
    return NULL;
}

struct gguf *checkpoint_open(const char *path, struct engine_error *error)
{
    char folder[MAX_PATH];
    struct stat status;
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    if (is_folder && slash && !slash[1])
        *slash = '\0';
    else if (!is_folder && slash)
        *slash = '\0';
    else if (!is_folder)
        snprintf(folder, sizeof folder, ".");
    struct checkpoint checkpoint = {.folder = folder, .error = error};
    gguf_build_init(&checkpoint.metadata);
    struct gguf *file = NULL;
    struct checkpoint_store *store = calloc(1, sizeof *store);
    if (!store)
        engine_no_memory(error, path);
    else if (read_config(&checkpoint) && (store->files = safetensors_open(path, error)))
        file = assemble(&checkpoint, store, path);
    else
        checkpoint_store_free(store);
    json_tree_free(checkpoint.config);
    gguf_build_done(&checkpoint.metadata);
    return file;
}
