/* Mixtures of experts: who is chosen, which pairs of a token and an expert belong together, and
 * the sums of what the experts gave. (The products are GEMVs for few tokens, tile products for
 * many.) Orders are fixed everywhere: pairs by their numbers, sums by the router's order. */
#include "kernels/cuda/input.cuh"
#include "kernels/cuda/ticket.cuh"

enum { THREADS = 256, MOST_EXPERTS = 1024, LANES = 16 };

/* --- Routing --- */

/* exp(x) as kernels/cpu/tables.h has it: routing compares probabilities, so they have the same
 * bits. */
static __device__ __forceinline__ float exact_exp(float x)
{
    if (!(x >= -87.33f))
        return 0;
    x = fminf(x, 88.37f);
    float n = rintf(__fmul_rn(x, 1.44269504088896341f));
    float r = fmaf(n, 2.12194440e-4f, fmaf(n, -0.693359375f, x));
    float p = fmaf(1.9875691500e-4f, r, 1.3981999507e-3f);
    p = fmaf(p, r, 8.3334519073e-3f);
    p = fmaf(p, r, 4.1665795894e-2f);
    p = fmaf(p, r, 1.6666665459e-1f);
    p = fmaf(p, r, 5.0000001201e-1f);
    p = __fadd_rn(fmaf(p, __fmul_rn(r, r), r), 1.0f);
    return __uint_as_float(__float_as_uint(p) + ((uint32_t)(int)n << 23));
}

/* By one warp: the scores' softmax into `shares`, summed in 16 lanes as on the host. The scores may
 * be other blocks'. */
static __device__ void softmax_row(const float *scores, float *shares, int count)
{
    float largest = -INFINITY, sum = 0;
    for (int i = lane_index(); i < count; i += WARP)
        largest = fmaxf(__ldcg(scores + i), largest);
    largest = warp_max(largest);
    for (int i = lane_index(); i < count; i += WARP)
        shares[i] = exact_exp(__fadd_rn(__ldcg(scores + i), -largest));
    __syncwarp();
    for (int i = lane_index(); lane_index() < LANES && i < count; i += LANES)
        sum = __fadd_rn(sum, shares[i]);
#pragma unroll
    for (int by = LANES / 2; by; by /= 2)
        sum = __fadd_rn(sum, __shfl_down_sync(ALL_LANES, sum, (unsigned)by));
    float inverse = __fdiv_rn(1.0f, __shfl_sync(ALL_LANES, sum, 0));
    __syncwarp(); /* all shares have been summed */
    for (int i = lane_index(); i < count; i += WARP)
        shares[i] = __fmul_rn(shares[i], inverse);
    __syncwarp();
}

/* By one warp: the largest share's index, the lowest among equals; takes it out. */
static __device__ int take_largest(float *shares, int count, float *share)
{
    float best = -2;
    int at = count;
    for (int i = lane_index(); i < count; i += WARP) {
        float value = shares[i] == shares[i] ? shares[i] : -0.5f; /* no number: after all others */
        if (value > best) {
            best = value;
            at = i;
        }
    }
#pragma unroll
    for (int by = 16; by; by /= 2) {
        float other = __shfl_xor_sync(ALL_LANES, best, by);
        int other_at = __shfl_xor_sync(ALL_LANES, at, by);
        if (other > best || (other == best && other_at < at)) {
            best = other;
            at = other_at;
        }
    }
    *share = shares[at];
    __syncwarp();
    if (lane_index() == 0)
        shares[at] = -1;
    __syncwarp();
    return at;
}

static __device__ void choose_experts(const struct cuda_route &a, int row, float *shares)
{
    const float *scores = a.scores + (size_t)row * (size_t)a.router.rows;
    float sum = 0;
    softmax_row(scores, shares, a.router.rows);
    for (int n = 0; n < a.used; n++) {
        float share;
        int expert = take_largest(shares, a.router.rows, &share);
        sum = __fadd_rn(sum, share);
        if (lane_index() == 0) {
            a.experts[(size_t)row * (size_t)a.used + (size_t)n] = expert;
            a.weights[(size_t)row * (size_t)a.used + (size_t)n] = share;
        }
    }
    __syncwarp();
    sum = fmaxf(sum, 6.103515625e-5f); /* the smallest normal half: the families' own guard */
    for (int n = lane_index(); a.renormalise && n < a.used; n += WARP) {
        float *weight = &a.weights[(size_t)row * (size_t)a.used + (size_t)n];
        *weight = __fdiv_rn(*weight, sum);
    }
}

/* Element c of a row of a matrix of floats. */
template <int TYPE> static __device__ __forceinline__ float float_weight(const uint8_t *row, int c)
{
    if (TYPE == KERNEL_F32)
        return reinterpret_cast<const float *>(row)[c];
    uint16_t bits = reinterpret_cast<const uint16_t *>(row)[c];
    return TYPE == KERNEL_BF16 ? bfloat_to_float(bits) : half_to_float(bits);
}

/* Input row `row` times `weights`, by the whole block. */
template <int TYPE>
static __device__ float row_product(const struct cuda_input &in, int row, const uint8_t *weights,
                                    float *room)
{
    size_t begin = (size_t)row * (size_t)in.stride;
    row_factors f = make_factors(in, begin, false, room);
    float sum = 0;
#pragma unroll 4
    for (int c = (int)threadIdx.x; c < in.columns; c += THREADS)
        sum = fmaf(row_input(in, begin, c, f), float_weight<TYPE>(weights, c), sum);
    return block_sum(sum, room);
}

/* sigmoid(row . gate), by the whole block. */
static __device__ float shared_share(const struct cuda_route &a, int row, float *room)
{
    const uint8_t *gate = reinterpret_cast<const uint8_t *>(a.shared_gate);
    return 1.0f / (1.0f + exp_fast(-row_product<KERNEL_F32>(a.in, row, gate, room)));
}

/* Few tokens: a block a token and an expert (one more for the shared expert), and the last of a
 * token's blocks chooses. */
template <int TYPE>
static __global__ void __launch_bounds__(THREADS)
    route_kernel(const __grid_constant__ struct cuda_route a, size_t row_bytes)
{
    __shared__ float shares[MOST_EXPERTS], room[WARP];
    grid_launch_next();
    int expert = (int)blockIdx.x, row = (int)blockIdx.y, experts = a.router.rows;
    const uint8_t *weights = a.router.codes + (size_t)expert * row_bytes;
    if (expert < experts)
        for (size_t at = threadIdx.x * 128; at < row_bytes; at += THREADS * 128)
            prefetch_l2(weights + at);
    grid_wait();
    if (expert == experts) {
        float share = shared_share(a, row, room);
        if (threadIdx.x == 0)
            a.shared_weight[row] = share;
    } else {
        float score = row_product<TYPE>(a.in, row, weights, room);
        if (threadIdx.x == 0)
            a.scores[(size_t)row * (size_t)experts + (size_t)expert] = score;
    }
    if (is_last(&a.tickets[row], (int)gridDim.x) && warp_index() == 0)
        choose_experts(a, row, shares);
}

/* Many tokens: the scores are there. */
static __global__ void __launch_bounds__(THREADS)
    choose_kernel(const __grid_constant__ struct cuda_route a)
{
    __shared__ float shares[MOST_EXPERTS], room[WARP];
    grid_launch_next();
    grid_wait();
    int row = (int)blockIdx.x;
    if (a.shared_gate) {
        float share = shared_share(a, row, room);
        if (threadIdx.x == 0)
            a.shared_weight[row] = share;
    }
    if (warp_index() == 0)
        choose_experts(a, row, shares);
}

/* Rows [first, first + count) of an input. */
static struct cuda_input rows_from(struct cuda_input in, int first)
{
    size_t at = (size_t)first * (size_t)in.stride;
    size_t blocks = (size_t)first * (size_t)(cuda_pitch(in.columns) / CUDA_BLOCK);
    in.values = in.values ? in.values + at : nullptr;
    in.quants = in.quants ? in.quants + blocks * CUDA_BLOCK : nullptr;
    in.blocks = in.blocks ? in.blocks + blocks * 2 : nullptr;
    return in;
}

template <int TYPE> static int route_few(const struct cuda_route *a, struct cuda_stream *stream)
{
    unsigned blocks = (unsigned)a->router.rows + (a->shared_gate ? 1 : 0);
    size_t row_bytes = cuda_matrix_layout(a->router.type, 1, a->router.columns).row_codes;
    shape s = {dim3(blocks, (unsigned)a->rows), dim3(THREADS), 0};
    return launch(route_kernel<TYPE>, s, stream, *a, row_bytes);
}

static int route_many(const struct cuda_route *a, struct cuda_stream *stream)
{
    struct cuda_gemv scores = {};
    scores.matrix = a->router;
    scores.kind = CUDA_OUT_STORE;
    scores.out_stride = a->router.rows;
    for (int first = 0; first < a->rows; first += CUDA_GEMV_ROWS) {
        int left = a->rows - first;
        scores.in = rows_from(a->in, first);
        scores.rows = left < CUDA_GEMV_ROWS ? left : (int)CUDA_GEMV_ROWS;
        scores.out = a->scores + (size_t)first * (size_t)a->router.rows;
        int status = cuda_gemv(&scores, stream);
        if (status)
            return status;
    }
    shape s = {dim3((unsigned)a->rows), dim3(THREADS), 0};
    return launch(choose_kernel, s, stream, *a);
}

int cuda_route(const struct cuda_route *a, struct cuda_stream *stream)
{
    if (a->rows > CUDA_GEMV_ROWS)
        return route_many(a, stream);
    switch (a->router.type) {
    case KERNEL_F32:
        return route_few<KERNEL_F32>(a, stream);
    case KERNEL_F16:
        return route_few<KERNEL_F16>(a, stream);
    case KERNEL_BF16:
        return route_few<KERNEL_BF16>(a, stream);
    default:
        return route_many(a, stream);
    }
}

/* --- Grouping --- */

static __device__ __forceinline__ int tiled(int count)
{
    return (count + CUDA_TILE_ROWS - 1) / CUDA_TILE_ROWS * CUDA_TILE_ROWS;
}

/* A block an expert: it counts all experts' pairs to know where its own begin, then lists them in
 * order, each warp a stretch of the pairs. */
static __global__ void __launch_bounds__(THREADS)
    group_kernel(const __grid_constant__ struct cuda_group a)
{
    __shared__ int counts[MOST_EXPERTS], found[THREADS / WARP];
    grid_launch_next();
    grid_wait();
    int expert = (int)blockIdx.x, pairs = a.rows * a.used, begin = 0;
    for (int i = (int)threadIdx.x; i < a.expert_count; i += THREADS)
        counts[i] = 0;
    __syncthreads();
    for (int i = (int)threadIdx.x; i < pairs; i += THREADS)
        atomicAdd(&counts[a.experts[i]], 1);
    __syncthreads();
    for (int i = 0; i < expert; i++)
        begin += tiled(counts[i]);
    int mine = counts[expert], end = begin + tiled(mine);

    const int warps = THREADS / WARP;
    int each = divide_up(divide_up(pairs, warps), WARP) * WARP;
    int from = warp_index() * each, to = min(from + each, pairs), count = 0;
    for (int i = from; i < to; i += WARP) {
        int pair = i + lane_index();
        count += __popc(__ballot_sync(ALL_LANES, pair < to && a.experts[pair] == expert));
    }
    if (lane_index() == 0)
        found[warp_index()] = count;
    __syncthreads();
    int slot = begin;
    for (int w = 0; w < warp_index(); w++)
        slot += found[w];
    for (int i = from; i < to; i += WARP) {
        int pair = i + lane_index();
        bool own = pair < to && a.experts[pair] == expert;
        unsigned all = __ballot_sync(ALL_LANES, own);
        int at = slot + __popc(all & ((1u << lane_index()) - 1));
        if (own) {
            a.slots[at] = pair;
            a.slot_of[pair] = at;
        }
        slot += __popc(all);
    }
    for (int i = begin + mine + (int)threadIdx.x; i < end; i += THREADS)
        a.slots[i] = -1;
    for (int i = begin / CUDA_TILE_ROWS + (int)threadIdx.x; i < end / CUDA_TILE_ROWS; i += THREADS)
        a.tiles[i] = expert;
    if (expert < a.expert_count - 1)
        return;
    for (int i = end + (int)threadIdx.x; i < a.tile_count * CUDA_TILE_ROWS; i += THREADS)
        a.slots[i] = -1;
    for (int i = end / CUDA_TILE_ROWS + (int)threadIdx.x; i < a.tile_count; i += THREADS)
        a.tiles[i] = -1;
}

int cuda_group(const struct cuda_group *a, struct cuda_stream *stream)
{
    shape s = {dim3((unsigned)a->expert_count), dim3(THREADS), 0};
    return launch(group_kernel, s, stream, *a);
}

/* --- Sums --- */

static __global__ void __launch_bounds__(THREADS)
    expert_sum_kernel(const __grid_constant__ struct cuda_expert_sum a)
{
    grid_launch_next();
    grid_wait();
    int c = (int)(blockIdx.x * THREADS + threadIdx.x);
    for (int row = (int)blockIdx.y; c < a.columns && row < a.rows; row += (int)gridDim.y) {
        float sum = 0;
        for (int n = 0; n < a.used; n++) {
            size_t pair = (size_t)row * (size_t)a.used + (size_t)n;
            float part = a.parts[(size_t)a.slot_of[pair] * (size_t)a.stride + (size_t)c];
            sum = n ? fmaf(part, a.weights[pair], sum) : part * a.weights[pair];
        }
        a.out[(size_t)row * (size_t)a.out_stride + (size_t)c] = sum;
    }
}

int cuda_expert_sum(const struct cuda_expert_sum *a, struct cuda_stream *stream)
{
    int rows = a->rows < 65535 ? a->rows : 65535;
    shape s = {dim3((unsigned)divide_up(a->columns, THREADS), (unsigned)rows), dim3(THREADS), 0};
    return launch(expert_sum_kernel, s, stream, *a);
}
