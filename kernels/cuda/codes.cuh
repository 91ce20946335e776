/* Reading packed weights (kernels/cuda/matrix.h): one chunk of a row as a lane of four sees it, its
 * codes turned into the bytes of an mma's A fragment, its scales into factors. What a format is
 * stands here once, for all products and for dequantising. */
#ifndef KERNELS_CUDA_CODES_CUH
#define KERNELS_CUDA_CODES_CUH

#include "kernels/cuda/launch.cuh"

enum code_kind {
    KIND_FLOAT,  /* no blocks */
    KIND_SCALE,  /* d * level */
    KIND_MIN,    /* d * code + m */
    KIND_SUPER,  /* (d * scale) * code - m * min */
    KIND_HALVES, /* (d * scale[half]) * level */
};

template <int TYPE> struct code {
    static const bool is_levels = TYPE == KERNEL_IQ4_NL || TYPE == KERNEL_MXFP4;
    static const int kind = TYPE == KERNEL_F32 || TYPE == KERNEL_F16 || TYPE == KERNEL_BF16
                                ? KIND_FLOAT
                            : TYPE == KERNEL_Q4_1 || TYPE == KERNEL_Q5_1 ? KIND_MIN
                            : TYPE == KERNEL_Q4_K || TYPE == KERNEL_Q5_K ? KIND_SUPER
                            : TYPE == KERNEL_Q6_K                        ? KIND_HALVES
                                                                         : KIND_SCALE;
    static const int bits = TYPE == KERNEL_F32                                             ? 32
                            : kind == KIND_FLOAT                                           ? 16
                            : TYPE == KERNEL_Q8_0                                          ? 8
                            : TYPE == KERNEL_Q6_K                                          ? 6
                            : TYPE == KERNEL_Q5_0 || TYPE == KERNEL_Q5_1 || TYPE == KERNEL_Q5_K ? 5
                                                                                           : 4;
    static const int bias = TYPE == KERNEL_Q4_0   ? 8
                            : TYPE == KERNEL_Q5_0 ? 16
                            : TYPE == KERNEL_Q6_K ? 32
                                                  : 0;
    static const bool is_signed = TYPE == KERNEL_Q8_0 || is_levels;
    static const int columns = kind == KIND_FLOAT ? 8 * CUDA_CHUNK / bits /* of a chunk */
                               : bits == 8        ? 2 * CUDA_BLOCK
                                                  : 4 * CUDA_BLOCK;
    static const int blocks = columns / CUDA_BLOCK;
    static const int high = bits == 5 ? 4 : bits == 6 ? 8 : 0; /* bytes of a lane */
    /* Bytes of a chunk's own scales. */
    static const int scales = kind == KIND_FLOAT ? 0 : kind == KIND_MIN ? 4 * blocks : 2 * blocks;
};

/* Bytes of a row in each plane, as cuda_matrix_layout has them. */
struct row_bytes {
    size_t codes, high, scales, supers;
};

template <int TYPE> static __host__ __device__ __forceinline__ row_bytes bytes_of_row(int columns)
{
    typedef code<TYPE> C;
    size_t chunks = (size_t)((columns + C::columns - 1) / C::columns);
    row_bytes b;
    b.codes = chunks * CUDA_CHUNK;
    b.high = chunks * (size_t)(4 * C::high);
    b.scales = chunks * (size_t)C::scales;
    b.supers = C::kind == KIND_SUPER || C::kind == KIND_HALVES ? chunks / 2 * 4 : 0;
    return b;
}

/* Where a lane's part of a row begins in each plane. */
struct row_address {
    const uint8_t *codes, *high, *scales, *supers;
};

template <int TYPE>
static __device__ __forceinline__ row_address address_row(const cuda_matrix &m, row_bytes b,
                                                          size_t row, int t)
{
    typedef code<TYPE> C;
    row_address a;
    a.codes = m.codes + row * b.codes + 16 * t;
    a.high = C::high ? m.high + row * b.high + C::high * t : m.codes;
    a.scales = C::scales ? m.scales + row * b.scales : m.codes;
    a.supers = b.supers ? m.supers + row * b.supers : m.codes;
    return a;
}

/* A lane's part of one chunk of one row. */
template <int TYPE> struct piece {
    uint4 codes;
    uint32_t high[code<TYPE>::high ? code<TYPE>::high / 4 : 1];
    uint32_t scales[code<TYPE>::scales ? (code<TYPE>::scales + 3) / 4 : 1];
    uint32_t super;
};

template <int TYPE>
static __device__ __forceinline__ void fetch(piece<TYPE> *p, const row_address &a, int chunk)
{
    typedef code<TYPE> C;
    p->codes = load_stream(a.codes + (size_t)chunk * CUDA_CHUNK);
    if (C::high == 4)
        p->high[0] = load_stream4(a.high + (size_t)chunk * 16);
    if (C::high == 8) {
        uint2 high = load_stream8(a.high + (size_t)chunk * 32);
        p->high[0] = high.x;
        p->high[C::high / 4 ? C::high / 4 - 1 : 0] = high.y;
    }
    const uint8_t *scales = a.scales + (size_t)chunk * C::scales;
    if (C::scales == 4)
        p->scales[0] = __ldg(reinterpret_cast<const unsigned *>(scales));
    if (C::scales == 8) {
        uint2 s = __ldg(reinterpret_cast<const uint2 *>(scales));
        p->scales[0] = s.x;
        p->scales[C::scales / 4 > 1 ? 1 : 0] = s.y;
    }
    if (C::scales == 16) {
        uint4 s = __ldg(reinterpret_cast<const uint4 *>(scales));
        const int last = C::scales / 4 > 3 ? 3 : 0;
        p->scales[0] = s.x;
        p->scales[last / 3] = s.y;
        p->scales[last / 3 * 2] = s.z;
        p->scales[last] = s.w;
    }
    if (C::kind == KIND_SUPER || C::kind == KIND_HALVES)
        p->super = __ldg(reinterpret_cast<const unsigned *>(a.supers) + chunk / 2);
}

static __device__ __forceinline__ uint32_t word_of(const uint4 &v, int i)
{
    return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
}

/* Four nibbles, a byte each, looked up in the sixteen levels of IQ4_NL or MXFP4
 * (kernels/cpu/formats.h), which are immediates here: four a word. */
template <int TYPE> static __device__ __forceinline__ uint32_t look_up(uint32_t nibbles)
{
    const bool iq4 = TYPE == KERNEL_IQ4_NL;
    uint32_t at = __byte_perm(nibbles | nibbles >> 4, 0, 0x4420);
    uint32_t low = __byte_perm(iq4 ? 0xbfad9881u : 0x03020100u, iq4 ? 0xf6eaddcfu : 0x0c080604u,
                               at & 0x7777);
    uint32_t high = __byte_perm(iq4 ? 0x26190d01u : 0xfdfeff00u, iq4 ? 0x71594535u : 0xf4f8fafcu,
                                at & 0x7777);
    return __byte_perm(low, high, 0x3210 + ((at & 0x8888) >> 1));
}

/* The codes (levels, where they are signed) of columns 16 r + 4 t … + 3 of block p, a byte each. */
template <int TYPE>
static __device__ __forceinline__ uint32_t codes_of(const piece<TYPE> &w, int p, int r)
{
    typedef code<TYPE> C;
    if (C::bits == 8)
        return word_of(w.codes, 2 * p + r);
    uint32_t low = word_of(w.codes, p / 2 * 2 + r) >> 4 * (p % 2) & 0x0f0f0f0fu;
    if (C::bits == 5)
        return low | (w.high[0] >> (2 * p + r) & 0x01010101u) << 4;
    if (C::bits == 6)
        return low | (w.high[C::high == 8 ? p / 2 : 0] >> (4 * (p % 2) + 2 * r) & 0x03030303u) << 4;
    if (C::is_levels)
        return look_up<TYPE>(low);
    return low;
}

static __device__ __forceinline__ float half_at(const uint32_t *words, int i)
{
    return half_to_float((uint16_t)(words[i / 2] >> i % 2 * 16));
}

/* What a block's sums are multiplied by, and what is added: kernels/cpu/formats.h. */
struct block_factors {
    float scale[2], min;
};

template <int TYPE>
static __device__ __forceinline__ block_factors factors_of(const piece<TYPE> &w, int p)
{
    typedef code<TYPE> C;
    block_factors f;
    f.min = 0;
    if (C::kind == KIND_MIN) {
        f.scale[0] = f.scale[1] = half_at(w.scales, 2 * p);
        f.min = half_at(w.scales, 2 * p + 1);
    } else if (C::kind == KIND_SUPER || C::kind == KIND_HALVES) {
        uint32_t bytes = w.scales[p / 2] >> p % 2 * 16;
        float d = half_to_float((uint16_t)w.super);
        if (C::kind == KIND_HALVES) {
            f.scale[0] = d * (float)(int8_t)bytes;
            f.scale[1] = d * (float)(int8_t)(bytes >> 8);
        } else {
            f.scale[0] = f.scale[1] = d * (float)(bytes & 255);
            f.min = -(half_to_float((uint16_t)(w.super >> 16)) * (float)(bytes >> 8 & 255));
        }
    } else if (TYPE == KERNEL_MXFP4) {
        f.scale[0] = f.scale[1] = bfloat_to_float((uint16_t)(w.scales[p / 2] >> p % 2 * 16));
    } else {
        f.scale[0] = f.scale[1] = half_at(w.scales, p);
    }
    return f;
}

/* --- As floats --- */

/* The lane's columns of block p: 4 t … 4 t + 3 (r = 0) or 16 + 4 t … (r = 1). */
template <int TYPE>
static __device__ __forceinline__ void four_floats(const piece<TYPE> &w, int p, int r, float out[4])
{
    block_factors k = factors_of(w, p);
    uint32_t word = codes_of(w, p, r);
#pragma unroll
    for (int c = 0; c < 4; c++) {
        uint32_t byte = word >> 8 * c & 255;
        int level = code<TYPE>::is_signed ? (int)(int8_t)byte : (int)byte - code<TYPE>::bias;
        float value = __fmul_rn(k.scale[r], (float)level);
        bool has_min = code<TYPE>::kind == KIND_MIN || code<TYPE>::kind == KIND_SUPER;
        out[c] = has_min ? __fadd_rn(value, k.min) : value;
    }
}

/* Gives `put(column, values)` each four neighbouring columns of a lane's part of a chunk, as
 * kernel_dequantize has them. */
template <int TYPE, class PUT>
static __device__ __forceinline__ void each_four(const piece<TYPE> &w, int chunk, int t, PUT put)
{
    int begin = chunk * code<TYPE>::columns;
    float x[4];
    if constexpr (TYPE == KERNEL_F32) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            x[i] = __uint_as_float(word_of(w.codes, i));
        put(begin + 4 * t, x);
    } else if constexpr (code<TYPE>::kind == KIND_FLOAT) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                uint16_t bits = (uint16_t)(word_of(w.codes, 2 * half + i / 2) >> i % 2 * 16);
                x[i] = TYPE == KERNEL_BF16 ? bfloat_to_float(bits) : half_to_float(bits);
            }
            put(begin + 8 * t + 4 * half, x);
        }
    } else {
#pragma unroll
        for (int i = 0; i < 2 * code<TYPE>::blocks; i++) {
            four_floats<TYPE>(w, i / 2, i % 2, x);
            put(begin + CUDA_BLOCK * (i / 2) + i % 2 * 16 + 4 * t, x);
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

#endif
