/* engine/sampler.c on the device: the same numbers in the same order, so that a seeded request
 * draws the same tokens wherever it runs. A block draws for one chain.
 *
 * What decides the result must not depend on how threads share the work: products and sums here are
 * rounded one by one (no fused ones, as the host's code has none), sums of doubles run in order,
 * by one warp that passes 32 numbers at a time through its lanes, and what is collected in any
 * order is sorted. As on the host, the k likeliest are looked for only in blocks of 64 tokens whose
 * largest logit reaches the k-th largest of such. */
#include "kernels/cuda/launch.cuh"

enum { THREADS = 512, BLOCK = 64, FIRST_LOOK = 64, SMALL = 2048, DIGITS = 256 };
static const uint32_t SEEN = 0x80000000u;

/* Of one chain, in the scratch. */
struct scratch {
    float *work, *maxima, *weights; /* adjusted logits, largest of each block, of candidates */
    double *sums, *before;          /* of each block's exponentials, and of all up to it */
    uint64_t *keys;                 /* candidates: their order, then the token */
};

static __host__ __device__ __forceinline__ size_t padded(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

static __host__ __device__ __forceinline__ size_t power_of_two(size_t n)
{
    size_t p = 1;
    while (p < n)
        p *= 2;
    return p;
}

size_t cuda_sample_scratch(int vocabulary)
{
    size_t n = (size_t)vocabulary, blocks = (n + BLOCK - 1) / BLOCK;
    return 2 * padded(n * sizeof(float)) + padded(blocks * sizeof(float)) +
           2 * padded(blocks * sizeof(double)) + padded(power_of_two(n) * sizeof(uint64_t));
}

static __device__ scratch scratch_at(unsigned char *memory, int vocabulary)
{
    size_t n = (size_t)vocabulary, blocks = (n + BLOCK - 1) / BLOCK;
    scratch s;
    s.work = reinterpret_cast<float *>(memory);
    memory += padded(n * sizeof(float));
    s.weights = reinterpret_cast<float *>(memory);
    memory += padded(n * sizeof(float));
    s.maxima = reinterpret_cast<float *>(memory);
    memory += padded(blocks * sizeof(float));
    s.sums = reinterpret_cast<double *>(memory);
    memory += padded(blocks * sizeof(double));
    s.before = reinterpret_cast<double *>(memory);
    memory += padded(blocks * sizeof(double));
    s.keys = reinterpret_cast<uint64_t *>(memory);
    return s;
}

/* What all threads of the block know. */
struct shared_state {
    uint64_t keys[SMALL];
    uint32_t digits[DIGITS];
    float room[WARP];
    uint32_t found, rank;
    int count, chosen;
    double sum;
};

struct problem {
    const float *logits; /* as they came, or adjusted */
    int vocabulary, blocks;
    scratch s;
    shared_state *shared;
};

/* --- Exponentials --- */

/* As exponential4 of engine/sampler.c. */
static __device__ __forceinline__ float exponential(float x)
{
    float kept = x > -88.0f ? x : -88.0f;
    float n = __fadd_rn(__fmul_rn(kept, 1.44269504f), 12582912.0f);
    n = __fadd_rn(n, -12582912.0f);
    float r = __fadd_rn(__fadd_rn(kept, -__fmul_rn(n, 0.693359375f)),
                        __fmul_rn(n, 2.12194440e-4f));
    float p = __fadd_rn(__fmul_rn(r, 1.9875691e-4f), 1.3981999e-3f);
    p = __fadd_rn(__fmul_rn(p, r), 8.3334519e-3f);
    p = __fadd_rn(__fmul_rn(p, r), 4.1665796e-2f);
    p = __fadd_rn(__fmul_rn(p, r), 1.6666665e-1f);
    p = __fadd_rn(__fmul_rn(p, r), 0.5f);
    p = __fadd_rn(__fadd_rn(__fmul_rn(__fmul_rn(p, r), r), r), 1.0f);
    return __fmul_rn(p, __int_as_float(((int)n + 127) << 23));
}

static __device__ __forceinline__ float weight_of(float logit, float top, float scale)
{
    return exponential(__fmul_rn(__fadd_rn(logit, -top), scale));
}

/* The sum of each block: four lanes a block, a quarter each; what is past the last whole four goes
 * to the first lane's. */
static __device__ void sum_blocks(const problem &p, float top, float scale)
{
    int lane = (int)threadIdx.x % 4;
    for (int base = 0; base < p.blocks; base += THREADS / 4) {
        int block = base + (int)threadIdx.x / 4, from = block * BLOCK;
        int to = min(from + (int)BLOCK, p.vocabulary), whole = from + (to - from) / 4 * 4;
        float sum = 0;
        for (int i = from + lane; block < p.blocks && i < whole; i += 4)
            sum = __fadd_rn(sum, weight_of(p.logits[i], top, scale));
        for (int i = whole; block < p.blocks && lane == 0 && i < to; i++)
            sum = __fadd_rn(sum, weight_of(p.logits[i], top, scale));
        double all = 0;
        for (int i = 0; i < 4; i++)
            all = __dadd_rn(all, (double)__shfl_sync(ALL_LANES, sum, i, 4));
        if (block < p.blocks && lane == 0)
            p.s.sums[block] = all;
    }
    __syncthreads();
}

/* --- Sums in order, by the first warp --- */

struct reached {
    int index; /* the first whose sum passes the limit, or the count */
    double sum;
};

/* Adds values[0], values[1] … until the sum is over `limit` (or at it, with `at`). `before` (or
 * NULL) gets the sum up to each. */
template <class T>
static __device__ reached scan(const T *values, int count, double limit, bool at, double *before)
{
    double sum = 0;
    for (int base = 0; base < count; base += WARP) {
        int mine = base + lane_index(), last = min(count - base, (int)WARP);
        double value = mine < count ? (double)values[mine] : 0, upto = 0;
        for (int i = 0; i < last; i++) {
            sum = __dadd_rn(sum, __shfl_sync(ALL_LANES, value, i));
            upto = i == lane_index() ? sum : upto;
            if (sum > limit || (at && sum >= limit))
                return {base + i, sum};
        }
        if (before && mine < count)
            before[mine] = upto;
    }
    return {count, sum};
}

/* The whole block gets what the first warp found. */
template <class T>
static __device__ reached scan_all(const problem &p, const T *values, int count, double limit,
                                   bool at, double *before)
{
    __syncthreads();
    if (warp_index() == 0) {
        reached r = scan(values, count, limit, at, before);
        if (lane_index() == 0) {
            p.shared->chosen = r.index;
            p.shared->sum = r.sum;
        }
    }
    __syncthreads();
    return {p.shared->chosen, p.shared->sum};
}

/* --- The largest --- */

static __device__ float find_maxima(const problem &p)
{
    float top = -INFINITY;
    int lane = (int)threadIdx.x % 4;
    for (int base = 0; base < p.blocks; base += THREADS / 4) {
        int block = base + (int)threadIdx.x / 4, from = block * BLOCK;
        int to = block < p.blocks ? min(from + (int)BLOCK, p.vocabulary) : from;
        float largest = -INFINITY;
        for (int i = from + lane; i < to; i += 4)
            largest = p.logits[i] > largest ? p.logits[i] : largest;
        largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, 1));
        largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, 2));
        if (block < p.blocks && lane == 0)
            p.s.maxima[block] = largest;
        top = fmaxf(top, largest);
    }
    return block_max(top, p.shared->room); /* and a barrier: the maxima can be read */
}

/* Larger floats to smaller numbers; both zeros alike. */
static __device__ __forceinline__ uint32_t descending(float x)
{
    uint32_t bits = __float_as_uint(x == 0 ? 0.0f : x);
    return bits & SEEN ? bits : ~bits & ~SEEN;
}

/* The `rank`-th smallest (from 0) of descending(values[0 … count)), digit by digit. */
static __device__ uint32_t select(const problem &p, const float *values, int count, int rank)
{
    shared_state *s = p.shared;
    uint32_t prefix = 0;
    __syncthreads();
    if (threadIdx.x == 0)
        s->rank = (uint32_t)rank;
    for (int shift = 24; shift >= 0; shift -= 8) {
        for (int i = (int)threadIdx.x; i < DIGITS; i += THREADS)
            s->digits[i] = 0;
        __syncthreads();
        for (int i = (int)threadIdx.x; i < count; i += THREADS) {
            uint32_t key = descending(values[i]);
            if (shift == 24 || key >> (shift + 8) == prefix >> (shift + 8))
                atomicAdd(&s->digits[key >> shift & 255], 1u);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            uint32_t digit = 0;
            while (s->rank >= s->digits[digit])
                s->rank -= s->digits[digit++];
            s->found = digit;
        }
        __syncthreads();
        prefix |= s->found << shift;
    }
    return prefix;
}

/* Bitonic; `n` a power of two. */
static __device__ void sort(uint64_t *keys, int n)
{
    for (int size = 2; size <= n; size *= 2)
        for (int step = size / 2; step; step /= 2) {
            __syncthreads();
            for (int i = (int)threadIdx.x; i < n; i += THREADS) {
                int other = i ^ step;
                if (other < i)
                    continue;
                uint64_t a = keys[i], b = keys[other];
                if ((a > b) == !(i & size)) {
                    keys[i] = b;
                    keys[other] = a;
                }
            }
        }
    __syncthreads();
}

/* Collects the tokens whose descending key is at most `bound`, sorts them and keeps the `most`
 * likeliest in s.keys. Returns how many. */
static __device__ int collect(const problem &p, uint32_t bound, int most)
{
    shared_state *s = p.shared;
    __syncthreads();
    if (threadIdx.x == 0)
        s->count = 0;
    __syncthreads();
    for (int i = (int)threadIdx.x; i < p.vocabulary; i += THREADS) {
        float logit = p.logits[i];
        if (descending(p.s.maxima[i / BLOCK]) > bound || logit != logit)
            continue;
        uint32_t key = descending(logit);
        if (key <= bound)
            p.s.keys[atomicAdd(&s->count, 1)] = (uint64_t)key << 32 | (uint32_t)i;
    }
    __syncthreads();
    int count = s->count, n = (int)power_of_two((size_t)count);
    bool small = n <= SMALL;
    uint64_t *keys = small ? s->keys : p.s.keys;
    for (int i = (int)threadIdx.x; i < n; i += THREADS)
        if (small)
            keys[i] = i < count ? p.s.keys[i] : ~(uint64_t)0;
        else if (i >= count)
            keys[i] = ~(uint64_t)0;
    sort(keys, n);
    count = min(count, most);
    for (int i = (int)threadIdx.x; small && i < count; i += THREADS)
        p.s.keys[i] = keys[i];
    __syncthreads();
    return count;
}

/* The k likeliest, in order. */
static __device__ int likeliest(const problem &p, int k)
{
    uint32_t bound = descending(-INFINITY);
    if (k <= p.blocks)
        bound = select(p, p.s.maxima, p.blocks, k - 1);
    return collect(p, bound, k);
}

static __device__ __forceinline__ int token_of(const problem &p, int candidate)
{
    return (int)(uint32_t)p.s.keys[candidate];
}

/* --- Drawing --- */

static __device__ void weigh_candidates(const problem &p, int count, float top, float scale)
{
    for (int i = (int)threadIdx.x; i < count; i += THREADS)
        p.s.weights[i] = weight_of(p.logits[token_of(p, i)], top, scale);
    __syncthreads();
}

/* The smallest index in [0, count) that `holds`, or count. By the whole block. */
template <class HOLDS> static __device__ int first_where(const problem &p, int count, HOLDS holds)
{
    __syncthreads();
    if (threadIdx.x == 0)
        p.shared->found = 0;
    __syncthreads();
    for (int i = (int)threadIdx.x; i < count; i += THREADS)
        if (holds(i)) {
            atomicMax(&p.shared->found, (uint32_t)(count - i));
            break;
        }
    __syncthreads();
    return count - (int)p.shared->found;
}

static __device__ int argmax(const problem &p, float top)
{
    int at = first_where(p, p.vocabulary, [&](int i) { return p.logits[i] == top; });
    return at < p.vocabulary ? at : 0;
}

/* From all tokens: the block, then the token, where the sum passes the goal. */
static __device__ int draw_any(const problem &p, float top, float scale, double uniform)
{
    sum_blocks(p, top, scale);
    double total = scan_all(p, p.s.sums, p.blocks, INFINITY, false, p.s.before).sum;
    double goal = __dmul_rn(total, uniform);
    int chosen = first_where(p, p.blocks, [&](int i) { return p.s.before[i] > goal; });
    if (chosen == p.blocks) { /* rounding: the last that weighs anything */
        int back = first_where(p, p.blocks, [&](int i) { return p.s.sums[p.blocks - 1 - i] > 0; });
        chosen = back < p.blocks ? p.blocks - 1 - back : 0;
    }
    if (warp_index() == 0) {
        for (int base = 0; base < chosen; base += WARP) {
            int mine = base + lane_index(), last = min(chosen - base, (int)WARP);
            double value = mine < chosen ? p.s.sums[mine] : 0;
            for (int i = 0; i < last; i++)
                goal = __dadd_rn(goal, -__shfl_sync(ALL_LANES, value, i));
        }
        int from = chosen * BLOCK, to = min(from + (int)BLOCK, p.vocabulary), token = from;
        double sum = 0;
        for (int i = from; i < to && sum <= goal; i++) {
            float weight = weight_of(p.logits[i], top, scale);
            sum = __dadd_rn(sum, (double)weight);
            token = weight > 0 ? i : token;
        }
        if (lane_index() == 0)
            p.shared->chosen = token;
    }
    __syncthreads();
    return p.shared->chosen;
}

/* Candidates of top_k, top_p and min_p, in order, and what they weigh together. */
struct choice {
    int count;
    double total;
};

/* Keeps the fewest candidates that hold `share` of `total`. */
static __device__ choice cut_to_mass(const problem &p, int count, double total, double share)
{
    reached r = scan_all(p, p.s.weights, count, __dmul_rn(total, share), true, nullptr);
    return {r.index < count ? r.index + 1 : count, r.sum};
}

/* top_p alone: looks at more and more of the likeliest until they hold enough. */
static __device__ choice nucleus(const problem &p, float top, float scale, double share)
{
    sum_blocks(p, top, scale);
    double total = scan_all(p, p.s.sums, p.blocks, INFINITY, false, nullptr).sum;
    for (int k = FIRST_LOOK;; k = k < p.vocabulary / 8 ? k * 8 : p.vocabulary) {
        int count = likeliest(p, k);
        weigh_candidates(p, count, top, scale);
        double need = __dmul_rn(total, share);
        choice c = cut_to_mass(p, count, total, share);
        if (c.total >= need || k >= p.vocabulary)
            return c;
    }
}

static __device__ choice choose(const problem &p, const cuda_draw &d, float top)
{
    bool nuclear = d.top_p > 0 && d.top_p < 1;
    choice c;
    if (d.top_k > 0) {
        c.count = likeliest(p, min(d.top_k, p.vocabulary));
        weigh_candidates(p, c.count, top, d.scale);
        c.total = scan_all(p, p.s.weights, c.count, INFINITY, false, nullptr).sum;
        if (nuclear)
            c = cut_to_mass(p, c.count, c.total, d.top_p);
    } else if (nuclear) {
        c = nucleus(p, top, d.scale, d.top_p);
    } else { /* a little more than min_p lets through: the exact cut follows */
        float bound = top + (float)log(d.min_p) / d.scale * 1.000001f - 1e-6f;
        c.count = collect(p, descending(bound), p.vocabulary);
        weigh_candidates(p, c.count, top, d.scale);
        c.total = 0;
    }
    if (d.min_p > 0) {
        double least = __dmul_rn(d.min_p, (double)p.s.weights[0]);
        c.count = first_where(p, c.count,
                              [&](int i) { return i && (double)p.s.weights[i] < least; });
        c.total = scan_all(p, p.s.weights, c.count, INFINITY, false, nullptr).sum;
    }
    return c;
}

static __device__ __forceinline__ bool is_allowed(const cuda_draw &d, int token)
{
    return d.allowed[token / 32] >> token % 32 & 1;
}

static __device__ int draw_token(const problem &p, const cuda_draw &d)
{
    float top = find_maxima(p);
    if (d.allowed && top == -INFINITY) /* no logit chooses one */
        return first_where(p, p.vocabulary - 1, [&](int i) { return is_allowed(d, i); });
    if (d.scale == 0 || !(top - top == 0))
        return argmax(p, top);
    bool filtered = d.top_k > 0 || (d.top_p > 0 && d.top_p < 1) || d.min_p > 0;
    if (!filtered)
        return draw_any(p, top, d.scale, d.uniform);
    choice c = choose(p, d, top);
    double goal = __dmul_rn(c.total, d.uniform);
    int at = scan_all(p, p.s.weights, c.count - 1, goal, false, nullptr).index;
    return c.count > 0 ? token_of(p, at) : 0;
}

/* --- Around a draw --- */

/* Returns what a logit is lowered by to be a log-probability, and writes the likeliest. */
static __device__ double normalise(const problem &p, const cuda_draw &d, cuda_drawn *tops)
{
    float largest = find_maxima(p);
    sum_blocks(p, largest, 1);
    double sum = scan_all(p, p.s.sums, p.blocks, INFINITY, false, nullptr).sum;
    double norm = __dadd_rn((double)largest, log(sum));
    int wanted = min(d.tops, (int)CUDA_MAX_TOPS);
    if (wanted <= 0)
        return norm;
    int count = likeliest(p, min(wanted, p.vocabulary)), i = (int)threadIdx.x;
    if (i < wanted) {
        bool have = i < count;
        int token = have ? token_of(p, i) : -1;
        double logit = have ? (double)p.logits[token] : -INFINITY;
        tops[i].token = token;
        tops[i].logprob = have ? (float)__dadd_rn(logit, -norm) : -INFINITY;
    }
    __syncthreads();
    return norm;
}

/* The logits after penalties, biases and what is allowed, into the scratch. */
static __device__ void adjust(const struct cuda_sample &a, const cuda_draw &d, const problem &p)
{
    const uint32_t *counts =
        d.penalties < 0 ? nullptr : a.counts + (size_t)d.penalties * (size_t)a.vocabulary;
    for (int i = (int)threadIdx.x; i < a.vocabulary; i += THREADS) {
        float x = p.logits[i];
        uint32_t count = counts ? counts[i] : 0, drawn = count & ~SEEN;
        if (count & SEEN) {
            x = x > 0 ? __fdiv_rn(x, d.repetition) : __fmul_rn(x, d.repetition);
            x = __fadd_rn(x, -__fmul_rn(d.frequency, (float)drawn));
            x = __fadd_rn(x, drawn ? -d.presence : 0.0f);
        }
        p.s.work[i] = x;
    }
    __syncthreads();
    if (threadIdx.x == 0) /* in order: a token may be named twice */
        for (int i = 0; i < d.biases; i++) {
            cuda_bias bias = a.biases[d.first_bias + i];
            p.s.work[bias.token] = __fadd_rn(p.s.work[bias.token], bias.bias);
        }
    __syncthreads();
    for (int i = (int)threadIdx.x; d.allowed && i < a.vocabulary; i += THREADS)
        if (!is_allowed(d, i))
            p.s.work[i] = -INFINITY;
    __syncthreads();
}

/* A token of the answer, in the counts of the draw's penalties; by one thread. */
static __device__ void count_token(const struct cuda_sample &a, const cuda_draw &d, int token)
{
    uint32_t *count = a.counts + (size_t)d.penalties * (size_t)a.vocabulary + token;
    *count = (*count | SEEN) + 1;
}

/* One draw; what it gave, to all threads. */
static __device__ int draw(const struct cuda_sample &a, int index, problem p)
{
    cuda_draw d = a.draws[index];
    const float *logits = a.logits + (size_t)d.row * (size_t)a.stride;
    cuda_drawn *tops = a.tops + (size_t)index * CUDA_MAX_TOPS;
    p.logits = logits;
    if (d.penalties >= 0 && d.unseen && threadIdx.x == 0)
        count_token(a, d, a.tokens[d.unseen - 1]);
    __syncthreads();
    double norm = 0;
    if (d.want_logprob || d.tops > 0)
        norm = normalise(p, d, tops);
    if (d.penalties >= 0 || d.biases > 0 || d.allowed) {
        adjust(a, d, p);
        p.logits = p.s.work;
    }
    int token = draw_token(p, d);
    __syncthreads();
    if (threadIdx.x == 0) {
        a.drawn[index].token = token;
        a.drawn[index].logprob =
            d.want_logprob ? (float)__dadd_rn((double)logits[token], -norm) : 0.0f;
        if (d.penalties >= 0)
            count_token(a, d, token);
    }
    __syncthreads();
    return token;
}

static __global__ void __launch_bounds__(THREADS)
    sample_kernel(const __grid_constant__ struct cuda_sample a, size_t each)
{
    __shared__ shared_state state;
    grid_launch_next();
    grid_wait();
    int chain = (int)blockIdx.x;
    if (chain >= *a.chain_count)
        return;
    problem p;
    p.logits = nullptr;
    p.vocabulary = a.vocabulary;
    p.blocks = (a.vocabulary + BLOCK - 1) / BLOCK;
    p.s = scratch_at(static_cast<unsigned char *>(a.scratch) + (size_t)chain * each, a.vocabulary);
    p.shared = &state;
    bool right = true; /* all guesses so far */
    for (int i = a.chains[chain]; i < a.chains[chain + 1]; i++) {
        if (!right) {
            if (threadIdx.x == 0) {
                a.drawn[i].token = -1;
                a.drawn[i].logprob = 0;
            }
            continue;
        }
        int token = draw(a, i, p);
        right = a.draws[i].guess == token;
    }
}

int cuda_sample(const struct cuda_sample *a, struct cuda_stream *stream)
{
    shape s = {dim3((unsigned)a->most), dim3(THREADS), 0};
    return launch(sample_kernel, s, stream, *a, cuda_sample_scratch(a->vocabulary));
}

/* --- Counts of tokens --- */

/* One block: the row is cleared before the list is written into it. */
static __global__ void __launch_bounds__(THREADS)
    count_kernel(uint32_t *counts, int vocabulary, const uint32_t *list, int pairs)
{
    grid_launch_next();
    grid_wait();
    for (int i = (int)threadIdx.x; i < vocabulary; i += THREADS)
        counts[i] = 0;
    __syncthreads();
    for (int i = (int)threadIdx.x; i < pairs; i += THREADS)
        counts[list[2 * i]] = list[2 * i + 1];
}

int cuda_count_tokens(uint32_t *counts, int vocabulary, int slot, const uint32_t *list, int pairs,
                      struct cuda_stream *stream)
{
    shape s = {dim3(1), dim3(THREADS), 0};
    uint32_t *row = counts + (size_t)slot * (size_t)vocabulary;
    return launch(count_kernel, s, stream, row, vocabulary, list, pairs);
}
