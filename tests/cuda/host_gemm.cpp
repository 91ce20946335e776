/* The reference in cuBLASLt's place (kernels/cuda/gemm.h): sums in order, given to the stream as a
 * kernel would be. A shape that was not planned is refused, and a plan while recording: that is
 * where a device would fail, or wait where it must not. */
#include "tests/cuda/host.h"

#include "kernels/cuda/gemm.h"

#include <vector>

struct cuda_gemm {
    struct cuda_stream *stream;
    std::vector<struct cuda_gemm_shape> planned;
};

struct cuda_gemm *cuda_gemm_new(struct cuda_stream *stream, const char **why)
{
    *why = nullptr;
    return new cuda_gemm{stream, {}};
}

void cuda_gemm_free(struct cuda_gemm *gemm)
{
    delete gemm;
}

static bool is_planned(const struct cuda_gemm *gemm, const struct cuda_gemm_shape *shape)
{
    for (auto &known : gemm->planned)
        if (known.type == shape->type && known.out_type == shape->out_type &&
            known.rows == shape->rows && known.tokens == shape->tokens && known.k == shape->k &&
            known.x_stride == shape->x_stride && known.out_stride == shape->out_stride)
            return true;
    return false;
}

static float element(enum kernel_type type, const void *values, size_t at)
{
    if (type == KERNEL_F32)
        return static_cast<const float *>(values)[at];
    uint16_t bits = static_cast<const uint16_t *>(values)[at];
    return type == KERNEL_BF16 ? bfloat_to_float(bits) : half_to_float(bits);
}

static void put(enum kernel_type type, void *values, size_t at, float value)
{
    if (type == KERNEL_F32)
        static_cast<float *>(values)[at] = value;
    else
        static_cast<uint16_t *>(values)[at] =
            type == KERNEL_BF16 ? float_to_bfloat(value) : float_to_half(value);
}

/* `count` rows of k numbers as floats. */
static std::vector<float> widened(enum kernel_type type, const void *values, int count, int k,
                                  int stride)
{
    std::vector<float> all((size_t)count * (size_t)k);
    for (int r = 0; r < count; r++)
        for (int i = 0; i < k; i++)
            all[(size_t)r * (size_t)k + (size_t)i] =
                element(type, values, (size_t)r * (size_t)stride + (size_t)i);
    return all;
}

static void multiply(const struct cuda_gemm_shape &s, const void *w, const void *x, void *out)
{
    std::vector<float> weights = widened(s.type, w, s.rows, s.k, s.k);
    std::vector<float> inputs = widened(s.type, x, s.tokens, s.k, s.x_stride);
    for (int t = 0; t < s.tokens; t++)
        for (int r = 0; r < s.rows; r++) {
            const float *a = &weights[(size_t)r * (size_t)s.k];
            const float *b = &inputs[(size_t)t * (size_t)s.k];
            float sum = 0;
            for (int k = 0; k < s.k; k++)
                sum += a[k] * b[k];
            put(s.out_type, out, (size_t)t * (size_t)s.out_stride + (size_t)r, sum);
        }
}

int cuda_gemm_plan(struct cuda_gemm *gemm, const struct cuda_gemm_shape *shape, const void *w,
                   const void *x, void *out)
{
    if (is_planned(gemm, shape))
        return STATUS_OK;
    if (host_is_recording(gemm->stream))
        return STATUS_MISUSE;
    int failed = cuda_stream_wait(gemm->stream);
    if (failed)
        return failed;
    gemm->planned.push_back(*shape);
    multiply(*shape, w, x, out);
    return STATUS_OK;
}

int cuda_gemm_run(struct cuda_gemm *gemm, const struct cuda_gemm_shape *shape, const void *w,
                  const void *x, void *out)
{
    if (!is_planned(gemm, shape))
        return STATUS_MISUSE;
    struct cuda_gemm_shape s = *shape;
    return host_submit(gemm->stream, [=] { multiply(s, w, x, out); });
}
