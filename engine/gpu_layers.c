/* A layer's stages in the order of the CPU's (forward.c, experts.c), in as few launches as the
 * kernels allow. */
#include "engine/gpu_forward_internal.h"

/* --- Attention --- */

static const float *layer_table(const struct gpu_forward *f)
{
    switch (config_layer_rope(f->config, f->layer_number, false)) {
    case ROPE_NONE:
        return NULL;
    case ROPE_LOCAL:
        return f->b.tables[1];
    default:
        return f->b.tables[0];
    }
}

static struct cuda_attention attention_of(const struct gpu_forward *f)
{
    static const enum cuda_qk_norm NORMS[] = {[QK_NORM_NONE] = CUDA_QK_NONE,
                                              [QK_NORM_HEAD] = CUDA_QK_HEAD,
                                              [QK_NORM_FULL] = CUDA_QK_FULL};
    const struct config *c = f->config;
    const struct gpu_layer *layer = f->layer;
    return (struct cuda_attention){
        .rows = f->step->lists.rows,
        .pages = f->step->lists.pages,
        .count = f->rows,
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .head_dim = c->head_dim,
        .window = config_layer_has_window(c, f->layer_number) ? c->window : 0,
        .scale = c->attention_scale,
        .softcap = c->attention_softcap,
        .qkv = f->b.qkv,
        .qkv_stride = f->qkv_pitch,
        .bias = layer->qkv_bias,
        .qk_norm = NORMS[c->architecture->qk_norm],
        .query_norm = layer->query_norm,
        .key_norm = layer->key_norm,
        .epsilon = (float)c->norm_epsilon,
        .pairing = c->architecture->pairing,
        .rotary = c->rotary,
        .table = layer_table(f),
        .kv = f->kv,
        .cache = f->cache + (size_t)f->layer_number * f->layer_stride,
        .page_stride = f->page_stride,
        .out = f->b.mixed,
        .out_stride = f->query_pitch,
    };
}

static void attend(struct gpu_forward *f)
{
    struct cuda_attention attention = attention_of(f);
    if (f->step->single) {
        struct cuda_decode decode = {.a = attention,
                                     .splits = gpu_splits(f, f->rows),
                                     .parts = f->b.parts,
                                     .tickets = f->b.tickets};
        RUN(f, cuda_attend_decode(&decode, f->stream));
        return;
    }
    struct cuda_prefill prefill = {.a = attention,
                                   .spans = f->step->lists.spans,
                                   .tiles = f->step->lists.tiles,
                                   .tile_count = f->step->tile_count};
    RUN(f, cuda_place(&attention, f->stream));
    RUN(f, cuda_attend_prefill(&prefill, f->stream));
}

/* A part's last product, into the residual stream: at once, or pending for the next norm. */
static void product_to_residual(struct gpu_forward *f, struct input *in,
                                const struct cuda_matrix *m, const float *bias,
                                const float *post_norm)
{
    if (f->rows <= CUDA_GEMV_ROWS && !post_norm) {
        struct ending add = {.kind = CUDA_OUT_ADD, .bias = bias};
        gpu_product(f, in, m, f->b.x, f->width_pitch, &add);
        return;
    }
    gpu_product(f, in, m, f->b.y, f->width_pitch, &GPU_STORE);
    f->pending = true;
    f->pending_bias = bias;
    f->pending_norm = post_norm;
}

static void run_attention(struct gpu_forward *f)
{
    struct input in = gpu_residual_input(f, f->layer->attention_norm);
    gpu_product_group(f, &in, &f->layer->qkv, f->b.qkv, f->qkv_pitch);
    gpu_residual_done(f, &in);
    attend(f);
    struct input mixed = gpu_plain_input(f->b.mixed, f->query_pitch, f->query_width);
    product_to_residual(f, &mixed, &f->layer->output, f->layer->output_bias,
                        f->layer->attention_post_norm);
}

/* --- Feed-forward --- */

static bool is_gelu(const struct gpu_forward *f)
{
    return f->config->architecture->activation == ACTIVATION_GELU;
}

/* Gate and up side by side, then the activation, in the form that `down` wants. */
static struct input gate_up_apart(struct gpu_forward *f, struct input *in,
                                  const struct gpu_expert *e, int inner)
{
    enum kernel_type type = e->gate_up.matrices[0].type;
    enum kernel_type narrow = e->gate_up.count == 1 ? gpu_narrow_type(f, type) : KERNEL_F32;
    enum want want = gpu_want(f, e->down.type);
    struct cuda_activate a = {.is_gelu = is_gelu(f),
                              .stride = 2 * inner,
                              .columns = inner,
                              .rows = f->rows,
                              .out = gpu_forms(f, want, inner)};
    if (narrow == KERNEL_F32) {
        gpu_product_group(f, in, &e->gate_up, f->b.inner, 2 * inner);
        a.f32 = f->b.inner;
    } else {
        gpu_product_narrow(f, in, &e->gate_up.matrices[0], f->b.inner, 2 * inner, narrow);
        a.b16 = (const uint16_t *)f->b.inner;
    }
    bool gemv = f->rows <= CUDA_GEMV_ROWS;
    if (gemv)
        a.out = (struct cuda_forms){.f32 = f->b.activated, .stride = cuda_pitch(inner)};
    RUN(f, cuda_activate(&a, f->stream));
    struct input out = gpu_plain_input(f->b.activated, cuda_pitch(inner), inner);
    out.has = gemv ? 0 : want;
    return out;
}

static struct input gate_up(struct gpu_forward *f, struct input *in, const struct gpu_expert *e,
                            int inner)
{
    if (f->rows > CUDA_GEMV_ROWS || e->gate_up.count > 1)
        return gate_up_apart(f, in, e, inner);
    struct ending ending = {.kind = is_gelu(f) ? CUDA_OUT_GELU : CUDA_OUT_SILU};
    gpu_product(f, in, &e->gate_up.matrices[0], f->b.activated, cuda_pitch(inner), &ending);
    return gpu_plain_input(f->b.activated, cuda_pitch(inner), inner);
}

static void run_dense(struct gpu_forward *f)
{
    struct input in = gpu_residual_input(f, f->layer->feed_forward_norm);
    struct input inner = gate_up(f, &in, &f->layer->feed_forward, f->inner);
    gpu_residual_done(f, &in);
    product_to_residual(f, &inner, &f->layer->feed_forward.down, NULL,
                        f->layer->feed_forward_post_norm);
}

/* --- Experts --- */

static void route(struct gpu_forward *f, const struct input *in)
{
    const struct config *c = f->config;
    struct cuda_route r = {.router = f->layer->router,
                           .in = in->raw,
                           .rows = f->rows,
                           .used = c->experts_used,
                           .renormalise = c->renormalised,
                           .shared_gate = f->layer->shared_gate,
                           .scores = f->b.scores,
                           .weights = f->b.route_weights,
                           .experts = f->b.experts,
                           .shared_weight = f->b.shared_weight,
                           .tickets = f->b.tickets};
    RUN(f, cuda_route(&r, f->stream));
}

/* Each token's experts for it alone, added to the residual stream; all that reads the stream goes
 * before what adds to it. */
static void run_few_experts(struct gpu_forward *f, struct input *in)
{
    const struct gpu_expert *e = &f->layer->feed_forward;
    const struct gpu_expert *shared = f->config->shared_feed_forward ? &f->layer->shared : NULL;
    struct ending scaled = {.kind = CUDA_OUT_ADD, .row_scale = f->b.shared_weight};
    struct input beside;
    struct cuda_expert_gemv g = {.matrix = e->gate_up.matrices[0],
                                 .rows_each = 2 * f->inner,
                                 .in = in->raw,
                                 .rows = f->rows,
                                 .used = f->config->experts_used,
                                 .experts = f->b.experts,
                                 .weights = f->b.route_weights,
                                 .kind = is_gelu(f) ? CUDA_OUT_GELU : CUDA_OUT_SILU,
                                 .out = f->b.expert_activated,
                                 .out_stride = f->inner_pitch};
    RUN(f, cuda_expert_gemv(&g, f->stream));
    if (shared)
        beside = gate_up(f, in, shared, f->config->shared_feed_forward);
    g.matrix = e->down;
    g.rows_each = f->config->width;
    g.in = gpu_plain_input(f->b.expert_activated, f->inner_pitch, f->inner).raw;
    g.kind = CUDA_OUT_ADD;
    g.out = f->b.x;
    g.out_stride = f->width_pitch;
    RUN(f, cuda_expert_gemv(&g, f->stream));
    if (shared)
        gpu_product(f, &beside, &shared->down, f->b.x, f->width_pitch, &scaled);
}

static void expert_product(struct gpu_forward *f, const struct cuda_matrix *m, int rows_each,
                           const uint16_t *in, int in_stride, bool per_pair, float *out,
                           int out_stride)
{
    struct cuda_tile_product p = {.matrix = *m,
                                  .rows_each = rows_each,
                                  .in = in,
                                  .is_half = f->layer->feed_forward.down.type == KERNEL_F16,
                                  .in_stride = in_stride,
                                  .slots = f->b.slots,
                                  .tiles = f->b.tiles,
                                  .tile_count = gpu_tiles(f, f->rows),
                                  .used = f->config->experts_used,
                                  .per_pair = per_pair,
                                  .out = out,
                                  .out_stride = out_stride};
    RUN(f, cuda_tile_product(&p, f->stream));
}

/* Pairs sorted by expert, a product for all experts at once; the sum is pending in y. */
static void run_many_experts(struct gpu_forward *f)
{
    const struct gpu_expert *e = &f->layer->feed_forward;
    int each = e->gate_up.matrices[0].rows / f->config->experts, inner = f->inner;
    bool half = e->down.type == KERNEL_F16;
    struct cuda_group group = {.experts = f->b.experts,
                               .rows = f->rows,
                               .used = f->config->experts_used,
                               .expert_count = f->config->experts,
                               .slots = f->b.slots,
                               .tiles = f->b.tiles,
                               .slot_of = f->b.slot_of,
                               .tile_count = gpu_tiles(f, f->rows)};
    RUN(f, cuda_group(&group, f->stream));
    for (int i = 0; i < e->gate_up.count; i++)
        expert_product(f, &e->gate_up.matrices[i], each, f->b.b16, f->width_pitch, false,
                       f->b.inner + i * inner, 2 * inner);
    struct cuda_activate a = {
        .f32 = f->b.inner,
        .is_gelu = is_gelu(f),
        .stride = 2 * inner,
        .columns = inner,
        .rows = gpu_tiles(f, f->rows) * CUDA_TILE_ROWS,
        .out = {.b16 = f->b.expert_b16, .is_half = half, .stride = f->inner_pitch}};
    RUN(f, cuda_activate(&a, f->stream));
    expert_product(f, &e->down, f->config->width, f->b.expert_b16, f->inner_pitch, true,
                   f->b.expert_parts, f->width_pitch);
    struct cuda_expert_sum sum = {.parts = f->b.expert_parts,
                                  .weights = f->b.route_weights,
                                  .slot_of = f->b.slot_of,
                                  .stride = f->width_pitch,
                                  .columns = f->config->width,
                                  .rows = f->rows,
                                  .used = f->config->experts_used,
                                  .out = f->b.y,
                                  .out_stride = f->width_pitch};
    RUN(f, cuda_expert_sum(&sum, f->stream));
}

/* The expert that every token has beside its own, added to the pending sum. */
static void add_shared(struct gpu_forward *f, struct input *in)
{
    int inner = f->config->shared_feed_forward;
    struct input activated = gate_up(f, in, &f->layer->shared, inner);
    gpu_product(f, &activated, &f->layer->shared.down, f->b.expert_parts, f->width_pitch,
                &GPU_STORE);
    RUN(f, cuda_add_rows(f->b.y, f->width_pitch, f->b.expert_parts, f->width_pitch,
                         f->b.shared_weight, f->rows, f->config->width, f->stream));
}

static void run_experts(struct gpu_forward *f)
{
    struct input in = gpu_residual_input(f, f->layer->feed_forward_norm);
    const struct gpu_expert *e = &f->layer->feed_forward;
    bool few = f->rows <= GPU_EXPERT_ROWS && e->gate_up.count == 1 && !f->pending;
    if (!few) /* the same type for all of a layer's expert products */
        gpu_need(f, &in, e->down.type == KERNEL_F16 ? WANT_HALF : WANT_BFLOAT);
    f->pending = false;
    route(f, &in);
    if (few) {
        run_few_experts(f, &in);
        return;
    }
    run_many_experts(f);
    if (f->config->shared_feed_forward)
        add_shared(f, &in);
    f->pending = true;
    f->pending_bias = NULL;
    f->pending_norm = f->layer->feed_forward_post_norm;
}

void gpu_run_layer(struct gpu_forward *f)
{
    run_attention(f);
    if (f->config->experts)
        run_experts(f);
    else
        run_dense(f);
}
