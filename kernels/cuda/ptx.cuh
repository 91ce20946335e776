/* Every instruction that the kernels name themselves, and what it does in plain C++ for the host
 * shim (tests/cuda): the only file with inline PTX.
 *
 * Fragments are those of the PTX manual: with g = lane / 4 and t = lane % 4, A holds rows g and
 * g + 8, B column g, C rows g and g + 8 and columns 2t and 2t + 1. On the host an mma adds the
 * exact products in double precision and rounds once; copies of cp.async happen at once or only
 * when they are waited for, so that reading too early and writing too early both show. */
#ifndef KERNELS_CUDA_PTX_CUH
#define KERNELS_CUDA_PTX_CUH

#include <stdint.h>

enum { WARP = 32 };
static const unsigned ALL_LANES = 0xffffffffu;

#if defined(__CUDACC__)
#define KERNEL_SHARED_BYTES(name) extern __shared__ __align__(16) unsigned char name[]
#else
#define KERNEL_SHARED_BYTES(name)                                                                  \
    unsigned char *name = static_cast<unsigned char *>(shim_dynamic_shared())
#endif

/* Keeps the compiler from moving loads from shared memory up past here: where it would have more of
 * them wait than there are registers. */
static __device__ __forceinline__ void loads_stay_below(void)
{
#if defined(__CUDACC__)
    asm volatile("" ::: "memory");
#endif
}

static __device__ __forceinline__ int lane_index(void)
{
    return (int)(threadIdx.x % WARP);
}

static __device__ __forceinline__ int warp_index(void)
{
    return (int)(threadIdx.x / WARP);
}

/* --- 16-bit and 8-bit floats --- */

#if defined(__CUDACC__)
static __device__ __forceinline__ float half_to_float(uint16_t bits)
{
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

static __device__ __forceinline__ uint16_t float_to_half(float value)
{
    uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

static __device__ __forceinline__ uint16_t float_to_bfloat(float value)
{
    uint16_t bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

/* Two at once; `low` in the low 16 bits. */
static __device__ __forceinline__ uint32_t floats_to_halves(float low, float high)
{
    uint32_t bits;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
}

static __device__ __forceinline__ uint32_t floats_to_bfloats(float low, float high)
{
    uint32_t bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
}
#else
static inline float half_to_float(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31;
    uint32_t mantissa = bits & 0x3ffu;
    if (exponent == 0) {
        float tiny = (float)mantissa * 0x1p-24f;
        return sign ? -tiny : tiny;
    }
    return __uint_as_float(sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) |
                           mantissa << 13);
}

static inline uint16_t float_to_half(float value)
{
    uint32_t bits = __float_as_uint(value), magnitude = bits & 0x7fffffffu;
    uint32_t sign = bits >> 16 & 0x8000u;
    if (magnitude > 0x7f800000u)
        return 0x7fff;
    if (magnitude >= 0x477ff000u)
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x38800000u)
        return (uint16_t)(sign | (uint32_t)rintf(__uint_as_float(magnitude) * 0x1p24f));
    return (uint16_t)(sign | (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1)) >> 13);
}

static inline uint16_t float_to_bfloat(float value)
{
    uint32_t bits = __float_as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return 0x7fff;
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

static inline uint32_t floats_to_halves(float low, float high)
{
    return (uint32_t)float_to_half(high) << 16 | float_to_half(low);
}

static inline uint32_t floats_to_bfloats(float low, float high)
{
    return (uint32_t)float_to_bfloat(high) << 16 | float_to_bfloat(low);
}
#endif

static __device__ __forceinline__ float bfloat_to_float(uint16_t bits)
{
    return __uint_as_float((uint32_t)bits << 16);
}

/* --- Loads that pass through once --- */

#if defined(__CUDACC__)
/* 16 bytes of weights: read once, so kept out of L1, and fetched in runs of 256 bytes. */
static __device__ __forceinline__ uint4 load_stream(const void *address)
{
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate.L2::256B.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(address));
    return v;
}

static __device__ __forceinline__ uint2 load_stream8(const void *address)
{
    uint2 v;
    asm volatile("ld.global.nc.L1::no_allocate.L2::256B.v2.u32 {%0, %1}, [%2];"
                 : "=r"(v.x), "=r"(v.y)
                 : "l"(address));
    return v;
}

static __device__ __forceinline__ uint32_t load_stream4(const void *address)
{
    uint32_t v;
    asm volatile("ld.global.nc.L1::no_allocate.L2::256B.u32 %0, [%1];" : "=r"(v) : "l"(address));
    return v;
}

static __device__ __forceinline__ void prefetch_l2(const void *address)
{
    asm volatile("prefetch.global.L2 [%0];" ::"l"(address));
}

/* Until here a kernel may run before the one before it in the stream has ended; what that one
 * wrote may be read after. */
static __device__ __forceinline__ void grid_wait(void)
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/* The next kernel in the stream may start as soon as all blocks have said this (or ended). */
static __device__ __forceinline__ void grid_launch_next(void)
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/* 2^x, to 2 units in the last place; 0 for minus infinity. */
static __device__ __forceinline__ float exp2_fast(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
#else
static inline uint4 load_stream(const void *address)
{
    return *static_cast<const uint4 *>(address);
}

static inline uint2 load_stream8(const void *address)
{
    return *static_cast<const uint2 *>(address);
}

static inline uint32_t load_stream4(const void *address)
{
    return *static_cast<const uint32_t *>(address);
}

/* A prefetch past the end does no harm: nothing is read here. */
static inline void prefetch_l2(const void *address)
{
    (void)address;
}

static inline void grid_wait(void)
{
    shim_wait_grid();
}

static inline void grid_launch_next(void)
{
}

static inline float exp2_fast(float x)
{
    return exp2f(x);
}
#endif

static __device__ __forceinline__ float exp_fast(float x)
{
    return exp2_fast(x * 1.44269504088896341f);
}

/* --- Copies from global to shared memory that run by themselves --- */

#if defined(__CUDACC__)
/* 16 bytes, both ends aligned; zeros instead where `valid` is false (nothing is read). */
static __device__ __forceinline__ void copy_async(void *shared, const void *global, bool valid)
{
    uint32_t to = (uint32_t)__cvta_generic_to_shared(shared);
    int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes)
                 : "memory");
}

static __device__ __forceinline__ void copy_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Until all groups but the last `LEFT` have landed (this thread's own). */
template <int LEFT> static __device__ __forceinline__ void copy_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}
#else
void copy_async(void *shared, const void *global, bool valid);
void copy_commit(void);
void copy_wait_left(int left);
template <int LEFT> static inline void copy_wait(void)
{
    copy_wait_left(LEFT);
}
#endif

/* --- Matrix fragments --- */

#if defined(__CUDACC__)
/* Four 8 x 8 matrices of 16-bit elements; lane 8m + r gives the address of row r of matrix m. */
static __device__ __forceinline__ void load_matrices(uint32_t r[4], const void *row)
{
    uint32_t from = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from)
                 : "memory");
}

/* The same, each matrix transposed. */
static __device__ __forceinline__ void load_matrices_turned(uint32_t r[4], const void *row)
{
    uint32_t from = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from)
                 : "memory");
}

#define MMA_INTEGER(name, shape, types)                                                            \
    static __device__ __forceinline__ void name(int c[4], const uint32_t a[4],                     \
                                                const uint32_t b[2])                               \
    {                                                                                              \
        asm volatile("mma.sync.aligned." shape ".row.col.s32." types                               \
                     ".s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"        \
                     : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])                              \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));          \
    }
#define MMA_INTEGER_HALF(name, types)                                                              \
    static __device__ __forceinline__ void name(int c[4], uint32_t a0, uint32_t a1, uint32_t b)    \
    {                                                                                              \
        asm volatile("mma.sync.aligned.m16n8k16.row.col.s32." types                                \
                     ".s32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"                    \
                     : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])                              \
                     : "r"(a0), "r"(a1), "r"(b));                                                  \
    }
#define MMA_FLOAT(name, types)                                                                     \
    static __device__ __forceinline__ void name(float c[4], const uint32_t a[4],                   \
                                                const uint32_t b[2])                               \
    {                                                                                              \
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." types                                \
                     ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"        \
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                              \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));          \
    }
MMA_INTEGER(mma_signed, "m16n8k32", "s8.s8")
MMA_INTEGER(mma_unsigned, "m16n8k32", "u8.s8") /* A unsigned, B signed */
MMA_INTEGER_HALF(mma_unsigned_half, "u8.s8")   /* 16 deep */
MMA_FLOAT(mma_half, "f16.f16")
MMA_FLOAT(mma_bfloat, "bf16.bf16")
#else
void load_matrices(uint32_t r[4], const void *row);
void load_matrices_turned(uint32_t r[4], const void *row);
void mma_signed(int c[4], const uint32_t a[4], const uint32_t b[2]);
void mma_unsigned(int c[4], const uint32_t a[4], const uint32_t b[2]);
void mma_unsigned_half(int c[4], uint32_t a0, uint32_t a1, uint32_t b);
void mma_half(float c[4], const uint32_t a[4], const uint32_t b[2]);
void mma_bfloat(float c[4], const uint32_t a[4], const uint32_t b[2]);
#endif

#endif
