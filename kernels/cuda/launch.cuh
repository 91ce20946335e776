/* Launching a kernel, on the device and on the host shim alike. Included by every .cu file.
 *
 * Where the stream is `dependent`, a kernel may start while the one before it is still running, up
 * to its grid_wait (ptx.cuh): every kernel calls that, in every thread, before it touches memory
 * that another kernel writes or reads. Launchers return the device's status. */
#ifndef KERNELS_CUDA_LAUNCH_CUH
#define KERNELS_CUDA_LAUNCH_CUH

#if defined(__CUDACC__)
#include "kernels/cuda/stream.h"

#include <cuda_runtime.h>
#endif

#include "kernels/cuda/launch.h"
#include "kernels/cuda/ptx.cuh"

struct shape {
    dim3 grid, block;
    size_t shared; /* dynamic, in bytes */
};

#if defined(__CUDACC__)
static inline int device_multiprocessors(void)
{
    int device = 0, count = 1;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
    return count;
}

static inline size_t device_shared_bytes(void)
{
    int device = 0, bytes = 48 * 1024;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    return (size_t)bytes;
}

/* The thread's "last error" is taken with it: cuBLASLt would find it after its own launches. */
static inline int failed_with(cudaError_t error)
{
    if (error != cudaSuccess)
        cudaGetLastError();
    return (int)error;
}

template <class... P, class... A>
static int launch(void (*kernel)(P...), const shape &s, struct cuda_stream *stream, A... arguments)
{
    if (s.shared > 48 * 1024) {
        cudaError_t error = cudaFuncSetAttribute(
            kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)s.shared);
        if (error != cudaSuccess)
            return failed_with(error);
    }
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = s.grid;
    config.blockDim = s.block;
    config.dynamicSmemBytes = s.shared;
    config.stream = stream->stream;
    config.attrs = &attribute;
    config.numAttrs = stream->dependent ? 1 : 0;
    return failed_with(cudaLaunchKernelEx(&config, kernel, P(arguments)...));
}
#else
#include <functional>

/* Of the host's stream (tests/cuda/host_device.cpp): runs it now, or records it. */
int host_submit(struct cuda_stream *stream, std::function<void(void)> work);
int device_multiprocessors(void);
size_t device_shared_bytes(void);

template <class... P, class... A>
static int launch(void (*kernel)(P...), const shape &s, struct cuda_stream *stream, A... arguments)
{
    return host_submit(stream, [=] {
        auto call = [&] { kernel(P(arguments)...); };
        shim_run(s.grid, s.block, s.shared,
                 [](void *c) { (*static_cast<decltype(call) *>(c))(); }, &call);
    });
}
#endif

static __host__ __device__ __forceinline__ int divide_up(int a, int b)
{
    return (a + b - 1) / b;
}

/* --- Sums over a warp --- */

static __device__ __forceinline__ float warp_sum(float x)
{
#pragma unroll
    for (int by = 16; by; by /= 2)
        x += __shfl_xor_sync(ALL_LANES, x, by);
    return x;
}

static __device__ __forceinline__ float warp_max(float x)
{
#pragma unroll
    for (int by = 16; by; by /= 2)
        x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, by));
    return x;
}

/* Over a block of whole warps (at most 32); `room` holds a float a warp. All threads get it. */
static __device__ __forceinline__ float block_sum(float x, float *room)
{
    int warps = (int)blockDim.x / WARP;
    x = warp_sum(x);
    __syncthreads(); /* the room may still be read from an earlier sum */
    if (lane_index() == 0)
        room[warp_index()] = x;
    __syncthreads();
    return warp_sum(lane_index() < warps ? room[lane_index()] : 0.0f);
}

static __device__ __forceinline__ float block_max(float x, float *room)
{
    int warps = (int)blockDim.x / WARP;
    x = warp_max(x);
    __syncthreads();
    if (lane_index() == 0)
        room[warp_index()] = x;
    __syncthreads();
    return warp_max(lane_index() < warps ? room[lane_index()] : -INFINITY);
}

#endif
