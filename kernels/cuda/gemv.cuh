/* The product of a few tokens (1 to 16) with a matrix: what decoding does most, bound by reading
 * the weights. One kernel for every type, so that it is tuned once.
 *
 * Weights are the A operand of tensor-core products: a warp takes a panel of 16 rows, its lane
 * (g, t) reads 16 bytes of rows g and g + 8 and has with them the A fragments of several mma.
 * Tokens are the columns of B. For block types both are int8 and a block of 32 columns is one mma,
 * exact in int32, then scaled and added in fp32: as on the CPU but for the order of the blocks.
 * The accumulators begin at the bits of 1.5 * 2^23, so that the sums are floats without a
 * conversion, less what the codes' bias times the sum of the quants comes to. For F16 and BF16
 * each input is two 16-bit numbers (the second is what the first left over), in columns of their
 * own, a block of 32 scaled by a power of two: about 22 bits of the input survive. F32 goes through
 * plain fused multiply-adds.
 *
 * `deep` warps of the block share a panel, each taking every deep-th chunk of columns; their sums
 * are added in order. Each warp has the chunks of a turn in flight, across panels: as it takes one
 * up, it begins to load the one in the same place of the next turn. With two blocks of eight warps
 * a multiprocessor has 32 to 64 KiB under way.
 * Inputs lie in shared memory as B fragments, all columns where they fit, else tile by tile.
 *
 * A token's result does not depend on the other tokens, nor on how many there are. Where there is
 * only one (ONE), the columns of B that are no token's are not scaled and added: a quarter of the
 * instructions of block types, which bound those of few bits (docs/gpu.md). */
#ifndef KERNELS_CUDA_GEMV_CUH
#define KERNELS_CUDA_GEMV_CUH

#include "kernels/cuda/codes.cuh"
#include "kernels/cuda/input.cuh"

enum { GEMV_WARPS = 8, GEMV_THREADS = GEMV_WARPS * WARP, PANEL = 16, MAX_USED = 64 };

static const int MAGIC_BITS = 0x4b400000; /* 1.5 * 2^23: adding an integer adds it to the float */
#define MAGIC 12582912.0f

/* What a launch does beyond one product for all tokens. */
enum gemv_mode {
    GEMV_PLAIN,
    GEMV_EXPERT_GATE, /* grid.y: a pair; its expert's rows, its token's input */
    GEMV_EXPERT_DOWN, /* grid.y: a token; its experts one after another, each with its pair's input */
};

struct gemv_plan {
    struct cuda_gemv a;
    gemv_mode mode;
    int rows_each, used; /* of expert modes */
    const int32_t *experts;
    const float *weights;
    int passes;      /* panels that one output needs: 1, gate and up 2, EXPERT_DOWN `used` */
    int outputs;     /* rows of the output */
    int deep, units; /* warps a panel; groups of GEMV_WARPS / deep panels */
    int tokens;      /* rows of the input that a block holds */
    int chunks, tile_chunks, tile_blocks; /* a tile's blocks of 32 columns: a multiple of 4 */
    row_bytes bytes;
};

/* How a type is multiplied. */
template <int TYPE> struct gemv_type {
    typedef code<TYPE> C;
    static const bool is_float = C::kind == KIND_FLOAT;
    static const bool is_plain = TYPE == KERNEL_F32; /* no mma */
    static const int parts = is_float && !is_plain ? 2 : 1; /* B columns a token */
    /* Bytes of shared memory for 32 columns of one token; with them goes a staged_block. */
    static const int staged = CUDA_BLOCK * (is_plain ? 4 : is_float ? 2 * 2 : 1);
};

/* Chunks that a warp has in flight: its turn. As many as there are registers for. */
template <int TYPE, int NT> struct gemv_turn {
    static const int kind = code<TYPE>::kind;
    static const int few = kind == KIND_FLOAT || TYPE == KERNEL_Q8_0 ? 4 : kind == KIND_SCALE ? 3 : 2;
    static const int many = kind == KIND_FLOAT || kind == KIND_SCALE ? 2 : 1;
    static const int chunks = NT == 1 ? few : many;
};

/* --- Staging inputs --- */

/* Of a block of 32 of one token, for block types: how its sums become floats. Floats use scale. */
struct alignas(16) staged_block {
    float scale;
    int begin[2]; /* accumulators: MAGIC less bias * sum of quants (of each half for HALVES) */
    float sum;
};

struct stage {
    unsigned char *values;
    staged_block *blocks;
};

template <int TYPE>
static __device__ __forceinline__ stage stage_at(unsigned char *memory, const gemv_plan &p)
{
    stage s;
    s.values = memory;
    s.blocks = reinterpret_cast<staged_block *>(memory + (size_t)p.tile_blocks * (size_t)p.tokens *
                                                             (size_t)gemv_type<TYPE>::staged);
    return s;
}

template <int TYPE>
static __device__ __forceinline__ staged_block begin_block(float scale, const int sums[2],
                                                           float sum)
{
    const int bias = code<TYPE>::bias;
    staged_block b;
    b.scale = scale;
    b.sum = sum;
    bool halves = code<TYPE>::kind == KIND_HALVES;
    b.begin[0] = MAGIC_BITS - bias * (halves ? sums[0] : sums[0] + sums[1]);
    b.begin[1] = MAGIC_BITS - bias * sums[1];
    return b;
}

/* Eight lanes put a block of 32 columns of a token: `x` are columns 4 j … 4 j + 3 of lane j. */
template <int TYPE>
static __device__ __forceinline__ void stage_quants(stage s, int block, int token, int tokens,
                                                    const float x[4])
{
    float scale;
    int sums[2], j = lane_index() % 8, at = block * tokens + token;
    uint32_t word = quantize_four(x, &scale, sums);
    reinterpret_cast<uint32_t *>(s.values)[at * 8 + j % 4 * 2 + j / 4] = word;
    if (j == 0)
        s.blocks[at] = begin_block<TYPE>(scale, sums, scale * (float)(sums[0] + sums[1]));
}

/* A power of two that brings `largest` into [2^14, 2^15), and its inverse; zeros for tiny ones. */
static __device__ __forceinline__ float2 power_scale(float largest)
{
    int exponent = (int)(__float_as_uint(largest) >> 23 & 255);
    if (exponent < 16)
        return make_float2(0, 0);
    exponent = exponent > 252 ? 252 : exponent;
    return make_float2(__uint_as_float((uint32_t)(268 - exponent) << 23),
                       __uint_as_float((uint32_t)(exponent - 14) << 23));
}

static __device__ __forceinline__ uint32_t pack_two(bool brain, float low, float high)
{
    return brain ? floats_to_bfloats(low, high) : floats_to_halves(low, high);
}

static __device__ __forceinline__ float left_over(bool brain, float x, uint32_t packed, int i)
{
    uint16_t bits = (uint16_t)(packed >> 16 * i);
    return x - (brain ? bfloat_to_float(bits) : half_to_float(bits));
}

template <int TYPE>
static __device__ __forceinline__ void stage_halves(stage s, int block, int token, int tokens,
                                                    const float x[4])
{
    const bool brain = TYPE == KERNEL_BF16;
    int j = lane_index() % 8;
    float largest = fmaxf(fmaxf(fabsf(x[0]), fabsf(x[1])), fmaxf(fabsf(x[2]), fabsf(x[3])));
#pragma unroll
    for (int by = 1; by < 8; by *= 2)
        largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, by));
    float2 scale = power_scale(largest);
    uint32_t *to = reinterpret_cast<uint32_t *>(s.values) + (block * 2 * tokens + token) * 16;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        float low = x[2 * i] * scale.x, high = x[2 * i + 1] * scale.x;
        uint32_t first = pack_two(brain, low, high);
        to[2 * j + i] = first;
        to[tokens * 16 + 2 * j + i] =
            pack_two(brain, left_over(brain, low, first, 0), left_over(brain, high, first, 1));
    }
    if (j == 0)
        s.blocks[block * tokens + token].scale = scale.y;
}

/* F32: [chunk][token][16 columns]. */
template <int TYPE>
static __device__ __forceinline__ void stage_floats(stage s, int block, int token, int tokens,
                                                    const float x[4])
{
    int j = lane_index() % 8, chunk = 2 * block + j / 4;
    reinterpret_cast<float4 *>(s.values)[(chunk * tokens + token) * 4 + j % 4] =
        make_float4(x[0], x[1], x[2], x[3]);
}

/* `AHEAD` is how many loads a thread has in flight: one where a tile is staged in the middle of the
 * work, whose registers are taken.
 *
 * Columns [32 block, + 32) of a row already quantised, as kernels->quantize gave them. */
template <int TYPE, int AHEAD>
static __device__ void stage_given(const cuda_input &in, stage s, int first, int count, int row,
                                   int token, int tokens)
{
    int blocks = (in.columns + CUDA_BLOCK - 1) / CUDA_BLOCK;
#pragma unroll AHEAD
    for (int i = (int)threadIdx.x; i < count * 8; i += GEMV_THREADS) {
        int block = i / 8, j = i % 8, from = first + block, at = block * tokens + token;
        size_t source = (size_t)row * (size_t)blocks + (size_t)from;
        bool inside = from < blocks;
        uint32_t word =
            inside ? reinterpret_cast<const uint32_t *>(in.quants)[source * 8 + (size_t)j] : 0;
        reinterpret_cast<uint32_t *>(s.values)[at * 8 + j % 4 * 2 + j / 4] = word;
        int sum = __dp4a((int)word, 0x01010101, 0);
        sum += __shfl_xor_sync(ALL_LANES, sum, 1);
        sum += __shfl_xor_sync(ALL_LANES, sum, 2);
        int other = __shfl_xor_sync(ALL_LANES, sum, 4), sums[2] = {sum, other};
        float scale = inside ? in.blocks[source * 2] : 0;
        if (j == 0)
            s.blocks[at] = begin_block<TYPE>(scale, sums, inside ? in.blocks[source * 2 + 1] : 0);
    }
}

template <int TYPE, int AHEAD>
static __device__ void stage_made(const cuda_input &in, stage s, int first, int count, int row,
                                  int token, int tokens, row_factors f)
{
    size_t begin = (size_t)row * (size_t)in.stride;
#pragma unroll AHEAD
    for (int i = (int)threadIdx.x; i < count * 8; i += GEMV_THREADS) {
        float x[4];
        int c = first * CUDA_BLOCK + i * 4;
#pragma unroll
        for (int k = 0; k < 4; k++)
            x[k] = c + k < in.columns ? row_input(in, begin, c + k, f) : 0;
        if (gemv_type<TYPE>::is_plain)
            stage_floats<TYPE>(s, i / 8, token, tokens, x);
        else if (gemv_type<TYPE>::is_float)
            stage_halves<TYPE>(s, i / 8, token, tokens, x);
        else
            stage_quants<TYPE>(s, i / 8, token, tokens, x);
    }
}

/* The input row of the block's token i. */
static __device__ __forceinline__ int input_row(const gemv_plan &p, int i)
{
    if (p.mode == GEMV_EXPERT_GATE)
        return (int)blockIdx.y / p.used;
    return p.mode == GEMV_EXPERT_DOWN ? (int)blockIdx.y * p.used + i : i;
}

/* Chunks [first, first + tile_chunks) of all tokens, whole warps at a time. */
template <int TYPE, int AHEAD>
static __device__ void stage_tile(const gemv_plan &p, stage s, int first, const row_factors *f)
{
    int columns = code<TYPE>::columns, left = p.chunks - first;
    int count = min(left, p.tile_chunks) * columns + CUDA_BLOCK - 1;
    count = (count / CUDA_BLOCK + 3) / 4 * 4;
#pragma unroll 1
    for (int i = 0; i < p.tokens; i++)
        if (!gemv_type<TYPE>::is_float && p.a.in.quants)
            stage_given<TYPE, AHEAD>(p.a.in, s, first * columns / CUDA_BLOCK, count, input_row(p, i), i,
                              p.tokens);
        else
            stage_made<TYPE, AHEAD>(p.a.in, s, first * columns / CUDA_BLOCK, count, input_row(p, i), i,
                             p.tokens, f[i]);
}

/* --- Products --- */

/* Sums of a panel: as an mma's C, NT tiles of 8 columns of B. For F32, of rows g (0, 1) and
 * tokens: [i * 8 * NT + token]. */
template <int TYPE, int NT> struct panel_sums {
    float c[gemv_type<TYPE>::is_plain ? 16 * NT : 4 * NT];
};

/* A block of 32 columns of block types. */
template <int TYPE, int NT, bool ONE>
static __device__ __forceinline__ void multiply_block(panel_sums<TYPE, NT> *sums,
                                                      const piece<TYPE> w[2], int p, stage s,
                                                      int block, int tokens, int first)
{
    typedef code<TYPE> C;
    const bool has_min = C::kind == KIND_MIN || C::kind == KIND_SUPER;
    const int step = ONE ? 2 : 1; /* of the lane's two columns the first alone */
    int g = lane_index() / 4, t = lane_index() % 4, last = tokens - 1;
    uint32_t a[4] = {codes_of(w[0], p, 0), codes_of(w[1], p, 0), codes_of(w[0], p, 1),
                     codes_of(w[1], p, 1)};
    block_factors k[2] = {factors_of(w[0], p), factors_of(w[1], p)};
#pragma unroll
    for (int n = 0; n < NT; n++) {
        if (n)
            loads_stay_below();
        int column = min(first + 8 * n + g, last), pair = first + 8 * n + 2 * t;
        const staged_block *blocks = s.blocks + block * tokens;
        staged_block x[2] = {blocks[min(pair, last)]};
        if (!ONE)
            x[1] = blocks[min(pair + 1, last)];
        uint2 v = reinterpret_cast<const uint2 *>(s.values)[(block * tokens + column) * 4 + t];
        uint32_t b[2] = {v.x, v.y};
        int c[4] = {x[0].begin[0], x[1].begin[0], x[0].begin[0], x[1].begin[0]};
        if (C::kind == KIND_HALVES) {
            int d[4] = {x[0].begin[1], x[1].begin[1], x[0].begin[1], x[1].begin[1]};
            mma_unsigned_half(c, a[0], a[1], b[0]);
            mma_unsigned_half(d, a[2], a[3], b[1]);
#pragma unroll
            for (int i = 0; i < 4; i += step) {
                float part = fmaf(__int_as_float(d[i]) - MAGIC, k[i / 2].scale[1],
                                  (__int_as_float(c[i]) - MAGIC) * k[i / 2].scale[0]);
                sums->c[4 * n + i] = fmaf(part, x[i % 2].scale, sums->c[4 * n + i]);
            }
            continue;
        }
        if (C::is_signed)
            mma_signed(c, a, b);
        else
            mma_unsigned(c, a, b);
#pragma unroll
        for (int i = 0; i < 4; i += step) {
            float sum = (__int_as_float(c[i]) - MAGIC) * k[i / 2].scale[0];
            sum = fmaf(sum, x[i % 2].scale, sums->c[4 * n + i]);
            if (has_min)
                sum = fmaf(k[i / 2].min, x[i % 2].sum, sum);
            sums->c[4 * n + i] = sum;
        }
    }
}

/* A chunk of 32 columns of F16 or BF16: lane t's eight columns are 8 t … 8 t + 7. */
template <int TYPE, int NT>
static __device__ __forceinline__ void multiply_halves(panel_sums<TYPE, NT> *sums,
                                                       const piece<TYPE> w[2], stage s, int block,
                                                       int tokens, int first, int used)
{
    int g = lane_index() / 4, t = lane_index() % 4, columns = 2 * used;
    const uint4 *values = reinterpret_cast<const uint4 *>(s.values);
    uint4 u = w[0].codes, v = w[1].codes;
    uint32_t a[2][4] = {{u.x, v.x, u.y, v.y}, {u.z, v.z, u.w, v.w}};
#pragma unroll
    for (int n = 0; n < NT; n++) {
        /* Columns of B: the tokens' first parts, then their second ones. */
        int column = min(8 * n + g, columns - 1), part = column >= used;
        int token = first + column - part * used;
        uint4 x = values[((block * 2 + part) * tokens + token) * 4 + t];
        uint32_t b[2][2] = {{x.x, x.y}, {x.z, x.w}};
        float c[4] = {0, 0, 0, 0};
#pragma unroll
        for (int i = 0; i < 2; i++)
            if (TYPE == KERNEL_BF16)
                mma_bfloat(c, a[i], b[i]);
            else
                mma_half(c, a[i], b[i]);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int own = min(8 * n + 2 * t + i % 2, columns - 1);
            float scale = s.blocks[block * tokens + first + (own >= used ? own - used : own)].scale;
            sums->c[4 * n + i] = fmaf(c[i], scale, sums->c[4 * n + i]);
        }
    }
}

static __device__ __forceinline__ float dot4(uint4 w, float4 x, float sum)
{
    sum = fmaf(__uint_as_float(w.x), x.x, sum);
    sum = fmaf(__uint_as_float(w.y), x.y, sum);
    sum = fmaf(__uint_as_float(w.z), x.z, sum);
    return fmaf(__uint_as_float(w.w), x.w, sum);
}

template <int TYPE, int NT, bool ONE>
static __device__ __forceinline__ void multiply_floats(panel_sums<TYPE, NT> *sums,
                                                       const piece<TYPE> w[2], stage s, int chunk,
                                                       int tokens, int first)
{
    int t = lane_index() % 4;
#pragma unroll
    for (int n = 0; n < (ONE ? 1 : 8 * NT); n++) {
        int token = min(first + n, tokens - 1);
        float4 x = reinterpret_cast<const float4 *>(s.values)[(chunk * tokens + token) * 4 + t];
        sums->c[n] = dot4(w[0].codes, x, sums->c[n]);
        sums->c[8 * NT + n] = dot4(w[1].codes, x, sums->c[8 * NT + n]);
    }
}

/* One chunk, which lies `chunk` chunks into the staged tile, for `used` tokens from `first` on. */
template <int TYPE, int NT, bool ONE>
static __device__ __forceinline__ void multiply(panel_sums<TYPE, NT> *sums,
                                                const piece<TYPE> w[2], stage s, int chunk,
                                                int tokens, int first, int used)
{
    if constexpr (gemv_type<TYPE>::is_plain) {
        multiply_floats<TYPE, NT, ONE>(sums, w, s, chunk, tokens, first);
    } else if constexpr (gemv_type<TYPE>::is_float) {
        multiply_halves<TYPE, NT>(sums, w, s, chunk, tokens, first, used);
    } else {
#pragma unroll
        for (int p = 0; p < code<TYPE>::blocks; p++)
            multiply_block<TYPE, NT, ONE>(sums, w, p, s, chunk * code<TYPE>::blocks + p, tokens,
                                          first);
    }
}

/* --- Sums of a panel, and what becomes of them --- */

/* [warp][row of the panel][column of B]. */
template <int TYPE, int NT>
static __device__ void put_sums(panel_sums<TYPE, NT> *sums, float *room)
{
    int g = lane_index() / 4, t = lane_index() % 4;
    float *to = room + warp_index() * PANEL * 8 * NT;
    if constexpr (gemv_type<TYPE>::is_plain) {
#pragma unroll
        for (int i = 0; i < 16 * NT; i++) {
            float sum = sums->c[i];
            sum += __shfl_xor_sync(ALL_LANES, sum, 1);
            sum += __shfl_xor_sync(ALL_LANES, sum, 2);
            if (t == 0)
                to[(g + i / (8 * NT) * 8) * 8 * NT + i % (8 * NT)] = sum;
        }
    } else {
#pragma unroll
        for (int n = 0; n < NT; n++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                to[(g + i / 2 * 8) * 8 * NT + 8 * n + 2 * t + i % 2] = sums->c[4 * n + i];
    }
}

/* The finished product of a row of panel `panel` of the unit and a token, of `used` in B. */
template <int TYPE, int NT>
static __device__ __forceinline__ float take_sum(const float *room, int deep, int panel, int row,
                                                 int token, int used)
{
    float sum = 0;
    for (int k = 0; k < deep; k++) {
        const float *from = room + ((panel * deep + k) * PANEL + row) * 8 * NT;
        sum += gemv_type<TYPE>::parts == 2 ? from[token] + from[used + token] : from[token];
    }
    return sum;
}

static __device__ void store_one(const struct cuda_gemv &a, int token, int row, float sum)
{
    float *out = a.out + (size_t)token * (size_t)a.out_stride + (size_t)row;
    if (a.bias)
        sum += a.bias[row];
    if (a.kind == CUDA_OUT_ADD)
        *out += a.row_scale ? sum * a.row_scale[token] : sum;
    else
        *out = a.softcap > 0 ? capped(sum, a.softcap) : sum;
}

/* All rows of a unit, once its passes are done; `kept` holds what a pass left for the next ones.
 */
template <int TYPE, int NT>
static __device__ void store_unit(const gemv_plan &p, const float *room, float *kept, int unit,
                                  int pass)
{
    int panels = GEMV_WARPS / p.deep, rows = panels * PANEL;
    int used = p.mode == GEMV_EXPERT_DOWN ? 1 : p.tokens;
    bool last = pass == p.passes - 1;
    for (int i = (int)threadIdx.x; i < rows * used; i += GEMV_THREADS) {
        int token = i / rows, row = i % rows, out = unit * rows + row;
        float sum = take_sum<TYPE, NT>(room, p.deep, row / PANEL, row % PANEL, token, used);
        if (p.mode == GEMV_EXPERT_DOWN) {
            float weight = p.weights[(int)blockIdx.y * p.used + pass];
            sum = pass ? fmaf(sum, weight, kept[i]) : sum * weight;
        }
        if (!last) {
            kept[i] = sum;
        } else if (p.mode == GEMV_EXPERT_DOWN || p.passes == 1) {
            if (out < p.outputs)
                store_one(p.a, p.mode == GEMV_EXPERT_DOWN ? (int)blockIdx.y : token, out, sum);
        } else if (out < (p.outputs + 31) / 32 * 32 && out < p.a.out_stride) {
            int to = p.mode == GEMV_EXPERT_GATE ? (int)blockIdx.y : token;
            float value = activated(p.a.kind == CUDA_OUT_GELU, kept[i], sum);
            p.a.out[(size_t)to * (size_t)p.a.out_stride + (size_t)out] =
                out < p.outputs ? value : 0;
        }
    }
}

/* --- The kernel --- */

/* The matrix's rows that a lane reads (its second one is 8 further, if the panel has it): kept as
 * numbers, since the addresses in all planes would take many registers. */
struct lane_rows {
    int row[2];
};

/* A warp's panel in a pass over the matrix. */
static __device__ __forceinline__ lane_rows find_rows(const gemv_plan &p, int unit, int pass)
{
    int panel = unit * (GEMV_WARPS / p.deep) + warp_index() / p.deep, base = pass * p.outputs;
    if (p.mode == GEMV_EXPERT_GATE)
        base += p.experts[blockIdx.y] * p.rows_each;
    if (p.mode == GEMV_EXPERT_DOWN)
        base = p.experts[(int)blockIdx.y * p.used + pass] * p.rows_each;
    int first = panel * PANEL + lane_index() / 4;
    return {{base + min(first, p.outputs - 1), base + min(first + 8, p.outputs - 1)}};
}

/* A lane's parts of two rows of the chunks of a turn. */
template <int TYPE, int NT> struct turn_pieces {
    piece<TYPE> w[gemv_turn<TYPE, NT>::chunks][2];
};

/* Begins to load chunk u of the turn at `base`. */
template <int TYPE>
static __device__ __forceinline__ void fetch_chunk(const gemv_plan &p, piece<TYPE> to[2],
                                                   lane_rows rows, int base, int u)
{
    int chunk = base + u * p.deep + warp_index() % p.deep, t = lane_index() % 4;
    if (chunk >= p.chunks)
        return;
#pragma unroll
    for (int i = 0; i < 2; i++)
        fetch<TYPE>(&to[i], address_row<TYPE>(p.a.matrix, p.bytes, (size_t)rows.row[i], t), chunk);
}

/* The place of a turn in the block's work. */
struct turn_place {
    int unit, pass, base;
};

template <int TYPE, int NT>
static __device__ __forceinline__ turn_place next_place(const gemv_plan &p, turn_place at)
{
    at.base += p.deep * gemv_turn<TYPE, NT>::chunks;
    if (at.base < p.chunks)
        return at;
    at.base = 0;
    if (++at.pass == p.passes) {
        at.pass = 0;
        at.unit += (int)gridDim.x;
    }
    return at;
}

/* The block's first turn. */
template <int TYPE, int NT>
static __device__ __forceinline__ void begin_turn(const gemv_plan &p, turn_pieces<TYPE, NT> *w,
                                                  lane_rows *rows)
{
    *rows = find_rows(p, (int)blockIdx.x, 0);
#pragma unroll
    for (int u = 0; u < gemv_turn<TYPE, NT>::chunks; u++)
        fetch_chunk<TYPE>(p, w->w[u], *rows, 0, u);
}

/* While the kernel before this one still runs: the weights of the block's first unit into L2. */
template <int TYPE> static __device__ void prefetch_unit(const gemv_plan &p)
{
    const int most = 8 * 1024 / p.passes; /* bytes of a row: all blocks' together fit L2 */
    int panels = GEMV_WARPS / p.deep, rows = panels * PANEL;
    int lines = (int)((p.bytes.codes < (size_t)most ? p.bytes.codes : (size_t)most) + 127) / 128;
    for (int pass = 0; pass < p.passes; pass++)
        for (int row = warp_index(); row < rows; row += GEMV_WARPS) {
            int at = min((int)blockIdx.x * rows + row, p.outputs - 1) + pass * p.outputs;
            const uint8_t *codes = p.a.matrix.codes + (size_t)at * p.bytes.codes;
            for (int line = lane_index(); line < lines; line += WARP)
                prefetch_l2(codes + line * 128);
        }
}

/* The factors of all input rows, and their first (or only) tile. */
template <int TYPE>
static __device__ __forceinline__ void make_inputs(const gemv_plan &p, stage s,
                                                   row_factors *factors, bool tiled)
{
    __shared__ float room[WARP];
    bool store = p.a.in.sum_out && blockIdx.x == 0 &&
                 (p.mode != GEMV_EXPERT_GATE || (int)blockIdx.y % p.used == 0);
    for (int i = 0; i < p.tokens; i++) {
        size_t row = (size_t)input_row(p, i) * (size_t)p.a.in.stride;
        row_factors f = {1, 1};
        if (!p.a.in.quants)
            f = make_factors(p.a.in, row, store, room);
        if (threadIdx.x == 0)
            factors[i] = f;
    }
    __syncthreads();
    if (!tiled)
        stage_tile<TYPE, 4>(p, s, 0, factors);
    __syncthreads();
}

template <int TYPE, int NT, bool ONE>
static __global__ void __launch_bounds__(GEMV_THREADS, 2)
    gemv_kernel(const __grid_constant__ gemv_plan p)
{
    KERNEL_SHARED_BYTES(memory);
    __shared__ row_factors factors[MAX_USED];
    const int turn = gemv_turn<TYPE, NT>::chunks;
    turn_pieces<TYPE, NT> w;
    lane_rows rows_read;
    grid_launch_next();
    if (p.mode == GEMV_PLAIN) { /* weights are nobody's output: they need not wait */
        begin_turn<TYPE, NT>(p, &w, &rows_read);
        prefetch_unit<TYPE>(p);
    }
    grid_wait();
    float *room = reinterpret_cast<float *>(memory);
    float *kept = room + GEMV_WARPS * PANEL * 8 * NT;
    int rows = GEMV_WARPS / p.deep * PANEL, used = p.mode == GEMV_EXPERT_DOWN ? 1 : p.tokens;
    stage s = stage_at<TYPE>(
        reinterpret_cast<unsigned char *>(kept + (p.passes > 1 ? rows * used : 0)), p);

    bool tiled = p.tile_chunks < p.chunks;
    make_inputs<TYPE>(p, s, factors, tiled);

    turn_place at = {(int)blockIdx.x, 0, 0};
    if (p.mode != GEMV_PLAIN)
        begin_turn<TYPE, NT>(p, &w, &rows_read);
    while (at.unit < p.units) {
        panel_sums<TYPE, NT> sums = {};
        int tile = 0, pass = at.pass, unit = at.unit;
        for (int base = 0; base < p.chunks; base += p.deep * turn) {
            if (tiled && base % p.tile_chunks == 0) {
                __syncthreads();
                stage_tile<TYPE, 1>(p, s, base, factors);
                __syncthreads();
                tile = base;
            }
            at = next_place<TYPE, NT>(p, at);
            if (at.base == 0 && at.unit < p.units)
                rows_read = find_rows(p, at.unit, at.pass);
#pragma unroll
            for (int u = 0; u < turn; u++) {
                piece<TYPE> now[2] = {w.w[u][0], w.w[u][1]};
                if (at.unit < p.units)
                    fetch_chunk<TYPE>(p, w.w[u], rows_read, at.base, u);
                int chunk = base + u * p.deep + warp_index() % p.deep;
                if (chunk < p.chunks)
                    multiply<TYPE, NT, ONE>(&sums, now, s, chunk - tile, p.tokens,
                                            p.mode == GEMV_EXPERT_DOWN ? pass : 0, used);
            }
        }
        __syncthreads(); /* what the unit before left has been taken */
        put_sums<TYPE, NT>(&sums, room);
        __syncthreads();
        store_unit<TYPE, NT>(p, room, kept, unit, pass);
    }
}

/* --- Launching --- */

/* Shapes that depend on the matrix alone, so that a token's sums do not depend on its neighbours. */
template <int TYPE> static void plan_depth(gemv_plan *p)
{
    p->chunks = divide_up(p->a.matrix.columns, code<TYPE>::columns);
    p->deep = GEMV_WARPS;
    while (p->deep > 1 && p->deep > p->chunks)
        p->deep /= 2;
    bool zeros = p->a.kind == CUDA_OUT_SILU || p->a.kind == CUDA_OUT_GELU;
    int outputs = zeros ? cuda_pitch(p->outputs) : p->outputs;
    p->units = divide_up(outputs, GEMV_WARPS / p->deep * PANEL);
    p->bytes = bytes_of_row<TYPE>(p->a.matrix.columns);
}

/* As many chunks as leave room for two blocks on a multiprocessor. */
template <int TYPE, int NT> static size_t plan_tiles(gemv_plan *p)
{
    int turn = p->deep * gemv_turn<TYPE, NT>::chunks, rows = GEMV_WARPS / p->deep * PANEL;
    int used = p->mode == GEMV_EXPERT_DOWN ? 1 : p->tokens;
    size_t fixed = sizeof(float) * (size_t)(GEMV_WARPS * PANEL * 8 * NT);
    fixed += p->passes > 1 ? sizeof(float) * (size_t)(rows * used) : 0;
    size_t block = (size_t)gemv_type<TYPE>::staged + sizeof(staged_block);
    size_t budget = (device_shared_bytes() - 4096) / 2 - fixed;
    int fit = (int)(budget / (block * (size_t)p->tokens)) / 4 * 4; /* blocks */
    p->tile_chunks = fit * CUDA_BLOCK / code<TYPE>::columns / turn * turn;
    if (p->tile_chunks < turn)
        p->tile_chunks = turn;
    if (p->tile_chunks > p->chunks)
        p->tile_chunks = p->chunks;
    p->tile_blocks = divide_up(p->tile_chunks * code<TYPE>::columns, 4 * CUDA_BLOCK) * 4;
    return fixed + block * (size_t)p->tokens * (size_t)p->tile_blocks;
}

template <int TYPE, int NT, bool ONE>
static int launch_gemv(gemv_plan p, int grid_y, struct cuda_stream *stream)
{
    plan_depth<TYPE>(&p);
    shape s = shape();
    s.shared = plan_tiles<TYPE, NT>(&p);
    int blocks = 2 * device_multiprocessors();
    s.grid = dim3((unsigned)(p.units < blocks ? p.units : blocks), (unsigned)grid_y);
    s.block = dim3(GEMV_THREADS);
    return launch(gemv_kernel<TYPE, NT, ONE>, s, stream, p);
}

/* By the number of B's columns. */
template <int TYPE> static int run_gemv(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    int used = p.mode == GEMV_EXPERT_DOWN ? 1 : p.tokens;
    int columns = used * gemv_type<TYPE>::parts;
    if constexpr (gemv_type<TYPE>::parts == 1 && code<TYPE>::kind != KIND_HALVES) /* would spill */
        if (columns == 1)
            return launch_gemv<TYPE, 1, true>(p, grid_y, stream);
    if (columns <= 8)
        return launch_gemv<TYPE, 1, false>(p, grid_y, stream);
    if (columns <= 16)
        return launch_gemv<TYPE, 2, false>(p, grid_y, stream);
    if constexpr (gemv_type<TYPE>::parts == 2)
        return launch_gemv<TYPE, 4, false>(p, grid_y, stream);
    return 1;
}

/* One function a type, each in a file of its own group (gemv_*.cu). */
typedef int gemv_runner(const gemv_plan &p, int grid_y, struct cuda_stream *stream);
gemv_runner gemv_f32, gemv_f16, gemv_bf16, gemv_q8_0, gemv_q4_0, gemv_q4_1, gemv_q5_0, gemv_q5_1,
    gemv_q4_k, gemv_q5_k, gemv_q6_k, gemv_iq4_nl, gemv_mxfp4;

#endif
