/* A loader walks the names that the architecture's facts call for and ticks each tensor off; what
 * is left unticked at the end would have changed the result, so the model is refused. */
#include "engine/weights.h"

#include "engine/error.h"
#include "engine/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct loader {
    struct weights *weights;
    const struct config *config;
    const struct gguf *file;
    struct threads *threads;
    struct engine_error *error;
    bool *used;                              /* a flag a tensor */
    const struct kernel_type_info *quantize; /* of float matrices, or NULL */
    bool raw, partial;
    uint64_t parameters_by_type[KERNEL_MXFP4 + 1];
};

/* --- Finding tensors --- */

struct name {
    char text[64];
};

static struct name layer_name(int layer, const char *suffix)
{
    struct name name;
    snprintf(name.text, sizeof name.text, "blk.%d.%s", layer, suffix);
    return name;
}

static bool bad_tensor(struct loader *l, const char *name, const char *problem)
{
    return engine_fail(l->error, ENGINE_FORMAT, "%s: tensor \"%s\" %s", gguf_name(l->file), name,
                       problem);
}

/* The tensor of that name with this shape and a type that the kernels know; NULL with the error
 * filled. */
static const struct gguf_tensor *take_tensor(struct loader *l, const char *name, int64_t columns,
                                             int64_t rows, int64_t planes)
{
    const struct gguf_tensor *tensor = gguf_tensor(l->file, name);
    if (!tensor) {
        bad_tensor(l, name, "is missing");
        return NULL;
    }
    if (tensor->size[0] != columns || tensor->size[1] != rows || tensor->size[2] != planes ||
        tensor->size[3] != 1) {
        engine_fail(l->error, ENGINE_FORMAT,
                    "%s: tensor \"%s\" is %lld x %lld x %lld, not %lld x %lld x %lld",
                    gguf_name(l->file), name, (long long)tensor->size[0],
                    (long long)tensor->size[1], (long long)tensor->size[2], (long long)columns,
                    (long long)rows, (long long)planes);
        return NULL;
    }
    if (!kernel_type_info(tensor->type)) {
        engine_fail(l->error, ENGINE_UNSUPPORTED,
                    "%s: tensor \"%s\" has type %s, which this engine does not compute "
                    "with",
                    gguf_name(l->file), name, gguf_type_name(tensor->type));
        return NULL;
    }
    l->used[tensor - gguf_tensor_at(l->file, 0)] = true;
    l->weights->parameters += (uint64_t)(columns * rows * planes);
    l->parameters_by_type[tensor->type] += (uint64_t)(columns * rows * planes);
    return tensor;
}

/* --- Vectors --- */

static bool load_into(struct loader *l, const char *name, float *out, int count)
{
    const struct gguf_tensor *tensor = take_tensor(l, name, count, 1, 1);
    if (!tensor)
        return false;
    kernel_dequantize((enum kernel_type)tensor->type, tensor->data, out, (size_t)count);
    return true;
}

static bool load_vector(struct loader *l, const char *name, float **out, int count)
{
    *out = malloc((size_t)count * sizeof **out);
    return *out ? load_into(l, name, *out, count) : engine_no_memory(l->error, name);
}

/* --- Matrices --- */

struct packing {
    const struct kernel_matrix *matrix;
    const void *tensor;
};

static void pack_work(void *context, int first, int last, int thread)
{
    const struct packing *packing = context;
    (void)thread;
    kernel_matrix_pack(packing->matrix, packing->tensor, first, last);
}

static size_t raw_bytes(const struct kernel_matrix *matrix)
{
    const struct kernel_type_info *info = kernel_type_info(matrix->type);
    return (size_t)matrix->columns / (size_t)info->block * (size_t)info->bytes *
           (size_t)matrix->rows;
}

static void pack_now(const struct kernel_matrix *matrix, const void *data, struct threads *threads)
{
    struct packing packing = {matrix, data};
    int panels = kernel_matrix_panels(matrix), pieces = 4 * threads_count(threads);
    threads_for(threads, panels, (panels + pieces - 1) / pieces, pack_work, &packing);
}

/* `waiting`: NULL, or where to leave the data for later. */
static bool pack_matrix(struct loader *l, struct kernel_matrix *matrix, const void *data,
                        const void **waiting, const char *name)
{
    size_t bytes = l->raw ? raw_bytes(matrix) : kernel_matrix_bytes(matrix);
    if (l->raw)
        matrix->data = (uint8_t *)(uintptr_t)data;
    else if (!(matrix->data = slab_take(&l->weights->slab, bytes)))
        return engine_no_memory(l->error, name);
    if (!l->raw && waiting && l->weights->file) {
        *waiting = data;
    } else if (!l->raw) {
        pack_now(matrix, data, l->threads);
        gguf_forget(l->file, data, raw_bytes(matrix));
    }
    l->weights->bytes += bytes;
    l->weights->bytes_a_token += bytes;
    l->weights->layer_parameters += (uint64_t)matrix->rows * (uint64_t)matrix->columns;
    return true;
}

static bool is_float(uint32_t type)
{
    return type == KERNEL_F32 || type == KERNEL_F16 || type == KERNEL_BF16;
}

struct requantizing {
    const struct loader *loader;
    const struct gguf_tensor *tensor;
    const unsigned char *source;
    unsigned char *out;
    float *rows; /* one a thread */
    int columns;
};

static void requantize_work(void *context, int first, int last, int thread)
{
    struct requantizing *r = context;
    const struct kernel_type_info *from = kernel_type_info(r->tensor->type),
                                  *to = r->loader->quantize;
    size_t columns = (size_t)r->columns, in = columns / (size_t)from->block * (size_t)from->bytes;
    size_t out = columns / (size_t)to->block * (size_t)to->bytes;
    float *row = r->rows + (size_t)thread * columns;
    for (int i = first; i < last; i++) {
        kernel_dequantize(from->type, r->source + (size_t)i * in, row, columns);
        kernel_quantize_weights(to->type, row, r->out + (size_t)i * out, columns);
    }
}

/* Float weights to the wanted type's blocks, then packed like any others (raw ones stay in the
 * slab). */
static bool pack_requantized(struct loader *l, struct kernel_matrix *matrix,
                             const struct gguf_tensor *tensor, const void *source, const char *name)
{
    const struct kernel_type_info *to = l->quantize;
    size_t row = (size_t)matrix->columns / (size_t)to->block * (size_t)to->bytes;
    struct requantizing work = {
        .loader = l, .tensor = tensor, .source = source, .columns = matrix->columns};
    size_t bytes = row * (size_t)matrix->rows;
    work.out = l->raw ? slab_take(&l->weights->slab, bytes) : malloc(bytes);
    work.rows = malloc(sizeof(float) * (size_t)matrix->columns * (size_t)threads_count(l->threads));
    bool ok = work.out && work.rows;
    if (ok) {
        threads_for(l->threads, matrix->rows, 64, requantize_work, &work);
        matrix->type = to->type;
        ok = pack_matrix(l, matrix, work.out, NULL, name);
    } else {
        engine_no_memory(l->error, name);
    }
    if (!l->raw)
        free(work.out);
    free(work.rows);
    return ok;
}

/* One of `parts` equal parts of a tensor (a plane, a half) to a packed matrix. */
static bool load_part(struct loader *l, const struct gguf_tensor *tensor, int part, int64_t parts,
                      struct kernel_matrix *matrix, const void **waiting, const char *name)
{
    size_t bytes = tensor->bytes / (size_t)parts;
    const unsigned char *data = (const unsigned char *)tensor->data + bytes * (size_t)part;
    matrix->type = (enum kernel_type)tensor->type;
    matrix->rows = (int)(tensor->size[1] * tensor->size[2] / parts);
    matrix->columns = (int)tensor->size[0];
    bool smaller =
        l->quantize && is_float(tensor->type) && matrix->columns % l->quantize->block == 0;
    return smaller ? pack_requantized(l, matrix, tensor, data, name)
                   : pack_matrix(l, matrix, data, waiting, name);
}

static bool load_matrix(struct loader *l, const char *name, struct kernel_matrix *matrix,
                        int columns, int rows)
{
    const struct gguf_tensor *tensor = take_tensor(l, name, columns, rows, 1);
    return tensor && load_part(l, tensor, 0, 1, matrix, NULL, name);
}

static bool load_to_group(struct loader *l, const char *name, struct weights_group *group,
                          int columns, int rows)
{
    return load_matrix(l, name, &group->matrices[group->count++], columns, rows);
}

/* --- Attention --- */

static bool load_qkv(struct loader *l, int number, struct weights_layer *layer)
{
    const struct config *c = l->config;
    int query = c->heads * c->head_dim, key = c->kv_heads * c->head_dim;
    struct name fused = layer_name(number, "attn_qkv.weight");
    if (gguf_tensor(l->file, fused.text))
        return load_to_group(l, fused.text, &layer->qkv, c->width, query + 2 * key);
    return load_to_group(l, layer_name(number, "attn_q.weight").text, &layer->qkv, c->width,
                         query) &&
           load_to_group(l, layer_name(number, "attn_k.weight").text, &layer->qkv, c->width, key) &&
           load_to_group(l, layer_name(number, "attn_v.weight").text, &layer->qkv, c->width, key);
}

static bool load_qkv_bias(struct loader *l, int number, struct weights_layer *layer)
{
    static const char *const NAMES[] = {"attn_q.bias", "attn_k.bias", "attn_v.bias"};
    const struct config *c = l->config;
    enum presence presence = c->architecture->qkv_bias;
    struct name fused = layer_name(number, "attn_qkv.bias");
    int sizes[] = {c->heads * c->head_dim, c->kv_heads * c->head_dim, c->kv_heads * c->head_dim};
    bool any = presence == REQUIRED;
    if (presence != ABSENT && gguf_tensor(l->file, fused.text))
        return load_vector(l, fused.text, &layer->qkv_bias, sizes[0] + sizes[1] + sizes[2]);
    for (int i = 0; i < 3; i++)
        any |= presence == OPTIONAL && gguf_tensor(l->file, layer_name(number, NAMES[i]).text);
    if (!any)
        return true;
    layer->qkv_bias = calloc((size_t)(sizes[0] + sizes[1] + sizes[2]), sizeof *layer->qkv_bias);
    if (!layer->qkv_bias)
        return engine_no_memory(l->error, "biases");
    float *out = layer->qkv_bias;
    for (int i = 0; i < 3; out += sizes[i++]) {
        struct name name = layer_name(number, NAMES[i]);
        if ((presence == REQUIRED || gguf_tensor(l->file, name.text)) &&
            !load_into(l, name.text, out, sizes[i]))
            return false;
    }
    return true;
}

static bool load_qk_norms(struct loader *l, int number, struct weights_layer *layer)
{
    const struct config *c = l->config;
    enum qk_norm kind = c->architecture->qk_norm;
    if (kind == QK_NORM_NONE)
        return true;
    int query = kind == QK_NORM_FULL ? c->heads * c->head_dim : c->head_dim;
    int key = kind == QK_NORM_FULL ? c->kv_heads * c->head_dim : c->head_dim;
    return load_vector(l, layer_name(number, "attn_q_norm.weight").text, &layer->query_norm,
                       query) &&
           load_vector(l, layer_name(number, "attn_k_norm.weight").text, &layer->key_norm, key);
}

static bool load_output_bias(struct loader *l, int number, struct weights_layer *layer)
{
    struct name name = layer_name(number, "attn_output.bias");
    enum presence presence = l->config->architecture->output_bias;
    if (presence == ABSENT || (presence == OPTIONAL && !gguf_tensor(l->file, name.text)))
        return true;
    return load_vector(l, name.text, &layer->output_bias, l->config->width);
}

static bool load_attention(struct loader *l, int number, struct weights_layer *layer)
{
    const struct config *c = l->config;
    return load_vector(l, layer_name(number, "attn_norm.weight").text, &layer->attention_norm,
                       c->width) &&
           load_qkv(l, number, layer) && load_qkv_bias(l, number, layer) &&
           load_qk_norms(l, number, layer) &&
           load_matrix(l, layer_name(number, "attn_output.weight").text, &layer->output,
                       c->heads * c->head_dim, c->width) &&
           load_output_bias(l, number, layer) &&
           (!c->architecture->post_norms ||
            load_vector(l, layer_name(number, "post_attention_norm.weight").text,
                        &layer->attention_post_norm, c->width));
}

/* --- Feed-forward --- */

static bool load_dense(struct loader *l, int number, struct weights_expert *out)
{
    const struct config *c = l->config;
    struct name gate = layer_name(number, "ffn_gate.weight"),
                up = layer_name(number, "ffn_up.weight");
    if (c->architecture->fused_gate_up && !gguf_tensor(l->file, gate.text)) {
        const struct gguf_tensor *both = take_tensor(l, up.text, c->width, 2 * c->feed_forward, 1);
        for (int i = 0; i < 2; i++)
            if (!both || !load_part(l, both, i, 2, &out->gate_up.matrices[i], NULL, up.text))
                return false;
        out->gate_up.count = 2;
    } else if (!load_to_group(l, gate.text, &out->gate_up, c->width, c->feed_forward) ||
               !load_to_group(l, up.text, &out->gate_up, c->width, c->feed_forward)) {
        return false;
    }
    return load_matrix(l, layer_name(number, "ffn_down.weight").text, &out->down, c->feed_forward,
                       c->width);
}

static bool load_shared(struct loader *l, int number, struct weights_layer *layer)
{
    const struct config *c = l->config;
    struct weights_expert *shared = &layer->shared;
    int inner = c->shared_feed_forward;
    return load_to_group(l, layer_name(number, "ffn_gate_shexp.weight").text, &shared->gate_up,
                         c->width, inner) &&
           load_to_group(l, layer_name(number, "ffn_up_shexp.weight").text, &shared->gate_up,
                         c->width, inner) &&
           load_matrix(l, layer_name(number, "ffn_down_shexp.weight").text, &shared->down, inner,
                       c->width) &&
           load_vector(l, layer_name(number, "ffn_gate_inp_shexp.weight").text, &layer->shared_gate,
                       c->width);
}

/* Finds the tensors of a layer's experts: gate, up and down; where gate and up are one, up is the
 * same tensor again. */
static bool take_experts(struct loader *l, int number, const struct gguf_tensor *out[EXPERT_PARTS])
{
    const struct config *c = l->config;
    int inner = c->expert_feed_forward;
    struct name both = layer_name(number, "ffn_gate_up_exps.weight");
    if (gguf_tensor(l->file, both.text)) {
        out[EXPERT_GATE] = out[EXPERT_UP] =
            take_tensor(l, both.text, c->width, 2 * inner, c->experts);
    } else {
        out[EXPERT_GATE] = take_tensor(l, layer_name(number, "ffn_gate_exps.weight").text, c->width,
                                       inner, c->experts);
        out[EXPERT_UP] = out[EXPERT_GATE]
                             ? take_tensor(l, layer_name(number, "ffn_up_exps.weight").text,
                                           c->width, inner, c->experts)
                             : NULL;
    }
    out[EXPERT_DOWN] = out[EXPERT_UP]
                           ? take_tensor(l, layer_name(number, "ffn_down_exps.weight").text, inner,
                                         c->width, c->experts)
                           : NULL;
    return out[EXPERT_DOWN];
}

static bool load_expert(struct loader *l, const struct gguf_tensor *const tensors[EXPERT_PARTS],
                        int i, struct weights_expert *expert)
{
    struct kernel_matrix *const matrices[] = {[EXPERT_GATE] = &expert->gate_up.matrices[0],
                                              [EXPERT_UP] = &expert->gate_up.matrices[1],
                                              [EXPERT_DOWN] = &expert->down};
    bool both = tensors[EXPERT_GATE] == tensors[EXPERT_UP];
    expert->gate_up.count = 2;
    for (int part = 0; part < EXPERT_PARTS; part++) {
        bool halved = both && part != EXPERT_DOWN;
        int planes = l->config->experts, at = halved ? 2 * i + part : i;
        if (!load_part(l, tensors[part], at, halved ? 2 * planes : planes, matrices[part],
                       &expert->waiting[part], "an expert"))
            return false;
    }
    return true;
}

static bool load_experts(struct loader *l, int number, struct weights_layer *layer)
{
    const struct config *c = l->config;
    const struct gguf_tensor *tensors[EXPERT_PARTS];
    int inner = c->expert_feed_forward;
    if (!take_experts(l, number, tensors))
        return false;
    layer->experts = calloc((size_t)c->experts, sizeof *layer->experts);
    if (!layer->experts)
        return engine_no_memory(l->error, "experts");
    size_t before = l->weights->bytes_a_token;
    uint64_t parameters = l->weights->layer_parameters;
    for (int i = 0; i < c->experts; i++)
        if (!load_expert(l, tensors, i, &layer->experts[i]))
            return false;
    size_t all = l->weights->bytes_a_token - before;
    l->weights->bytes_a_token = before + all / (size_t)c->experts * (size_t)c->experts_used;
    l->weights->layer_parameters =
        parameters + (uint64_t)c->experts_used * 3 * (uint64_t)inner * (uint64_t)c->width;
    return load_matrix(l, layer_name(number, "ffn_gate_inp.weight").text, &layer->router, c->width,
                       c->experts);
}

static bool load_feed_forward(struct loader *l, int number, struct weights_layer *layer)
{
    const struct config *c = l->config;
    if (!load_vector(l, layer_name(number, "ffn_norm.weight").text, &layer->feed_forward_norm,
                     c->width))
        return false;
    if (c->architecture->post_norms &&
        !load_vector(l, layer_name(number, "post_ffw_norm.weight").text,
                     &layer->feed_forward_post_norm, c->width))
        return false;
    if (!c->experts)
        return load_dense(l, number, &layer->feed_forward);
    return load_experts(l, number, layer) &&
           (!c->architecture->shared_expert || load_shared(l, number, layer));
}

/* --- The whole --- */

static bool load_ends(struct loader *l)
{
    const struct config *c = l->config;
    struct weights *w = l->weights;
    if (!load_matrix(l, "token_embd.weight", &w->embedding, c->width, c->vocabulary) ||
        !load_vector(l, "output_norm.weight", &w->output_norm, c->width))
        return false;
    if (!gguf_tensor(l->file, "output.weight")) {
        w->output = w->embedding;
        return true;
    }
    w->bytes_a_token = 0;
    return load_matrix(l, "output.weight", &w->output, c->width, c->vocabulary);
}

/* Read by config already. */
static void tick_factors(struct loader *l)
{
    static const char *const NAMES[] = {"rope_freqs.weight", "rope_factors_long.weight",
                                        "rope_factors_short.weight"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        const struct gguf_tensor *tensor = gguf_tensor(l->file, NAMES[i]);
        if (tensor)
            l->used[tensor - gguf_tensor_at(l->file, 0)] = true;
    }
}

/* Does the tensor belong to a layer past those that are loaded? */
static bool is_left_out(const struct loader *l, struct gguf_text name)
{
    char text[32] = "";
    int layer;
    memcpy(text, name.bytes, name.length < sizeof text - 1 ? name.length : sizeof text - 1);
    return l->partial && sscanf(text, "blk.%d.", &layer) == 1 && layer >= l->config->layers;
}

static bool check_all_used(struct loader *l)
{
    for (size_t i = 0; i < gguf_tensor_count(l->file); i++)
        if (!l->used[i] && !is_left_out(l, gguf_tensor_at(l->file, i)->name)) {
            const struct gguf_text name = gguf_tensor_at(l->file, i)->name;
            return engine_fail(
                l->error, ENGINE_UNSUPPORTED, "%s: tensor \"%.*s\" has no place in architecture %s",
                gguf_name(l->file), (int)name.length, name.bytes, l->config->architecture->name);
        }
    return true;
}

static bool load_all(struct loader *l)
{
    if (!load_ends(l))
        return false;
    l->weights->layer_parameters = 0;
    for (int i = 0; i < l->config->layers; i++)
        if (!load_attention(l, i, &l->weights->layers[i]) ||
            !load_feed_forward(l, i, &l->weights->layers[i]))
            return false;
    tick_factors(l);
    return check_all_used(l);
}

static void name_type(struct loader *l)
{
    int most = KERNEL_F32;
    for (int type = 0; type <= KERNEL_MXFP4; type++)
        if (l->parameters_by_type[type] > l->parameters_by_type[most])
            most = type;
    l->weights->type = l->quantize && is_float((uint32_t)most) ? l->quantize->name
                                                               : gguf_type_name((uint32_t)most);
}

static bool choose_quantize(struct loader *l, const char *name)
{
    if (!name)
        return true;
    if (strcmp(name, "q8_0") && strcmp(name, "q4_1"))
        return engine_fail(l->error, ENGINE_REQUEST, "weights \"%s\": q8_0 or q4_1 are possible",
                           name);
    l->quantize = kernel_type_info(strcmp(name, "q8_0") ? KERNEL_Q4_1 : KERNEL_Q8_0);
    return true;
}

bool weights_load(struct weights *weights, const struct config *config, const struct gguf *file,
                  const struct weights_options *options, struct threads *threads,
                  struct engine_error *error)
{
    struct loader loader = {.weights = weights,
                            .config = config,
                            .file = file,
                            .threads = threads,
                            .error = error,
                            .raw = options->raw,
                            .partial = options->partial};
    *weights = (struct weights){.layer_count = config->layers};
    if (config->experts && !options->raw)
        weights->file = gguf_share(file);
    if (!choose_quantize(&loader, options->quantize)) {
        weights_done(weights);
        return false;
    }
    weights->layers = calloc((size_t)config->layers, sizeof *weights->layers);
    loader.used = calloc(gguf_tensor_count(file) + 1, sizeof *loader.used);
    bool ok = weights->layers && loader.used ? load_all(&loader)
                                             : engine_no_memory(error, "the model's tables");
    name_type(&loader);
    free(loader.used);
    if (!ok)
        weights_done(weights);
    return ok;
}

static void free_layer(struct weights_layer *layer)
{
    float *vectors[] = {layer->attention_norm,    layer->attention_post_norm,
                        layer->query_norm,        layer->key_norm,
                        layer->qkv_bias,          layer->output_bias,
                        layer->feed_forward_norm, layer->feed_forward_post_norm,
                        layer->shared_gate};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        free(vectors[i]);
    free(layer->experts);
}

void weights_done(struct weights *weights)
{
    for (int i = 0; weights->layers && i < weights->layer_count; i++)
        free_layer(&weights->layers[i]);
    free(weights->layers);
    free(weights->output_norm);
    slab_done(&weights->slab);
    gguf_close(weights->file);
    *weights = (struct weights){0};
}

/* The file may have been cut short since it was opened, so its mapping is not touched. */
static bool pack_waiting(const struct weights *weights, const struct kernel_matrix *matrix,
                         const void *data, struct threads *threads, struct engine_error *error)
{
    size_t bytes = raw_bytes(matrix);
    void *copy = malloc(bytes);
    bool ok = copy ? gguf_copy(weights->file, data, bytes, copy, error)
                   : engine_no_memory(error, "an expert");
    if (ok)
        pack_now(matrix, copy, threads);
    free(copy);
    return ok;
}

bool weights_pack_expert(const struct weights *weights, struct weights_expert *expert,
                         struct threads *threads, struct engine_error *error)
{
    const struct kernel_matrix *const parts[] = {[EXPERT_GATE] = &expert->gate_up.matrices[0],
                                                 [EXPERT_UP] = &expert->gate_up.matrices[1],
                                                 [EXPERT_DOWN] = &expert->down};
    for (int i = 0; i < EXPERT_PARTS; i++) {
        if (expert->waiting[i] &&
            !pack_waiting(weights, parts[i], expert->waiting[i], threads, error))
            return false;
        expert->waiting[i] = NULL;
    }
    return true;
}

int weights_group_rows(const struct weights_group *group)
{
    int rows = 0;
    for (int i = 0; i < group->count; i++)
        rows += group->matrices[i].rows;
    return rows;
}

int weights_group_panels(const struct weights_group *group)
{
    int panels = 0;
    for (int i = 0; i < group->count; i++)
        panels += kernel_matrix_panels(&group->matrices[i]);
    return panels;
}
