/* The rows of a product's input as a block makes them for itself (struct cuda_input): the part of
 * the layer before added, normed. Every block that needs a row makes it anew: reading a few
 * kilobytes from L2 costs less than one more launch. */
#ifndef KERNELS_CUDA_INPUT_CUH
#define KERNELS_CUDA_INPUT_CUH

#include "kernels/cuda/launch.cuh"

/* What a row's elements are multiplied by: y's own norm, and the norm of the sum. */
struct row_factors {
    float y, sum;
};

static __device__ __forceinline__ float rms_factor(float squares, int n, float epsilon)
{
    return 1.0f / sqrtf(squares / (float)n + epsilon);
}

static __device__ __forceinline__ float added_y(const cuda_input &in, size_t row, int c)
{
    float y = in.y[row + (size_t)c];
    return in.y_bias ? y + in.y_bias[c] : y;
}

/* Element c of the row that begins at `row` (in elements), before its norm. */
static __device__ __forceinline__ float row_value(const cuda_input &in, size_t row, int c,
                                                  float y_factor)
{
    float value = in.values[row + (size_t)c];
    if (!in.y)
        return value;
    float y = added_y(in, row, c);
    return value + (in.y_norm ? y * y_factor * in.y_norm[c] : y);
}

/* Element c as the product takes it. */
static __device__ __forceinline__ float row_input(const cuda_input &in, size_t row, int c,
                                                  row_factors f)
{
    float value = row_value(in, row, c, f.y);
    return in.norm ? value * f.sum * in.norm[c] : value;
}

/* By the whole block, whose threads take the columns in turn; `room` holds 32 floats. Where
 * `store` is set the sum goes to sum_out. */
static __device__ inline row_factors make_factors(const cuda_input &in, size_t row, bool store,
                                           float *room)
{
    row_factors f = {1, 1};
    if (in.y && in.y_norm) {
        float squares = 0;
        for (int c = (int)threadIdx.x; c < in.columns; c += (int)blockDim.x) {
            float y = added_y(in, row, c);
            squares = fmaf(y, y, squares);
        }
        f.y = rms_factor(block_sum(squares, room), in.columns, in.epsilon);
    }
    if (!in.norm && !store)
        return f;
    float squares = 0;
    for (int c = (int)threadIdx.x; c < in.columns; c += (int)blockDim.x) {
        float value = row_value(in, row, c, f.y);
        if (store)
            in.sum_out[row + (size_t)c] = value;
        squares = fmaf(value, value, squares);
    }
    int past = in.columns + (int)threadIdx.x;
    if (store && past < in.stride && past < (in.columns + CUDA_BLOCK - 1) / CUDA_BLOCK * CUDA_BLOCK)
        in.sum_out[row + (size_t)past] = 0;
    f.sum = rms_factor(block_sum(squares, room), in.columns, in.epsilon);
    return f;
}

/* --- Functions of one number --- */

static __device__ __forceinline__ float activated(bool is_gelu, float gate, float up)
{
    float inner = is_gelu ? gate * fmaf(0.07135481282804286f, gate * gate, 1.5957691216057308f)
                          : gate;
    float inverse = 1.0f / (1.0f + exp_fast(is_gelu ? inner : -gate));
    return (is_gelu ? gate - gate * inverse : gate * inverse) * up;
}

static __device__ __forceinline__ float capped(float x, float cap)
{
    return cap * (1.0f - 2.0f / (1.0f + exp_fast(2.0f * x / cap)));
}

/* Two 16-bit floats, `low` in the low bits. */
static __device__ __forceinline__ float held(float x)
{
    return fminf(fmaxf(x, -65504.0f), 65504.0f);
}

static __device__ __forceinline__ uint32_t narrow_two(bool is_half, float low, float high)
{
    return is_half ? floats_to_halves(held(low), held(high)) : floats_to_bfloats(low, high);
}

/* --- int8 --- */

#define QUANTIZE_TINY 0x1p-100f
#define LARGEST_FLOAT 3.402823466e38f

/* Four quants of a block of 32 that eight neighbouring lanes hold, four columns each; `scale` and
 * `sums` (of the first 16 and of the others) come out the same in all eight. */
static __device__ __forceinline__ uint32_t quantize_four(const float x[4], float *scale,
                                                         int sums[2])
{
    float largest = fmaxf(fmaxf(fabsf(x[0]), fabsf(x[1])), fmaxf(fabsf(x[2]), fabsf(x[3])));
    bool finite = x[0] - x[0] == 0 && x[1] - x[1] == 0 && x[2] - x[2] == 0 && x[3] - x[3] == 0;
    largest = finite ? largest : INFINITY;
#pragma unroll
    for (int by = 1; by < 8; by *= 2)
        largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, by));
    bool usable = largest >= QUANTIZE_TINY && largest <= LARGEST_FLOAT;
    float inverse = usable ? 127.0f / largest : 0;
    uint32_t word = 0;
    int sum = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int q = usable ? __float2int_rn(x[i] * inverse) : 0;
        sum += q;
        word |= (uint32_t)(q & 255) << 8 * i;
    }
    sum += __shfl_xor_sync(ALL_LANES, sum, 1);
    sum += __shfl_xor_sync(ALL_LANES, sum, 2);
    int other = __shfl_xor_sync(ALL_LANES, sum, 4);
    bool second = lane_index() & 4;
    sums[0] = second ? other : sum;
    sums[1] = second ? sum : other;
    *scale = usable ? largest / 127.0f : 0;
    return word;
}

#endif
