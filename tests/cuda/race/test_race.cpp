/* That race.cpp tells a race from what is none: each kernel runs in a process of its own. */
#include "tests/cuda/host.h"

#include "tests/cuda/check.h"

#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 64 };

static __global__ void ring_kernel(int *out, int barrier)
{
    __shared__ int ring[THREADS];
    grid_wait();
    ring[threadIdx.x] = (int)threadIdx.x;
    if (barrier)
        __syncthreads();
    out[threadIdx.x] = ring[(threadIdx.x + 1) % THREADS];
}

/* Within a warp its own barrier is enough. */
static __global__ void warp_kernel(int *out, int barrier)
{
    __shared__ int ring[THREADS];
    int first = (int)threadIdx.x / 32 * 32;
    grid_wait();
    ring[threadIdx.x] = (int)threadIdx.x;
    if (barrier)
        __syncwarp();
    out[threadIdx.x] = ring[first + ((int)threadIdx.x + 1) % 32];
}

/* Read by all, then written by one: with a barrier between, or without. */
static __global__ void reuse_kernel(int *out, int barrier)
{
    __shared__ int one;
    grid_wait();
    if (!threadIdx.x)
        one = 1;
    __syncthreads();
    out[threadIdx.x] = one;
    if (barrier)
        __syncthreads();
    if (threadIdx.x == THREADS - 1)
        one = 2;
}

/* Two blocks, the same places: other values, or the same. */
static __global__ void blocks_kernel(int *out, int same)
{
    grid_wait();
    out[threadIdx.x] = same ? 7 : (int)blockIdx.x;
}

static __global__ void late_kernel(int *out, int wait)
{
    if (wait)
        grid_wait();
    out[threadIdx.x] = 1;
    grid_wait();
}

static __global__ void never_kernel(int *out, int wait)
{
    if (!wait && threadIdx.x == 5)
        return;
    grid_wait();
    out[threadIdx.x] = 1;
}

/* What the kernel before has written. */
static __global__ void early_kernel(int *out, int wait)
{
    if (wait)
        grid_wait();
    int value = out[threadIdx.x];
    grid_wait();
    out[threadIdx.x] = value + 1;
}

typedef void kernel(int *, int);

static bool survives(kernel *run, int right)
{
    fflush(stderr);
    pid_t child = fork();
    CHECK(child >= 0, "no process");
    if (!child) {
        void *out;
        close(2);
        must(cuda_alloc(&out, THREADS * sizeof(int)), "memory");
        shape s = {dim3(run == blocks_kernel ? 2 : 1), dim3(THREADS), 0};
        launch(late_kernel, s, stream, static_cast<int *>(out), 1);
        launch(run, s, stream, static_cast<int *>(out), right);
        must(cuda_stream_wait(stream), "kernels");
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child, "no child");
    return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void test_races(void)
{
    static kernel *const KERNELS[] = {ring_kernel, warp_kernel,  reuse_kernel, blocks_kernel,
                                      late_kernel, never_kernel, early_kernel};
    for (size_t i = 0; i < sizeof KERNELS / sizeof *KERNELS; i++) {
        CHECK(survives(KERNELS[i], 1), "kernel %zu is sound", i);
        CHECK(!survives(KERNELS[i], 0), "kernel %zu is not", i);
    }
}

static void nothing(void)
{
}

RUN_THEN(nothing, test_races)
