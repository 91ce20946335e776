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

/* Bytes of a head's keys or values in a page. */
static __device__ __forceinline__ size_t part_bytes(enum kernel_kv kv, int pitch)
{
    size_t row = kv == KERNEL_KV_F16 ? 2 * (size_t)pitch : (size_t)pitch + sizeof(float);
    return KERNEL_KV_BLOCK * row;
}

/* A head's keys (or values) in the page that holds `position`. */
static __device__ __forceinline__ uint8_t *page_part(const cuda_attention &a, const cuda_row &r,
                                                     int position, int kv_head, bool values)
{
    size_t page = (size_t)a.pages[r.pages + position / KERNEL_KV_BLOCK];
    return a.cache + page * a.page_stride +
           (size_t)(2 * kv_head + values) * part_bytes(a.kv, dim_pitch(a.head_dim));
}

/* Q8: the scales of a part's positions. */
static __device__ __forceinline__ float *part_scales(uint8_t *part, int pitch)
{
    return reinterpret_cast<float *>(part + KERNEL_KV_BLOCK * pitch);
}

/* Four int8 of a word as floats: as the last byte of 2^23 + 128 they need no conversion. */
static __device__ __forceinline__ void bytes_to_floats(uint32_t word, float out[4])
{
    uint32_t lifted = word ^ 0x80808080u;
#pragma unroll
    for (int i = 0; i < 4; i++)
        out[i] = __uint_as_float(__byte_perm(lifted, 0x4b000000u, 0x7540u + (uint32_t)i)) - 8388736.0f;
}

/* By one warp: a key or value head into its page as F16. */
static __device__ inline void place_halves(const cuda_attention &a, int row, const head_part &part,
                                           uint8_t *page, int slot, float *scratch)
{
    int pitch = dim_pitch(a.head_dim);
    uint16_t *to = reinterpret_cast<uint16_t *>(page) + slot * pitch;
    place_head(a, row, part, scratch, [&](int d, float value) { to[d] = stored_half(value); });
    for (int d = a.head_dim + lane_index(); d < pitch; d += WARP)
        to[d] = 0;
}

/* The same as int8: made twice, since its largest element must be known first. */
static __device__ inline void place_quants(const cuda_attention &a, int row, const head_part &part,
                                           uint8_t *page, int slot, float *scratch)
{
    int pitch = dim_pitch(a.head_dim);
    int8_t *to = reinterpret_cast<int8_t *>(page) + slot * pitch;
    float largest = 0;
    place_head(a, row, part, scratch,
               [&](int, float value) { largest = fmaxf(largest, fabsf(value)); });
    largest = warp_max(largest);
    bool usable = largest >= QUANTIZE_TINY && largest <= LARGEST_FLOAT;
    float inverse = usable ? 127.0f / largest : 0;
    place_head(a, row, part, scratch, [&](int d, float value) {
        to[d] = usable ? (int8_t)__float2int_rn(value * inverse) : (int8_t)0;
    });
    for (int d = a.head_dim + lane_index(); d < pitch; d += WARP)
        to[d] = 0;
    if (lane_index() == 0)
        part_scales(page, pitch)[slot] = usable ? largest / 127.0f : 0;
}

static __device__ inline void place_in_page(const cuda_attention &a, int row, const cuda_row &r,
                                            int kv_head, bool values, float factor, float *scratch)
{
    uint8_t *page = page_part(a, r, r.position, kv_head, values);
    head_part part = part_of(a, values ? HEAD_VALUE : HEAD_KEY, kv_head, factor);
    int slot = r.position % KERNEL_KV_BLOCK;
    if (a.kv == KERNEL_KV_F16)
        place_halves(a, row, part, page, slot, scratch);
    else
        place_quants(a, row, part, page, slot, scratch);
}

/* First position that the query at `position` sees. */
static __device__ __forceinline__ int first_visible(int position, int window)
{
    return window > 0 && position >= window ? position - window + 1 : 0;
}

#endif
