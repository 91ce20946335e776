/* Enough of CUDA's C++ for the kernels' own source to run on the host, compiled by a plain C++
 * compiler with this header in front (-include).
 *
 * A launch runs its blocks one after another; the threads of a block are fibers of the calling
 * thread, which switch only where threads may wait for each other: at a block's barrier and at
 * what a warp does together (shuffles, votes, mma). So a kernel sees the memory and the order of
 * a correct execution, and what is no correct one ends the program with a message: lanes that
 * meet at different instructions, a barrier that some never reach, a launch past the device's
 * limits. Threads and blocks take their turns in the order that shim_set_order names, so that a
 * kernel that lacks a barrier gives other results under another order. Dynamic shared memory is
 * as large as was asked for, on the heap (AddressSanitizer sees past its end), and holds NaNs
 * when a block begins; static shared memory is a static variable.
 *
 * What a kernel reads and writes can be watched (race/race.cpp).
 *
 * One host thread at a time. Limits: those of sm_90. */
#ifndef TESTS_CUDA_SHIM_H
#define TESTS_CUDA_SHIM_H

#include "tests/cuda/order.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What these do is no plain access to memory. */
#define UNWATCHED __attribute__((no_sanitize("thread")))

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static
#define __grid_constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__ __restrict

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(8) int2 {
    int x, y;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
static inline uint2 make_uint2(unsigned x, unsigned y)
{
    return {x, y};
}
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w)
{
    return {x, y, z, w};
}
static inline int2 make_int2(int x, int y)
{
    return {x, y};
}
static inline float2 make_float2(float x, float y)
{
    return {x, y};
}
static inline float4 make_float4(float x, float y, float z, float w)
{
    return {x, y, z, w};
}

extern struct uint3 threadIdx, blockIdx;
extern struct dim3 blockDim, gridDim;

/* --- Launching --- */

/* Runs body(context) for every thread of the grid. */
void shim_run(struct dim3 grid, struct dim3 block, size_t shared, void (*body)(void *),
              void *context);
void *shim_dynamic_shared(void);
size_t shim_dynamic_bytes(void);

/* Whether an asynchronous copy happens when it is begun (in one of the orders), or as late as it
 * may: a device does either. */
bool shim_copies_at_once(void);

/* The thread that runs, and when: a barrier of the block, or of the warp, begins a new time. */
struct shim_moment {
    unsigned long launch, full; /* full: the last launch that a copy or fill has waited for */
    unsigned block, thread, time, warp_time;
    bool waited; /* has it passed grid_wait? */
};
bool shim_now(struct shim_moment *now); /* false: no kernel runs */
bool shim_is_local(const void *address);
void shim_wait_grid(void);
void shim_copied(void);

/* Of who watches (race/race.cpp), where somebody does. */
extern "C" void shim_watch(const void *address, size_t bytes, bool write) __attribute__((weak));
extern "C" void shim_watch_end(void) __attribute__((weak));

/* --- What a block does together --- */

void __syncthreads(void);
int __syncthreads_or(int predicate);

/* --- What a warp does together --- */

/* Waits until all lanes of `mask` are here with the same `all`, which is then called once with
 * what each of them brought (at its lane's index). */
void shim_meet(unsigned mask, void (*all)(void **operands, unsigned mask), void *operand);
unsigned shim_lane(void);

template <class T> struct shim_shuffle {
    T value;
    unsigned source;
    T result;
};

template <class T> UNWATCHED void shim_shuffle_all(void **operands, unsigned mask)
{
    for (unsigned i = 0; i < 32; i++) {
        if (!(mask >> i & 1))
            continue;
        auto *to = static_cast<shim_shuffle<T> *>(operands[i]);
        auto *from = static_cast<shim_shuffle<T> *>(operands[to->source % 32]);
        to->result = mask >> (to->source % 32) & 1 ? from->value : to->value;
    }
}

template <class T> T shim_shuffle_from(unsigned mask, T value, unsigned source)
{
    shim_shuffle<T> mine = {value, source, value};
    shim_meet(mask, shim_shuffle_all<T>, &mine);
    return mine.result;
}

template <class T> T __shfl_sync(unsigned mask, T value, int source, int width = 32)
{
    unsigned w = (unsigned)width, lane = shim_lane();
    return shim_shuffle_from(mask, value, (lane & ~(w - 1)) + ((unsigned)source & (w - 1)));
}

template <class T> T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32)
{
    unsigned lane = shim_lane(), source = lane ^ (unsigned)lanes;
    return shim_shuffle_from(mask, value,
                             source / (unsigned)width > lane / (unsigned)width ? lane : source);
}

template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32)
{
    unsigned lane = shim_lane(), source = lane + by;
    return shim_shuffle_from(mask, value,
                             source / (unsigned)width == lane / (unsigned)width ? source : lane);
}

template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32)
{
    unsigned lane = shim_lane();
    return shim_shuffle_from(mask, value, lane % (unsigned)width >= by ? lane - by : lane);
}

unsigned __ballot_sync(unsigned mask, int predicate);
int __any_sync(unsigned mask, int predicate);
int __all_sync(unsigned mask, int predicate);
void __syncwarp(unsigned mask = 0xffffffffu);

/* --- Memory and arithmetic --- */

static inline void __threadfence(void)
{
}

template <class T> UNWATCHED T atomicAdd(T *address, T value)
{
    T old = *address;
    *address = old + value;
    return old;
}

template <class T> UNWATCHED T atomicMax(T *address, T value)
{
    T old = *address;
    *address = old > value ? old : value;
    return old;
}

template <class T> UNWATCHED T atomicExch(T *address, T value)
{
    T old = *address;
    *address = value;
    return old;
}

template <class T> T __ldg(const T *address)
{
    return *address;
}

/* Past the first cache: how a block reads what another one wrote before a fence. */
template <class T> UNWATCHED T __ldcg(const T *address)
{
    return *address;
}

static inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}
static inline int __ffs(int x)
{
    return __builtin_ffs(x);
}
static inline int __clz(int x)
{
    return x ? __builtin_clz((unsigned)x) : 32;
}
static inline float __int_as_float(int x)
{
    float f;
    memcpy(&f, &x, sizeof f);
    return f;
}
static inline float __uint_as_float(unsigned x)
{
    float f;
    memcpy(&f, &x, sizeof f);
    return f;
}
static inline int __float_as_int(float x)
{
    int i;
    memcpy(&i, &x, sizeof i);
    return i;
}
static inline unsigned __float_as_uint(float x)
{
    unsigned i;
    memcpy(&i, &x, sizeof i);
    return i;
}
static inline float __fmul_rn(float a, float b)
{
    return a * b;
}
static inline float __fadd_rn(float a, float b)
{
    return a + b;
}
static inline float __fdiv_rn(float a, float b)
{
    return a / b;
}
static inline float __fdividef(float a, float b)
{
    return a / b;
}
static inline double __dmul_rn(double a, double b)
{
    return a * b;
}
static inline double __dadd_rn(double a, double b)
{
    return a + b;
}
static inline int __float2int_rn(float x)
{
    return (int)rintf(x);
}
static inline float __int2float_rn(int x)
{
    return (float)x;
}
unsigned __byte_perm(unsigned a, unsigned b, unsigned selector);
int __dp4a(int a, int b, int c);

template <class T> static inline T min(T a, T b)
{
    return b < a ? b : a;
}
template <class T> static inline T max(T a, T b)
{
    return a < b ? b : a;
}

#endif
