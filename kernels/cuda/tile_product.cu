/* The product of many rows with a matrix of any type, on tensor cores: experts' pairs in tiles of
 * 64, and plain products where cuBLASLt is missing. A block makes 64 slots by 64 rows of the
 * matrix, in steps of 128 columns: inputs come by asynchronous copies, one step ahead; weights are
 * loaded a step ahead into registers and turned into 16-bit floats on their way to shared memory,
 * whose rows are 8 elements longer than a step so that ldmatrix meets no bank twice. */
#include "kernels/cuda/codes.cuh"
#include "kernels/cuda/input.cuh"

enum { WARPS = 4, THREADS = WARPS * WARP, SLOTS = CUDA_TILE_ROWS, ROWS = 64, DEEP = 128 };
enum { PITCH = DEEP + 8, ACROSS = 32 }; /* a warp's part: 32 slots by 32 rows */

struct room {
    uint16_t inputs[2][SLOTS * PITCH], weights[ROWS * PITCH];
};

/* A thread's share of a step's weights. */
template <int TYPE> struct step_pieces {
    static const int chunks = DEEP / code<TYPE>::columns; /* of a row, in a step */
    static const int count = ROWS * 4 * chunks / THREADS;
    piece<TYPE> w[count];
};

/* The i-th piece of this thread: its row within the block's, its chunk in the step; the lane of
 * four is the thread's own. */
template <int TYPE> static __device__ __forceinline__ int piece_row(int i)
{
    return (i * THREADS + (int)threadIdx.x) / 4 / step_pieces<TYPE>::chunks;
}

template <int TYPE> static __device__ __forceinline__ int piece_chunk(int i)
{
    return (i * THREADS + (int)threadIdx.x) / 4 % step_pieces<TYPE>::chunks;
}

struct place {
    int expert, first_row, rows; /* of the matrix: rows [first_row, + rows) of the expert's */
    int chunks;                  /* of a whole row */
};

template <int TYPE>
static __device__ __forceinline__ void fetch_step(const cuda_matrix &m, row_bytes bytes,
                                                  const place &at, int step, int rows_each,
                                                  step_pieces<TYPE> *to)
{
#pragma unroll
    for (int i = 0; i < step_pieces<TYPE>::count; i++) {
        int row = min(at.first_row + piece_row<TYPE>(i), rows_each - 1);
        int chunk = min(step * step_pieces<TYPE>::chunks + piece_chunk<TYPE>(i), at.chunks - 1);
        size_t all = (size_t)at.expert * (size_t)rows_each + (size_t)row;
        fetch<TYPE>(&to->w[i], address_row<TYPE>(m, bytes, all, (int)threadIdx.x % 4), chunk);
    }
}

template <int TYPE>
static __device__ __forceinline__ void put_step(const step_pieces<TYPE> &from, const place &at,
                                                int step, bool is_half, uint16_t *weights)
{
#pragma unroll
    for (int i = 0; i < step_pieces<TYPE>::count; i++) {
        int chunk = piece_chunk<TYPE>(i);
        bool inside = step * step_pieces<TYPE>::chunks + chunk < at.chunks;
        uint16_t *to = weights + piece_row<TYPE>(i) * PITCH;
        each_four<TYPE>(from.w[i], chunk, (int)threadIdx.x % 4, [&](int c, const float x[4]) {
            uint2 two = make_uint2(narrow_two(is_half, x[0], x[1]), narrow_two(is_half, x[2], x[3]));
            *reinterpret_cast<uint2 *>(to + c) = inside ? two : make_uint2(0, 0);
        });
    }
}

/* The input row of a slot, or -1. */
static __device__ __forceinline__ int row_of(const struct cuda_tile_product &a, int slot)
{
    if (!a.slots)
        return slot < a.rows ? slot : -1;
    int pair = a.slots[slot];
    return pair < 0 ? -1 : a.per_pair ? slot : pair / a.used;
}

/* Begins to copy a step's inputs: a thread has four 16-byte pieces of rows 8 apart. */
static __device__ __forceinline__ void copy_step(const struct cuda_tile_product &a,
                                                 const int *input_rows, int step, uint16_t *to)
{
    int c = (int)threadIdx.x % (DEEP / 8) * 8, column = step * DEEP + c;
#pragma unroll
    for (int i = 0; i < SLOTS * DEEP / 8 / THREADS; i++) {
        int slot = i * (THREADS / (DEEP / 8)) + (int)threadIdx.x / (DEEP / 8);
        int row = input_rows[slot];
        bool inside = row >= 0 && column < a.matrix.pitch;
        const uint16_t *from = a.in;
        if (inside)
            from += (size_t)row * (size_t)a.in_stride + (size_t)column;
        copy_async(to + slot * PITCH + c, from, inside);
    }
    copy_commit();
}

struct sums {
    float c[2][4][4]; /* two tiles of 16 slots, four of 8 rows */
};

static __device__ __forceinline__ void multiply_step(const uint16_t *inputs,
                                                     const uint16_t *weights, bool is_half,
                                                     sums *s)
{
    int lane = lane_index(), slot = warp_index() / 2 * ACROSS, row = warp_index() % 2 * ACROSS;
    const uint16_t *in = inputs + (slot + lane % 16) * PITCH + lane / 16 * 8;
    const uint16_t *w = weights + (row + lane % 8 + lane / 16 * 8) * PITCH + lane / 8 % 2 * 8;
#pragma unroll 4
    for (int k = 0; k < DEEP; k += 16) {
        uint32_t a[2][4], b[2][4];
#pragma unroll
        for (int i = 0; i < 2; i++) {
            load_matrices(a[i], in + i * 16 * PITCH + k);
            load_matrices(b[i], w + i * 16 * PITCH + k);
        }
#pragma unroll
        for (int m = 0; m < 2; m++)
#pragma unroll
            for (int n = 0; n < 4; n++)
                if (is_half)
                    mma_half(s->c[m][n], a[m], b[n / 2] + n % 2 * 2);
                else
                    mma_bfloat(s->c[m][n], a[m], b[n / 2] + n % 2 * 2);
    }
}

static __device__ __forceinline__ void store_sums(const struct cuda_tile_product &a, const sums &s,
                                                  const int *input_rows, int tile, int first_row)
{
    int g = lane_index() / 4, t = lane_index() % 4;
    int slot = warp_index() / 2 * ACROSS + g, row = first_row + warp_index() % 2 * ACROSS + 2 * t;
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int n = 0; n < 4; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                int own = slot + 16 * m + i / 2 * 8, r = row + 8 * n + i % 2;
                if (input_rows[own] >= 0 && r < a.rows_each)
                    a.out[(size_t)(tile * SLOTS + own) * (size_t)a.out_stride + (size_t)r] =
                        s.c[m][n][i];
            }
}

template <int TYPE>
static __global__ void __launch_bounds__(THREADS)
    tile_kernel(const __grid_constant__ struct cuda_tile_product a, row_bytes bytes)
{
    KERNEL_SHARED_BYTES(memory);
    __shared__ int input_rows[SLOTS];
    grid_launch_next();
    grid_wait();
    int tile = (int)blockIdx.y;
    place at = {a.tiles ? a.tiles[tile] : 0, (int)blockIdx.x * ROWS, 0,
                divide_up(a.matrix.columns, code<TYPE>::columns)};
    if (at.expert < 0)
        return;
    room *r = reinterpret_cast<room *>(memory);
    if (threadIdx.x < SLOTS)
        input_rows[threadIdx.x] = row_of(a, tile * SLOTS + (int)threadIdx.x);
    __syncthreads();

    int steps = divide_up(a.matrix.columns, (int)DEEP);
    sums s = {};
    step_pieces<TYPE> next;
    fetch_step<TYPE>(a.matrix, bytes, at, 0, a.rows_each, &next);
    copy_step(a, input_rows, 0, r->inputs[0]);
    for (int step = 0; step < steps; step++) {
        put_step<TYPE>(next, at, step, a.is_half, r->weights);
        if (step + 1 < steps) {
            fetch_step<TYPE>(a.matrix, bytes, at, step + 1, a.rows_each, &next);
            copy_step(a, input_rows, step + 1, r->inputs[(step + 1) % 2]);
            copy_wait<1>();
        } else {
            copy_wait<0>();
        }
        __syncthreads();
        multiply_step(r->inputs[step % 2], r->weights, a.is_half, &s);
        __syncthreads(); /* before the next step's weights, and inputs after them */
    }
    store_sums(a, s, input_rows, tile, at.first_row);
}

template <int TYPE>
static int run_tiles(const struct cuda_tile_product *a, struct cuda_stream *stream)
{
    int tiles = a->slots ? a->tile_count : divide_up(a->rows, (int)SLOTS);
    shape s = {dim3((unsigned)divide_up(a->rows_each, (int)ROWS), (unsigned)tiles), dim3(THREADS),
               sizeof(room)};
    return launch(tile_kernel<TYPE>, s, stream, *a, bytes_of_row<TYPE>(a->matrix.columns));
}

int cuda_tile_product(const struct cuda_tile_product *a, struct cuda_stream *stream)
{
#define CALL(type) run_tiles<type>(a, stream)
    EACH_TYPE(a->matrix.type, CALL)
#undef CALL
}
