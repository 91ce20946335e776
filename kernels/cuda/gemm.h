/* Large matrix products on tensor cores, by cuBLASLt, loaded when the first is made.
 *
 * out[t][r] = sum over k of w[r][k] * x[t][k]: both row-major, fp32 sums, `k` a multiple of 16 and
 * both inputs of one type (BF16, F16 or F32). The library is looked for by name at run time, so
 * that a program with this inside starts where it is not installed. One cuda_gemm a stream; plans
 * (the algorithm for a shape, timed among the heuristic's best) are kept in it, and cuda_gemm_plan
 * makes one outside of recordings. */
#ifndef KERNELS_CUDA_GEMM_H
#define KERNELS_CUDA_GEMM_H

#include "kernels/cuda/device.h"
#include "kernels/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cuda_gemm;

struct cuda_gemm_shape {
    enum kernel_type type;     /* of w and x */
    enum kernel_type out_type; /* KERNEL_F32, or KERNEL_BF16 / KERNEL_F16 where `type` is that */
    int rows, tokens, k;
    int x_stride, out_stride; /* in elements; w's rows have k */
};

/* NULL with `why` (borrowed) set where the library is missing or refuses. */
struct cuda_gemm *cuda_gemm_new(struct cuda_stream *stream, const char **why);
void cuda_gemm_free(struct cuda_gemm *gemm);

/* Chooses and times the algorithm; no-op where the shape is known. Waits for the stream. The
 * buffers are used (out is overwritten). */
int cuda_gemm_plan(struct cuda_gemm *gemm, const struct cuda_gemm_shape *shape, const void *w,
                   const void *x, void *out);

int cuda_gemm_run(struct cuda_gemm *gemm, const struct cuda_gemm_shape *shape, const void *w,
                  const void *x, void *out);

#ifdef __cplusplus
}
#endif
#endif
