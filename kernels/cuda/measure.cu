/* For measuring: how fast the device's memory is read, and random contents for matrices that are
 * too large to be made on the host. */
#include "kernels/cuda/launch.cuh"

enum { THREADS = 256, IN_FLIGHT = 8 };

/* Loads as the GEMVs do, eight of them ahead of their use. The sum is written only where it is a
 * value that random memory has once in 2^32 times: no traffic, and nothing to leave out. */
static __global__ void __launch_bounds__(THREADS)
    read_kernel(const uint4 *memory, size_t count, float *sink)
{
    grid_launch_next();
    grid_wait();
    uint32_t mix = 0;
    size_t step = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step * IN_FLIGHT) {
        uint4 v[IN_FLIGHT];
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++) {
            size_t at = i + (size_t)k * step;
            v[k] = at < count ? load_stream(memory + at) : make_uint4(0, 0, 0, 0);
        }
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++)
            mix ^= v[k].x ^ v[k].y ^ v[k].z ^ v[k].w;
    }
    if (mix == 0x9e3779b9u)
        *sink = (float)mix;
}

int cuda_read_stream(const void *memory, size_t bytes, float *sink, struct cuda_stream *stream)
{
    shape s = {dim3(8 * (unsigned)device_multiprocessors()), dim3(THREADS), 0};
    return launch(read_kernel, s, stream, static_cast<const uint4 *>(memory), bytes / 16, sink);
}

/* --- Random numbers --- */

static __device__ __forceinline__ uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* The sum of eight bytes: a bell of variance 1, nearly. */
static __device__ __forceinline__ float bell(uint64_t bits)
{
    int sum = 0;
    for (int i = 0; i < 8; i++)
        sum += (int)(bits >> 8 * i & 255);
    return ((float)sum - 1020.0f) / 209.0f;
}

static __global__ void __launch_bounds__(THREADS)
    random_kernel(void *memory, int type, size_t count, uint64_t seed, float scale)
{
    grid_launch_next();
    grid_wait();
    size_t step = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step) {
        uint64_t bits = mixed(seed + (uint64_t)i * 0x9e3779b97f4a7c15u);
        float value = scale * bell(bits);
        if (type == KERNEL_F32)
            static_cast<float *>(memory)[i] = value;
        else if (type == KERNEL_F16)
            static_cast<uint16_t *>(memory)[i] = float_to_half(value);
        else if (type == KERNEL_BF16)
            static_cast<uint16_t *>(memory)[i] = float_to_bfloat(value);
        else
            static_cast<uint8_t *>(memory)[i] = (uint8_t)bits;
    }
}

int cuda_random(void *memory, enum kernel_type type, size_t count, uint64_t seed, float scale,
                struct cuda_stream *stream)
{
    shape s = {dim3(16 * (unsigned)device_multiprocessors()), dim3(THREADS), 0};
    return launch(random_kernel, s, stream, memory, (int)type, count, seed, scale);
}
