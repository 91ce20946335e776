/* Norms, conversions and activations of rows ahead of products that do not make their own: a block
 * a row, each thread four columns at a time, so that eight lanes hold a block of 32 to quantise. */
#include "kernels/cuda/input.cuh"

enum { THREADS = 256, FOUR = 4, ROW_GRID = 65535 };

/* Four columns of a row in all wanted forms; `x` is zero past `columns`. Whole warps call it. */
static __device__ void put_forms(const cuda_forms &out, int row, int columns, int c,
                                 const float x[FOUR])
{
    size_t at = (size_t)row * (size_t)out.stride + (size_t)c;
    if (out.f32 && c < out.stride)
        *reinterpret_cast<float4 *>(out.f32 + at) = make_float4(x[0], x[1], x[2], x[3]);
    if (out.b16 && c < out.stride)
        *reinterpret_cast<uint2 *>(out.b16 + at) =
            make_uint2(narrow_two(out.is_half, x[0], x[1]), narrow_two(out.is_half, x[2], x[3]));
    if (!out.quants)
        return;
    float scale;
    int sums[2], blocks = divide_up(columns, CUDA_BLOCK);
    uint32_t word = quantize_four(x, &scale, sums);
    size_t block = (size_t)row * (size_t)blocks + (size_t)(c / CUDA_BLOCK);
    if (c >= blocks * CUDA_BLOCK)
        return;
    reinterpret_cast<uint32_t *>(out.quants)[block * 8 + (size_t)(c % CUDA_BLOCK / FOUR)] = word;
    if (c % CUDA_BLOCK == 0) {
        out.blocks[2 * block] = scale;
        out.blocks[2 * block + 1] = scale * (float)(sums[0] + sums[1]);
    }
}

/* Columns that a row's threads must go over, in whole warps of four each. */
static __device__ __forceinline__ int covered(const cuda_forms &out, int columns)
{
    bool floats = out.f32 || out.b16;
    int most = floats && out.stride > columns ? out.stride : columns;
    return divide_up(most, FOUR * WARP) * FOUR * WARP;
}

static __global__ void __launch_bounds__(THREADS)
    norm_kernel(const __grid_constant__ struct cuda_norm a)
{
    __shared__ float room[WARP];
    grid_launch_next();
    grid_wait();
    int row = (int)blockIdx.x, from = a.index ? a.index[row] : row, columns = a.in.columns;
    size_t begin = (size_t)from * (size_t)a.in.stride;
    bool store = a.in.y && a.in.sum_out;
    row_factors f = make_factors(a.in, begin, store, room);
    cuda_input in = a.in;
    if (store) { /* values may be overwritten; the sum of squares has waited for all */
        in.values = a.in.sum_out;
        in.y = nullptr;
    }
    int end = covered(a.out, columns);
    for (int c = FOUR * (int)threadIdx.x; c < end; c += FOUR * THREADS) {
        float x[FOUR];
#pragma unroll
        for (int i = 0; i < FOUR; i++)
            x[i] = c + i < columns ? row_input(in, begin, c + i, f) : 0;
        put_forms(a.out, row, columns, c, x);
    }
}

int cuda_norm(const struct cuda_norm *a, struct cuda_stream *stream)
{
    shape s = {dim3((unsigned)a->rows), dim3(THREADS), 0};
    return launch(norm_kernel, s, stream, *a);
}

/* --- Activations --- */

static __device__ __forceinline__ float read_either(const struct cuda_activate &a, size_t at)
{
    if (a.f32)
        return a.f32[at];
    return a.is_half ? half_to_float(a.b16[at]) : bfloat_to_float(a.b16[at]);
}

static __global__ void __launch_bounds__(THREADS)
    activate_kernel(const __grid_constant__ struct cuda_activate a)
{
    grid_launch_next();
    grid_wait();
    int row = (int)blockIdx.x, end = covered(a.out, a.columns);
    size_t begin = (size_t)row * (size_t)a.stride;
    for (int c = FOUR * (int)threadIdx.x; c < end; c += FOUR * THREADS) {
        float x[FOUR];
#pragma unroll
        for (int i = 0; i < FOUR; i++) {
            size_t at = begin + (size_t)(c + i);
            x[i] = c + i < a.columns ? activated(a.is_gelu, read_either(a, at),
                                                 read_either(a, at + (size_t)a.columns))
                                     : 0;
        }
        put_forms(a.out, row, a.columns, c, x);
    }
}

int cuda_activate(const struct cuda_activate *a, struct cuda_stream *stream)
{
    shape s = {dim3((unsigned)a->rows), dim3(THREADS), 0};
    return launch(activate_kernel, s, stream, *a);
}

/* --- Element by element --- */

static __global__ void __launch_bounds__(THREADS)
    softcap_kernel(float *x, int rows, int columns, int stride, float cap)
{
    grid_launch_next();
    grid_wait();
    int c = (int)(blockIdx.x * THREADS + threadIdx.x);
    for (int row = (int)blockIdx.y; c < columns && row < rows; row += (int)gridDim.y) {
        float *at = x + (size_t)row * (size_t)stride + (size_t)c;
        *at = capped(*at, cap);
    }
}

static shape over_rows(int rows, int columns)
{
    int y = rows < ROW_GRID ? rows : ROW_GRID;
    return {dim3((unsigned)divide_up(columns, THREADS), (unsigned)y), dim3(THREADS), 0};
}

int cuda_softcap(float *x, int rows, int columns, int stride, float cap,
                 struct cuda_stream *stream)
{
    return launch(softcap_kernel, over_rows(rows, columns), stream, x, rows, columns, stride, cap);
}

static __global__ void __launch_bounds__(THREADS)
    add_rows_kernel(float *out, int out_stride, const float *x, int x_stride, const float *scale,
                    int rows, int columns)
{
    grid_launch_next();
    grid_wait();
    int c = (int)(blockIdx.x * THREADS + threadIdx.x);
    for (int row = (int)blockIdx.y; c < columns && row < rows; row += (int)gridDim.y) {
        float *to = out + (size_t)row * (size_t)out_stride + (size_t)c;
        float value = x[(size_t)row * (size_t)x_stride + (size_t)c];
        *to = fmaf(value, scale ? scale[row] : 1.0f, *to);
    }
}

int cuda_add_rows(float *out, int out_stride, const float *x, int x_stride, const float *scale,
                  int rows, int columns, struct cuda_stream *stream)
{
    return launch(add_rows_kernel, over_rows(rows, columns), stream, out, out_stride, x, x_stride,
                  scale, rows, columns);
}
