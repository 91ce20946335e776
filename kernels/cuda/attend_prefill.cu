/* Attention of many queries of a sequence, on tensor cores: scores and weights never leave the
 * registers. A block takes 64 queries of one head, a warp 16 of them; pages go by, keys and values
 * of one copied into shared memory while the one before is worked on. Queries and weights are F16,
 * sums fp32, the softmax runs along.
 *
 * A block makes TILES * 8 columns of the output: all of them but for heads of more than 256, whose
 * columns are cut in two (the registers hold no more). Pages of int8 are widened as they are copied.
 * Rows of shared memory are 8 elements longer
 * than a head, so that ldmatrix meets no bank twice. */
#include "kernels/cuda/place.cuh"

enum { WARPS = CUDA_QUERIES / 16, THREADS = WARPS * WARP, KEYS = KERNEL_KV_BLOCK, PAD = 8 };

/* --- Placing --- */

enum { PLACE_WARPS = 8 };

static __global__ void __launch_bounds__(PLACE_WARPS *WARP)
    place_kernel(const __grid_constant__ cuda_attention a)
{
    __shared__ float room[WARP];
    __shared__ float scratch[PLACE_WARPS][KERNEL_MAX_HEAD_DIM];
    grid_launch_next();
    grid_wait();
    int row = (int)blockIdx.x;
    cuda_row r = a.rows[row];
    if (r.token < 0)
        return;
    size_t begin = (size_t)row * (size_t)a.qkv_stride;
    float of_queries = full_factor(a, begin, HEAD_QUERY, room);
    float of_keys = full_factor(a, begin, HEAD_KEY, room); /* by then all queries have been read */
    float *mine = scratch[warp_index()];
    for (int i = warp_index(); i < a.heads + 2 * a.kv_heads; i += PLACE_WARPS) {
        if (i >= a.heads) {
            int head = (i - a.heads) / 2;
            bool values = (i - a.heads) % 2;
            place_in_page(a, row, r, head, values, values ? 1 : of_keys, mine);
            continue;
        }
        head_part part = part_of(a, HEAD_QUERY, i, of_queries);
        float *to = a.qkv + begin + part.at;
        place_head(a, row, part, mine, [&](int d, float value) { to[d] = value; });
    }
}

int cuda_place(const struct cuda_attention *a, struct cuda_stream *stream)
{
    shape s = {dim3((unsigned)a->count), dim3(PLACE_WARPS * WARP), 0};
    return launch(place_kernel, s, stream, *a);
}

/* --- Shared memory --- */

struct tiles {
    uint16_t *queries, *pages;
    int pitch; /* of all rows */
};

static __device__ __forceinline__ tiles tiles_at(unsigned char *memory, int head_pitch)
{
    tiles t;
    t.pitch = head_pitch + PAD;
    t.queries = reinterpret_cast<uint16_t *>(memory);
    t.pages = t.queries + CUDA_QUERIES * t.pitch;
    return t;
}

/* The keys of a stage's page; its values follow. */
static __device__ __forceinline__ uint16_t *page_at(const tiles &t, int stage)
{
    return t.pages + stage * 2 * KEYS * t.pitch;
}

/* Queries as F16, zeros past the last one and past head_dim. */
static __device__ void load_queries(const cuda_attention &a, const tiles &t, int row, int count,
                                    int head)
{
    int pitch = t.pitch - PAD;
    for (int i = (int)threadIdx.x; i < CUDA_QUERIES * pitch; i += THREADS) {
        int q = i / pitch, d = i % pitch;
        size_t at = (size_t)(row + q) * (size_t)a.qkv_stride + (size_t)(head * a.head_dim + d);
        bool inside = q < count && d < a.head_dim;
        t.queries[q * t.pitch + d] = inside ? stored_half(a.qkv[at]) : (uint16_t)0;
    }
}

/* Sixteen int8 of a row under one scale as F16. */
static __device__ __forceinline__ void widen_piece(uint4 piece, float scale, uint16_t *to)
{
    uint32_t words[4] = {piece.x, piece.y, piece.z, piece.w}, halves[8];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        float x[4];
        bytes_to_floats(words[i], x);
        halves[2 * i] = narrow_two(true, x[0] * scale, x[1] * scale);
        halves[2 * i + 1] = narrow_two(true, x[2] * scale, x[3] * scale);
    }
    uint4 *out = reinterpret_cast<uint4 *>(to);
    out[0] = make_uint4(halves[0], halves[1], halves[2], halves[3]);
    out[1] = make_uint4(halves[4], halves[5], halves[6], halves[7]);
}

/* A page of int8 as F16, at once; rows that no query of the tile sees become zeros. */
static __device__ __forceinline__ void widen_page(const cuda_attention &a, const tiles &t,
                                                  const cuda_row &r, int kv_head, int page, int low,
                                                  int high, int stage)
{
    int pitch = t.pitch - PAD, pieces = pitch / 16;
    for (int i = (int)threadIdx.x; i < 2 * KEYS * pieces; i += THREADS) {
        int line = i / pieces, piece = i % pieces, slot = line % KEYS;
        int position = page * KEYS + slot;
        uint8_t *part = page_part(a, r, page * KEYS, kv_head, line >= KEYS);
        bool seen = position >= low && position <= high;
        uint4 codes = make_uint4(0, 0, 0, 0);
        if (seen)
            codes = *reinterpret_cast<const uint4 *>(part + slot * pitch + piece * 16);
        widen_piece(codes, seen ? part_scales(part, pitch)[slot] : 0,
                    page_at(t, stage) + line * t.pitch + piece * 16);
    }
}

/* Begins to copy a page's keys and values; rows that no query of the tile sees become zeros. */
template <int KV>
static __device__ __forceinline__ void copy_page(const cuda_attention &a, const tiles &t,
                                                 const cuda_row &r, int kv_head, int page, int low,
                                                 int high, int stage)
{
    if (KV == KERNEL_KV_Q8) {
        widen_page(a, t, r, kv_head, page, low, high, stage);
        copy_commit();
        return;
    }
    int pitch = t.pitch - PAD, pieces = pitch / 8;
    const uint16_t *keys =
        reinterpret_cast<const uint16_t *>(page_part(a, r, page * KEYS, kv_head, false));
    for (int i = (int)threadIdx.x; i < 2 * KEYS * pieces; i += THREADS) {
        int line = i / pieces, piece = i % pieces, position = page * KEYS + line % KEYS;
        uint16_t *to = page_at(t, stage) + line * t.pitch + piece * 8;
        copy_async(to, keys + (size_t)line * (size_t)pitch + (size_t)(piece * 8),
                   position >= low && position <= high);
    }
    copy_commit();
}

/* --- One page --- */

/* What a warp keeps of its 16 queries; a lane has rows g and g + 8. */
template <int TILES> struct kept {
    float out[TILES][4], largest[2], weight[2];
};

/* Scores of 16 queries with 32 keys: four tiles of eight keys. */
static __device__ __forceinline__ void score_page(const tiles &t, int stage, float scores[4][4])
{
    int lane = lane_index(), pitch = t.pitch - PAD;
    const uint16_t *query = t.queries + (warp_index() * 16 + lane % 16) * t.pitch + lane / 16 * 8;
    const uint16_t *key =
        page_at(t, stage) + (lane % 8 + lane / 16 * 8) * t.pitch + lane / 8 % 2 * 8;
#pragma unroll
    for (int n = 0; n < 4; n++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            scores[n][i] = 0;
#pragma unroll 4
    for (int d = 0; d < pitch; d += 16) {
        uint32_t q[4], k[2][4];
        load_matrices(q, query + d);
        load_matrices(k[0], key + d);
        load_matrices(k[1], key + 16 * t.pitch + d);
#pragma unroll
        for (int n = 0; n < 4; n++)
            mma_half(scores[n], q, k[n / 2] + n % 2 * 2);
    }
}

/* Turns scores into weights; `positions` are those of the lane's two rows. */
template <int TILES>
static __device__ __forceinline__ void weigh(const cuda_attention &a, kept<TILES> *o,
                                             float scores[4][4], int base, const int positions[2])
{
    int t = lane_index() % 4;
#pragma unroll
    for (int row = 0; row < 2; row++) {
        float largest = o->largest[row], weight = 0;
        int low = first_visible(positions[row], a.window);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float *s = &scores[i / 2][row * 2 + i % 2];
            int key = base + i / 2 * 8 + 2 * t + i % 2;
            *s *= a.scale;
            *s = a.softcap > 0 ? capped(*s, a.softcap) : *s;
            *s = key >= low && key <= positions[row] ? *s : -INFINITY;
            largest = fmaxf(largest, *s);
        }
        largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, 1));
        largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, 2));
        float keep = exp_fast(o->largest[row] - largest);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float *s = &scores[i / 2][row * 2 + i % 2];
            *s = exp_fast(*s - largest);
            weight += *s;
        }
        o->largest[row] = largest;
        o->weight[row] = fmaf(o->weight[row], keep, weight);
#pragma unroll
        for (int n = 0; n < TILES; n++) {
            o->out[n][row * 2] *= keep;
            o->out[n][row * 2 + 1] *= keep;
        }
    }
}

template <int TILES>
static __device__ __forceinline__ void add_values(kept<TILES> *o, const float weights[4][4],
                                                  const tiles &t, int stage, int first)
{
    int lane = lane_index(), pitch = t.pitch - PAD;
    const uint16_t *value = page_at(t, stage) + KEYS * t.pitch +
                            (lane % 8 + lane / 8 % 2 * 8) * t.pitch + lane / 16 * 8 + first;
#pragma unroll
    for (int k = 0; k < KEYS / 16; k++) {
        uint32_t w[4];
#pragma unroll
        for (int i = 0; i < 4; i++)
            w[i] = floats_to_halves(weights[2 * k + i / 2][i % 2 * 2],
                                    weights[2 * k + i / 2][i % 2 * 2 + 1]);
#pragma unroll
        for (int n = 0; n < TILES; n += 2) {
            if (first + n * 8 >= pitch)
                continue;
            uint32_t v[4];
            load_matrices_turned(v, value + k * 16 * t.pitch + n * 8);
            mma_half(o->out[n], w, v);
            mma_half(o->out[n + 1], w, v + 2);
        }
    }
}

/* --- The kernel --- */

template <int TILES>
static __device__ __forceinline__ void store(const cuda_attention &a, const kept<TILES> &o, int row,
                                             int left, int head, int first)
{
    int g = lane_index() / 4, t = lane_index() % 4;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        float weight = o.weight[i];
        weight += __shfl_xor_sync(ALL_LANES, weight, 1);
        weight += __shfl_xor_sync(ALL_LANES, weight, 2);
        int q = warp_index() * 16 + g + 8 * i;
        if (q >= left)
            continue;
        float inverse = 1.0f / weight;
        float *out = a.out + (size_t)(row + q) * (size_t)a.out_stride + (size_t)(head * a.head_dim);
#pragma unroll
        for (int n = 0; n < TILES; n++)
#pragma unroll
            for (int c = 0; c < 2; c++) {
                int d = first + n * 8 + 2 * t + c;
                if (d < a.head_dim)
                    out[d] = o.out[n][2 * i + c] * inverse;
            }
    }
}

/* Zeros from the end of the heads up to the next multiple of 32. */
static __device__ void clear_rows(const cuda_attention &a, int row, int count)
{
    int from = a.heads * a.head_dim, zeros = (32 - from % 32) % 32;
    for (int i = (int)threadIdx.x; i < zeros * count; i += THREADS)
        if (from + i % zeros < a.out_stride)
            a.out[(size_t)(row + i / zeros) * (size_t)a.out_stride + (size_t)(from + i % zeros)] = 0;
}

template <int KV, int TILES>
static __global__ void __launch_bounds__(THREADS)
    prefill_kernel(const __grid_constant__ struct cuda_prefill p, int stages)
{
    KERNEL_SHARED_BYTES(memory);
    grid_launch_next();
    grid_wait();
    const cuda_attention &a = p.a;
    cuda_span span = p.spans[p.tiles[2 * blockIdx.x]];
    int first = p.tiles[2 * blockIdx.x + 1], count = min(span.count - first, (int)CUDA_QUERIES);
    int head = (int)blockIdx.y, kv_head = head / (a.heads / a.kv_heads);
    int columns = (int)blockIdx.z * TILES * 8, row = span.first + first;
    int begin = span.position + first, high = begin + count - 1;
    int low = first_visible(begin, a.window);
    cuda_row r = {0, begin, span.pages, 0, 0};
    tiles t = tiles_at(memory, dim_pitch(a.head_dim));

    kept<TILES> o;
#pragma unroll
    for (int n = 0; n < TILES; n++)
        o.out[n][0] = o.out[n][1] = o.out[n][2] = o.out[n][3] = 0;
    o.largest[0] = o.largest[1] = -3.402823466e38f;
    o.weight[0] = o.weight[1] = 0;
    int mine = begin + warp_index() * 16 + lane_index() / 4, positions[2] = {mine, mine + 8};

    int page = low / KEYS, last = high / KEYS, stage = 0;
    copy_page<KV>(a, t, r, kv_head, page, low, high, 0);
    load_queries(a, t, row, count, head);
    for (; page <= last; page++) {
        bool ahead = stages > 1 && page < last;
        if (ahead)
            copy_page<KV>(a, t, r, kv_head, page + 1, low, high, stage ^ 1);
        if (ahead)
            copy_wait<1>();
        else
            copy_wait<0>();
        __syncthreads();
        float scores[4][4];
        score_page(t, stage, scores);
        weigh<TILES>(a, &o, scores, page * KEYS, positions);
        add_values<TILES>(&o, scores, t, stage, columns);
        __syncthreads(); /* before the next copy writes over what was read */
        if (stages > 1)
            stage ^= 1;
        else if (page < last)
            copy_page<KV>(a, t, r, kv_head, page + 1, low, high, 0);
    }
    store<TILES>(a, o, row, count, head, columns);
    if (head == a.heads - 1 && blockIdx.z == 0)
        clear_rows(a, row, count);
}

template <int KV, int TILES>
static int launch_prefill(const struct cuda_prefill *p, struct cuda_stream *stream)
{
    int pitch = dim_pitch(p->a.head_dim), parts = divide_up(pitch, TILES * 8);
    size_t row = sizeof(uint16_t) * (size_t)(pitch + PAD);
    int stages = (CUDA_QUERIES + 4 * KEYS) * row <= device_shared_bytes() ? 2 : 1;
    shape s = {dim3((unsigned)p->tile_count, (unsigned)p->a.heads, (unsigned)parts), dim3(THREADS),
               (CUDA_QUERIES + 2 * KEYS * (size_t)stages) * row};
    return launch(prefill_kernel<KV, TILES>, s, stream, *p, stages);
}

template <int KV> static int by_width(const struct cuda_prefill *p, struct cuda_stream *stream)
{
    int pitch = dim_pitch(p->a.head_dim);
    if (pitch <= 64)
        return launch_prefill<KV, 8>(p, stream);
    if (pitch <= 96)
        return launch_prefill<KV, 12>(p, stream);
    return pitch <= 128 ? launch_prefill<KV, 16>(p, stream) : launch_prefill<KV, 32>(p, stream);
}

int cuda_attend_prefill(const struct cuda_prefill *p, struct cuda_stream *stream)
{
    if (!p->tile_count)
        return 0;
    if (p->a.kv == KERNEL_KV_Q8)
        return by_width<KERNEL_KV_Q8>(p, stream);
    return by_width<KERNEL_KV_F16>(p, stream);
}
