/* The shim itself: that what it runs is a grid as CUDA has it, and that it notices what is none. */
#include "tests/cuda/host.h"

#include "tests/cuda/check.h"

#include <sys/wait.h>
#include <unistd.h>

static shape shape_of(unsigned blocks, unsigned threads, size_t shared)
{
    return {dim3(blocks), dim3(threads), shared};
}

/* Launches, and waits: a stream may do what it is given as late as that. */
template <class Kernel, class... Arguments>
static void run(Kernel kernel, shape s, struct cuda_stream *on, Arguments... arguments)
{
    launch(kernel, s, on, arguments...);
    must(cuda_stream_wait(on), "kernels");
}

/* --- Grids, blocks, barriers, shared memory --- */

static __global__ void number_kernel(int *out)
{
    unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] += (int)(block * 1000 + thread);
}

static void test_every_thread_once(void)
{
    int out[6 * 30] = {0};
    shape s = {dim3(3, 2, 1), dim3(5, 3, 2), 0};
    run(number_kernel, s, stream, out);
    for (int i = 0; i < 180; i++)
        CHECK(out[i] == i / 30 * 1000 + i % 30, "thread %d: %d", i, out[i]);
}

/* Each thread hands its number to its neighbour, round after round. */
static __global__ void ring_kernel(int *out)
{
    KERNEL_SHARED_BYTES(memory);
    __shared__ int turn[100];
    int *ring = reinterpret_cast<int *>(memory), me = (int)threadIdx.x, n = (int)blockDim.x;
    ring[me] = turn[me] = me;
    for (int i = 0; i < 7; i++) {
        __syncthreads();
        int mine = ring[(me + 1) % n], also = turn[(me + 3) % n];
        __syncthreads();
        ring[me] = mine;
        turn[me] = also;
    }
    out[me] = ring[me] * 1000 + turn[me];
}

static void test_barriers(void)
{
    int out[100];
    run(ring_kernel, shape_of(1, 100, 400), stream, out);
    for (int i = 0; i < 100; i++)
        CHECK(out[i] == (i + 7) % 100 * 1000 + (i + 21) % 100, "thread %d: %d", i, out[i]);
}

static __global__ void leave_kernel(int *out)
{
    __shared__ int sum;
    if (threadIdx.x >= 40)
        return;
    if (threadIdx.x == 0)
        sum = 0;
    __syncthreads();
    atomicAdd(&sum, (int)threadIdx.x);
    int any = __syncthreads_or(threadIdx.x == 39);
    out[threadIdx.x] = any ? sum : -1;
}

static void test_threads_that_leave(void)
{
    int out[40];
    run(leave_kernel, shape_of(1, 64, 0), stream, out);
    for (int i = 0; i < 40; i++)
        CHECK(out[i] == 780, "thread %d: %d", i, out[i]);
}

static __global__ void unwritten_kernel(float *out)
{
    KERNEL_SHARED_BYTES(memory);
    out[blockIdx.x] = reinterpret_cast<float *>(memory)[3];
    reinterpret_cast<float *>(memory)[3] = 1;
}

static void test_shared_memory_begins_as_nothing(void)
{
    float out[3];
    run(unwritten_kernel, shape_of(3, 1, 64), stream, out);
    for (int i = 0; i < 3; i++)
        CHECK(out[i] != out[i], "block %d: %g", i, out[i]);
}

/* --- Warps --- */

static __global__ void warp_kernel(int *out)
{
    int lane = (int)threadIdx.x % 32, me = (int)threadIdx.x;
    int *o = out + me * 10;
    o[0] = __shfl_sync(ALL_LANES, me, 5);
    o[1] = __shfl_sync(ALL_LANES, me, 9, 8);
    o[2] = __shfl_xor_sync(ALL_LANES, me, 3);
    o[3] = __shfl_down_sync(ALL_LANES, me, 4u);
    o[4] = __shfl_up_sync(ALL_LANES, me, 2u);
    o[5] = (int)__ballot_sync(ALL_LANES, lane % 3 == 0);
    o[6] = __any_sync(ALL_LANES, me == 40);
    o[7] = __all_sync(ALL_LANES, lane >= 0);
    o[8] = lane < 16 ? (int)__ballot_sync(0xffffu, lane > 3) : -1;
    __syncwarp();
    o[9] = __shfl_xor_sync(ALL_LANES, 2 * me, 16);
}

static void test_warps(void)
{
    int out[64 * 10], thirds = 0;
    for (int i = 0; i < 32; i += 3)
        thirds |= 1 << i;
    run(warp_kernel, shape_of(1, 64, 0), stream, out);
    for (int i = 0; i < 64; i++) {
        int lane = i % 32, warp = i - lane;
        int want[10] = {
            warp + 5, i / 8 * 8 + 1, i ^ 3, lane < 28 ? i + 4 : i,   lane < 2 ? i : i - 2,
            thirds,   warp == 32,    1,     lane < 16 ? 0xfff0 : -1, 2 * (i ^ 16)};
        for (int k = 0; k < 10; k++)
            CHECK(out[i * 10 + k] == want[k], "thread %d, %d: %d", i, k, out[i * 10 + k]);
    }
}

/* --- Matrix fragments: exact products of random matrices --- */

struct matrices {
    int8_t a8[16][32], b8[32][8];
    uint16_t a16[16][16], b16[16][8];
    int c8[16][8], c4[16][8];
    float c16[16][8], cb[16][8];
    uint16_t loaded[2][4][32][2]; /* [turned][matrix][lane] */
};

static __device__ uint32_t four(const int8_t *x)
{
    uint32_t word = 0;
    for (int i = 3; i >= 0; i--)
        word = word << 8 | (uint8_t)x[i];
    return word;
}

static __global__ void mma_kernel(matrices *m, bool is_signed)
{
    int g = (int)threadIdx.x / 4, t = (int)threadIdx.x % 4, c[4] = {1, 2, 3, 4}, h[4] = {};
    uint32_t a[4], b[2] = {0, 0};
    float f[4] = {0.5f, 0, 0, 0}, fb[4] = {};
    for (int i = 0; i < 4; i++)
        a[i] = four(&m->a8[g + i % 2 * 8][4 * t + i / 2 * 16]);
    for (int i = 0; i < 8; i++)
        b[i / 4] |= (uint32_t)(uint8_t)m->b8[4 * t + i % 4 + i / 4 * 16][g] << i % 4 * 8;
    if (is_signed)
        mma_signed(c, a, b);
    else
        mma_unsigned(c, a, b);
    mma_unsigned_half(h, a[0], a[1], b[0]);
    for (int i = 0; i < 4; i++)
        a[i] = m->a16[g + i % 2 * 8][2 * t + i / 2 * 8] |
               (uint32_t)m->a16[g + i % 2 * 8][2 * t + 1 + i / 2 * 8] << 16;
    for (int i = 0; i < 2; i++)
        b[i] = m->b16[2 * t + i * 8][g] | (uint32_t)m->b16[2 * t + 1 + i * 8][g] << 16;
    mma_half(f, a, b);
    mma_bfloat(fb, a, b);
    for (int i = 0; i < 4; i++) {
        m->c8[g + i / 2 * 8][2 * t + i % 2] = c[i];
        m->c4[g + i / 2 * 8][2 * t + i % 2] = h[i];
        m->c16[g + i / 2 * 8][2 * t + i % 2] = f[i];
        m->cb[g + i / 2 * 8][2 * t + i % 2] = fb[i];
    }
}

/* Small integers and their halves: every sum is exact, in F16 and in BF16. */
static uint16_t small_number(bool brain)
{
    float x = (float)(random_below(17) - 8) / 2;
    return brain ? float_to_bfloat(x) : float_to_half(x);
}

static void check_mma(bool is_signed, bool brain)
{
    matrices m = {};
    for (int i = 0; i < 512; i++)
        m.a8[i / 32][i % 32] = (int8_t)random_bits();
    for (int i = 0; i < 256; i++) {
        m.b8[i / 8][i % 8] = (int8_t)random_bits();
        m.a16[i / 16][i % 16] = small_number(brain);
    }
    for (int i = 0; i < 128; i++)
        m.b16[i / 8][i % 8] = small_number(brain);
    run(mma_kernel, shape_of(1, 32, 0), stream, &m, is_signed);
    for (int r = 0; r < 16; r++)
        for (int n = 0; n < 8; n++) {
            int sum = r < 8 ? 1 + n % 2 : 3 + n % 2, first = 0;
            double f = r < 8 && n % 2 == 0 ? 0.5 : 0, fb = 0;
            for (int k = 0; k < 32; k++) {
                int a = is_signed ? m.a8[r][k] : (uint8_t)m.a8[r][k];
                sum += a * m.b8[k][n];
                first += k < 16 ? (uint8_t)m.a8[r][k] * m.b8[k][n] : 0;
            }
            for (int k = 0; k < 16; k++) {
                f += (double)half_to_float(m.a16[r][k]) * (double)half_to_float(m.b16[k][n]);
                fb += (double)bfloat_to_float(m.a16[r][k]) * (double)bfloat_to_float(m.b16[k][n]);
            }
            CHECK(m.c8[r][n] == sum && m.c4[r][n] == first, "int8 %d %d", r, n);
            if (brain)
                CHECK((double)m.cb[r][n] == fb, "bf16 %d %d: %g, not %g", r, n, m.cb[r][n], fb);
            else
                CHECK((double)m.c16[r][n] == f, "f16 %d %d: %g, not %g", r, n, m.c16[r][n], f);
        }
}

static void test_mma(void)
{
    for (int i = 0; i < 4; i++)
        check_mma(i % 2, i / 2);
}

static __global__ void matrices_kernel(const uint16_t *in, matrices *m)
{
    __shared__ uint16_t tile[4 * 8 * 8];
    for (int i = (int)threadIdx.x; i < 256; i += 32)
        tile[i] = in[i];
    __syncthreads();
    uint32_t r[4], turned[4];
    load_matrices(r, tile + threadIdx.x * 8);
    load_matrices_turned(turned, tile + threadIdx.x * 8);
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 2; i++) {
            m->loaded[0][k][threadIdx.x][i] = (uint16_t)(r[k] >> 16 * i);
            m->loaded[1][k][threadIdx.x][i] = (uint16_t)(turned[k] >> 16 * i);
        }
}

static void test_matrices(void)
{
    uint16_t in[256];
    matrices m = {};
    for (int i = 0; i < 256; i++)
        in[i] = (uint16_t)i;
    run(matrices_kernel, shape_of(1, 32, 0), stream, in, &m);
    for (int k = 0; k < 4; k++)
        for (int lane = 0; lane < 32; lane++)
            for (int i = 0; i < 2; i++) {
                int row = lane / 4, column = lane % 4 * 2 + i;
                CHECK(m.loaded[0][k][lane][i] == k * 64 + row * 8 + column, "lane %d", lane);
                CHECK(m.loaded[1][k][lane][i] == k * 64 + column * 8 + row, "lane %d", lane);
            }
}

/* --- Asynchronous copies --- */

static __global__ void copy_kernel(const uint32_t *in, uint32_t *out)
{
    __shared__ uint4 room[3];
    uint32_t *words = reinterpret_cast<uint32_t *>(room);
    for (int i = 0; i < 12; i++)
        words[i] = 7;
    copy_async(&room[0], in, true);
    copy_commit();
    copy_async(&room[1], in + 4, true);
    copy_async(&room[2], in + 8, false);
    copy_commit();
    out[0] = words[0];
    copy_wait<1>();
    out[1] = words[1];
    out[2] = words[5];
    copy_wait<0>();
    out[3] = words[5];
    out[4] = words[9];
}

static void test_copies(void)
{
    alignas(16) uint32_t in[12] = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21};
    uint32_t out[5];
    static const uint32_t late[5] = {7, 11, 7, 15, 0}, early[5] = {10, 11, 15, 15, 0};
    run(copy_kernel, shape_of(1, 1, 0), stream, in, out);
    for (int i = 0; i < 5; i++)
        CHECK(out[i] == (shim_copies_at_once() ? early : late)[i], "%d: %u", i, out[i]);
}

/* --- Recordings --- */

static __global__ void add_kernel(int *x, const int *by)
{
    *x += *by;
}

static void test_recording(void)
{
    int sum = 0, number = 1, seven = 7, *x = &sum, *by = &number;
    struct cuda_graph *graph;
    must(cuda_record_begin(stream), "record");
    launch(add_kernel, shape_of(1, 1, 0), stream, x, by);
    must(cuda_record_end(stream, &graph), "record");
    CHECK(*x == 0, "recording ran it");
    must(cuda_graph_launch(graph, stream), "launch");
    must(cuda_copy_in(by, &seven, sizeof seven, stream), "copy");
    must(cuda_graph_launch(graph, stream), "launch");
    must(cuda_stream_wait(stream), "launch");
    CHECK(*x == 8, "%d", *x);
    cuda_graph_free(graph);
}

/* --- What is no correct kernel --- */

static __global__ void parted_kernel(int *out)
{
    if (threadIdx.x < 32)
        __syncthreads(); /* the others wait for a lane that has gone on to wait for them */
    out[threadIdx.x] = __shfl_xor_sync(ALL_LANES, 1, 1);
    if (threadIdx.x == 40)
        return;
    __syncwarp();
}

static __global__ void mixed_kernel(int *out)
{
    if (threadIdx.x % 2)
        out[0] = __any_sync(ALL_LANES, 1);
    else
        out[0] = __shfl_xor_sync(ALL_LANES, 1, 1);
}

static __global__ void no_kernel(int *out)
{
    (void)out;
}

/* Order shows a missing barrier: what comes out is not what it is with one. */
static __global__ void racing_kernel(int *out)
{
    __shared__ int room[64];
    room[threadIdx.x] = -1;
    __syncthreads();
    room[threadIdx.x] = (int)threadIdx.x;
    out[threadIdx.x] = room[63 - threadIdx.x];
}

static bool dies(void (*kernel)(int *), shape s)
{
    int out[1024];
    fflush(stderr);
    pid_t child = fork();
    CHECK(child >= 0, "fork");
    if (!child) {
        CHECK(freopen("/dev/null", "w", stderr), "stderr");
        run(kernel, s, stream, out);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child, "waitpid");
    return WIFSIGNALED(status) || WEXITSTATUS(status);
}

static void test_wrong_kernels(void)
{
    CHECK(dies(parted_kernel, shape_of(1, 64, 0)), "a lane that left was not missed");
    CHECK(dies(mixed_kernel, shape_of(1, 32, 0)), "two instructions met");
    CHECK(dies(no_kernel, shape_of(1, 1025, 0)), "too many threads");
    CHECK(dies(no_kernel, shape_of(0, 32, 0)), "an empty grid");
    CHECK(dies(no_kernel, shape_of(1, 32, 228 * 1024)), "too much shared memory");
    CHECK(dies(no_kernel, {dim3(1, 65536), dim3(1), 0}), "too large a grid");
    CHECK(!dies(no_kernel, shape_of(2, 1024, 227 * 1024)), "all within the limits");
    int out[64], wrong = 0;
    run(racing_kernel, shape_of(1, 64, 0), stream, out);
    for (int i = 0; i < 64; i++)
        wrong += out[i] != 63 - i;
    CHECK(wrong, "a race was not seen");
}

RUN_THEN([] {}, test_every_thread_once, test_barriers, test_threads_that_leave,
         test_shared_memory_begins_as_nothing, test_warps, test_mma, test_matrices, test_copies,
         test_recording, test_wrong_kernels)
