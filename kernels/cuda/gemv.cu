/* Which kernel a product of a few tokens takes. */
#include "kernels/cuda/gemv.cuh"

static gemv_runner *runner_of(enum kernel_type type)
{
    switch (type) {
    case KERNEL_F32:
        return gemv_f32;
    case KERNEL_F16:
        return gemv_f16;
    case KERNEL_BF16:
        return gemv_bf16;
    case KERNEL_Q8_0:
        return gemv_q8_0;
    case KERNEL_Q4_0:
        return gemv_q4_0;
    case KERNEL_Q4_1:
        return gemv_q4_1;
    case KERNEL_Q5_0:
        return gemv_q5_0;
    case KERNEL_Q5_1:
        return gemv_q5_1;
    case KERNEL_Q4_K:
        return gemv_q4_k;
    case KERNEL_Q5_K:
        return gemv_q5_k;
    case KERNEL_Q6_K:
        return gemv_q6_k;
    case KERNEL_IQ4_NL:
        return gemv_iq4_nl;
    default:
        return gemv_mxfp4;
    }
}

static bool is_activated(enum cuda_out kind)
{
    return kind == CUDA_OUT_SILU || kind == CUDA_OUT_GELU;
}

int cuda_gemv(const struct cuda_gemv *a, struct cuda_stream *stream)
{
    gemv_plan p = gemv_plan();
    p.a = *a;
    p.mode = GEMV_PLAIN;
    p.passes = is_activated(a->kind) ? 2 : 1;
    p.outputs = a->matrix.rows / p.passes;
    p.tokens = a->rows;
    return runner_of(a->matrix.type)(p, 1, stream);
}

int cuda_expert_gemv(const struct cuda_expert_gemv *a, struct cuda_stream *stream)
{
    gemv_plan p = gemv_plan();
    p.a.matrix = a->matrix;
    p.a.in = a->in;
    p.a.kind = a->kind;
    p.a.out = a->out;
    p.a.out_stride = a->out_stride;
    p.experts = a->experts;
    p.weights = a->weights;
    p.used = a->used;
    p.rows_each = a->rows_each;
    if (is_activated(a->kind)) {
        p.mode = GEMV_EXPERT_GATE;
        p.passes = 2;
        p.tokens = 1;
        p.outputs = a->rows_each / 2;
        return runner_of(a->matrix.type)(p, a->rows * a->used, stream);
    }
    p.mode = GEMV_EXPERT_DOWN;
    p.passes = p.tokens = a->used;
    p.outputs = a->rows_each;
    return runner_of(a->matrix.type)(p, a->rows, stream);
}
