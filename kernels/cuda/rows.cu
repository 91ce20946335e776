/* Work on rows that no product takes along: embeddings and rotary tables at the beginning of a
 * step, norms and conversions before a large product, activations after it. A block a row, bound
 * by memory; what they touch fits L2 but in the largest steps. */
#include "kernels/cuda/codes.cuh"
#include "kernels/cuda/input.cuh"

enum { THREADS = 256 };

/* --- One chunk of a row as floats --- */

/* The lane's eight columns of each block: columns 4 t + c, then 16 + 4 t + c. */
template <int TYPE>
static __device__ void chunk_floats(const piece<TYPE> &w, int p, float out[8])
{
    block_factors k = factors_of(w, p);
#pragma unroll
    for (int r = 0; r < 2; r++) {
        uint32_t word = codes_of(w, p, r);
#pragma unroll
        for (int c = 0; c < 4; c++) {
            uint32_t byte = word >> 8 * c & 255;
            int level = code<TYPE>::is_signed ? (int)(int8_t)byte : (int)byte - code<TYPE>::bias;
            float value = __fmul_rn(k.scale[r], (float)level);
            bool has_min = code<TYPE>::kind == KIND_MIN || code<TYPE>::kind == KIND_SUPER;
            out[4 * r + c] = has_min ? __fadd_rn(value, k.min) : value;
        }
    }
}

/* Gives `put(column, value)` every column of a lane's part of a chunk. */
template <int TYPE, class PUT>
static __device__ __forceinline__ void each_column(const row_address &a, int chunk, int t, PUT put)
{
    piece<TYPE> w;
    fetch<TYPE>(&w, a, chunk);
    int begin = chunk * code<TYPE>::columns;
    if constexpr (TYPE == KERNEL_F32) {
        for (int i = 0; i < 4; i++)
            put(begin + 4 * t + i, __uint_as_float(word_of(w.codes, i)));
    } else if constexpr (code<TYPE>::kind == KIND_FLOAT) {
        for (int i = 0; i < 8; i++) {
            uint16_t bits = (uint16_t)(word_of(w.codes, i / 2) >> i % 2 * 16);
            put(begin + 8 * t + i,
                TYPE == KERNEL_BF16 ? bfloat_to_float(bits) : half_to_float(bits));
        }
    } else {
#pragma unroll
        for (int p = 0; p < code<TYPE>::blocks; p++) {
            float x[8];
            chunk_floats<TYPE>(w, p, x);
            for (int i = 0; i < 8; i++)
                put(begin + CUDA_BLOCK * p + i / 4 * 16 + 4 * t + i % 4, x[i]);
        }
    }
}

/* Runs CALL(type) for the type; every format is named here and in gemv.cu alone. */
#define EACH_TYPE(type, CALL)                                                                      \
    switch (type) {                                                                                \
    case KERNEL_F32:                                                                               \
        return CALL(KERNEL_F32);                                                                   \
    case KERNEL_F16:                                                                               \
        return CALL(KERNEL_F16);                                                                   \
    case KERNEL_BF16:                                                                              \
        return CALL(KERNEL_BF16);                                                                  \
    case KERNEL_Q8_0:                                                                              \
        return CALL(KERNEL_Q8_0);                                                                  \
    case KERNEL_Q4_0:                                                                              \
        return CALL(KERNEL_Q4_0);                                                                  \
    case KERNEL_Q4_1:                                                                              \
        return CALL(KERNEL_Q4_1);                                                                  \
    case KERNEL_Q5_0:                                                                              \
        return CALL(KERNEL_Q5_0);                                                                  \
    case KERNEL_Q5_1:                                                                              \
        return CALL(KERNEL_Q5_1);                                                                  \
    case KERNEL_Q4_K:                                                                              \
        return CALL(KERNEL_Q4_K);                                                                  \
    case KERNEL_Q5_K:                                                                              \
        return CALL(KERNEL_Q5_K);                                                                  \
    case KERNEL_Q6_K:                                                                              \
        return CALL(KERNEL_Q6_K);                                                                  \
    case KERNEL_IQ4_NL:                                                                            \
        return CALL(KERNEL_IQ4_NL);                                                                \
    default:                                                                                       \
        return CALL(KERNEL_MXFP4);                                                                 \
    }

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
    int row = (int)blockIdx.x, token = a.rows[row].token;
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
        each_column<TYPE>(from, i / 4, i % 4, [&](int c, float value) {
            if (c < columns)
                x[c] = scale == 1 ? value : value * scale;
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
        each_column<TYPE>(from, i / 4, i % 4, [&](int c, float value) {
            if (c < pitch)
                out[c] = a.is_half ? float_to_half(value) : float_to_bfloat(value);
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
