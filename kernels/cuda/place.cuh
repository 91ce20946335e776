/* Placing a head: from what the product left of a query, key or value to what attention reads
 * (bias, norm, rotation), one warp a head, element by element as kernels/cpu does it. */
#ifndef KERNELS_CUDA_PLACE_CUH
#define KERNELS_CUDA_PLACE_CUH

#include "kernels/cuda/input.cuh"

/* cuda_dim_pitch, for both sides. */
static __host__ __device__ __forceinline__ int dim_pitch(int head_dim)
{
    return (head_dim + 15) / 16 * 16;
}

/* Where in a row of `qkv` a head begins, and what it needs beside its bias. */
struct head_part {
    int at;
    const float *norm; /* of this head, or NULL */
    float factor;      /* of a norm over the whole projection */
    bool turned;
};

enum head_kind { HEAD_QUERY, HEAD_KEY, HEAD_VALUE };

static __device__ __forceinline__ float qkv_value(const cuda_attention &a, size_t row, int at)
{
    float value = a.qkv[row + (size_t)at];
    return a.bias ? value + a.bias[at] : value;
}

/* By the whole block, before any warp places a head: the factor of a norm over all heads. */
static __device__ inline float full_factor(const cuda_attention &a, size_t row, head_kind kind,
                                           float *room)
{
    if (a.qk_norm != CUDA_QK_FULL || kind == HEAD_VALUE)
        return 1;
    int begin = kind == HEAD_QUERY ? 0 : a.heads * a.head_dim;
    int count = (kind == HEAD_QUERY ? a.heads : a.kv_heads) * a.head_dim;
    float squares = 0;
    for (int i = (int)threadIdx.x; i < count; i += (int)blockDim.x) {
        float value = qkv_value(a, row, begin + i);
        squares = fmaf(value, value, squares);
    }
    return rms_factor(block_sum(squares, room), count, a.epsilon);
}

static __device__ __forceinline__ head_part part_of(const cuda_attention &a, head_kind kind,
                                                    int head, float factor)
{
    int before = kind == HEAD_QUERY ? 0 : kind == HEAD_KEY ? a.heads : a.heads + a.kv_heads;
    const float *norm = kind == HEAD_QUERY ? a.query_norm : a.key_norm;
    head_part p;
    p.at = (before + head) * a.head_dim;
    p.norm = kind == HEAD_VALUE || a.qk_norm == CUDA_QK_NONE ? nullptr
             : a.qk_norm == CUDA_QK_FULL                     ? norm + head * a.head_dim
                                                             : norm;
    p.factor = factor;
    p.turned = a.table && kind != HEAD_VALUE;
    return p;
}

/* Element d of a head after its rotation. */
static __device__ __forceinline__ float turned_value(const cuda_attention &a, const float *x,
                                                     const float *table, int d)
{
    if (d >= a.rotary)
        return x[d];
    bool neox = a.pairing == KERNEL_ROPE_NEOX;
    int half = a.rotary / 2, i = neox ? (d < half ? d : d - half) : d / 2;
    bool first = neox ? d < half : d % 2 == 0;
    int other = neox ? (first ? d + half : d - half) : (first ? d + 1 : d - 1);
    float c = table[2 * i], s = table[2 * i + 1];
    return first ? fmaf(x[d], c, -(x[other] * s)) : fmaf(x[other], s, x[d] * c);
}

/* By one warp. `scratch` (head_dim floats, its own) is used; put(d, value) gets every element. */
template <class PUT>
static __device__ __forceinline__ void place_head(const cuda_attention &a, int row,
                                                  const head_part &part, float *scratch, PUT put)
{
    size_t begin = (size_t)row * (size_t)a.qkv_stride;
    const float *table = a.table + (size_t)row * (size_t)a.rotary;
    float factor = part.factor, squares = 0;
    for (int d = lane_index(); d < a.head_dim; d += WARP) {
        float value = qkv_value(a, begin, part.at + d);
        scratch[d] = value;
        squares = fmaf(value, value, squares);
    }
    if (part.norm && a.qk_norm == CUDA_QK_HEAD)
        factor = rms_factor(warp_sum(squares), a.head_dim, a.epsilon);
    for (int d = lane_index(); part.norm && d < a.head_dim; d += WARP)
        scratch[d] = scratch[d] * factor * part.norm[d];
    __syncwarp();
    for (int d = lane_index(); d < a.head_dim; d += WARP)
        put(d, part.turned ? turned_value(a, scratch, table, d) : scratch[d]);
    __syncwarp(); /* before the scratch is another head's */
}

/* --- Pages --- */

static __device__ __forceinline__ uint16_t stored_half(float x)
{
    return float_to_half(fminf(fmaxf(x, -65504.0f), 65504.0f));
}

/* A head's keys (or values) in the page that holds `position`. */
static __device__ __forceinline__ uint16_t *page_part(const cuda_attention &a, const cuda_row &r,
                                                      int position, int kv_head, bool values)
{
    size_t page = (size_t)a.pages[r.pages + position / KERNEL_KV_BLOCK];
    size_t rows = (size_t)(2 * kv_head + values) * KERNEL_KV_BLOCK;
    return reinterpret_cast<uint16_t *>(a.cache + page * a.page_stride) +
           rows * (size_t)dim_pitch(a.head_dim);
}

/* By one warp: a key or value head into its page. */
static __device__ inline void place_in_page(const cuda_attention &a, int row, const cuda_row &r,
                                            int kv_head, bool values, float factor, float *scratch)
{
    int pitch = dim_pitch(a.head_dim);
    uint16_t *to = page_part(a, r, r.position, kv_head, values) +
                   (size_t)(r.position % KERNEL_KV_BLOCK) * (size_t)pitch;
    head_part part = part_of(a, values ? HEAD_VALUE : HEAD_KEY, kv_head, factor);
    place_head(a, row, part, scratch, [&](int d, float value) { to[d] = stored_half(value); });
    for (int d = a.head_dim + lane_index(); d < pitch; d += WARP)
        to[d] = 0;
}

/* First position that the query at `position` sees. */
static __device__ __forceinline__ int first_visible(int position, int window)
{
    return window > 0 && position >= window ? position - window + 1 : 0;
}

#endif
