/* Work on rows that no product takes along: embeddings and rotary tables at the beginning of a
 * step, norms and conversions before a large product, activations after it. A block a row, bound
 * by memory; what they touch fits L2 but in the largest steps. */
#include "kernels/cuda/codes.cuh"
#include "kernels/cuda/input.cuh"

enum { THREADS = 256 };

/* --- The beginning of a step --- */

/* Angles in double precision, as kernel_rope_table makes them: their frequencies come from the
 * host, so that both have the same digits. */
static __device__ void fill_table(const struct cuda_begin &a, int row, int which)
{
    cuda_row r = a.rows[row];
    int k = which ? CUDA_ROPE_LOCAL
                  : (r.is_long && a.frequencies[CUDA_ROPE_LONG] ? CUDA_ROPE_LONG : CUDA_ROPE_GLOBAL);
    const double *frequencies = a.frequencies[k];
    if (!frequencies || !a.tables[which])
        return;
    float *table = a.tables[which] + (size_t)row * (size_t)a.rotary;
    for (int i = (int)threadIdx.x; i < a.rotary / 2; i += THREADS) {
        double angle = (double)r.position * frequencies[i], magnitude = (double)a.magnitude[k];
        table[2 * i] = (float)(magnitude * cos(angle));
        table[2 * i + 1] = (float)(magnitude * sin(angle));
    }
}

template <int TYPE>
static __global__ void __launch_bounds__(THREADS)
    begin_kernel(const __grid_constant__ struct cuda_begin a, row_bytes bytes)
{
    grid_launch_next();
    grid_wait();
    int row = (int)blockIdx.x, after = a.rows[row].after;
    int token = after ? max(a.drawn[after - 1].token, 0) : a.rows[row].token;
    if (a.tokens && threadIdx.x == 0)
        a.tokens[row] = token;
    float *x = a.x + (size_t)row * (size_t)a.x_stride, scale = a.scale;
    int columns = a.embedding.columns;
    fill_table(a, row, 0);
    fill_table(a, row, 1);
    for (int c = (token < 0 ? 0 : columns) + (int)threadIdx.x; c < a.x_stride; c += THREADS)
        x[c] = 0;
    if (token < 0)
        return;
    int lanes = divide_up(columns, code<TYPE>::columns) * 4;
    for (int i = (int)threadIdx.x; i < lanes; i += THREADS) {
        row_address from = address_row<TYPE>(a.embedding, bytes, (size_t)token, i % 4);
        piece<TYPE> w;
        fetch<TYPE>(&w, from, i / 4);
        each_four<TYPE>(w, i / 4, i % 4, [&](int c, const float value[4]) {
            for (int k = 0; k < 4 && c + k < columns; k++)
                x[c + k] = scale == 1 ? value[k] : value[k] * scale;
        });
    }
}

template <int TYPE> static int run_begin(const struct cuda_begin *a, struct cuda_stream *stream)
{
    shape s = {dim3((unsigned)a->count), dim3(THREADS), 0};
    return launch(begin_kernel<TYPE>, s, stream, *a, bytes_of_row<TYPE>(a->embedding.columns));
}

int cuda_begin(const struct cuda_begin *a, struct cuda_stream *stream)
{
#define CALL(type) run_begin<type>(a, stream)
    EACH_TYPE(a->embedding.type, CALL)
#undef CALL
}

/* --- A matrix as 16-bit floats --- */

enum { DEQUANTIZE_ROWS = 65535 };

template <int TYPE>
static __global__ void __launch_bounds__(THREADS)
    dequantize_kernel(const __grid_constant__ struct cuda_dequantize a, row_bytes bytes)
{
    grid_launch_next();
    grid_wait();
    int columns = a.matrix.columns, pitch = a.matrix.pitch;
    int i = (int)(blockIdx.x * THREADS + threadIdx.x);
    int chunks = divide_up(columns, code<TYPE>::columns);
    if (i >= chunks * 4)
        return;
    for (int row = (int)blockIdx.y; row < a.rows; row += (int)gridDim.y) {
        uint16_t *out = a.out + (size_t)row * (size_t)pitch;
        for (int c = chunks * code<TYPE>::columns + i; c < pitch; c += chunks * 4)
            out[c] = 0;
        row_address from = address_row<TYPE>(a.matrix, bytes, (size_t)(a.first + row), i % 4);
        piece<TYPE> w;
        fetch<TYPE>(&w, from, i / 4);
        each_four<TYPE>(w, i / 4, i % 4, [&](int c, const float x[4]) {
            if (c < pitch)
                *reinterpret_cast<uint2 *>(out + c) =
                    make_uint2(narrow_two(a.is_half, x[0], x[1]), narrow_two(a.is_half, x[2], x[3]));
        });
    }
}

template <int TYPE>
static int run_dequantize(const struct cuda_dequantize *a, struct cuda_stream *stream)
{
    int lanes = divide_up(a->matrix.columns, code<TYPE>::columns) * 4;
    int rows = a->rows < DEQUANTIZE_ROWS ? a->rows : DEQUANTIZE_ROWS;
    shape s = {dim3((unsigned)divide_up(lanes, THREADS), (unsigned)rows), dim3(THREADS), 0};
    return launch(dequantize_kernel<TYPE>, s, stream, *a, bytes_of_row<TYPE>(a->matrix.columns));
}

int cuda_dequantize(const struct cuda_dequantize *a, struct cuda_stream *stream)
{
#define CALL(type) run_dequantize<type>(a, stream)
    EACH_TYPE(a->matrix.type, CALL)
#undef CALL
}
