/* Attention of one new token a sequence, everything in one launch: a block places the queries of
 * one KV head's group, reads its share of that head's pages once for all of them, and the last
 * block of a row and KV head puts the shares together in order.
 *
 * A lane of a warp scores one position of a page: its key's row comes in 16-byte pieces, the
 * queries from shared memory to all lanes at once. Values are summed by lanes that each own a few
 * columns. That is arithmetic enough to keep up with memory for groups of eight heads; what counts
 * is that much is in flight: four warps a block, a page each, whose keys and values are all asked
 * for before the first is used (into L2, as early as while the product before still runs), and
 * eight pieces of a key or sixteen rows of values at a time from there. The block that holds the
 * newest position stores it first and reads it back as the others do theirs (where a group of
 * more than eight heads takes several blocks, each stores the same bytes). */
#include "kernels/cuda/place.cuh"
#include "kernels/cuda/ticket.cuh"

enum { WARPS = 4, THREADS = WARPS * WARP, LEAST_PAGES = WARPS, PIECES = 8 };

/* The running softmax of a warp: COLUMNS columns a lane, HEADS heads. */
template <int COLUMNS, int HEADS> struct running {
    float largest[HEADS], weight[HEADS], sums[HEADS][COLUMNS];
};

/* The share of the pages that a block takes. */
struct share {
    int low, first, last, used; /* first position seen; pages [first, last); blocks with work */
};

static __device__ __forceinline__ share share_of(const struct cuda_decode &d, int position,
                                                  int split)
{
    share s;
    s.low = first_visible(position, d.a.window);
    int from = s.low / KERNEL_KV_BLOCK, pages = position / KERNEL_KV_BLOCK - from + 1;
    int each = max((pages + d.splits - 1) / d.splits, (int)LEAST_PAGES);
    s.used = (pages + each - 1) / each;
    s.first = from + split * each;
    s.last = min(s.first + each, from + pages);
    return s;
}

/* How elements of a page are read: WORDS words at a time, a half or a byte each. */
template <int KV> struct element {
    static const int bytes = KV == KERNEL_KV_F16 ? 2 : 1;
    static const int a_word = 4 / bytes, a_piece = 16 / bytes;

    template <int WORDS>
    static __device__ __forceinline__ void floats(const uint32_t words[WORDS], float *out)
    {
#pragma unroll
        for (int i = 0; i < WORDS; i++)
            if constexpr (KV == KERNEL_KV_F16) {
                out[2 * i] = half_to_float((uint16_t)words[i]);
                out[2 * i + 1] = half_to_float((uint16_t)(words[i] >> 16));
            } else {
                bytes_to_floats(words[i], out + 4 * i);
            }
    }
};

/* Scores of this lane's position with all heads; minus infinity where it is not seen. `scale`: of
 * the position's key. Pieces are all loaded before the first is used: between uses there are
 * branches, which the compiler moves no loads across. What lies where nothing is seen is read too,
 * and not used. */
template <int KV, int HEADS>
static __device__ __forceinline__ void score(const cuda_attention &a, const uint8_t *key,
                                             const float *queries, int heads, bool seen,
                                             float scale, float scores[HEADS])
{
    typedef element<KV> E;
    int pitch = dim_pitch(a.head_dim);
#pragma unroll
    for (int h = 0; h < HEADS; h++)
        scores[h] = 0;
    for (int first = 0; first < pitch; first += PIECES * E::a_piece) {
        uint4 pieces[PIECES];
#pragma unroll
        for (int i = 0; i < PIECES; i++) {
            int c = first + i * E::a_piece;
            pieces[i] = *reinterpret_cast<const uint4 *>(key + (c < pitch ? c : 0) * E::bytes);
        }
#pragma unroll
        for (int i = 0; i < PIECES; i++) {
            int c = first + i * E::a_piece;
            if (c >= pitch) /* uniform, as are the heads */
                break;
            float k[E::a_piece];
            uint32_t words[4] = {pieces[i].x, pieces[i].y, pieces[i].z, pieces[i].w};
            E::template floats<4>(words, k);
#pragma unroll
            for (int h = 0; h < HEADS; h++) {
                if (h >= heads)
                    continue;
                const float4 *q = reinterpret_cast<const float4 *>(queries + h * pitch + c);
#pragma unroll
                for (int j = 0; j < E::a_piece; j += 4) {
                    float4 u = q[j / 4];
                    scores[h] = fmaf(k[j + 1], u.y, fmaf(k[j], u.x, scores[h]));
                    scores[h] = fmaf(k[j + 3], u.w, fmaf(k[j + 2], u.z, scores[h]));
                }
            }
        }
    }
#pragma unroll
    for (int h = 0; h < HEADS; h++) {
        float s = KV == KERNEL_KV_F16 ? scores[h] : scores[h] * scale;
        s *= a.scale;
        s = a.softcap > 0 ? capped(s, a.softcap) : s;
        scores[h] = seen ? s : -INFINITY;
    }
}

/* A lane's columns of a row of values, as wide as they are; a row has a multiple of 16. */
template <int KV, int COLUMNS, int HEADS> struct columns {
    static const int bytes = COLUMNS * element<KV>::bytes, words = bytes < 4 ? 1 : bytes / 4;
    static const int rows = COLUMNS > 4 ? 4 : HEADS > 4 ? 8 : 16; /* in flight, by registers */

    static __device__ __forceinline__ void load(uint32_t w[words], const uint8_t *at)
    {
        if constexpr (bytes == 2) {
            w[0] = *reinterpret_cast<const uint16_t *>(at);
        } else if constexpr (bytes == 4) {
            w[0] = *reinterpret_cast<const uint32_t *>(at);
        } else if constexpr (bytes == 8) {
            uint2 two = *reinterpret_cast<const uint2 *>(at);
            w[0] = two.x;
            w[1] = two.y;
        } else {
#pragma unroll
            for (int i = 0; i < words / 4; i++) {
                uint4 four = reinterpret_cast<const uint4 *>(at)[i];
                w[4 * i] = four.x;
                w[4 * i + 1] = four.y;
                w[4 * i + 2] = four.z;
                w[4 * i + 3] = four.w;
            }
        }
    }
};

/* One page into the running sums. `weights` (32 positions by HEADS floats) is the warp's own;
 * `scale` is of the values of this lane's position. */
template <int KV, int COLUMNS, int HEADS>
static __device__ __forceinline__ void fold_page(const cuda_attention &a,
                                                 running<COLUMNS, HEADS> *r,
                                                 const float scores[HEADS], float *weights,
                                                 const uint8_t *values, float scale, int from,
                                                 int to, int heads)
{
    typedef columns<KV, COLUMNS, HEADS> C;
    const int bytes = element<KV>::bytes;
    int pitch = dim_pitch(a.head_dim), lane = lane_index(), begin = lane * COLUMNS;
#pragma unroll
    for (int h = 0; h < HEADS; h++) {
        if (h >= heads)
            continue;
        float largest = fmaxf(r->largest[h], warp_max(scores[h]));
        float keep = exp_fast(r->largest[h] - largest), weight = exp_fast(scores[h] - largest);
        r->largest[h] = largest;
        r->weight[h] = fmaf(r->weight[h], keep, weight); /* of this lane's positions alone */
#pragma unroll
        for (int c = 0; c < COLUMNS; c++)
            r->sums[h][c] *= keep;
        weights[lane * HEADS + h] = KV == KERNEL_KV_F16 ? weight : weight * scale;
    }
    __syncwarp();
    for (int first = from / C::rows * C::rows; first < to; first += C::rows) {
        uint32_t words[C::rows][C::words];
#pragma unroll
        for (int i = 0; i < C::rows; i++) {
#pragma unroll
            for (int k = 0; k < C::words; k++)
                words[i][k] = 0; /* what is not seen may be no number */
            if (begin < pitch && first + i >= from && first + i < to)
                C::load(words[i], values + ((first + i) * pitch + begin) * bytes);
        }
#pragma unroll
        for (int i = 0; i < C::rows; i++) {
            float row[C::words * element<KV>::a_word];
            element<KV>::template floats<C::words>(words[i], row);
#pragma unroll
            for (int c = 0; c < COLUMNS; c++)
#pragma unroll
                for (int h = 0; h < HEADS; h++)
                    if (h < heads)
                        r->sums[h][c] = fmaf(weights[(first + i) * HEADS + h], row[c],
                                             r->sums[h][c]);
        }
    }
    __syncwarp(); /* before the weights are the next page's */
}

/* --- Putting shares together --- */

/* A share of a head: its largest score, its sum of weights, head_dim sums. */
static __device__ __forceinline__ float *part_at(const struct cuda_decode &d, int row, int head, int split)
{
    size_t at = ((size_t)row * (size_t)d.a.heads + (size_t)head) * (size_t)d.splits + (size_t)split;
    return d.parts + at * (size_t)(d.a.head_dim + 2);
}

/* The warps' running sums, in their order, as the block's share. */
template <int COLUMNS, int HEADS>
static __device__ void merge_warps(const struct cuda_decode &d, running<COLUMNS, HEADS> *r, float *room,
                                   int row, int head, int heads, int split)
{
    int pitch = dim_pitch(d.a.head_dim), each = pitch + 2;
    int begin = lane_index() * COLUMNS;
    for (int h = 0; h < heads; h++) {
        float *mine = room + warp_index() * each;
        float largest = -INFINITY, weight = 0;
        __syncthreads(); /* the room may be another head's, or the queries */
#pragma unroll
        for (int i = 0; i < HEADS; i++)
            if (i == h) {
                largest = r->largest[i];
                weight = r->weight[i];
#pragma unroll
                for (int c = 0; c < COLUMNS; c++)
                    if (begin + c < pitch)
                        mine[2 + begin + c] = r->sums[i][c];
            }
        weight = warp_sum(weight);
        if (lane_index() == 0) {
            mine[0] = largest;
            mine[1] = weight;
        }
        __syncthreads();
        float most = -INFINITY, scale[WARPS];
        for (int w = 0; w < WARPS; w++)
            most = fmaxf(most, room[w * each]);
        for (int w = 0; w < WARPS; w++)
            scale[w] = exp_fast(room[w * each] - most);
        float *part = part_at(d, row, head + h, split);
        for (int i = (int)threadIdx.x; i < d.a.head_dim + 1; i += THREADS) {
            float sum = 0;
            for (int w = 0; w < WARPS; w++)
                sum = fmaf(room[w * each + 1 + i], scale[w], sum);
            part[1 + i] = sum;
        }
        if (threadIdx.x == 0)
            part[0] = most;
    }
}

static __device__ void merge_splits(const struct cuda_decode &d, int row, int head, int used)
{
    const float *parts = part_at(d, row, head, 0);
    size_t each = (size_t)d.a.head_dim + 2;
    float most = -INFINITY, weight = 0;
    for (int s = 0; s < used; s++)
        most = fmaxf(most, __ldcg(parts + (size_t)s * each));
    for (int s = 0; s < used; s++)
        weight = fmaf(__ldcg(parts + (size_t)s * each + 1),
                      exp_fast(__ldcg(parts + (size_t)s * each) - most), weight);
    float *out = d.a.out + (size_t)row * (size_t)d.a.out_stride + (size_t)(head * d.a.head_dim);
    for (int i = (int)threadIdx.x; i < d.a.head_dim; i += THREADS) {
        float sum = 0;
        for (int s = 0; s < used; s++)
            sum = fmaf(__ldcg(parts + (size_t)s * each + 2 + (size_t)i),
                       exp_fast(__ldcg(parts + (size_t)s * each) - most), sum);
        out[i] = sum / weight;
    }
}

/* Zeros from the row's element `from` up to the next multiple of 32. */
static __device__ void clear_row(const cuda_attention &a, int row, int from)
{
    int end = (a.heads * a.head_dim + 31) / 32 * 32;
    for (int i = from + (int)threadIdx.x; i < end && i < a.out_stride; i += THREADS)
        a.out[(size_t)row * (size_t)a.out_stride + (size_t)i] = 0;
}

/* --- The kernel --- */

/* A KV head's keys and values in a page, into L2; by one warp. */
static __device__ __forceinline__ void prefetch_page(const cuda_attention &a, const cuda_row &r,
                                                     int kv_head, int page)
{
    const uint8_t *keys = page_part(a, r, page * KERNEL_KV_BLOCK, kv_head, false);
    int bytes = 2 * (int)part_bytes(a.kv, dim_pitch(a.head_dim));
    for (int at = lane_index() * 128; at < bytes; at += WARP * 128)
        prefetch_l2(keys + at);
}

template <int HEADS>
static __device__ void place_group(const struct cuda_decode &d, int row, const cuda_row &r, int kv_head,
                                   int head, int heads, bool newest, float *queries, float *room,
                                   float *scratch)
{
    size_t begin = (size_t)row * (size_t)d.a.qkv_stride;
    float of_queries = full_factor(d.a, begin, HEAD_QUERY, room);
    float of_keys = full_factor(d.a, begin, HEAD_KEY, room);
    int pitch = dim_pitch(d.a.head_dim), items = heads + (newest ? 2 : 0);
    float *mine = scratch + warp_index() * d.a.head_dim;
    for (int i = warp_index(); i < items; i += WARPS) {
        if (i >= heads) {
            bool values = i > heads;
            place_in_page(d.a, row, r, kv_head, values, values ? 1 : of_keys, mine);
            continue;
        }
        float *to = queries + i * pitch;
        head_part part = part_of(d.a, HEAD_QUERY, head + i, of_queries);
        place_head(d.a, row, part, mine, [&](int k, float value) { to[k] = value; });
        for (int k = d.a.head_dim + lane_index(); k < pitch; k += WARP)
            to[k] = 0;
    }
    __syncthreads();
}

template <int KV, int COLUMNS, int HEADS>
static __global__ void __launch_bounds__(THREADS, 2)
    decode_kernel(const __grid_constant__ struct cuda_decode d)
{
    KERNEL_SHARED_BYTES(memory);
    __shared__ float room[WARP];
    grid_launch_next();
    const cuda_attention &a = d.a;
    int row = (int)blockIdx.z, group = a.heads / a.kv_heads, tiles = (group + HEADS - 1) / HEADS;
    int kv_head = (int)blockIdx.y / tiles, tile = (int)blockIdx.y % tiles, split = (int)blockIdx.x;
    int head = kv_head * group + tile * HEADS, heads = min(group - tile * HEADS, HEADS);
    cuda_row r = a.rows[row]; /* the step's lists are older than the kernel before this one */
    share s = share_of(d, r.position, split);
    if (r.token >= 0 && s.first + warp_index() < s.last)
        prefetch_page(a, r, kv_head, s.first + warp_index());
    grid_wait();
    if (r.token < 0) {
        if (split == 0 && blockIdx.y == 0)
            clear_row(a, row, 0);
        return;
    }
    if (split >= s.used)
        return;

    int pitch = dim_pitch(a.head_dim);
    float *queries = reinterpret_cast<float *>(memory), *weights = queries + HEADS * pitch;
    float *scratch = weights; /* until the first page */
    place_group<HEADS>(d, row, r, kv_head, head, heads, split == s.used - 1, queries, room,
                       scratch);
    running<COLUMNS, HEADS> sums;
#pragma unroll
    for (int h = 0; h < HEADS; h++) {
        sums.largest[h] = -3.402823466e38f;
        sums.weight[h] = 0;
#pragma unroll
        for (int c = 0; c < COLUMNS; c++)
            sums.sums[h][c] = 0;
    }
    for (int page = s.first + warp_index(); page < s.last; page += WARPS) {
        int base = page * KERNEL_KV_BLOCK, position = base + lane_index();
        int from = max(s.low - base, 0), to = min(r.position - base + 1, (int)KERNEL_KV_BLOCK);
        if (page + WARPS < s.last)
            prefetch_page(a, r, kv_head, page + WARPS);
        uint8_t *keys = page_part(a, r, base, kv_head, false);
        uint8_t *values = keys + part_bytes(a.kv, pitch);
        bool seen = position >= s.low && position <= r.position;
        float scores[HEADS], key_scale = 1, value_scale = 1;
        if (KV == KERNEL_KV_Q8) {
            key_scale = seen ? part_scales(keys, pitch)[lane_index()] : 0;
            value_scale = seen ? part_scales(values, pitch)[lane_index()] : 0;
        }
        score<KV, HEADS>(a, keys + lane_index() * pitch * element<KV>::bytes, queries, heads, seen,
                         key_scale, scores);
        fold_page<KV, COLUMNS, HEADS>(a, &sums, scores, weights + warp_index() * WARP * HEADS,
                                      values, value_scale, from, to, heads);
    }
    merge_warps<COLUMNS, HEADS>(d, &sums, queries, row, head, heads, split);
    if (!is_last(&d.tickets[row * a.kv_heads + kv_head], s.used * tiles))
        return;
    for (int h = 0; h < group; h++)
        merge_splits(d, row, kv_head * group + h, s.used);
    if (kv_head == a.kv_heads - 1)
        clear_row(a, row, a.heads * a.head_dim);
}

template <int KV, int COLUMNS, int HEADS>
static int launch_decode(const struct cuda_decode *d, struct cuda_stream *stream)
{
    const struct cuda_attention *a = &d->a;
    int group = a->heads / a->kv_heads, pitch = dim_pitch(a->head_dim);
    int weights = WARPS * WARP * HEADS, scratch = WARPS * a->head_dim;
    int floats = HEADS * pitch + (weights > scratch ? weights : scratch);
    int merge = WARPS * (pitch + 2);
    shape s = {dim3((unsigned)d->splits, (unsigned)(a->kv_heads * divide_up(group, HEADS)),
                    (unsigned)a->count),
               dim3(THREADS), sizeof(float) * (size_t)(floats > merge ? floats : merge)};
    return launch(decode_kernel<KV, COLUMNS, HEADS>, s, stream, *d);
}

template <int KV, int COLUMNS>
static int by_group(const struct cuda_decode *d, struct cuda_stream *stream)
{
    int group = d->a.heads / d->a.kv_heads;
    if (group == 1)
        return launch_decode<KV, COLUMNS, 1>(d, stream);
    if constexpr (COLUMNS <= 8)
        if (group > 4)
            return launch_decode<KV, COLUMNS, 8>(d, stream);
    return launch_decode<KV, COLUMNS, 4>(d, stream);
}

template <int KV> static int by_width(const struct cuda_decode *d, struct cuda_stream *stream)
{
    if (d->a.head_dim <= 2 * WARP)
        return by_group<KV, 2>(d, stream);
    if (d->a.head_dim <= 4 * WARP)
        return by_group<KV, 4>(d, stream);
    return d->a.head_dim <= 8 * WARP ? by_group<KV, 8>(d, stream) : by_group<KV, 16>(d, stream);
}

int cuda_attend_decode(const struct cuda_decode *d, struct cuda_stream *stream)
{
    if (d->a.kv == KERNEL_KV_Q8)
        return by_width<KERNEL_KV_Q8>(d, stream);
    return by_width<KERNEL_KV_F16>(d, stream);
}
