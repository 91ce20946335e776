/* Each stage asks for its input in the form that its weights want (struct input): up to
 * CUDA_FUSED_ROWS rows that is the residual stream itself, and the kernel makes the norm; above, a
 * norm launch writes the form once for all blocks. What a layer's part adds to the residual stream
 * is either added by the product itself or left pending for the next norm, which is where the
 * families with norms after each part need it anyway. */
#include "engine/gpu_forward_internal.h"

enum { TILE_PRODUCT_ROWS = 32 }; /* up to here blocks are unpacked in the product, not before it */

/* --- Inputs --- */

struct input gpu_residual_input(const struct gpu_forward *f, const float *norm)
{
    struct input in = {.raw = {.values = f->b.x,
                               .stride = f->width_pitch,
                               .columns = f->config->width,
                               .norm = norm,
                               .epsilon = (float)f->config->norm_epsilon}};
    if (f->pending) {
        in.raw.y = f->b.y;
        in.raw.y_bias = f->pending_bias;
        in.raw.y_norm = f->pending_norm;
        in.raw.sum_out = f->rows <= CUDA_FUSED_ROWS ? f->b.other : f->b.x;
    }
    return in;
}

void gpu_residual_done(struct gpu_forward *f, const struct input *in)
{
    if (in->raw.y) {
        float *x = f->b.x;
        f->b.x = f->b.other;
        f->b.other = x;
    }
    f->pending = false;
}

struct input gpu_plain_input(const float *values, int stride, int columns)
{
    return (struct input){.raw = {.values = values, .stride = stride, .columns = columns}};
}

static bool is_float(enum kernel_type type)
{
    return type == KERNEL_F32 || type == KERNEL_F16 || type == KERNEL_BF16;
}

enum want gpu_want(const struct gpu_forward *f, enum kernel_type type)
{
    if (f->rows <= CUDA_GEMV_ROWS)
        return is_float(type) ? WANT_F32 : WANT_QUANTS;
    if (type == KERNEL_F32 && f->gemm)
        return WANT_F32;
    return type == KERNEL_F16 ? WANT_HALF : WANT_BFLOAT;
}

struct cuda_forms gpu_forms(const struct gpu_forward *f, enum want want, int columns)
{
    struct cuda_forms forms = {.stride = cuda_pitch(columns)};
    if (want == WANT_F32)
        forms.f32 = f->b.f32;
    else if (want == WANT_QUANTS)
        forms.quants = f->b.quants, forms.blocks = f->b.blocks;
    else
        forms.b16 = f->b.b16;
    forms.is_half = want == WANT_HALF;
    return forms;
}

void gpu_need(struct gpu_forward *f, struct input *in, enum want want)
{
    if (in->has & want)
        return;
    struct cuda_norm norm = {
        .in = in->raw, .rows = f->rows, .out = gpu_forms(f, want, in->raw.columns)};
    RUN(f, cuda_norm(&norm, f->stream));
    in->raw.y = in->raw.y_bias = in->raw.y_norm = NULL;
    in->raw.sum_out = NULL;
    if (want & (WANT_BFLOAT | WANT_HALF)) /* they share a buffer */
        in->has &= ~(unsigned)(WANT_BFLOAT | WANT_HALF);
    in->has |= want;
}

/* What a GEMV of this type takes: the input as it is where it makes its own norm. */
static struct cuda_input gemv_input(struct gpu_forward *f, struct input *in, enum kernel_type type)
{
    enum want want = gpu_want(f, type);
    bool as_it_is = !in->raw.norm && !in->raw.y && want == WANT_F32;
    if (f->rows <= CUDA_FUSED_ROWS || as_it_is)
        return in->raw;
    gpu_need(f, in, want);
    struct cuda_input made = {.stride = cuda_pitch(in->raw.columns), .columns = in->raw.columns};
    if (want == WANT_QUANTS)
        made.quants = f->b.quants, made.blocks = f->b.blocks;
    else
        made.values = f->b.f32;
    return made;
}

/* --- Products --- */

static void gemm(struct gpu_forward *f, const struct cuda_gemm_shape *shape, const void *w,
                 const void *x, void *out)
{
    if (!f->recording)
        RUN(f, cuda_gemm_plan(f->gemm, shape, w, x, out));
    RUN(f, cuda_gemm_run(f->gemm, shape, w, x, out));
}

static bool by_tiles(const struct gpu_forward *f, enum kernel_type type)
{
    return !f->gemm || (!is_float(type) && f->rows <= TILE_PRODUCT_ROWS);
}

/* Halves are left out: a gate's sum may pass what they hold. */
enum kernel_type gpu_narrow_type(const struct gpu_forward *f, enum kernel_type type)
{
    bool wide = f->rows <= CUDA_GEMV_ROWS || by_tiles(f, type) || type == KERNEL_F32;
    return wide || type == KERNEL_F16 ? KERNEL_F32 : KERNEL_BF16;
}

/* A product of more than GEMV rows, from the form that is there to out of `out_type`. */
static void multiply(struct gpu_forward *f, const struct cuda_matrix *m, int in_stride, void *out,
                     int out_stride, enum kernel_type out_type)
{
    enum want want = gpu_want(f, m->type);
    /* F32 comes in chunks of half a block, and so do its rows. */
    int deep = want == WANT_F32 ? (m->columns + 15) / 16 * 16 : m->pitch;
    struct cuda_gemm_shape shape = {.type = want == WANT_F32    ? KERNEL_F32
                                            : want == WANT_HALF ? KERNEL_F16
                                                                : KERNEL_BF16,
                                    .out_type = out_type,
                                    .rows = m->rows,
                                    .tokens = f->rows,
                                    .k = deep,
                                    .x_stride = in_stride,
                                    .out_stride = out_stride};
    const void *x = want == WANT_F32 ? (const void *)f->b.f32 : f->b.b16;
    if (is_float(m->type)) {
        gemm(f, &shape, m->codes, x, out);
        return;
    }
    size_t size = out_type == KERNEL_F32 ? 4 : 2;
    int most = (int)(f->scratch_bytes / 2 / (size_t)m->pitch) / 64 * 64;
    for (int row = 0; row < m->rows; row += most) {
        shape.rows = m->rows - row < most ? m->rows - row : most;
        struct cuda_dequantize d = {.matrix = *m,
                                    .first = row,
                                    .rows = shape.rows,
                                    .out = f->b.scratch,
                                    .is_half = want == WANT_HALF};
        RUN(f, cuda_dequantize(&d, f->stream));
        gemm(f, &shape, f->b.scratch, x, (uint8_t *)out + (size_t)row * size);
    }
}

static void multiply_tiles(struct gpu_forward *f, const struct cuda_matrix *m, int in_stride,
                           float *out, int out_stride)
{
    struct cuda_tile_product p = {.matrix = *m,
                                  .rows_each = m->rows,
                                  .in = f->b.b16,
                                  .is_half = gpu_want(f, m->type) == WANT_HALF,
                                  .in_stride = in_stride,
                                  .rows = f->rows,
                                  .out = out,
                                  .out_stride = out_stride};
    RUN(f, cuda_tile_product(&p, f->stream));
}

void gpu_product(struct gpu_forward *f, struct input *in, const struct cuda_matrix *m, float *out,
                 int out_stride, const struct ending *ending)
{
    if (f->rows <= CUDA_GEMV_ROWS) {
        struct cuda_gemv gemv = {.matrix = *m,
                                 .in = gemv_input(f, in, m->type),
                                 .rows = f->rows,
                                 .kind = ending->kind,
                                 .out = out,
                                 .out_stride = out_stride,
                                 .bias = ending->bias,
                                 .row_scale = ending->row_scale,
                                 .softcap = ending->softcap};
        RUN(f, cuda_gemv(&gemv, f->stream));
        return;
    }
    int stride = cuda_pitch(in->raw.columns);
    gpu_need(f, in, gpu_want(f, m->type));
    if (by_tiles(f, m->type))
        multiply_tiles(f, m, stride, out, out_stride);
    else
        multiply(f, m, stride, out, out_stride, KERNEL_F32);
    if (ending->softcap > 0)
        RUN(f, cuda_softcap(out, f->rows, m->rows, out_stride, ending->softcap, f->stream));
}

void gpu_product_narrow(struct gpu_forward *f, struct input *in, const struct cuda_matrix *m,
                        void *out, int out_stride, enum kernel_type out_type)
{
    gpu_need(f, in, gpu_want(f, m->type));
    multiply(f, m, cuda_pitch(in->raw.columns), out, out_stride, out_type);
}

const struct ending GPU_STORE = {.kind = CUDA_OUT_STORE};

void gpu_product_group(struct gpu_forward *f, struct input *in, const struct gpu_group *group,
                       float *out, int out_stride)
{
    for (int i = 0; i < group->count; i++) {
        gpu_product(f, in, &group->matrices[i], out, out_stride, &GPU_STORE);
        out += group->matrices[i].rows;
    }
}
